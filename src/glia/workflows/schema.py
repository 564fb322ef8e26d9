"""JSON Schemas of inputs: the keywords below are applied, any other is refused rather than overlooked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from operator import ge, gt, le, lt
from typing import Any, cast

import orjson

DEEPEST = 24
MOST_CHECKS = 500_000
_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}
_NOTES = {"title", "description", "examples", "default", "format", "deprecated", "$schema", "$id", "$comment"}
_NUMBERS = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}
_COUNTS = {"minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"}
_GROUPS = {"anyOf", "oneOf", "allOf"}
_SCHEMAS = {"items", "additionalProperties", "not"}
_KNOWN = (
    _NOTES
    | _NUMBERS
    | _COUNTS
    | _GROUPS
    | _SCHEMAS
    | {"type", "enum", "const", "properties", "required", "uniqueItems"}
)

Object = Mapping[str, Any]
Fault = tuple[str, str] | None


def schema_problems(schema: Any, at: str = "input_schema", depth: int = 0) -> Iterator[tuple[str, str]]:
    """Places and reasons for which a schema cannot be used."""
    if depth > DEEPEST:
        yield at[:200], f"it is nested more than {DEEPEST} levels deep"
        return
    if isinstance(schema, bool) and depth:
        return
    if not isinstance(schema, dict):
        yield at, "a schema is an object"
        return
    known = cast(dict[str, Any], schema)
    for word in known:
        if word not in _KNOWN:
            yield f"{at}.{word}", "this keyword is not applied here; leave it out"
    yield from _word_problems(known, at)
    properties = known.get("properties", {})
    if not isinstance(properties, dict):
        yield f"{at}.properties", "it must be an object"
        properties = {}
    for name, part in cast(dict[str, Any], properties).items():
        yield from schema_problems(part, f"{at}.properties.{name}", depth + 1)
    for word in _SCHEMAS & set(known):
        yield from schema_problems(known[word], f"{at}.{word}", depth + 1)
    for word in _GROUPS & set(known):
        parts: Any = known[word]
        if not isinstance(parts, list) or not parts:
            yield f"{at}.{word}", "it must be a list of schemas"
            continue
        for index, part in enumerate(cast(list[Any], parts)):
            yield from schema_problems(part, f"{at}.{word}[{index}]", depth + 1)


def _word_problems(schema: dict[str, Any], at: str) -> Iterator[tuple[str, str]]:
    words: list[Any] = [*_kinds(schema)]
    for word in words:
        if not isinstance(word, str) or word not in _TYPES:
            yield f"{at}.type", f"{str(word)[:40]!r} is not a JSON type; there are {', '.join(_TYPES)}"
    if "enum" in schema and (not isinstance(schema["enum"], list) or not schema["enum"]):
        yield f"{at}.enum", "it must be a list of at least one value"
    required = schema.get("required", [])
    if not isinstance(required, list) or not all(isinstance(name, str) for name in cast(list[Any], required)):
        yield f"{at}.required", "it must be a list of names"
    for word in _NUMBERS & set(schema):
        if not _is_number(schema[word]) or (word == "multipleOf" and schema[word] <= 0):
            yield f"{at}.{word}", "it must be a number" + (" above 0" if word == "multipleOf" else "")
    for word in _COUNTS & set(schema):
        if not isinstance(schema[word], int) or isinstance(schema[word], bool) or schema[word] < 0:
            yield f"{at}.{word}", "it must be a whole number of at least 0"
    if not isinstance(schema.get("uniqueItems", False), bool):
        yield f"{at}.uniqueItems", "it must be true or false"


class _Work:
    """What is left to be done for one value: a large schema on a large input would hold everybody else up."""

    left = MOST_CHECKS


class _TooMuch(Exception):
    """Raised rather than returned: inside `not` a fault is a good thing."""


def fault(schema: Any, value: Any, at: str = "input") -> tuple[str, str] | None:
    """The first place where a value does not satisfy a schema, and why; None when it does. The schema is a good one."""
    try:
        return _fault(schema, value, at, _Work())
    except _TooMuch:
        return at, f"checking it takes more than {MOST_CHECKS} comparisons; make the schema or the input smaller"


def _fault(schema: Any, value: Any, at: str, work: _Work) -> Fault:
    work.left -= 1
    if work.left < 0:
        raise _TooMuch
    if isinstance(schema, bool):
        return None if schema else (at, "nothing is allowed here")
    known: Object = schema
    checks: tuple[Callable[[Object, Any, str, _Work], Fault], ...] = (
        _type_fault,
        _number_fault,
        _length_fault,
        _object_fault,
        _list_fault,
        _group_fault,
    )
    return next((found for found in (check(known, value, at, work) for check in checks) if found is not None), None)


def _type_fault(schema: Object, value: Any, at: str, work: _Work) -> Fault:
    kinds = _kinds(schema)
    if kinds and not any(_is_of(value, word) for word in kinds):
        return at, f"it must be of type {' or '.join(kinds)}, not {_word_of(value)}"
    options = schema.get("enum")
    if options is not None and not any(_same(value, option) for option in options):
        shown = ", ".join(repr(option) for option in options[:20])
        return at, f"{str(value)[:80]!r} is not one of {shown}"
    if "const" in schema and not _same(value, schema["const"]):
        return at, f"it must be {str(schema['const'])[:80]!r}"
    return None


def _number_fault(schema: Object, value: Any, at: str, work: _Work) -> Fault:
    if not _is_number(value):
        return None
    for word, is_wrong, why in (
        ("minimum", lt, "below the minimum of"),
        ("maximum", gt, "above the maximum of"),
        ("exclusiveMinimum", le, "not above"),
        ("exclusiveMaximum", ge, "not below"),
    ):
        if word in schema and is_wrong(value, schema[word]):
            return at, f"{value} is {why} {schema[word]}"
    if "multipleOf" in schema and value % schema["multipleOf"] != 0:
        return at, f"{value} is not a multiple of {schema['multipleOf']}"
    return None


def _length_fault(schema: Object, value: Any, at: str, work: _Work) -> Fault:
    for kind, noun, fewest, most in (
        (str, "characters", "minLength", "maxLength"),
        (list, "items", "minItems", "maxItems"),
        (dict, "properties", "minProperties", "maxProperties"),
    ):
        if isinstance(value, kind):
            size = len(cast(str, value))
            if fewest in schema and size < schema[fewest]:
                return at, f"it has {size} {noun}; the fewest is {schema[fewest]}"
            if most in schema and size > schema[most]:
                return at, f"it has {size} {noun}; the most is {schema[most]}"
    return None


def _object_fault(schema: Object, value: Any, at: str, work: _Work) -> Fault:
    if not isinstance(value, dict):
        return None
    given = cast(dict[str, Any], value)
    properties: dict[str, Any] = schema.get("properties", {})
    for name in schema.get("required", []):
        if name not in given:
            return f"{at}.{name}", "it is missing"
    more = schema.get("additionalProperties", True)
    for name, item in given.items():
        if name in properties:
            found = _fault(properties[name], item, f"{at}.{name}", work)
        elif more is False:
            known = ", ".join(properties) or "none"
            found = (f"{at}.{name[:80]}", f"there is no such property; there is {known}")
        else:
            found = _fault(more, item, f"{at}.{name[:80]}", work)
        if found is not None:
            return found
    return None


def _list_fault(schema: Object, value: Any, at: str, work: _Work) -> Fault:
    if not isinstance(value, list):
        return None
    items = cast(list[Any], value)
    if "items" in schema:
        for index, item in enumerate(items):
            if found := _fault(schema["items"], item, f"{at}[{index}]", work):
                return found
    if schema.get("uniqueItems") and len({orjson.dumps(i, option=orjson.OPT_SORT_KEYS) for i in items}) < len(items):
        return at, "an item is there twice"
    return None


def _group_fault(schema: Object, value: Any, at: str, work: _Work) -> Fault:
    for part in schema.get("allOf", []):
        if found := _fault(part, value, at, work):
            return found
    if "anyOf" in schema and all(_fault(part, value, at, work) for part in schema["anyOf"]):
        return at, "it fits none of the schemas in `anyOf`"
    if "oneOf" in schema:
        fitting = sum(_fault(part, value, at, work) is None for part in schema["oneOf"])
        if fitting != 1:
            return at, f"it fits {fitting} of the schemas in `oneOf`, not exactly one"
    if "not" in schema and _fault(schema["not"], value, at, work) is None:
        return at, "it fits the schema in `not`"
    return None


def _kinds(schema: Object) -> list[str]:
    kind = schema.get("type")
    return [] if kind is None else cast(list[str], kind) if isinstance(kind, list) else [kind]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_of(value: Any, word: str) -> bool:
    if isinstance(value, bool):
        return word == "boolean"
    if word == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _TYPES[word])


def _same(left: Any, right: Any) -> bool:
    return left == right and isinstance(left, bool) == isinstance(right, bool)


def _word_of(value: Any) -> str:
    return next((word for word in _TYPES if _is_of(value, word)), type(value).__name__)
