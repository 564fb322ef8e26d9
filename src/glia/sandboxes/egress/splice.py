"""Bytes both ways between two connections until both sides have said all they have."""

from __future__ import annotations

import asyncio
from typing import Protocol

_PIECE_BYTES = 64 * 1024
_IDLE_SECONDS = 600.0


class Counted(Protocol):
    sent_bytes: int
    received_bytes: int


async def splice(
    near_reader: asyncio.StreamReader,
    near_writer: asyncio.StreamWriter,
    far_reader: asyncio.StreamReader,
    far_writer: asyncio.StreamWriter,
    counted: Counted,
) -> None:
    """Returns when both directions have ended, one of them broke, or nothing moved for ten minutes.

    At most two pieces of 64 KiB wait in each direction: a slow side makes the other wait.
    """
    loop = asyncio.get_running_loop()
    last = loop.time()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_sent: bool) -> None:
        nonlocal last
        while True:
            try:
                async with asyncio.timeout(_IDLE_SECONDS):
                    piece = await reader.read(_PIECE_BYTES)
            except TimeoutError:
                if loop.time() - last < _IDLE_SECONDS:
                    continue  # the other direction is busy
                raise
            last = loop.time()
            if not piece:
                break
            writer.write(piece)
            if is_sent:
                counted.sent_bytes += len(piece)
            else:
                counted.received_bytes += len(piece)
            async with asyncio.timeout(_IDLE_SECONDS):
                await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(pump(near_reader, far_writer, is_sent=True))
            group.create_task(pump(far_reader, near_writer, is_sent=False))
    except* (OSError, TimeoutError, RuntimeError):
        pass  # RuntimeError: write_eof on a transport that the other pump has closed
