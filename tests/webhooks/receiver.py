"""An HTTP server that takes deliveries: what it answers is scripted, what it got is kept."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Got:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


class Receiver:
    def __init__(self) -> None:
        self.port = 0
        self.got: list[Got] = []
        self.script: list[bytes] = []
        """Status line and headers of the next answers; 204 once it is empty."""
        self.holds: asyncio.Event | None = None
        """While set and not released, paths that begin with /hang are not answered."""
        self.hanging = 0
        self.most_hanging = 0

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def url(self, path: str = "/hook") -> str:
        return f"http://{self.host}{path}"

    def answers(self, *statuses: int, headers: str = "") -> None:
        self.script += [f"{status} Scripted\r\n{headers}".encode() for status in statuses]

    def at(self, path: str) -> list[Got]:
        return [got for got in self.got if got.path == path]

    async def until(self, is_done: Callable[[], bool], seconds: float = 60) -> None:
        async with asyncio.timeout(seconds):
            while not is_done():
                await asyncio.sleep(0.02)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Receiver]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            path = head[0].split(" ")[1]
            self.got.append(Got(path, headers, body))
            if path.startswith("/hang") and self.holds is not None:
                self.hanging += 1
                self.most_hanging = max(self.hanging, self.most_hanging)
                await self.holds.wait()
                self.hanging -= 1
            answer = self.script.pop(0) if self.script else b"204 No Content\r\n"
            text = b"" if answer.startswith(b"204") else b"as scripted"
            length = b"" if answer.startswith(b"204") else b"Content-Length: %d\r\n" % len(text)
            writer.write(b"HTTP/1.1 " + answer + length + b"Connection: close\r\n\r\n" + text)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
