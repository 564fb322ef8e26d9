"""What an agent's permissions say about a call, without a run around it."""

from __future__ import annotations

import pytest

from glia.agents.types import Permissions
from glia.runs.permissions import Gate
from glia.tools.types import Permission


@pytest.mark.parametrize(
    ("tool", "permission"),
    [
        ("shop__order", Permission.NEVER),  # the strictest of two patterns that fit
        ("shop__list", Permission.ALWAYS),  # its own name comes first
        ("shop__show", Permission.ASK),
        ("mail__send", Permission.ALWAYS),
    ],
)
def test_a_pattern_decides_where_the_tool_itself_is_not_named(tool: str, permission: Permission) -> None:
    said = {"shop__*": Permission.ASK, "*__order": Permission.NEVER, "shop__list": Permission.ALWAYS}

    verdict = Gate(Permissions(tools=said)).judge(None, tool, {})

    assert verdict.permission is permission
