"""One request's answer as it arrives: parsing, limits, waiting. Knows nothing of pools, redirects or policy."""

from __future__ import annotations

import asyncio

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from glia.kit.outbound.errors import FailureKind, OutboundFailed

LARGEST_HEAD_BYTES = 65536
# A stream's reader that falls this far behind makes the server wait.
_PAUSE_AT_BYTES = 262_144
_BODILESS = frozenset({204, 304})


class Exchange:
    """The receiving half of one request.

    With `collect_limit` the whole body is gathered up to that many bytes; without, it is handed out as it comes.
    The method names that begin with `on_` are httptools' callbacks; they record and never raise.
    """

    __slots__ = (
        "_barren_bytes",
        "_body",
        "_deadline",
        "_fields",
        "_head_bytes",
        "_idle_seconds",
        "_is_closing_framed",
        "_is_head_request",
        "_is_paused",
        "_last_at",
        "_limit",
        "_loop",
        "_name",
        "_parser",
        "_progress",
        "_transport",
        "_waiter",
        "failure",
        "has_head",
        "has_received",
        "is_clean",
        "is_complete",
        "is_sent",
        "status",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        transport: asyncio.Transport,
        *,
        name: str,
        method: str,
        collect_limit: int | None,
        idle_seconds: float,
        deadline: float | None,
    ) -> None:
        """name: `host:port` for messages. deadline: in loop time."""
        self._loop = loop
        self._transport = transport
        self._name = name
        self._is_head_request = method == "HEAD"
        self._limit = collect_limit
        self._idle_seconds = idle_seconds
        self._deadline = deadline
        # A parser of its own for each answer, so that nothing of one can leak into the next.
        self._parser: HttpResponseParser | None = HttpResponseParser(self)
        self._fields: list[tuple[bytes, bytes]] = []
        self._head_bytes = 0
        # One buffer rather than a list of pieces: a body of tiny chunks would weigh many times its size in objects.
        self._body = bytearray()
        self._barren_bytes = 0
        self._progress = 0
        self._last_at = loop.time()
        self._waiter: asyncio.Future[None] | None = None
        self._is_paused = False
        self._is_closing_framed = False
        self.status = 0
        self.has_head = False
        self.has_received = False
        self.is_complete = False
        self.is_clean = False
        self.is_sent = False
        self.failure: OutboundFailed | None = None

    @property
    def fields(self) -> list[tuple[bytes, bytes]]:
        return self._fields

    @property
    def has_body(self) -> bool:
        """Whether body bytes wait to be taken."""
        return bool(self._body)

    @property
    def is_over(self) -> bool:
        return self.is_complete or self.failure is not None

    # What the caller waits for.

    async def answered(self) -> None:
        """Returns when the body is whole (collecting) or the head is there (streaming). Raises OutboundFailed."""
        while not self.is_complete and not (self.has_head and self._limit is None):
            if self.failure is not None:
                raise self.failure
            await self._wait()

    async def next_piece(self) -> bytes:
        """What has arrived since the last call, waiting for at least a byte; empty at the end of the body."""
        while not self._body:
            if self.failure is not None:
                raise self.failure
            if self.is_complete:
                return b""
            await self._wait()
        return self.take()

    def take(self) -> bytes:
        """The body bytes received and not yet handed out."""
        piece = bytes(self._body)
        self._body = bytearray()
        if self._is_paused:
            self._is_paused = False
            self._last_at = self._loop.time()
            if not self._transport.is_closing():
                self._transport.resume_reading()
        return piece

    async def _wait(self) -> None:
        waiter = self._waiter = self._loop.create_future()
        try:
            await waiter
        finally:
            self._waiter = None

    # What the connection reports.

    def feed(self, data: bytes) -> None:
        parser = self._parser
        if parser is None:
            self.is_clean = False  # bytes nobody asked for: this connection cannot be trusted with another request
            return
        self.has_received = True
        self._last_at = self._loop.time()
        progress = self._progress
        try:
            parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            self._garbage(error)
        if self._progress != progress:
            self._barren_bytes = 0
        else:
            self._count_barren(len(data))
        if len(self._body) > _PAUSE_AT_BYTES and self._limit is None and not self._is_paused and not self.is_over:
            self._is_paused = True
            self._transport.pause_reading()
        if self._waiter is not None and (self.is_over or (self._limit is None and self.has_head)):
            self.wake()

    def lost(self) -> None:
        """The connection is gone."""
        if self.has_head and self._is_closing_framed:
            self._finish(is_clean=False)
        elif not self.is_over:
            when = "in the middle of its answer" if self.has_received else "before it answered"
            self.fail("disconnect", f"{self._name} closed the connection {when}.")
        self.wake()

    def due(self) -> float:
        """When, in loop time, the wait for the other side has lasted too long."""
        since = self._loop.time() if self._is_paused else self._last_at
        due = since + self._idle_seconds
        return due if self._deadline is None else min(due, self._deadline)

    def touch(self) -> None:
        """The other side took some of the request: it is alive."""
        self._last_at = self._loop.time()

    def time_out(self) -> None:
        if self._deadline is not None and self._loop.time() >= self._deadline:
            self.fail("timeout", f"{self._name} did not finish its answer within the total time allowed.")
        else:
            self.fail("timeout", f"{self._name} sent nothing for {self._idle_seconds:g} seconds.")

    def fail(self, kind: FailureKind, message: str) -> None:
        """Ends the exchange, keeps what has arrived, and closes the connection."""
        if self.is_over:
            return
        self.failure = OutboundFailed(message, kind=kind, is_sent=self.is_sent)
        self._parser = None
        self._transport.abort()
        self.wake()

    def wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # httptools' callbacks.

    def on_message_begin(self) -> None:
        if self.is_complete:
            self.is_clean = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_bytes += len(name) + len(value) + 4
        if self._head_bytes > LARGEST_HEAD_BYTES:
            self._too_much_head()
        elif not self.has_head:  # afterwards these are trailers, which nobody reads
            self._fields.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        if self._parser is None or self.is_over:
            return
        self.status = self._parser.get_status_code()
        if self.status < 200:
            # An interim answer. Its head still counts towards the cap, so an endless row of them ends.
            self._head_bytes += 64
            self._fields.clear()
            return
        self.has_head = True
        self._progress += 1
        self._read_framing()
        if self._is_head_request and not self.is_over:
            self._finish(is_clean=self._parser.should_keep_alive())

    def on_body(self, body: bytes) -> None:
        if self.is_over:
            self.is_clean = False
            return
        self._progress += 1
        self._body += body
        if self._limit is not None and len(self._body) > self._limit:
            self._body = bytearray()
            self.fail("too_large", f"The answer of {self._name} is larger than {self._limit} bytes.")

    def on_message_complete(self) -> None:
        if self.has_head and not self.is_over and self._parser is not None:
            self._finish(is_clean=self._parser.should_keep_alive())

    def _read_framing(self) -> None:
        """Finds out whether only the end of the connection ends the body, and refuses framings nobody can undo."""
        codings = [value for name, value in self._fields if name == b"transfer-encoding"]
        if codings:
            if b",".join(codings).strip().lower() != b"chunked":
                self.fail("protocol", f"{self._name} answered with a transfer coding other than chunked.")
            return
        has_length = any(name == b"content-length" for name, _ in self._fields)
        self._is_closing_framed = not has_length and self.status not in _BODILESS

    def _finish(self, *, is_clean: bool) -> None:
        if self.is_over:
            return
        self.is_complete = True
        self.is_clean = is_clean
        self._parser = None  # it holds our bound methods; letting go here spares the cycle collector
        self._progress += 1

    def _garbage(self, error: Exception) -> None:
        if self.is_complete:
            self.is_clean = False
        elif isinstance(error, HttpParserUpgrade):
            self.fail("protocol", f"{self._name} switched to another protocol, which nobody asked for.")
        else:
            self.fail("protocol", f"{self._name} did not answer in valid HTTP: {error}.")

    def _count_barren(self, size: int) -> None:
        """Caps bytes that bring neither head nor body: endless header lines, trailers and chunk extensions."""
        self._barren_bytes += size
        if self._barren_bytes > LARGEST_HEAD_BYTES:
            self._too_much_head()

    def _too_much_head(self) -> None:
        self.fail("protocol", f"{self._name} sent more than {LARGEST_HEAD_BYTES} bytes of header fields.")
