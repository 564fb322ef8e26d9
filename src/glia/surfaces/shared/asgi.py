"""Requests and answers on bare ASGI, for the routes where a framework would cost more than the work itself."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from functools import cache, cached_property
from typing import Any, TypeVar, cast
from urllib.parse import parse_qsl

import msgspec
import orjson

from glia.identity.types import Principal
from glia.kit.errors import GliaError, InvalidRequest, TooLarge

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

T = TypeVar("T")

_NOT_IN_HEADERS = re.compile(r"[^\x20-\x7e]")
_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,30}", re.ASCII)

LARGEST_BODY_BYTES = 10 * 1024 * 1024


LONGEST_PAUSE_SECONDS = 30.0
"""Between two pieces of a body. A client that stops in the middle must not hold its connection for ever."""


class BodyTimeout(GliaError):
    code, status = "request_timeout", 408


class Disconnected(Exception):
    """The client went away before its request was read."""


class Request:
    """One HTTP request. Paths are taken from `scope["path"]`, never from a URL rebuilt out of headers."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.scope = scope
        self.receive = receive
        self.method: str = scope["method"]
        self.path: str = scope["path"]

    @cached_property
    def headers(self) -> dict[str, str]:
        return {name.decode("latin-1"): value.decode("latin-1") for name, value in self.scope["headers"]}

    @cached_property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(self.scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True))

    @property
    def request_id(self) -> str:
        return self.scope["state"]["request_id"]

    @property
    def principal(self) -> Principal:
        """Who asks; the gate has put it there."""
        return self.scope["state"]["principal"]

    async def piece(self) -> Message:
        """The next piece of the body. Raises BodyTimeout, and Disconnected."""
        try:
            async with asyncio.timeout(LONGEST_PAUSE_SECONDS):
                message = await self.receive()
        except TimeoutError:
            raise BodyTimeout(
                f"The body stopped in the middle: nothing came for {LONGEST_PAUSE_SECONDS:g} s. Send it again."
            ) from None
        if message["type"] == "http.disconnect":
            raise Disconnected
        return message

    async def body(self, largest_bytes: int = LARGEST_BODY_BYTES) -> bytes:
        """The whole body. Raises TooLarge as soon as it is known to be, BodyTimeout and Disconnected."""
        if int(self.headers.get("content-length") or 0) > largest_bytes:
            raise _too_large(largest_bytes)
        parts: list[bytes] = []
        size = 0
        while True:
            message = await self.piece()
            part: bytes = message.get("body", b"")
            size += len(part)
            if size > largest_bytes:
                raise _too_large(largest_bytes)
            parts.append(part)
            if not message.get("more_body", False):
                return b"".join(parts)


def _too_large(largest_bytes: int) -> TooLarge:
    return TooLarge(f"The body is larger than {largest_bytes} bytes, the most this route takes.")


def decode(body: bytes, type: type[T]) -> tuple[T, list[str]]:
    """Reads a JSON object into a msgspec Struct; also the names of top-level fields that the Struct does not have.

    Raises InvalidRequest that names the field and what it must be.
    """
    try:
        tree: object = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(f"The body is not valid JSON: {error}.") from None
    return convert(tree, type)


def convert(tree: object, type: type[T]) -> tuple[T, list[str]]:
    """As `decode`, for a body that is parsed already."""
    if not isinstance(tree, dict):
        raise InvalidRequest("The body must be a JSON object.")
    given = cast(dict[str, object], tree)
    known = _fields_of(type)
    try:
        return msgspec.convert(given, type), [name for name in given if name not in known]
    except msgspec.ValidationError as error:
        text, _, path = str(error).partition(" - at `$")
        field = path.rstrip("`").lstrip(".") or None
        raise InvalidRequest(f"{_name(field)}{text[:1].lower()}{text[1:]}.", field=field) from None


@cache  # msgspec evaluates the annotations anew each time, which costs more than reading the body
def _fields_of(struct: type[object]) -> frozenset[str]:
    return frozenset(field.encode_name for field in msgspec.structs.fields(struct))  # pyright: ignore[reportArgumentType] - a Struct


def _name(field: str | None) -> str:
    return f"`{field}`: " if field else "The body: "


def int_parameter(query: Mapping[str, str], name: str, default: int, *, smallest: int, largest: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    if not _WHOLE_NUMBER.fullmatch(text):
        raise InvalidRequest(f"`{name}` is {text[:100]!r}; it must be a whole number.", field=name)
    value = int(text)
    if not smallest <= value <= largest:
        raise InvalidRequest(f"`{name}` is {value}; it must be between {smallest} and {largest}.", field=name)
    return value


async def send_json(send: Send, status: int, content: object, headers: Iterable[tuple[bytes, bytes]] = ()) -> None:
    await send_bytes(send, status, orjson.dumps(content), b"application/json", headers)


async def send_bytes(
    send: Send, status: int, body: bytes, media_type: bytes, headers: Iterable[tuple[bytes, bytes]] = ()
) -> None:
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                (b"content-type", media_type),
                (b"content-length", str(len(body)).encode()),
                *headers,
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})


def ignored_header(ignored: Iterable[str]) -> list[tuple[bytes, bytes]]:
    """Tells a client which of its fields had no effect."""
    names = ", ".join(_NOT_IN_HEADERS.sub("?", name[:100]) for name in ignored)
    return [(b"x-ignored-fields", names[:2000].encode())] if names else []
