"""The Chrome DevTools Protocol over two pipes: JSON texts that end with a zero byte. No port is opened for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, BinaryIO

import orjson

from glia.browsers.errors import BrowserFailed

_LARGEST_MESSAGE = 64 * 1024 * 1024

Event = dict[str, Any]
"""`method`, `params`, and `sessionId` when it is about a page; as the protocol has them."""


class Protocol:
    def __init__(self, on_event: Callable[[Event], None]) -> None:
        self._on_event = on_event
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._last = 0
        self._writer: asyncio.WriteTransport | None = None
        self._reader: asyncio.ReadTransport | None = None
        self._reading: asyncio.Task[None] | None = None
        self.is_open = False

    async def connect(self, read: BinaryIO, write: BinaryIO) -> None:
        """Takes both ends over, and closes them at the end."""
        loop = asyncio.get_running_loop()
        stream = asyncio.StreamReader(limit=_LARGEST_MESSAGE)
        self._reader, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stream), read)
        self._writer, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, write)
        self.is_open = True
        self._reading = asyncio.create_task(self._read(stream), name="glia-browser")

    async def ask(
        self, method: str, params: dict[str, Any] | None = None, *, page: str | None = None, seconds: float = 30.0
    ) -> dict[str, Any]:
        """The answer's `result`. page: the protocol's session id. Raises BrowserFailed, also when it takes too long."""
        if not self.is_open or self._writer is None:
            raise BrowserFailed("The browser has ended; the next call starts a new one.")
        self._last += 1
        number = self._last
        message: dict[str, Any] = {"id": number, "method": method, "params": params or {}}
        if page is not None:
            message["sessionId"] = page
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        self._writer.write(orjson.dumps(message) + b"\0")
        try:
            async with asyncio.timeout(seconds):
                found = await answer
        except TimeoutError:
            raise BrowserFailed(f"The browser did not do it within {seconds:g} s.") from None
        finally:
            self._answers.pop(number, None)
        if "error" in found:
            raise BrowserFailed(f"The browser refused: {found['error'].get('message', 'it did not say why')}.")
        return found.get("result", {})

    def close(self) -> None:
        """Chromium ends when its pipe is closed."""
        self.is_open = False
        if self._reading is not None:
            self._reading.cancel()
        for transport in (self._writer, self._reader):
            if transport is not None:
                transport.close()
        self._drop()

    async def _read(self, stream: asyncio.StreamReader) -> None:
        try:
            while True:
                self._take(orjson.loads((await stream.readuntil(b"\0"))[:-1]))
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError):
            self.is_open = False
            self._drop()

    def _take(self, message: dict[str, Any]) -> None:
        answer = self._answers.get(message.get("id", 0))
        if answer is not None and not answer.done():
            answer.set_result(message)
        elif "method" in message:
            self._on_event(message)

    def _drop(self) -> None:
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(BrowserFailed("The browser ended in the middle of it."))
