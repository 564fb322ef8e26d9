"""Small real servers for the tests of the outbound client, each saying the bytes it was told to say."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from glia.kit.outbound import (
    Outbound,
    OutboundFailed,
    Response,
)

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CHUNKED_HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@dataclass
class Conversation:
    """One request as the server saw it, and the way to answer."""

    line: str
    headers: dict[str, str]
    body: bytes
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    connection: int

    @property
    def path(self) -> str:
        return self.line.split(" ")[1]

    async def say(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()


@dataclass
class Server:
    port: int = 0
    connections: int = 0
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    seen: list[Conversation] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def name(self) -> str:
        return f"127.0.0.1:{self.port}"


Answer = Callable[[Conversation], Awaitable[bool | None]]


async def ok(conversation: Conversation) -> None:
    await conversation.say(OK)


def says(data: bytes, *, then_close: bool = False) -> Answer:
    async def answer(conversation: Conversation) -> bool:
        await conversation.say(data)
        return then_close

    return answer


@asynccontextmanager
async def serving(
    answer: Answer = ok, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
) -> AsyncIterator[Server]:
    """A server that calls `answer` for each request and closes the connection when that returns True."""
    server = Server()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.connections += 1
        number = server.connections
        try:
            while (conversation := await _read(reader, writer, number)) is not None:
                server.seen.append(conversation)
                if await answer(conversation):
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            server.closed.set()
            writer.close()

    listener = await asyncio.start_server(handle, host, 0, ssl=tls)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()


async def _read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: int) -> Conversation | None:
    head = await reader.readuntil(b"\r\n\r\n")
    line, *lines = head.decode("latin-1").strip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (item.partition(":") for item in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Conversation(line, headers, body, reader, writer, connection)


class Names:
    """A resolver that answers from a list, one entry per question, the last for ever."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.questions: list[str] = []

    async def resolve(self, host: str, port: int) -> list[str]:
        self.questions.append(f"{host}:{port}")
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


async def get(client: Outbound, url: str, **options) -> Response:
    return await client.request("GET", url, trusted=True, **options)


async def failure(client: Outbound, url: str, method: str = "GET", **options) -> OutboundFailed:
    with pytest.raises(OutboundFailed) as caught:
        await client.request(method, url, trusted=True, **options)
    return caught.value
