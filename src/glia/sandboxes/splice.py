"""Bytes both ways between two connections until both sides have said all they have."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Protocol

from glia.kit.errors import GliaError
from glia.sandboxes.types import ByteStream

_PIECE_BYTES = 64 * 1024
IDLE_SECONDS = 600.0


class Counted(Protocol):
    sent_bytes: int
    received_bytes: int


@dataclass(frozen=True)
class Pair:
    """A reader and a writer of asyncio as one stream."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def read(self, most: int = _PIECE_BYTES) -> bytes:
        return await self.reader.read(most)

    async def write(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def write_eof(self) -> None:
        if self.writer.can_write_eof() and not self.writer.is_closing():
            self.writer.write_eof()

    async def close(self) -> None:
        self.writer.transport.abort()


async def splice(near: ByteStream, far: ByteStream, counted: Counted, *, idle_seconds: float = IDLE_SECONDS) -> None:
    """Returns when both directions have ended, one of them broke, or nothing moved for so long. Closes neither.

    One piece of at most 64 KiB waits in each direction: a slow side makes the other wait.
    """
    loop = asyncio.get_running_loop()
    last = loop.time()

    async def pump(source: ByteStream, target: ByteStream, *, is_sent: bool) -> None:
        nonlocal last
        while True:
            try:
                async with asyncio.timeout(idle_seconds):
                    piece = await source.read(_PIECE_BYTES)
            except TimeoutError:
                if loop.time() - last < idle_seconds:
                    continue  # the other direction is busy
                raise
            last = loop.time()
            if not piece:
                return await target.write_eof()
            if is_sent:
                counted.sent_bytes += len(piece)
            else:
                counted.received_bytes += len(piece)
            async with asyncio.timeout(idle_seconds):
                await target.write(piece)

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(pump(near, far, is_sent=True))
            group.create_task(pump(far, near, is_sent=False))
    except* (OSError, TimeoutError, GliaError):
        pass  # one side is gone; there is nobody to tell but the other, whose connection ends now
