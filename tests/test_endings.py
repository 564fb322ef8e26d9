from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
import uvicorn

from glia import server
from glia.endings import EndingTransport, EndingWebSockets

FRAME = b"x" * 1_000_000


class Beneath:
    """A transport that holds bytes for a client."""

    def __init__(self, *unread_bytes: int) -> None:
        self._unread_bytes = iter(unread_bytes)
        self.is_aborted = asyncio.Event()
        self.looks = 0

    def get_write_buffer_size(self) -> int:
        self.looks += 1
        return next(self._unread_bytes, 0)

    def close(self) -> None:
        pass

    def abort(self) -> None:
        self.is_aborted.set()


async def test_a_client_that_reads_nothing_is_given_up() -> None:
    beneath = Beneath(1000, 1000)

    EndingTransport(beneath, 0.01).close()  # type: ignore[arg-type]  # the part of a transport that is used

    await asyncio.wait_for(beneath.is_aborted.wait(), 60)


async def test_a_client_that_reads_slowly_gets_everything() -> None:
    beneath = Beneath(1000, 999, 998, 1)

    EndingTransport(beneath, 0.01).close()  # type: ignore[arg-type]  # the part of a transport that is used

    async with asyncio.timeout(60):
        while beneath.looks < 5:
            await asyncio.sleep(0.01)
    assert not beneath.is_aborted.is_set()


async def _speaks(_scope: Any, receive: Any, send: Any) -> None:
    """Says more than anybody holds, and ends when it is not read."""
    await receive()
    await send({"type": "websocket.accept"})
    with suppress(TimeoutError):
        async with asyncio.timeout(0.2):
            while True:
                await send({"type": "websocket.send", "bytes": FRAME})


@asynccontextmanager
async def _deaf_client() -> AsyncIterator[set[Any]]:
    """The server's connections, while the only client has read nothing and is closed by the server."""
    running: uvicorn.Server = server._Quiet(server._config(_speaks))  # type: ignore[arg-type]  # ends by itself
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as line:
        serving = asyncio.create_task(running.serve(sockets=[listener]))
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.connect(listener.getsockname())
        head = "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13"
        line.sendall(f"{head}\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode())
        connections = running.server_state.connections
        await _until(lambda: any(isinstance(each, EndingWebSockets) for each in connections))
        [connection] = [each for each in connections if isinstance(each, EndingWebSockets)]
        await _until(connection.transport.is_closing)
        yield connections
        line.close()
        running.should_exit = running.force_exit = True
        await serving


async def _until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not is_so():
            await asyncio.sleep(0.01)


async def test_a_socket_that_nobody_reads_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EndingWebSockets, "linger_seconds", 0.1)

    async with _deaf_client() as connections:
        await _until(lambda: not any(isinstance(each, EndingWebSockets) for each in connections))


async def test_until_then_it_waits_for_its_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EndingWebSockets, "linger_seconds", 3600)

    async with _deaf_client() as connections:
        [connection] = connections
        assert connection.transport.get_write_buffer_size() > 0
