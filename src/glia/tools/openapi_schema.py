"""Schemas of an OpenAPI document as plain JSON Schemas: references put in place, what models cannot use left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from glia.kit.errors import InvalidRequest

DEEPEST = 12
MOST_NODES = 3_000
_MOST_HOPS = 20
_TYPES = frozenset({"object", "array", "string", "integer", "number", "boolean", "null"})
_PLAIN = (
    *("format", "enum", "const", "description", "default", "minimum", "maximum", "exclusiveMinimum"),
    *("exclusiveMaximum", "multipleOf", "minLength", "maxLength", "pattern", "minItems", "maxItems", "uniqueItems"),
)
_LONGEST_TEXT = 1_000

Json = Mapping[str, object]


class References:
    """Follows `$ref`s inside one document. Anything outside it is refused: a document must not make us fetch more."""

    def __init__(self, document: Json) -> None:
        self._document = document

    def target(self, node: object) -> Json:
        """The object that a node is, or refers to. Raises InvalidRequest for a reference that leads nowhere."""
        for _ in range(_MOST_HOPS):
            known = as_object(node)
            reference = known.get("$ref")
            if not isinstance(reference, str):
                return known
            node = self._at(reference)
        raise InvalidRequest("A `$ref` of the document leads from one to the next without an end.", field="document")

    def _at(self, reference: str) -> object:
        if not reference.startswith("#/"):
            raise InvalidRequest(
                f"The document refers to {reference[:200]!r}; only references inside it, as '#/components/…', are"
                " followed. Bundle it into one file first.",
                field="document",
            )
        node: object = self._document
        for part in reference[2:].split("/"):
            name = part.replace("~1", "/").replace("~0", "~").replace("%7B", "{").replace("%7D", "}")
            node = _part(node, name, reference)
        return node


def _part(node: object, name: str, reference: str) -> object:
    """Without a copy of what may be a very large object."""
    if isinstance(node, dict) and name in node:
        return cast(dict[str, object], node)[name]
    if isinstance(node, list) and name.isdigit() and int(name) < len(cast(list[object], node)):
        return cast(list[object], node)[int(name)]
    raise InvalidRequest(f"The document has nothing at {reference[:200]!r}.", field="document")


class SchemaReader:
    """Reads the schemas of one operation, within a number of nodes: a small document may unfold to a huge one."""

    def __init__(self, references: References) -> None:
        self._references = references
        self._left = MOST_NODES

    def read(self, schema: object, depth: int = 0, path: tuple[str, ...] = ()) -> dict[str, object]:
        """A schema without references. What is nested too deeply, or in itself, becomes one that allows anything."""
        if isinstance(schema, bool) or depth > DEEPEST or self._left <= 0:
            return {}
        self._left -= 1
        reference = as_object(schema).get("$ref")
        if isinstance(reference, str):
            if reference in path:
                return {"description": "Of the same form as what it is in."}
            path = (*path, reference)
        known = self._references.target(schema)
        read = _plain_words(known)
        self._read_parts(known, read, depth, path)
        return _nullable(read) if known.get("nullable") is True else read

    def _read_parts(self, known: Json, read: dict[str, object], depth: int, path: tuple[str, ...]) -> None:
        for word in ("anyOf", "oneOf", "allOf"):
            if isinstance(parts := known.get(word), list) and parts:
                read[word] = [self.read(part, depth + 1, path) for part in cast(list[object], parts)[:50]]
        if "items" in known:
            read["items"] = self.read(known["items"], depth + 1, path)
        more = known.get("additionalProperties")
        if isinstance(more, bool):
            read["additionalProperties"] = more
        elif isinstance(more, dict):
            read["additionalProperties"] = self.read(cast(object, more), depth + 1, path)
        if isinstance(known.get("properties"), dict):
            self._read_properties(known, read, depth, path)

    def _read_properties(self, known: Json, read: dict[str, object], depth: int, path: tuple[str, ...]) -> None:
        """Without those that only answers have."""
        properties: dict[str, object] = {}
        for name, part in as_object(known.get("properties")).items():
            if as_object(part).get("readOnly") is not True:
                properties[name] = self.read(part, depth + 1, path)
        read["properties"] = properties
        if needed := [name for name in as_list(known.get("required")) if name in properties]:
            read["required"] = needed


def _plain_words(known: Json) -> dict[str, object]:
    read: dict[str, object] = {}
    kind = known.get("type")
    kinds = [word for word in (as_list(kind) or [kind]) if isinstance(word, str) and word in _TYPES]
    if kinds:
        read["type"] = kinds[0] if len(kinds) == 1 else kinds
    for word in _PLAIN:
        value = known.get(word)
        # `exclusiveMinimum: true` is of an older kind of schema; it would mean something else in ours.
        if value is not None and not isinstance(value, bool | dict) and value != []:
            read[word] = value[:_LONGEST_TEXT] if word == "description" and isinstance(value, str) else value
    if isinstance(known.get("default"), bool):
        read["default"] = known["default"]
    if not isinstance(read.get("description", ""), str):
        del read["description"]
    return read


def _nullable(read: dict[str, object]) -> dict[str, object]:
    kind = read.get("type")
    if isinstance(kind, str):
        read["type"] = [kind, "null"]
    if isinstance(choices := read.get("enum"), list) and None not in choices:
        read["enum"] = [*cast(list[object], choices), None]
    return read


def as_object(node: object) -> dict[str, object]:
    """The node when it is an object with names, else an empty one."""
    if not isinstance(node, dict):
        return {}
    return {key if isinstance(key, str) else str(key): value for key, value in cast(dict[object, object], node).items()}


def as_list(node: object) -> list[object]:
    return cast(list[object], node) if isinstance(node, list) else []
