"""Lets web pages of other origins call a surface: browsers ask the server first, and hide answers it does not allow."""

from __future__ import annotations

from collections.abc import Sequence

from glia.kit.origins import AllowedOrigins
from glia.surfaces.shared.asgi import App, Message, Receive, Scope, Send

_Headers = list[tuple[bytes, bytes]]

_METHODS = b"GET, HEAD, POST, PUT, PATCH, DELETE"
_KEPT_SECONDS = b"600"
_SHOWN_ANYWAY = frozenset({b"cache-control", b"content-type", b"date", b"expires", b"last-modified", b"pragma"})
_NEVER_SHOWN = frozenset({b"connection", b"set-cookie", b"transfer-encoding", b"vary"})
_MARK = b"access-control-"


def across_origins(app: App, allowed: AllowedOrigins) -> App:
    """The app itself where no other origin is allowed."""
    return CrossOrigin(app, allowed) if allowed else app


class CrossOrigin:
    """Answers what browsers ask before a request, and tells them on each answer who may read it, and all its headers.

    Cookies go along for origins that are listed; never where all are allowed.
    """

    def __init__(self, app: App, allowed: AllowedOrigins) -> None:
        self._app = app
        self._allowed = allowed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        asked: dict[bytes, bytes] = dict(scope["headers"])
        granted = self._granted(asked.get(b"origin", b""))
        if granted and scope["method"] == "OPTIONS" and b"access-control-request-method" in asked:
            return await _preflight(send, granted, asked.get(b"access-control-request-headers", b""))

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": self._told(message.get("headers", ()), granted)}
            await send(message)

        return await self._app(scope, receive, answer)

    def _granted(self, origin: bytes) -> _Headers:
        """Nothing for an origin that may not read the answer."""
        if not origin or not self._allowed.allow(origin.decode("latin-1")):
            return []
        if self._allowed.is_open:
            return [(b"access-control-allow-origin", b"*")]
        return [(b"access-control-allow-origin", origin), (b"access-control-allow-credentials", b"true")]

    def _told(self, headers: Sequence[tuple[bytes, bytes]], granted: _Headers) -> _Headers:
        if granted:  # in place of what a surface of its own says to browsers
            headers = [(name, value) for name, value in headers if not name.lower().startswith(_MARK)]
            shown = sorted({name.lower() for name, _ in headers} - _SHOWN_ANYWAY - _NEVER_SHOWN)
            granted = [*granted, (b"access-control-expose-headers", b", ".join(shown))]
        vary: _Headers = [] if self._allowed.is_open else [(b"vary", b"Origin")]
        return [*headers, *granted, *vary]


async def _preflight(send: Send, granted: _Headers, wanted: bytes) -> None:
    """wanted: headers that the page means to send. Which of them have an effect is the surface's own business."""
    headers = [
        *granted,
        (b"access-control-allow-methods", _METHODS),
        *([(b"access-control-allow-headers", wanted)] if wanted else []),
        (b"access-control-max-age", _KEPT_SECONDS),
        (b"vary", b"Origin, Access-Control-Request-Headers"),
    ]
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
