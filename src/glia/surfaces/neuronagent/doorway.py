"""What every answer of the surface has besides: headers for browsers, the request's own id, limits of bodies."""

from __future__ import annotations

import re
from typing import Protocol

from glia.kit.errors import TooLarge
from glia.surfaces.neuronagent.config import Config
from glia.surfaces.neuronagent.words import sent_request_id
from glia.surfaces.shared.asgi import App, Message, Receive, Scope, Send

HEADERS = {
    "X-API-Version": "v1",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-XSS-Protection": "1; mode=block",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_STRICT = b"default-src 'none'; frame-ancestors 'none'"
_PAGE = b"default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
_METHODS = b"GET, POST, PUT, DELETE, OPTIONS"
_ALLOWED_HEADERS = b"Content-Type, Authorization, X-API-Key, X-Request-ID, Idempotency-Key, Last-Event-ID"
_SHOWN_HEADERS = b"X-Request-ID, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, Retry-After"
_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,200}")

USUAL_BODY_BYTES = 1024 * 1024
LARGE_BODY_BYTES = 10 * 1024 * 1024
_LARGE = re.compile(
    r"/api/v1/(?:sessions/[^/]+/messages|(?:agents/batch|batch/agents)|agents/[^/]+/(?:verifications|files(?:/.*)?)"
    r"|rag/.*|async-tasks|tasks|tools/[^/]+/execute)"
)


class Sockets(Protocol):
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None: ...


class Doorway:
    """Around the surface's app."""

    def __init__(self, app: App, sockets: Sockets, config: Config) -> None:
        self._app = app
        self._sockets = sockets
        self._config = config

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            return await self._sockets(scope, receive, send)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        extra = self._headers(scope, headers.get("origin"))
        given = headers.get("x-request-id")
        request_id = given if given and _REQUEST_ID.fullmatch(given) else None
        answer = _Answer(send, extra, request_id)
        if scope["method"] == "OPTIONS":
            return await _preflight(answer)
        token = sent_request_id.set(request_id)
        try:
            await self._app(scope, _limited(scope["path"], headers, receive), answer)
        finally:
            sent_request_id.reset(token)

    def _headers(self, scope: Scope, origin: str | None) -> list[tuple[bytes, bytes]]:
        found = [(b"content-security-policy", _PAGE if scope["path"] == "/docs" else _STRICT)]
        if scope.get("scheme") == "https":
            found.append((b"strict-transport-security", b"max-age=31536000; includeSubDomains"))
        cors = self._config.cors
        if origin is not None and cors.allow(origin):
            allowed = b"*" if cors.are_open else origin.encode("latin-1")
            found += [
                (b"access-control-allow-origin", allowed),
                (b"access-control-allow-methods", _METHODS),
                (b"access-control-allow-headers", _ALLOWED_HEADERS),
                (b"access-control-expose-headers", _SHOWN_HEADERS),
                (b"access-control-max-age", b"600"),
            ]
            if not cors.are_open:
                found.append((b"vary", b"Origin"))
        return found


class _Answer:
    def __init__(self, send: Send, extra: list[tuple[bytes, bytes]], request_id: str | None) -> None:
        self._send = send
        self._extra = extra
        self._request_id = None if request_id is None else request_id.encode()

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            kept = [
                (name, self._request_id if name == b"x-request-id" and self._request_id is not None else value)
                for name, value in message.get("headers", ())
            ]
            message = {**message, "headers": [*kept, *self._extra]}
        await self._send(message)


async def _preflight(send: Send) -> None:
    headers = [(b"allow", _METHODS), *((name.lower().encode(), value.encode()) for name, value in HEADERS.items())]
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


def _limited(path: str, headers: dict[str, str], receive: Receive) -> Receive:
    """Refuses a body that is larger than its route takes, as soon as that is known."""
    largest = LARGE_BODY_BYTES if _LARGE.fullmatch(path) else USUAL_BODY_BYTES
    declared = headers.get("content-length", "0")
    size = int(declared) if declared.isdigit() else 0

    async def limited() -> Message:
        nonlocal size
        if size > largest:
            raise TooLarge(f"The body is larger than {largest} bytes, the most this route takes.")
        message = await receive()
        if "content-length" not in headers:
            size += len(message.get("body", b""))
            if size > largest:
                raise TooLarge(f"The body is larger than {largest} bytes, the most this route takes.")
        return message

    return limited
