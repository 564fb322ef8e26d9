"""Asks the HTTP surface inside this process, so that both APIs have one behaviour, limits and errors included."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

from glia.surfaces.shared.asgi import App, Message, Scope

_WAITING_PIECES: Final = 16
"""Of an answer, until the reader takes them. More would only be held here for a slow one."""


@dataclass(frozen=True)
class Asked:
    """query: as in an address. headers: names in lower case. client: address and port of who asks."""

    method: str
    path: str
    query: bytes
    headers: Mapping[str, str]
    body: bytes
    client: tuple[str, int]

    def scope(self) -> Scope:
        pairs = [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in self.headers.items()]
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "scheme": "http",
            "method": self.method,
            "path": self.path,
            "raw_path": self.path.encode(),
            "root_path": "",
            "query_string": self.query,
            "headers": pairs,
            "client": self.client,
            "server": None,
            "state": {},
        }


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    pieces: AsyncGenerator[bytes]

    async def whole(self) -> bytes:
        return b"".join([piece async for piece in self.pieces])


class _Exchange:
    """One request and its answer, as ASGI wants them."""

    def __init__(self, asked: Asked) -> None:
        self._requests: list[Message] = [{"type": "http.request", "body": asked.body, "more_body": False}]
        self._gone = asyncio.Event()
        self._messages: asyncio.Queue[Message | None] = asyncio.Queue(_WAITING_PIECES)

    async def receive(self) -> Message:
        if self._requests:
            return self._requests.pop()
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if not self._gone.is_set():
            await self._messages.put(message)

    async def run(self, app: App, asked: Asked) -> None:
        try:
            await app(asked.scope(), self.receive, self.send)
        finally:
            if not self._gone.is_set():
                await self._messages.put(None)

    async def start(self) -> Message:
        message = await self._messages.get()
        if message is None:
            raise ConnectionError("The surface gave no answer.")
        return message

    async def pieces(self) -> AsyncGenerator[bytes]:
        while (message := await self._messages.get()) is not None:
            if piece := message.get("body"):
                yield piece
            if not message.get("more_body"):
                return

    def leave(self) -> None:
        self._gone.set()
        while not self._messages.empty():  # lets go whoever waits to put
            self._messages.get_nowait()


@asynccontextmanager
async def ask(app: App, asked: Asked) -> AsyncGenerator[Answer]:
    """The answer, as soon as it begins. Leaving it tells the surface that its reader has gone."""
    exchange = _Exchange(asked)
    task = asyncio.create_task(exchange.run(app, asked))
    try:
        start = await exchange.start()
        yield Answer(start["status"], _headers_of(start["headers"]), exchange.pieces())
    finally:
        exchange.leave()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def _headers_of(pairs: Sequence[tuple[bytes, bytes]]) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in pairs}
