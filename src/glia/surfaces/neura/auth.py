"""Who comes in: signed-in people by `Authorization: Bearer`, programs by any key of the workspace.

A key made for one agent (`nk-...`) has no scope but that of talking to it, so that it opens nothing else here.
"""

from __future__ import annotations

PUBLIC = frozenset({"/graphql"})
"""Where one gets in; what it answers to whom is its own business."""


def is_public(path: str) -> bool:
    return path in PUBLIC
