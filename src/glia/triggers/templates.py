"""Messages with `{{ placeholders }}`: values are put in, once, and nothing is evaluated."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import orjson

from glia.kit.errors import InvalidRequest
from glia.triggers.conditions import MISSING, at_path

LONGEST_TEMPLATE = 100_000
LONGEST_VALUE = 100_000
LONGEST_RENDERED = 300_000
"""Characters. Longer values are cut, and end in an ellipsis."""

_PLACEHOLDER = re.compile(r"\{\{\s*([^{}\s][^{}]{0,200}?)\s*\}\}")
_PATH = re.compile(r"[A-Za-z_][\w-]*(?:\.[\w-]+)*")

_ALWAYS: Final = ("trigger", "scheduled_at", "fired_at")
ROOTS: Final[dict[str, tuple[str, ...]]] = {
    "cron": _ALWAYS,
    "interval": _ALWAYS,
    "at": _ALWAYS,
    "event": (*_ALWAYS, "event"),
    "metric": (*_ALWAYS, "metric"),
    "webhook": (*_ALWAYS, "payload", "body"),
}
"""What a message may name, by the trigger's kind."""


def check(template: str, kind: str) -> None:
    """Raises InvalidRequest for placeholders that could never be filled."""
    if not template.strip():
        raise InvalidRequest("`message` is empty; say what the agent is told.", field="message")
    if len(template) > LONGEST_TEMPLATE:
        raise InvalidRequest(
            f"`message` has {len(template)} characters; the most is {LONGEST_TEMPLATE}.", field="message"
        )
    for path in _PLACEHOLDER.findall(template):
        if not _PATH.fullmatch(path) or path.split(".")[0] not in ROOTS[kind]:
            raise InvalidRequest(
                f"`message` names {{{{ {path[:100]} }}}}; a trigger of this kind has {', '.join(ROOTS[kind])}.",
                field="message",
            )


def render(template: str, values: Mapping[str, object]) -> str:
    """Texts go in as they are, everything else as JSON, and what is not there as nothing."""

    def put_in(match: re.Match[str]) -> str:
        return _text(at_path(dict(values), match[1]))

    return _cut(_PLACEHOLDER.sub(put_in, template), LONGEST_RENDERED)


def _text(value: object) -> str:
    if value is MISSING or value is None:
        return ""
    # PostgreSQL keeps no NUL, and a half of a surrogate pair is no character.
    text = value if isinstance(value, str) else orjson.dumps(value, default=str).decode()
    return _cut(text.replace("\0", ""), LONGEST_VALUE)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
