"""Open connections to MCP servers, kept while they are used: one for each server and run, or for each program."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from glia.kit.outbound import Outbound
from glia.tools.mcp.client import Connection
from glia.tools.mcp.types import Listing, McpFailed, Place

IDLE_SECONDS = 60.0
IDLE_PROGRAM_SECONDS = 600.0
MOST_OPEN = 256
_SWEEP_SECONDS = 10.0


@dataclass
class _Kept:
    connection: Connection
    idle_seconds: float
    used_at: float = field(default_factory=time.monotonic)


class Connections:
    """Servers of revision 2025-11-25 and older keep state by connection, so that a run keeps its own."""

    def __init__(self, outbound: Outbound, on_tools_changed: Callable[[str], None]) -> None:
        """on_tools_changed: told the key of a place whose server says that its tools changed."""
        self._outbound = outbound
        self._on_tools_changed = on_tools_changed
        self._kept: dict[tuple[str, str], _Kept] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._sweeper: asyncio.Task[None] | None = None

    def of(self, place: Place, run: str) -> Connection:
        """An open connection, or a new one that is being opened. run: who may share it."""
        key = (place.key, "" if place.command else run)
        kept = self._kept.get(key)
        if kept is None or not kept.connection.is_open:
            if kept is not None:
                self._close(key)
            self._make_room()
            opened = Connection(place, self._outbound, on_tools_changed=lambda: self._on_tools_changed(place.key))
            kept = _Kept(opened, IDLE_PROGRAM_SECONDS if place.command else IDLE_SECONDS)
            self._kept[key] = kept
            if self._sweeper is None or self._sweeper.done():
                self._sweeper = asyncio.create_task(self._sweep(), name="glia-mcp-sweeper")
        kept.used_at = time.monotonic()
        return kept.connection

    async def listing(self, place: Place) -> Listing:
        """The server's tools now, over a connection of its own; a program's one connection is shared."""
        if place.command is not None:
            return await self.of(place, "").listing()
        connection = Connection(place, self._outbound)
        try:
            return await connection.listing()
        finally:
            await connection.close()

    async def close(self) -> None:
        if self._sweeper is not None:
            self._sweeper.cancel()
        for key in list(self._kept):
            self._close(key)
        if self._closing:
            await asyncio.wait(self._closing, timeout=10)

    def _make_room(self) -> None:
        """Closes what has rested longest. Raises McpFailed when all are busy."""
        if len(self._kept) < MOST_OPEN:
            return
        idle = [(kept.used_at, key) for key, kept in self._kept.items() if not kept.connection.calls]
        if not idle:
            raise McpFailed(f"{MOST_OPEN} connections to MCP servers are busy; try again shortly.", is_sent=False)
        self._close(min(idle)[1])

    def _close(self, key: tuple[str, str]) -> None:
        closing = asyncio.create_task(self._kept.pop(key).connection.close())
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    async def _sweep(self) -> None:
        while self._kept:
            await asyncio.sleep(_SWEEP_SECONDS)
            now = time.monotonic()
            for key, kept in list(self._kept.items()):
                if not kept.connection.is_open or (
                    not kept.connection.calls and now - kept.used_at > kept.idle_seconds
                ):
                    self._close(key)
