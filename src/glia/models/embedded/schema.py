"""Reading a tool's JSON Schema, forgivingly: what is not understood counts as a plain string."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeGuard

from glia.models.embedded.text import name_words

_QUERY_NAMES = (
    "query",
    "q",
    "question",
    "search",
    "search_query",
    "text",
    "input",
    "prompt",
    "term",
    "keywords",
    "topic",
)


_INDIRECT = frozenset(("$ref", "anyOf", "oneOf", "allOf"))


@dataclass(frozen=True)
class Property:
    """One argument. type: a JSON Schema type name. choices: the allowed values, empty when any will do."""

    name: str
    type: str
    words: tuple[str, ...]
    is_required: bool
    choices: tuple[object, ...] = ()
    format: str = ""
    description: str = ""
    item_type: str = "string"


def is_object(value: object) -> TypeGuard[Mapping[str, object]]:
    return isinstance(value, Mapping)


def is_array(value: object) -> TypeGuard[Sequence[object]]:
    return isinstance(value, (list, tuple))


def mapping(value: object) -> Mapping[str, object]:
    """The value when it is a JSON object, else an empty one."""
    return value if is_object(value) else {}


def items(value: object) -> list[object]:
    """The value when it is a JSON array, else an empty list."""
    return list(value) if is_array(value) else []


def properties(schema: Mapping[str, object]) -> list[Property]:
    required = {name for name in items(schema.get("required")) if isinstance(name, str)}
    definitions = {**mapping(schema.get("$defs")), **mapping(schema.get("definitions"))}
    listed = list(mapping(schema.get("properties")).items())[:64]
    return [_property(name, mapping(raw), name in required, definitions) for name, raw in listed]


def query_property(all_properties: list[Property]) -> Property | None:
    """The argument that takes free text to look for, if the tool has one."""
    strings = [one for one in all_properties if one.type == "string" and not one.choices and not one.format]
    for name in _QUERY_NAMES:
        for one in strings:
            if one.name.lower() == name:
                return one
    needed = [one for one in strings if one.is_required]
    return needed[0] if needed else None


def _property(name: str, raw: Mapping[str, object], is_required: bool, definitions: Mapping[str, object]) -> Property:
    raw = _resolved(raw, definitions)
    choices = tuple(items(raw.get("enum"))) or ((raw["const"],) if "const" in raw else ())
    form = raw.get("format")
    description = raw.get("description")
    return Property(
        name=name,
        type=_type(raw),
        words=tuple(name_words(name)),
        is_required=is_required,
        choices=choices,
        format=form if isinstance(form, str) else "",
        description=description if isinstance(description, str) else "",
        item_type=_type(_resolved(mapping(raw["items"]), definitions)) if "items" in raw else "string",
    )


def _resolved(raw: Mapping[str, object], definitions: Mapping[str, object]) -> Mapping[str, object]:
    """Follows one reference, then takes the first alternative that is not null."""
    for _ in range(3):
        if not raw.keys() & _INDIRECT:
            break
        reference = raw.get("$ref")
        alternatives = items(raw.get("anyOf")) or items(raw.get("oneOf")) or items(raw.get("allOf"))
        if isinstance(reference, str):
            raw = mapping(definitions.get(reference.rpartition("/")[2]))
        elif alternatives:
            real = [one for one in map(mapping, alternatives) if one.get("type") != "null"]
            raw = real[0] if real else {}
    return raw


def _type(raw: Mapping[str, object]) -> str:
    declared = raw.get("type")
    if is_array(declared):
        named = [one for one in declared if isinstance(one, str) and one != "null"]
        declared = named[0] if named else "string"
    if isinstance(declared, str):
        return declared
    return "object" if "properties" in raw else "string"
