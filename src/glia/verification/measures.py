"""What can be told of an answer without a model: form, length, what it must hold and must not. Pure rules."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import orjson

from glia.verification.errors import InvalidRule
from glia.verification.types import Issue, Rule

MEASURES = (
    "format",
    "required_fields",
    "min_length",
    "max_length",
    "must_contain",
    "must_not_contain",
    "required_sections",
)
"""Keys of criteria that are checked exactly; the same for every kind of rule."""

_ALIASES = {
    "required_keywords": "must_contain",
    "required": "must_contain",
    "facts": "must_contain",
    "forbidden": "must_not_contain",
    "forbidden_keywords": "must_not_contain",
    "fields": "required_fields",
    "sections": "required_sections",
    "type": "format",
}
_FORMATS = ("json", "markdown", "text")
_MOST_WORDS = 200


@dataclass(frozen=True)
class Measured:
    """rest: criteria that only a model can judge."""

    issues: tuple[Issue, ...]
    count: int
    rest: Mapping[str, Any]


def check_criteria(criteria: Mapping[str, Any]) -> None:
    """Raises InvalidRule for a measure with a value that it cannot have."""
    for name, value in criteria.items():
        measure = _ALIASES.get(name, name)
        if measure not in MEASURES:
            continue
        if measure == "format":
            is_right = value in _FORMATS or name == "type"
        elif measure in ("min_length", "max_length"):
            is_right = isinstance(value, int) and not isinstance(value, bool) and value >= 0
        else:
            is_right = _is_words(value)
        if not is_right:
            wanted = (
                " or ".join(_FORMATS)
                if measure == "format"
                else "a whole number from 0 on"
                if measure.endswith("length")
                else f"a list of at most {_MOST_WORDS} texts"
            )
            raise InvalidRule(f"`criteria.{name}` must be {wanted}.", field=f"criteria.{name}")


def measure(rule: Rule, output: str) -> Measured:
    issues: list[Issue] = []
    rest: dict[str, Any] = {}
    count = 0
    for name, value in rule.criteria.items():
        check = _CHECKS.get(_ALIASES.get(name, name))
        if check is None or (name == "type" and value not in _FORMATS):
            rest[name] = value
            continue
        count += 1
        issues += [Issue(rule.kind, message, rule.id) for message in check(output, value)]
    return Measured(tuple(issues), count, rest)


def _is_words(value: object) -> bool:
    if isinstance(value, str):
        return True
    if not isinstance(value, list) or len(cast(list[object], value)) > _MOST_WORDS:
        return False
    return all(isinstance(word, str) for word in cast(list[object], value))


def _words(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else [str(word) for word in value]


def _format(output: str, wanted: Any) -> Iterator[str]:
    if wanted == "json" and _json(output) is None:
        yield "The answer is not JSON."
    elif not output.strip():
        yield "The answer is empty."
    elif wanted == "markdown" and not any(mark in output for mark in ("#", "*", "- ", "`", "|", "](")):
        yield "The answer has no Markdown in it."


def _fields(output: str, wanted: Any) -> Iterator[str]:
    found = _json(output)
    if not isinstance(found, dict):
        yield "The answer is no JSON object, so it has none of the required fields."
        return
    known = cast(dict[str, Any], found)
    yield from (f"The field {name!r} is missing." for name in _words(wanted) if name not in known)


def _shortest(output: str, wanted: Any) -> Iterator[str]:
    if len(output) < wanted:
        yield f"The answer has {len(output)} characters; it needs {wanted}."


def _longest(output: str, wanted: Any) -> Iterator[str]:
    if len(output) > wanted:
        yield f"The answer has {len(output)} characters; it may have {wanted}."


def _contain(output: str, wanted: Any) -> Iterator[str]:
    found = output.casefold()
    yield from (f"The answer lacks {word!r}." for word in _words(wanted) if word.casefold() not in found)


def _not_contain(output: str, wanted: Any) -> Iterator[str]:
    found = output.casefold()
    yield from (f"The answer holds {word!r}." for word in _words(wanted) if word.casefold() in found)


def _sections(output: str, wanted: Any) -> Iterator[str]:
    heads = [line.strip("#*: ").casefold() for line in output.splitlines() if line.strip()]
    yield from (f"The section {name!r} is missing." for name in _words(wanted) if name.casefold() not in heads)


def _json(output: str) -> Any:
    """What the answer holds as JSON, between fences or not; None when it is none."""
    bare = output.strip()
    if bare.startswith("```"):
        bare = bare.partition("\n")[2].rpartition("```")[0]
    try:
        return orjson.loads(bare)
    except orjson.JSONDecodeError:
        return None


_CHECKS: dict[str, Callable[[str, Any], Iterator[str]]] = {
    "format": _format,
    "required_fields": _fields,
    "min_length": _shortest,
    "max_length": _longest,
    "must_contain": _contain,
    "must_not_contain": _not_contain,
    "required_sections": _sections,
}
