"""Keeps the lists of tools current: asked for in the background, never while a run waits to begin."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace

import structlog

from glia.kit.db import Database
from glia.kit.errors import GliaError
from glia.kit.outbound import Outbound
from glia.tools.mcp import queries
from glia.tools.mcp.connections import Connections
from glia.tools.mcp.operator import OperatorServer
from glia.tools.mcp.types import Listing, McpFailed, Place, Server
from glia.tools.types import McpStatus

log = structlog.get_logger(__name__)

STALE_SECONDS = 300.0
_LISTING_SECONDS = 30.0
_MOST_AT_ONCE = 16
_MOST_REMEMBERED = 10_000


class Renewal:
    def __init__(self, db: Database, outbound: Outbound, operators: Mapping[str, OperatorServer]) -> None:
        self._db = db
        self._operators = operators
        self.connections = Connections(outbound, self._changed)
        self._running: dict[str, asyncio.Task[None]] = {}
        self._places_free = asyncio.Semaphore(_MOST_AT_ONCE)
        self._seen: OrderedDict[str, tuple[Server, float]] = OrderedDict()

    async def now(self, server: Server) -> None:
        """Asks the server, or waits for the answer that is already under way."""
        await asyncio.shield(self._begin(server))

    def in_background(self, server: Server) -> None:
        self._begin(server)

    def if_stale(self, server: Server) -> None:
        """Renews what this process has not renewed for a while."""
        _, asked_at = self._seen.get(server.place.key, (server, 0.0))
        if server.is_enabled and time.monotonic() - asked_at > STALE_SECONDS:
            self._begin(server)

    async def close(self) -> None:
        for task in self._running.values():
            task.cancel()
        if self._running:
            await asyncio.wait(self._running.values(), timeout=5)
        await self.connections.close()

    def _begin(self, server: Server) -> asyncio.Task[None]:
        key = server.place.key
        task = self._running.get(key)
        if task is None:
            self._seen[key] = (server, time.monotonic())
            while len(self._seen) > _MOST_REMEMBERED:
                self._seen.popitem(last=False)
            task = asyncio.create_task(self._renew(server), name=f"glia-mcp-list-{server.name}")
            self._running[key] = task
            task.add_done_callback(lambda _: self._running.pop(key, None))
        return task

    def _changed(self, key: str) -> None:
        """The server says that its tools are others now."""
        if key in self._seen:
            self._begin(self._seen[key][0])

    async def _renew(self, server: Server) -> None:
        status, listing, problem = await self._asked(server)
        operator = self._operators.get(server.name) if server.id is None else None
        if operator is not None:
            _note(operator, status, listing, problem)
        if server.id is None or server.workspace_id is None:
            return
        try:
            async with self._db.transaction(server.workspace_id) as tx:
                url = str(server.place.url)
                if listing is not None:
                    await queries.store_listing(tx, server.id, url, listing, problem)
                else:
                    await queries.store_failure(tx, server.id, url, status, problem or "")
        except GliaError as error:
            log.warning("could not keep what an MCP server listed", server=server.name, error=error.message)

    async def _asked(self, server: Server) -> tuple[McpStatus, Listing | None, str | None]:
        try:
            async with self._places_free, asyncio.timeout(_LISTING_SECONDS):
                listing = await self.connections.listing(_unsure(server.place))
        except TimeoutError:
            return McpStatus.FAILED, None, f"The MCP server {server.name!r} did not answer in {_LISTING_SECONDS:g} s."
        except McpFailed as error:
            status = McpStatus.NEEDS_AUTHORIZATION if error.needs_authorization else McpStatus.FAILED
            return status, None, error.message
        note = None
        if listing.left_out:
            note = f"Not offered, because their names or schemas cannot be used: {', '.join(listing.left_out)[:1000]}."
        return McpStatus.READY, listing, note


def _unsure(place: Place) -> Place:
    """A listing finds out anew which revision the server speaks: it may have been upgraded."""
    return replace(place, revision=None)


def _note(operator: OperatorServer, status: McpStatus, listing: Listing | None, problem: str | None) -> None:
    if problem is not None:
        log.warning("an MCP server of the operator's file", server=operator.server.name, says=problem)
    operator.status = status
    if listing is not None:
        operator.title, operator.listed_at = listing.title, time.time()
        place = replace(operator.server.place, revision=listing.revision)
        operator.server = replace(operator.server, tools=listing.tools, place=place)
