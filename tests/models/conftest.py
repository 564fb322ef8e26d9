"""A scripted HTTP server that plays a model provider, good or bad."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from glia.kit.outbound import Outbound, OutboundPolicy


@dataclass
class Reply:
    """pieces: bytes are sent, numbers wait so many seconds, events until they are set, None cuts the line."""

    pieces: list[bytes | float | asyncio.Event | None]
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "text/event-stream"


@dataclass
class Seen:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict:
        return json.loads(self.body)


class ScriptedServer:
    """Answers each POST with the next reply of its script; GET .../models lists `models`."""

    def __init__(self) -> None:
        self.script: deque[Reply] = deque()
        self.models: list[str] | None = None
        self.models_reply: Reply | None = None
        self.seen: list[Seen] = []
        self.connections = 0
        self.is_closed_by_client = asyncio.Event()
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        assert self._server
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"

    @property
    def posts(self) -> list[Seen]:
        return [seen for seen in self.seen if seen.method == "POST"]

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)

    async def stop(self) -> None:
        assert self._server
        self._server.close()

    def says(self, *documents: object, done: bool = True, cut: bool = False, **reply: object) -> None:
        """Scripts a stream of JSON documents."""
        pieces: list[bytes | float | asyncio.Event | None] = [
            b"data: " + json.dumps(document).encode() + b"\n\n" for document in documents
        ]
        if done:
            pieces.append(b"data: [DONE]\n\n")
        if cut:
            pieces.append(None)
        self.script.append(Reply(pieces, **reply))

    def fails(self, status: int, body: object, *, content_type: str = "application/json", **headers: str) -> None:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.script.append(Reply([raw], status=status, content_type=content_type, headers=named))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while await self._exchange(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            self.is_closed_by_client.set()
        finally:
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, path, _ = head[0].split(" ")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        self.seen.append(Seen(method, path, headers, body))
        return await self._answer(self._reply_to(method), writer)

    def _reply_to(self, method: str) -> Reply:
        if method == "GET":
            listing = {"data": [{"id": name} for name in self.models or []]}
            return self.models_reply or Reply([json.dumps(listing).encode()], content_type="application/json")
        return self.script.popleft() if self.script else Reply([b'{"error": "script is over"}'], status=500)

    async def _answer(self, reply: Reply, writer: asyncio.StreamWriter) -> bool:
        extra = "".join(f"{name}: {value}\r\n" for name, value in reply.headers.items())
        writer.write(
            f"HTTP/1.1 {reply.status} X\r\ncontent-type: {reply.content_type}\r\n{extra}"
            "transfer-encoding: chunked\r\n\r\n".encode()
        )
        for piece in reply.pieces:
            if piece is None:
                await writer.drain()
                writer.transport.abort()
                return False
            if isinstance(piece, asyncio.Event):
                await piece.wait()
            elif isinstance(piece, float | int):
                await asyncio.sleep(piece)
            else:
                writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                await writer.drain()
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        return True


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    scripted = ScriptedServer()
    await scripted.start()
    yield scripted
    await scripted.stop()


@pytest.fixture
async def other_server() -> AsyncIterator[ScriptedServer]:
    scripted = ScriptedServer()
    await scripted.start()
    yield scripted
    await scripted.stop()


@pytest.fixture
async def outbound() -> AsyncIterator[Outbound]:
    client = Outbound(OutboundPolicy())
    yield client
    await client.close()
