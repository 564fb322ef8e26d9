"""Contents as files of this machine, one for each key."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncGenerator, AsyncIterable
from pathlib import Path
from typing import BinaryIO

from glia.kit.errors import StorageFull
from glia.storage.errors import ContentMissing

_AT_ONCE = 256 * 1024
"""Each piece costs a turn of a thread, and what waits for it is in memory."""


class DiskStore:
    name = "disk"

    def __init__(self, folder: Path) -> None:
        """folder: made when the first content comes."""
        self._folder = folder

    def _path(self, key: str) -> Path:
        return self._folder / key

    async def write(self, key: str, chunks: AsyncIterable[bytes]) -> None:
        path = self._path(key)
        partial = path.with_suffix(".part")
        is_whole = False
        try:
            target = await asyncio.to_thread(_open_new, partial)
            try:
                await _fill(target, chunks)
            finally:
                await asyncio.to_thread(target.close)
            await asyncio.to_thread(partial.replace, path)
            is_whole = True
        except OSError as error:
            if error.errno in {errno.ENOSPC, errno.EDQUOT}:
                raise StorageFull(f"The disk with {self._folder} is full; free some space, then try again.") from error
            raise
        finally:
            if not is_whole:
                partial.unlink(missing_ok=True)

    async def read(self, key: str, *, start: int, length: int) -> AsyncGenerator[bytes]:
        try:
            content = await asyncio.to_thread(self._path(key).open, "rb")
        except FileNotFoundError:
            raise ContentMissing(f"The content {key} is not on this machine's disk.", key=key) from None
        try:
            await asyncio.to_thread(content.seek, start)
            left = length
            while left > 0:
                data = await asyncio.to_thread(content.read, min(left, _AT_ONCE))
                if not data:
                    raise ContentMissing(f"The content {key} is shorter than it was when it was stored.", key=key)
                left -= len(data)
                yield data
        finally:
            content.close()

    async def delete(self, key: str) -> None:
        def remove() -> None:
            self._path(key).unlink(missing_ok=True)
            self._path(key).with_suffix(".part").unlink(missing_ok=True)

        await asyncio.to_thread(remove)


def _open_new(path: Path) -> BinaryIO:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path.open("xb")


async def _fill(target: BinaryIO, chunks: AsyncIterable[bytes]) -> None:
    held = bytearray()
    async for chunk in chunks:
        held += chunk
        if len(held) >= _AT_ONCE:
            await asyncio.to_thread(target.write, bytes(held))
            held.clear()
    if held:
        await asyncio.to_thread(target.write, bytes(held))
    await asyncio.to_thread(target.flush)
