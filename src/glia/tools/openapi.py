"""Reads an OpenAPI document (3.x, or Swagger 2.0) as HTTP tools. Pure: fetches nothing and keeps nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, cast
from urllib.parse import urljoin

import orjson

from glia.kit.errors import InvalidRequest
from glia.kit.outbound import UrlRefused
from glia.kit.outbound.target import parse
from glia.tools.custom import LONGEST_DESCRIPTION, check_spec
from glia.tools.openapi_schema import Json, References, SchemaReader, as_list, as_object
from glia.tools.types import CustomToolSpec, Effect, Placement, PlaceName, SkippedOperation, StyleName

LARGEST_DOCUMENT_BYTES = 4 * 1024 * 1024
MOST_OPERATIONS = 200
_METHODS = ("get", "put", "post", "delete", "patch")
_EFFECTS = {"get": Effect.READ, "put": Effect.IDEMPOTENT, "delete": Effect.IDEMPOTENT}
_ODD = re.compile(r"[^A-Za-z0-9_-]+")
_TEMPLATE = re.compile(r"\{([^{}/]+)\}")
_FORM = "application/x-www-form-urlencoded"
_SET_BY_US = frozenset({"accept", "content-type", "authorization", "content-length", "host", "idempotency-key"})


@dataclass(frozen=True)
class Choice:
    """Which operations become tools, and what is said about them.

    include, exclude: patterns such as `list*` or `GET /pets/*`, compared with the operation's id and its method and
    path. effects: by the same patterns.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    effects: Mapping[str, Effect] = field(default_factory=dict[str, Effect])


@dataclass(frozen=True)
class Imported:
    """One operation as a tool. key: `GET /pets/{id}`, the same in each version of the document."""

    key: str
    spec: CustomToolSpec


@dataclass(frozen=True)
class Reading:
    title: str
    base_url: str
    tools: tuple[Imported, ...]
    skipped: tuple[SkippedOperation, ...]


def parse_document(text: bytes | str) -> Json:
    """JSON or YAML. Raises InvalidRequest."""
    if len(text) > LARGEST_DOCUMENT_BYTES:
        raise _wrong(f"has {len(text)} bytes; the most is {LARGEST_DOCUMENT_BYTES}")
    try:
        found: object = orjson.loads(text)
    except orjson.JSONDecodeError:
        found = _yaml(text)
    if not isinstance(found, dict):
        raise _wrong("is not an object; give an OpenAPI document as JSON or YAML")
    return as_object(cast(object, found))


def read_tools(document: Json, name: str, choice: Choice, *, base_url: str | None, source_url: str | None) -> Reading:
    """name: of the toolset, the first part of its tools' names. base_url: instead of the document's own server.

    Raises InvalidRequest when the document as a whole cannot be used; single operations that cannot are skipped.
    """
    version = str(document.get("openapi") or document.get("swagger") or "")
    if not version.startswith(("3.", "2.")):
        raise _wrong("has no `openapi: 3.x` or `swagger: 2.0`, so it is not an OpenAPI document")
    base = _base_of(document, base_url, source_url)
    reader = _Reader(document, name, base, choice, source_url if base_url is None else None)
    for path, item in as_object(document.get("paths")).items():
        reader.take(path, item)
    if len(reader.tools) > MOST_OPERATIONS:
        raise InvalidRequest(
            f"The document has {len(reader.tools)} operations; the most is {MOST_OPERATIONS}. Choose with `include`,"
            " `exclude` or `tags`.",
            field="include",
        )
    title = str(as_object(document.get("info")).get("title") or name)[:200].replace("\0", "")
    return Reading(title, base, tuple(reader.tools), tuple(reader.skipped))


class _Reader:
    def __init__(self, document: Json, name: str, base: str, choice: Choice, source_url: str | None) -> None:
        self._document = document
        self._references = References(document)
        self._name = name
        self._base = base
        self._choice = choice
        self._source_url = source_url
        self._taken: set[str] = set()
        self.tools: list[Imported] = []
        self.skipped: list[SkippedOperation] = []

    def take(self, path: str, item: object) -> None:
        shared = self._references.target(item)
        for method in _METHODS:
            operation = as_object(shared.get(method))
            key = f"{method.upper()} {path}"
            if method not in shared or not self._is_chosen(key, operation):
                continue
            try:
                self.tools.append(Imported(key, self._tool(key, method, path, shared, operation)))
            except InvalidRequest as error:
                self.skipped.append(SkippedOperation(key, error.message))

    def _is_chosen(self, key: str, operation: Json) -> bool:
        names = (key, str(operation.get("operationId") or key))
        tags = {str(tag) for tag in as_list(operation.get("tags"))}
        if self._choice.tags and tags.isdisjoint(self._choice.tags):
            return False
        if self._choice.include and not _matches(names, self._choice.include):
            return False
        return not _matches(names, self._choice.exclude)

    def _tool(self, key: str, method: str, path: str, shared: Json, operation: Json) -> CustomToolSpec:
        arguments = _Arguments(self._references, SchemaReader(self._references))
        arguments.take_parameters([*as_list(shared.get("parameters")), *as_list(operation.get("parameters"))])
        arguments.take_body(operation)
        names = (key, str(operation.get("operationId") or key))
        said = next((effect for pattern, effect in self._choice.effects.items() if _matches(names, (pattern,))), None)
        spec = CustomToolSpec(
            name=self._name_of(key, operation),
            description=_description(key, operation),
            schema=arguments.schema(),
            url=self._server(shared, operation).rstrip("/") + arguments.path(path),
            method=method.upper(),
            effect=said or _EFFECTS.get(method, Effect.ONCE),
            placements=arguments.placements,
        )
        check_spec(spec)
        return spec

    def _name_of(self, key: str, operation: Json) -> str:
        plain = _ODD.sub("_", str(operation.get("operationId") or key)).strip("_")
        name = f"{self._name}__{plain}"[:64]
        number = 2
        while name in self._taken:
            name = f"{f'{self._name}__{plain}'[:60]}_{number}"
            number += 1
        self._taken.add(name)
        return name

    def _server(self, shared: Json, operation: Json) -> str:
        """The base, or the operation's own server on the same host: secrets go to no host that a document names."""
        servers = as_list(operation.get("servers")) or as_list(shared.get("servers"))
        if not servers or self._source_url is None:
            return self._base
        url = _server_url(servers[0], self._source_url)
        if not parse(url).has_origin_of(parse(self._base)):
            raise InvalidRequest(f"It is served from {url}, another host than the other operations.")
        return url


class _Arguments:
    """The arguments of one operation: their schema, and where each goes."""

    def __init__(self, references: References, schemas: SchemaReader) -> None:
        self._references = references
        self._schemas = schemas
        self._properties: dict[str, object] = {}
        self._required: list[str] = []
        self._paths: dict[str, str] = {}
        self.placements: dict[str, Placement] = {}

    def take_parameters(self, nodes: Iterable[object]) -> None:
        """Later ones, which are the operation's own, replace those of the path."""
        found: dict[tuple[object, object], Json] = {}
        for node in nodes:
            parameter = self._references.target(node)
            found[parameter.get("name"), parameter.get("in")] = parameter
        for parameter in found.values():
            self._take(parameter)

    def take_body(self, operation: Json) -> None:
        body = self._references.target(operation.get("requestBody"))
        contents = as_object(body.get("content"))
        if not contents:
            return
        kinds = {kind.partition(";")[0].strip().lower(): content for kind, content in contents.items()}
        json = next((kind for kind in kinds if kind == "application/json" or kind.endswith("+json")), None)
        is_needed = body.get("required") is True
        if json is not None or "*/*" in kinds:
            schema = self._schemas.read(as_object(kinds[json or "*/*"]).get("schema"))
            self._add("body", "body", "body", schema or {"description": "The body, as JSON."}, is_needed)
        elif _FORM in kinds:
            schema = self._references.target(as_object(kinds[_FORM]).get("schema"))
            needed = as_list(schema.get("required")) if is_needed else []
            for name, part in as_object(schema.get("properties")).items():
                self._add(name, name, "form", self._schemas.read(part), name in needed)
        elif is_needed:
            raise InvalidRequest(f"Its body is {', '.join(sorted(kinds))[:200]}; JSON and form fields can be sent.")

    def schema(self) -> dict[str, object]:
        schema: dict[str, object] = {"type": "object", "properties": self._properties, "additionalProperties": False}
        return schema | ({"required": self._required} if self._required else {})

    def path(self, template: str) -> str:
        """The path with its placeholders named as the arguments are."""

        def named(match: re.Match[str]) -> str:
            if match[1] not in self._paths:
                self._add(match[1], match[1], "path", {"type": "string"}, True)
            return "{" + self._paths[match[1]] + "}"

        return _TEMPLATE.sub(named, template if template.startswith("/") else f"/{template}")

    def _take(self, parameter: Json) -> None:
        name, place = parameter.get("name"), parameter.get("in")
        if (
            not isinstance(name, str)
            or not name
            or place not in {"path", "query", "header", "cookie", "formData", "body"}
        ):
            raise InvalidRequest(f"Its parameter {str(name)[:80]!r} has no name or no place that is known.")
        is_needed = place == "path" or parameter.get("required") is True
        if place == "header" and name.lower() in _SET_BY_US:
            return  # said by the toolset's own headers, or by us
        schema = self._schemas.read(parameter.get("schema") or _content_of(parameter) or parameter)
        if about := parameter.get("description"):
            schema["description"] = str(about)[:1000]
        target = cast(PlaceName, "form" if place == "formData" else place)
        self._add(name, name, target, schema, is_needed, _style_of(parameter, target))

    def _add(
        self,
        wish: str,
        name: str,
        place: PlaceName,
        schema: dict[str, object],
        is_needed: bool,
        style: StyleName = "repeat",
    ) -> None:
        plain = _ODD.sub("_", wish)[:60] or "value"
        plain = plain if plain[0].isalpha() or plain[0] == "_" else f"_{plain}"
        key = plain if plain not in self._properties else f"{plain}_{place}"
        while key in self._properties:
            key += "_"
        self._properties[key] = schema
        self.placements[key] = Placement(place, name, style)
        if is_needed:
            self._required.append(key)
        if place == "path":
            self._paths[name] = key


def _style_of(parameter: Json, place: PlaceName) -> StyleName:
    """From `style` and `explode`, or `collectionFormat` of Swagger 2.0."""
    style = parameter.get("style") or parameter.get("collectionFormat")
    by_name: dict[object, StyleName] = {
        **{"spaceDelimited": "space", "ssv": "space", "pipeDelimited": "pipe", "pipes": "pipe"},
        **{"deepObject": "deep", "csv": "comma", "multi": "repeat", "tsv": "space"},
    }
    if style in by_name and not (style in {"spaceDelimited", "pipeDelimited"} and parameter.get("explode") is True):
        return by_name[style]
    is_joined = parameter.get("explode") is False or place in {"path", "header"} or "type" in parameter
    return "comma" if is_joined else "repeat"


def _content_of(parameter: Json) -> object:
    contents = list(as_object(parameter.get("content")).values())
    return as_object(contents[0]).get("schema") if contents else None


def _description(key: str, operation: Json) -> str:
    parts = [str(operation.get(word) or "").strip() for word in ("summary", "description")]
    text = "\n\n".join(dict.fromkeys(part for part in parts if part)) or key
    return text.replace("\0", "")[:LONGEST_DESCRIPTION]


def _base_of(document: Json, base_url: str | None, source_url: str | None) -> str:
    if base_url is not None:
        return _checked_url(base_url, "base_url")
    if servers := as_list(document.get("servers")):
        return _checked_url(_server_url(servers[0], source_url), "base_url")
    if host := document.get("host"):
        schemes = [str(scheme) for scheme in as_list(document.get("schemes"))] or ["https"]
        scheme = "https" if "https" in schemes else schemes[0]
        return _checked_url(f"{scheme}://{host}{document.get('basePath') or ''}", "base_url")
    if source_url is not None:
        return _checked_url(urljoin(source_url, str(document.get("basePath") or "/")), "base_url")
    raise InvalidRequest("The document names no server; give `base_url`.", field="base_url")


def _server_url(server: object, source_url: str | None) -> str:
    known = as_object(server)
    variables = as_object(known.get("variables"))
    url = _TEMPLATE.sub(
        lambda match: str(as_object(variables.get(match[1])).get("default", match[0])), str(known.get("url") or "/")
    )
    return urljoin(source_url, url) if source_url else url


def _checked_url(url: str, field: str) -> str:
    try:
        parse(url)
    except UrlRefused as error:
        raise InvalidRequest(f"`{field}`: {url[:200]!r} cannot be used. {error.message}", field=field) from None
    if "{" in url or "?" in url:
        raise InvalidRequest(f"`{field}`: {url[:200]!r} may hold no placeholder and no query.", field=field)
    return url


def _matches(names: Iterable[str], patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns for name in names)


def _yaml(text: bytes | str) -> object:
    """Without dates and without objects: only what JSON has too."""
    import yaml

    base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # Any: the C loader has no types
    resolvers: dict[str, list[tuple[str, object]]] = base.yaml_implicit_resolvers
    no_dates = {
        first: [pair for pair in pairs if pair[0] != "tag:yaml.org,2002:timestamp"]
        for first, pairs in resolvers.items()
    }
    loader = type("_Loader", (base,), {"yaml_implicit_resolvers": no_dates})
    try:
        return yaml.load(text, Loader=loader)  # noqa: S506 - a safe loader with less
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise _wrong(f"is neither JSON nor YAML: {' '.join(str(error).split())[:300]}") from None


def _wrong(why: str) -> InvalidRequest:
    return InvalidRequest(f"The document {why}.", field="document")
