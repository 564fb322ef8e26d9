"""A local HTTP server that answers as each test says, and a client that may call it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from glia.kit.ids import new_id
from glia.kit.outbound import Outbound, OutboundPolicy
from glia.tools.types import ToolContext


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


def answer(status: int, body: bytes = b"", content_type: str = "application/json", **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", f"Content-Type: {content_type}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


HANG_UP = b""


@dataclass
class Server:
    """answers: one per request, the last one for ever. HANG_UP closes the connection without a word."""

    port: int = 0
    answers: list[bytes] = field(default_factory=lambda: [answer(200, b'{"ok": true}')])
    requests: list[Request] = field(default_factory=list)
    before: Callable[[], Awaitable[None]] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                method, path, _ = head[0].split(" ")
                headers = dict(line.split(": ", 1) for line in head[1:] if line)
                headers = {name.lower(): value for name, value in headers.items()}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                self.requests.append(Request(method, path, headers, body))
                if self.before is not None:
                    await self.before()
                reply = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                if reply == HANG_UP:
                    break
                writer.write(reply)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.port = listener.sockets[0].getsockname()[1]
    yield server
    listener.close()


@pytest.fixture
async def outbound(server: Server) -> AsyncIterator[Outbound]:
    outbound = Outbound(OutboundPolicy.from_setting(f"127.0.0.1:{server.port}"))
    yield outbound
    await outbound.close()


@pytest.fixture
def context() -> ToolContext:
    return ToolContext(new_id(), new_id(), None, new_id(), new_id(), idempotency_key="run:call-1")


class XorSecrets:
    """Stands in for the real cipher: unreadable, and bound to its context."""

    def seal(self, secret: bytes, context: str) -> bytes:
        return bytes(byte ^ 0x55 for byte in context.encode() + b"\n" + secret)

    def open(self, sealed: bytes, context: str) -> bytes:
        kept, _, secret = bytes(byte ^ 0x55 for byte in sealed).partition(b"\n")
        if kept.decode() != context:
            raise ValueError("sealed for something else")
        return secret


@pytest.fixture
def secrets() -> XorSecrets:
    return XorSecrets()
