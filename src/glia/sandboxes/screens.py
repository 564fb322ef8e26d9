"""What a terminal has shown: the newest part of it, and readers that follow from any place in it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

KEPT_BYTES = 256 * 1024
_MOST_AT_ONCE = 32 * 1024
_LARGEST_LAG = KEPT_BYTES // 2


@dataclass(frozen=True)
class Piece:
    """Output from byte `at` on, as the terminal counts since its start; it may end within a character."""

    at: int
    data: bytes


class Screen:
    """Bytes go in at one end, and the oldest are dropped. Who writes waits for readers that are behind, but for none
    that has left: so a reader sees everything from where it began, and without readers nothing waits."""

    def __init__(self) -> None:
        self._kept = bytearray()
        self._dropped = 0
        self._readers: set[Reader] = set()
        self._has_moved = asyncio.Event()
        self.is_over = False

    @property
    def begin(self) -> int:
        """The oldest byte that is kept."""
        return self._dropped

    @property
    def end(self) -> int:
        return self._dropped + len(self._kept)

    @property
    def readers(self) -> int:
        return len(self._readers)

    async def write(self, data: bytes) -> None:
        while any(self.end - reader.at > _LARGEST_LAG for reader in self._readers):
            self._has_moved.clear()
            await self._has_moved.wait()
        self._kept += data
        surplus = len(self._kept) - KEPT_BYTES
        if surplus > 0:
            del self._kept[:surplus]
            self._dropped += surplus
        self._tell()

    def finish(self) -> None:
        self.is_over = True
        self._tell()

    def read(self, after: int) -> Reader:
        """From byte `after`, or the oldest that is kept. Close it when done."""
        reader = Reader(self, min(max(after, self.begin), self.end))
        self._readers.add(reader)
        return reader

    def take(self, at: int) -> Piece:
        at = max(at, self._dropped)
        start = at - self._dropped
        return Piece(at, bytes(self._kept[start : start + _MOST_AT_ONCE]))

    def moved(self) -> None:
        self._has_moved.set()

    def forget(self, reader: Reader) -> None:
        self._readers.discard(reader)
        self._has_moved.set()

    def _tell(self) -> None:
        for reader in self._readers:
            reader.news.set()


class Reader:
    def __init__(self, screen: Screen, at: int) -> None:
        self.at = at
        self.news = asyncio.Event()
        self._screen = screen

    async def next(self) -> Piece | None:
        """Waits for output; None once there will be no more."""
        while self.at >= self._screen.end:
            if self._screen.is_over:
                return None
            self.news.clear()
            await self.news.wait()
        piece = self._screen.take(self.at)
        self.at = piece.at + len(piece.data)
        self._screen.moved()
        return piece

    def close(self) -> None:
        self._screen.forget(self)
