"""A small HTTP/1.1 client for load: one connection a client, kept alive, one request at a time, bytes in and out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import cast

TIMEOUT_SECONDS = 60


class Connection(asyncio.Protocol):
    """Answers with `Content-Length` or in chunks; anything else it does not understand."""

    def __init__(self) -> None:
        self._received = bytearray()
        self._answer: asyncio.Future[bytes] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionError("The server closed the connection."))

    def data_received(self, data: bytes) -> None:
        self._received += data
        head_end = self._received.find(b"\r\n\r\n") + 4
        if head_end < 4 or self._answer is None or self._answer.done():
            return
        head = bytes(self._received[:head_end]).lower()
        _, length_follows, after = head.partition(b"content-length: ")
        if length_follows:
            is_whole = len(self._received) >= head_end + int(after.partition(b"\r\n")[0])
        else:
            is_whole = self._received.endswith(b"0\r\n\r\n")
        if is_whole:
            whole, self._received = bytes(self._received), bytearray()
            status = whole[9:12]
            if status[:1] == b"2":
                self._answer.set_result(whole[head_end:])
            else:
                self._answer.set_exception(RuntimeError(f"The server said: {whole[:500]!r}"))

    async def ask(self, request: bytes) -> bytes:
        """The body of the answer, chunk lengths included. Raises RuntimeError unless the status is 2xx."""
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        async with asyncio.timeout(TIMEOUT_SECONDS):
            return await self._answer

    def close(self) -> None:
        self._transport.close()


async def connect(port: int) -> Connection:
    _, connection = await asyncio.get_running_loop().create_connection(Connection, "127.0.0.1", port)
    return connection


def request_bytes(method: str, path: str, key: str, body: bytes | None = None) -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n"
    if body is None:
        return f"{head}\r\n".encode()
    return f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


Unit = Callable[[Connection], Awaitable[float]]
"""One unit of work on a connection; returns the seconds to be counted as its latency."""


async def latencies(port: int, unit: Unit, *, units: int, clients: int) -> list[float]:
    """Does `units` of work from so many clients at once; seconds each, sorted."""
    connections = [await connect(port) for _ in range(clients)]

    async def client(connection: Connection) -> list[float]:
        return [await unit(connection) for _ in range(units // clients)]

    try:
        found = await asyncio.gather(*map(client, connections))
    finally:
        for connection in connections:
            connection.close()
    return sorted(seconds for part in found for seconds in part)


def always(request: bytes) -> Unit:
    """The same request each time."""

    async def unit(connection: Connection) -> float:
        began = time.perf_counter()
        await connection.ask(request)
        return time.perf_counter() - began

    return unit
