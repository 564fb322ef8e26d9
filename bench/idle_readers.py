"""Opens many event streams and then does nothing but hold them: a process of its own for bench/serve.py.

    python bench/idle_readers.py PORT STREAMS KEY SESSION [SESSION ...]

Prints `{"open": n, "bytes": n}` once every stream has begun or refused to, and ends when its standard input closes.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
from typing import cast

import uvloop

from http_load import request_bytes

AT_ONCE = 50
OPENING_SECONDS = 120


class Reader(asyncio.Protocol):
    begun = 0
    received = 0

    def __init__(self, request: bytes, has_begun: asyncio.Event) -> None:
        self._request = request
        self._has_begun = has_begun

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.Transport, transport).write(self._request)

    def data_received(self, data: bytes) -> None:
        if not self._has_begun.is_set():
            Reader.begun += data.startswith(b"HTTP/1.1 200")
            self._has_begun.set()
        Reader.received += len(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._has_begun.set()


async def hold(port: int, streams: int, key: str, sessions: list[str]) -> None:
    loop = asyncio.get_running_loop()
    places = asyncio.Semaphore(AT_ONCE)

    async def open_one(number: int) -> None:
        path = f"/v1/sessions/{sessions[number % len(sessions)]}/events/stream"
        has_begun = asyncio.Event()
        async with places, asyncio.timeout(OPENING_SECONDS):
            await loop.create_connection(lambda: Reader(request_bytes("GET", path, key), has_begun), "127.0.0.1", port)
            await has_begun.wait()

    await asyncio.gather(*map(open_one, range(streams)))
    print(json.dumps({"open": Reader.begun, "bytes": Reader.received}), flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    port, streams, key, *sessions = sys.argv[1:]
    uvloop.run(hold(int(port), int(streams), key, sessions))
