"""WebSockets that end although their client reads nothing any more."""

from __future__ import annotations

import asyncio
from typing import Any, Final, cast

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

LINGER_SECONDS: Final = 10.0
"""How long a client that is closed may read nothing of what was sent to it."""


class EndingTransport:
    """A transport whose `close` ends. The one beneath waits until the client has read everything, which may be never,
    and keeps the socket and what is unread until then."""

    def __init__(self, transport: asyncio.Transport, linger_seconds: float) -> None:
        self._transport = transport
        self._linger_seconds = linger_seconds
        self._unread_bytes: int | None = None
        """At the last look; None before it is closed."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def close(self) -> None:
        self._transport.close()
        if self._unread_bytes is None:
            self._look()

    def _look(self) -> None:
        """Gives up when nothing was read since the last look. Whoever reads slowly gets everything."""
        unread_bytes = self._transport.get_write_buffer_size()
        if unread_bytes == 0:
            return
        if self._unread_bytes is not None and unread_bytes >= self._unread_bytes:
            self._transport.abort()
            return
        self._unread_bytes = unread_bytes
        asyncio.get_running_loop().call_later(self._linger_seconds, self._look)


class EndingWebSockets(WebSocketsSansIOProtocol):
    """uvicorn's own, on transports that end."""

    linger_seconds = LINGER_SECONDS

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        ending = EndingTransport(cast(asyncio.Transport, transport), self.linger_seconds)
        super().connection_made(cast(asyncio.Transport, ending))
