"""Messages and inputs with `{{ placeholders }}`: values are put in, once, and nothing is evaluated."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

import orjson

from glia.kit.errors import InvalidRequest
from glia.triggers.conditions import MISSING, at_path

LONGEST_TEMPLATE = 100_000
LONGEST_VALUE = 100_000
LONGEST_RENDERED = 300_000
"""Characters. Longer values are cut, and end in an ellipsis."""

LONGEST_INPUT_TEMPLATE_BYTES = 100_000
LARGEST_INPUT_BYTES = 1_000_000
"""Of a filled-in input, as workflows take it."""
_DEEPEST_INPUT = 50

_PLACEHOLDER = re.compile(r"\{\{\s*([^{}\s][^{}]{0,200}?)\s*\}\}")
_PATH = re.compile(r"[A-Za-z_][\w-]*(?:\.[\w-]+)*")

_ALWAYS: Final = ("trigger", "scheduled_at", "fired_at")
ROOTS: Final[dict[str, tuple[str, ...]]] = {
    "cron": _ALWAYS,
    "interval": _ALWAYS,
    "at": _ALWAYS,
    "event": (*_ALWAYS, "event"),
    "metric": (*_ALWAYS, "metric"),
    "judged": (*_ALWAYS, "event", "judgement"),
    "webhook": (*_ALWAYS, "payload", "body"),
    "manual": (*_ALWAYS, "payload"),
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
    _check_placeholders(template, kind, "message")


def check_input(template: Any, kind: str) -> None:
    """The same for the input of a workflow. Any: JSON."""
    try:
        data = orjson.dumps(template)
    except (TypeError, orjson.JSONEncodeError):
        raise InvalidRequest("`input` is not plain JSON, or is nested too deeply.", field="input") from None
    if len(data) > LONGEST_INPUT_TEMPLATE_BYTES:
        raise InvalidRequest(
            f"`input` has {len(data)} bytes; the most is {LONGEST_INPUT_TEMPLATE_BYTES}.", field="input"
        )
    for text in _texts(template):
        if "\0" in text:
            raise InvalidRequest("`input` holds a NUL character, which the database cannot keep.", field="input")
        _check_placeholders(text, kind, "input")


def _texts(template: Any, depth: int = 0) -> Iterator[str]:
    """All texts of an input. Names of fields are not filled in, so they may hold no placeholder."""
    if depth > _DEEPEST_INPUT:
        raise InvalidRequest(f"`input` is nested more than {_DEEPEST_INPUT} levels deep.", field="input")
    if isinstance(template, str):
        yield template
    elif isinstance(template, list):
        for item in cast(list[Any], template):
            yield from _texts(item, depth + 1)
    elif isinstance(template, dict):
        for name, item in cast(dict[str, Any], template).items():
            if "\0" in name or _PLACEHOLDER.search(name):
                raise InvalidRequest(
                    f"`input` has a field named {name[:100]!r}; placeholders belong into values.", field="input"
                )
            yield from _texts(item, depth + 1)


def _check_placeholders(template: str, kind: str, field: str) -> None:
    for path in _PLACEHOLDER.findall(template):
        if not _PATH.fullmatch(path) or path.split(".")[0] not in ROOTS[kind]:
            raise InvalidRequest(
                f"`{field}` names {{{{ {path[:100]} }}}}; a trigger of this kind has {', '.join(ROOTS[kind])}.",
                field=field,
            )


def reads(template: Any, *roots: str) -> bool:
    """Whether a message or an input has placeholders for one of these. Any: JSON."""
    return any(path.split(".")[0] in roots for text in _texts(template) for path in _PLACEHOLDER.findall(text))


def render(template: str, values: Mapping[str, object]) -> str:
    """Texts go in as they are, everything else as JSON, and what is not there as nothing."""

    def put_in(match: re.Match[str]) -> str:
        return _text(at_path(dict(values), match[1]))

    return _cut(_PLACEHOLDER.sub(put_in, template), LONGEST_RENDERED)


def fill(template: Any, values: Mapping[str, object]) -> str:
    """The input as JSON. A text that is one placeholder becomes the value itself, or null when there is none.

    Raises InvalidRequest for what becomes too large, or is nested too deeply to be JSON.
    """
    return _json(_Filling(values).of(template)).decode()


class _Filling:
    """Sizes are summed up on the way, because one placeholder may stand for a large value many times."""

    def __init__(self, values: Mapping[str, object]) -> None:
        self._values = dict(values)
        self._left = LARGEST_INPUT_BYTES

    def of(self, template: Any) -> Any:
        if isinstance(template, str):
            return self._spent(self._value(template))
        if isinstance(template, list):
            return [self.of(item) for item in cast(list[Any], template)]
        if isinstance(template, dict):
            return {name: self.of(item) for name, item in cast(dict[str, Any], template).items()}
        return template

    def _value(self, template: str) -> object:
        whole = _PLACEHOLDER.fullmatch(template)
        if whole is None:
            return render(template, self._values)
        found = at_path(self._values, whole[1])
        return None if found is MISSING else found

    def _spent(self, value: object) -> object:
        self._left -= len(_json(value))
        if self._left < 0:
            raise InvalidRequest(f"The input became larger than {LARGEST_INPUT_BYTES} bytes.", field="input")
        return value


def _json(value: object) -> bytes:
    try:
        return orjson.dumps(value, default=str)
    except (TypeError, orjson.JSONEncodeError):
        raise InvalidRequest("The input became nested too deeply to be JSON.", field="input") from None


def _text(value: object) -> str:
    if value is MISSING or value is None:
        return ""
    # PostgreSQL keeps no NUL, and a half of a surrogate pair is no character.
    text = value if isinstance(value, str) else orjson.dumps(value, default=str).decode()
    return _cut(text.replace("\0", ""), LONGEST_VALUE)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
