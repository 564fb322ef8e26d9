"""The OpenAPI document, and a page for people that is made from it on the server, with nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from html import escape
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

# Any: an OpenAPI document is JSON, of the shape that its specification says.
Json = dict[str, Any]

ANSWER_HEADERS: Json = {
    "X-Request-Id": {"schema": {"type": "string", "format": "uuid"}, "description": "Names the request in the log."},
    "X-RateLimit-Limit": {"schema": {"type": "integer"}, "description": "Requests a minute, for keys with a limit."},
    "X-RateLimit-Remaining": {"schema": {"type": "integer"}},
    "X-RateLimit-Reset": {"schema": {"type": "integer"}, "description": "Seconds until all of it is free again."},
}
_IDEMPOTENCY: Json = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    "description": "The same key within 24 hours gives the first answer again.",
}
_REASONS = {
    "400": "The request cannot be right.",
    "401": "No credential, or one that opens nothing.",
    "402": "The credit or a budget does not cover it.",
    "403": "The credential lacks a scope.",
    "404": "There is no such thing in this workspace.",
    "409": "It conflicts with what is there.",
    "413": "The body is too large.",
    "415": "The body is of a kind that this route does not take.",
    "422": "The run reached one of its agent's limits.",
    "429": "Too many requests; `Retry-After` says when to go on.",
    "500": "Something in Glia broke.",
    "502": "The model failed.",
    "503": "The database is away or overloaded; try again.",
    "507": "The disk is full.",
}


def usual_statuses(path: str, method: str, operation: Json) -> Iterable[str]:
    """The failures that a route of ours can have by its kind."""
    found = {"400", "401", "403", "429", "500", "503"}
    if "{" in path or method == "POST" or operation.get("parameters"):
        found.add("404")  # parameters of a query may name things, too
    if method in {"POST", "PATCH", "PUT"}:
        found |= {"409", "413", "415"}
    if "multipart/form-data" in operation.get("requestBody", {}).get("content", {}):
        found.add("507")
    return found


_BEARER: Json = {"type": "http", "scheme": "bearer", "description": "An API key or an access token."}
_API_KEY: Json = {"type": "apiKey", "in": "header", "name": "X-API-Key"}


@dataclass(frozen=True)
class Description:
    """What a surface's document says beside its routes.

    text: in Markdown, for people. error: JSON Schema of a failure's body. public: paths that need no credential.
    statuses: the failures of a route, by its path, method in upper case, and operation. credentials: OpenAPI security
    schemes by name, each of which is enough.
    """

    title: str
    text: str
    error: Json
    public: frozenset[str] = frozenset()
    statuses: Callable[[str, str, Json], Iterable[str]] = usual_statuses
    credentials: Json = field(default_factory=lambda: {"bearer": _BEARER, "api_key": _API_KEY})


def completed(api: FastAPI, description: Description, more_paths: Json) -> Json:
    """FastAPI's document with what it cannot know: errors, credentials and headers that every route has.

    more_paths: routes of another surface under the same address, complete as they are.
    """
    found = get_openapi(
        title=description.title,
        version=api.version,
        openapi_version="3.1.0",
        description=description.text,
        routes=api.routes,
    )
    schemas: Json = found.setdefault("components", {}).setdefault("schemas", {})
    schemas.pop("HTTPValidationError", None)
    schemas.pop("ValidationError", None)
    schemas["Error"] = description.error
    found["components"]["securitySchemes"] = description.credentials
    found["security"] = [{name: []} for name in description.credentials]
    for path, method, operation in operations(found):
        _complete(description, path, method, operation)
    found["paths"] |= more_paths
    return found


def operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    """Every path, method (upper case) and operation of a document."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method.upper(), operation


def _complete(description: Description, path: str, method: str, operation: Json) -> None:
    responses: Json = operation["responses"]
    responses.pop("422", None)
    for response in responses.values():
        response.setdefault("headers", {}).update(ANSWER_HEADERS)
    for status in sorted(description.statuses(path, method, operation)):
        content = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
        responses.setdefault(
            status, {"description": _REASONS[status], "content": content, "headers": dict(ANSWER_HEADERS)}
        )
    operation["description"] = operation.get("description") or operation["summary"]
    if path in description.public:
        operation["security"] = []
    elif method == "POST":
        operation.setdefault("parameters", []).append(_IDEMPOTENCY)


_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a;"
    "background:#fff}code,pre{font:14px/1.5 ui-monospace,monospace}h3 code{font-size:1rem}table{border-collapse:"
    "collapse;width:100%}td,th{text-align:left;vertical-align:top;padding:.2rem .8rem .2rem 0;border-bottom:1px solid "
    "#ddd}section{margin:2rem 0}@media(prefers-color-scheme:dark){body{background:#111;color:#eee}a{color:#8cf}"
    "td,th{border-color:#333}}"
)


def docs_page(document: Json, description: Description) -> str:
    """Every route with its parameters, body and answers, as plain HTML."""
    tags: dict[str, list[str]] = {}
    for path, method, operation in operations(document):
        tags.setdefault(operation["tags"][-1], []).append(_operation_html(document, path, method, operation))
    contents = "".join(f'<li><a href="#{escape(tag)}">{escape(tag)}</a></li>' for tag in tags)
    sections = "".join(
        f'<section id="{escape(tag)}"><h2>{escape(tag)}</h2>{"".join(found)}</section>' for tag, found in tags.items()
    )
    intro = "".join(f"<p>{_prose(part)}</p>" for part in description.text.split("\n\n"))
    return html_page(
        description.title,
        f'<h1>{escape(description.title)}</h1>{intro}<p>For programs: <a href="openapi.json">openapi.json</a></p>'
        f"<ul>{contents}</ul>{sections}",
    )


def html_page(title: str, body: str) -> str:
    """A plain page that needs nothing from elsewhere."""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>{body}</body></html>'
    )


def _operation_html(document: Json, path: str, method: str, operation: Json) -> str:
    rows = [
        (
            parameter["name"],
            f"{parameter['in']}, {_type(parameter.get('schema', {}))}",
            parameter.get("description", ""),
        )
        for parameter in operation.get("parameters", [])
    ]
    prose = operation.get("description") or operation["summary"]
    parts = [
        f"<h3><code>{method} {escape(path)}</code></h3><p>{_prose(prose)}</p>",
        _table(rows),
    ]
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        parts.append(f"<p>Body, <code>{media_type}</code>:</p>{_fields(document, content.get('schema', {}))}")
    for status, response in operation["responses"].items():
        if status < "300":
            for media_type, content in response.get("content", {}).items():
                parts.append(f"<p>Answer {status}, <code>{media_type}</code>:</p>")
                parts.append(_fields(document, content.get("schema", {})))
    return "".join(parts)


def _fields(document: Json, schema: Json) -> str:
    name, found = _resolved(document, schema)
    prose = f"<p>{_prose(found['description'])}</p>" if found.get("description") else ""
    required = found.get("required", [])
    rows = [
        (field, _type(shape) + (", required" if field in required else ""), shape.get("description", ""))
        for field, shape in found.get("properties", {}).items()
    ]
    return (f"<p><b>{escape(name)}</b></p>" if name else "") + prose + _table(rows)


def _resolved(document: Json, schema: Json) -> tuple[str, Json]:
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    return (name, document["components"]["schemas"].get(name, {})) if name else ("", schema)


def _type(schema: Json) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if choices := schema.get("anyOf"):
        return " or ".join(_type(choice) for choice in choices)
    if names := schema.get("enum"):
        return " | ".join(str(name) for name in names)
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    return str(schema.get("format") or schema.get("type") or "anything")


def _table(rows: list[tuple[str, str, str]]) -> str:
    cells = "".join(
        f"<tr><td><code>{escape(name)}</code></td><td>{escape(kind)}</td><td>{_prose(text)}</td></tr>"
        for name, kind, text in rows
    )
    return f"<table>{cells}</table>" if cells else ""


def _prose(text: str) -> str:
    """Escaped, with `code` set as such."""
    pieces = escape(" ".join(text.split())).split("`")
    return "".join(f"<code>{piece}</code>" if index % 2 else piece for index, piece in enumerate(pieces))
