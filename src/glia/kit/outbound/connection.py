"""One HTTP/1.1 connection: bytes out, bytes in, and one timer."""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable
from typing import cast

from glia.kit.outbound.exchange import Exchange

_WRITE_BYTES = 262_144
_JOINED_BYTES = 65536


class Connection(asyncio.Protocol):
    """Carries one exchange at a time. Idle in between, it closes itself when it has rested long enough."""

    def __init__(self, loop: asyncio.AbstractEventLoop, on_lost: Callable[[Connection], None]) -> None:
        self._loop = loop
        self._on_lost = on_lost
        self._exchange: Exchange | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._rested_at = 0.0
        self._expires_at = 0.0
        self._descriptor = -1
        self._can_write = True
        self._writable: asyncio.Future[None] | None = None
        self.is_open = False
        self.uses = 0
        self.key: object = None

    # asyncio's callbacks.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # create_connection makes nothing else
        self._descriptor = transport.get_extra_info("socket").fileno()
        self.is_open = True

    def data_received(self, data: bytes) -> None:
        exchange = self._exchange
        if exchange is None:
            self.abort()  # an answer to no question: whatever follows would be taken for the next one's
            return
        exchange.feed(data)
        if self._writable is not None and exchange.is_over:
            self._wake_writer()  # an early answer, as with 413: the rest of the body is not wanted

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_open = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.lost()
        self.resume_writing()
        self._on_lost(self)

    def pause_writing(self) -> None:
        self._can_write = False

    def resume_writing(self) -> None:
        self._can_write = True
        self._wake_writer()

    # What the client asks for.

    async def send(self, exchange: Exchange, head: bytes, body: bytes | None) -> None:
        """Starts the exchange and writes the request; a body that the other side takes slowly is written slowly."""
        self.uses += 1
        self._exchange = exchange
        if self.transport.is_closing():
            exchange.lost()
            return
        self._watch(exchange.due())
        exchange.is_sent = True
        if body is None or len(body) <= _JOINED_BYTES:
            self.transport.write(head + body if body else head)
            return
        self.transport.write(head)
        view = memoryview(body)
        for start in range(0, len(body), _WRITE_BYTES):
            if not self._can_write:
                await self._drained()
            if exchange.is_over:
                exchange.is_clean = False
                return
            self.transport.write(view[start : start + _WRITE_BYTES])
            exchange.touch()

    def rest(self, seconds: float) -> None:
        """Ends the exchange and keeps the connection open for another, at most for so long."""
        self._exchange = None
        self._rested_at = self._loop.time()
        self._expires_at = self._rested_at + seconds
        self._watch(self._expires_at)

    def is_usable(self) -> bool:
        """Whether a resting connection can carry a request. Sees a close that the event loop has not come to yet."""
        if not self.is_open or self.transport.is_closing():
            return False
        if self._loop.time() - self._rested_at < 0.1:
            return True
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        return not poll.poll(0)

    def abort(self) -> None:
        """Closes at once, whatever is under way."""
        self.transport.abort()

    async def _drained(self) -> None:
        waiter = self._writable = self._loop.create_future()
        try:
            await waiter
        finally:
            self._writable = None

    def _wake_writer(self) -> None:
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)

    def _watch(self, due: float) -> None:
        """Makes sure the timer fires no later than that. One that fires early looks again, which is cheaper than
        setting and clearing a timer for each request."""
        if self._timer is None or due < self._timer_at:
            if self._timer is not None:
                self._timer.cancel()
            self._timer_at = due
            self._timer = self._loop.call_at(due, self._look)

    def _look(self) -> None:
        self._timer = None
        exchange = self._exchange
        due = self._expires_at if exchange is None else exchange.due()
        if self._loop.time() < due - 0.001:
            self._watch(due)
        elif exchange is None:
            self.abort()
        elif exchange.is_over:
            self._watch(self._loop.time() + 60)  # complete, but its reader has not left yet
        else:
            exchange.time_out()
