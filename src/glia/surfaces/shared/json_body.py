"""Request bodies that are JSON: read whole, checked once, and refused in words before a framework sees them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import cast

import orjson

from glia.kit.errors import InvalidRequest, NotFound, UnsupportedMedia
from glia.surfaces.shared.asgi import App, Message, Receive, Request, Scope, Send, ignored_header

DEEPEST = 100
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})


@dataclass
class Fields:
    """Fields of this request's body that had no effect. is_strict: each of them is an error."""

    is_strict: bool = False
    ignored: list[str] = field(default_factory=list[str])

    def ignore(self, names: Sequence[str]) -> None:
        """Raises InvalidRequest when strict."""
        if names and self.is_strict:
            raise InvalidRequest(
                f"`{names[0]}` is not a field of this request; leave it away or correct its name.", field=names[0]
            )
        self.ignored.extend(names)


current_fields: ContextVar[Fields | None] = ContextVar("glia_fields", default=None)


class JsonBodies:
    """In front of a framework app: hands it bodies that are known to be JSON objects, and nothing PostgreSQL cannot
    keep. Names ignored fields in `X-Ignored-Fields`."""

    def __init__(self, app: App, *, is_strict: bool = False) -> None:
        self._app = app
        self._is_strict = is_strict

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        if "\0" in request.path:
            raise NotFound(f"There is nothing at {request.path!r}.")
        if b"%00" in scope.get("query_string", b""):
            raise InvalidRequest("The query holds a NUL character; leave it away.")
        if request.method in _WITH_BODY:
            scope, receive = await _checked(request)
        fields = Fields(self._is_strict)
        token = current_fields.set(fields)

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *ignored_header(fields.ignored)]
            await send(message)

        try:
            await self._app(scope, receive, answer)
        finally:
            current_fields.reset(token)


def read_object(body: bytes) -> dict[str, object]:
    """A JSON object. Raises InvalidRequest for anything else, and names where a NUL character is."""
    try:
        tree: object = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(f"The body is not valid JSON: {error}.") from None
    if not isinstance(tree, dict):
        raise InvalidRequest("The body must be a JSON object, as `{...}`.")
    found = cast(dict[str, object], tree)
    _check_tree(found, body)
    return found


async def read_json(request: Request) -> bytes:
    """The whole body, of a kind that can be JSON. Raises TooLarge, UnsupportedMedia."""
    body = await request.body()
    if body:
        _check_type(request.headers.get("content-type", ""))
    return body


async def _checked(request: Request) -> tuple[Scope, Receive]:
    body = await read_json(request)
    scope = request.scope
    if body:
        read_object(body)
        kept = [(name, value) for name, value in scope["headers"] if name != b"content-type"]
        scope = {**scope, "headers": [*kept, (b"content-type", b"application/json")]}
    return scope, replay(body, request.receive)


def replay(body: bytes, receive: Receive) -> Receive:
    """Gives the body that was read already, then what comes after it."""
    is_given = False

    async def again() -> Message:
        nonlocal is_given
        if is_given:
            return await receive()
        is_given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _check_type(content_type: str) -> None:
    """No type at all is taken for JSON."""
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type and media_type != "application/json" and not media_type.endswith("+json"):
        raise UnsupportedMedia(
            f"The body is {media_type[:100]!r}; send JSON with the header `Content-Type: application/json`."
        )


def _check_tree(tree: object, body: bytes) -> None:
    """Walks only what can be wrong: fewer brackets than that cannot nest too deep, and NUL must be written out."""
    has_nul = b"\\u0000" in body
    if not has_nul and body.count(b"[") + body.count(b"{") <= DEEPEST:
        return
    level: list[tuple[str, object]] = [("", tree)]
    for _ in range(DEEPEST):
        level = [child for path, value in level for child in _children(path, value)]
        if not level:
            return
    raise InvalidRequest(f"The body is nested deeper than {DEEPEST} levels.", field=level[0][0][:200] or None)


def _children(path: str, value: object) -> Iterator[tuple[str, object]]:
    """What may hold something: the objects and lists inside. Raises InvalidRequest at a NUL."""
    if isinstance(value, str):
        if "\0" in value:
            raise InvalidRequest(f"`{path[:200]}` holds a NUL character; leave it away.", field=path[:200])
    elif isinstance(value, dict):
        for name, child in cast(dict[str, object], value).items():
            if "\0" in name:
                raise InvalidRequest(f"A field name in `{path[:200] or 'the body'}` holds a NUL character.")
            if isinstance(child, (dict, list, str)):
                yield f"{path}.{name}" if path else name, child
    elif isinstance(value, list):
        for index, child in enumerate(cast(list[object], value)):
            if isinstance(child, (dict, list, str)):
                yield f"{path}[{index}]", child
