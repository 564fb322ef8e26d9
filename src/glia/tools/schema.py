"""JSON Schemas that users write for their tools: refused when they make no sense, and applied to a model's arguments.

Applied are the keywords a model most often breaks: type, enum, properties, required, additionalProperties, items.
The endpoint itself judges the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import orjson

from glia.kit.errors import InvalidRequest
from glia.tools.errors import InvalidArguments
from glia.tools.functions import expectation

LARGEST_SCHEMA_BYTES = 65_536
_DEEPEST = 20
_MAPS = ("properties", "$defs", "definitions", "patternProperties")
_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
_SINGLES = ("items", "additionalProperties", "not")
_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}


def check_schema(schema: object) -> None:
    """Raises InvalidRequest, naming the place, unless it is a JSON Schema of an object that we can hand to models."""
    if not isinstance(schema, Mapping):
        raise _wrong("schema", 'it must be a JSON Schema object such as {"type": "object", "properties": {}}')
    known = cast(Mapping[str, object], schema)
    if known.get("type") != "object":
        raise _wrong("schema.type", "the arguments of a tool are an object, so it must be 'object'")
    _check_part(known, "schema", 0)
    _check_size(known)


def check_arguments(schema: Mapping[str, object], arguments: Mapping[str, object], *, name: str) -> None:
    """Raises InvalidArguments, which tells the model what is wrong and what is expected."""
    found = _fault(schema, arguments, "")
    if found is not None:
        problem, field = found
        raise InvalidArguments(
            f"The arguments of {name} are wrong: {problem}. {expectation(schema)} Correct them and call again.",
            field=field or None,
        )


def _check_size(schema: Mapping[str, object]) -> None:
    try:
        data = orjson.dumps(schema)
    except TypeError as error:
        raise _wrong("schema", f"it is not plain JSON ({error})") from None
    if len(data) > LARGEST_SCHEMA_BYTES:
        raise _wrong("schema", f"it has {len(data)} bytes; the most is {LARGEST_SCHEMA_BYTES}")
    if rb"\u0000" in data:
        raise _wrong("schema", "it holds a NUL character")


def _check_part(schema: object, at: str, depth: int) -> None:
    if depth > _DEEPEST:
        raise _wrong(at[:200], f"it is nested more than {_DEEPEST} levels deep")
    if isinstance(schema, bool) and depth:
        return
    if not isinstance(schema, Mapping):
        raise _wrong(at, "a schema must be an object")
    known = cast(Mapping[str, object], schema)
    _check_words(known, at)
    for word in _MAPS:
        if word in known:
            for name, part in _mapping(known[word], f"{at}.{word}").items():
                _check_part(part, f"{at}.{word}.{name}", depth + 1)
    for word in _LISTS:
        for index, part in enumerate(_list(known.get(word, []), f"{at}.{word}")):
            _check_part(part, f"{at}.{word}[{index}]", depth + 1)
    for word in _SINGLES:
        if word in known:
            _check_part(known[word], f"{at}.{word}", depth + 1)


def _check_words(schema: Mapping[str, object], at: str) -> None:
    kind = schema.get("type", "object")
    for word in cast(list[object], kind) if isinstance(kind, list) else [kind]:
        if not isinstance(word, str) or word not in _TYPES:
            raise _wrong(f"{at}.type", f"{word!r} is not a JSON type; use one of {', '.join(_TYPES)}")
    if "enum" in schema and not _list(schema["enum"], f"{at}.enum"):
        raise _wrong(f"{at}.enum", "an empty list allows no value at all")
    properties = _mapping(schema.get("properties", {}), f"{at}.properties")
    for name in _list(schema.get("required", []), f"{at}.required"):
        if not isinstance(name, str) or (properties and name not in properties):
            raise _wrong(f"{at}.required", f"{name!r} is not among the properties")
    if not isinstance(schema.get("description", ""), str):
        raise _wrong(f"{at}.description", "it must be a string")
    if not str(schema.get("$ref", "#")).startswith("#"):
        raise _wrong(f"{at}.$ref", "only references inside the schema, which begin with '#', are followed")


def _fault(schema: Mapping[str, object], value: object, path: str) -> tuple[str, str] | None:
    """The first problem and its place, or None."""
    where = f"`{path}`" if path else "the whole"
    kind = schema.get("type")
    kinds = [str(word) for word in (cast(list[object], kind) if isinstance(kind, list) else [kind]) if word]
    if kinds and not any(_is_of(value, word) for word in kinds):
        return f"{where} must be of type {' or '.join(kinds)}, not {_word_of(value)}", path
    options = schema.get("enum")
    if isinstance(options, list) and value not in options:
        shown = ", ".join(repr(option) for option in cast(list[object], options)[:20])
        return f"{where} is {str(value)[:80]!r}; it must be one of {shown}", path
    if isinstance(value, dict):
        return _fault_in_object(schema, cast(dict[str, object], value), path)
    items = schema.get("items")
    if isinstance(value, list) and isinstance(items, dict):
        part = cast(dict[str, object], items)
        found = (_fault(part, item, f"{path}[{index}]") for index, item in enumerate(cast(list[object], value)))
        return next((fault for fault in found if fault), None)
    return None


def _fault_in_object(schema: Mapping[str, object], value: dict[str, object], path: str) -> tuple[str, str] | None:
    prefix = f"{path}." if path else ""
    for name in cast(list[str], schema.get("required", [])):
        if name not in value:
            return f"the property `{prefix}{name}` is missing", f"{prefix}{name}"
    properties = cast(dict[str, object], schema.get("properties", {}))
    for name, item in value.items():
        part = properties.get(name)
        if part is None and schema.get("additionalProperties") is False and "patternProperties" not in schema:
            return f"there is no property `{prefix}{name[:80]}`", f"{prefix}{name[:80]}"
        if isinstance(part, dict) and (fault := _fault(cast(dict[str, object], part), item, f"{prefix}{name}")):
            return fault
    return None


def _is_of(value: object, word: str) -> bool:
    if isinstance(value, bool):
        return word == "boolean"
    if word == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _TYPES[word])


def _word_of(value: object) -> str:
    return next((word for word in _TYPES if _is_of(value, word)), type(value).__name__)


def _mapping(value: object, at: str) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise _wrong(at, "it must be an object")
    return cast(Mapping[str, object], value)


def _list(value: object, at: str) -> list[object]:
    if not isinstance(value, list):
        raise _wrong(at, "it must be a list")
    return cast(list[object], value)


def _wrong(at: str, why: str) -> InvalidRequest:
    return InvalidRequest(f"`{at}` cannot be used: {why}.", field=at)
