"""Figures: how much there is of everything, how agents and tools do, what was done and refused in a span of time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import msgspec

from glia.identity.types import Principal
from glia.kit.db import Database
from glia.runs import figure_queries as queries
from glia.runs.figure_queries import AgentFigures, Counts, MemoryGrowth, Overview


class _Returned(msgspec.Struct):
    tool: str = ""
    status: str = "ok"
    duration_ms: int = 0


_decode = msgspec.json.Decoder(_Returned).decode


@dataclass(frozen=True)
class ToolFigures:
    """Of calls that came back. denied: by people."""

    tool: str
    calls: int
    failures: int
    denied: int
    milliseconds: int


class Figures:
    def __init__(self, db: Database) -> None:
        self._db = db

    async def overview(self, principal: Principal) -> Overview:
        principal.require("usage:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            return await queries.overview(tx)

    async def counts(self, principal: Principal, since: datetime, until: datetime) -> Counts:
        """deleted_sessions: as the audit log has them, which keeps them for ever."""
        principal.require("usage:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            return await queries.counts(tx, since, until)

    async def agents(self, principal: Principal, since: datetime) -> list[AgentFigures]:
        """The busiest first, at most 1,000."""
        principal.require("usage:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            return await queries.agents(tx, since)

    async def memories(self, principal: Principal, since: datetime) -> list[MemoryGrowth]:
        """The fullest first, at most 1,000."""
        principal.require("usage:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            return await queries.memories(tx, since)

    async def denials(self, principal: Principal, since: datetime) -> dict[str, int]:
        """How often something was not allowed, by reason: `approval_denied`, `approval_expired`, `budget_exceeded`."""
        principal.require("usage:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            found = await queries.denials(tx, since)
        return {one.reason: one.count for one in found}

    async def tools(self, principal: Principal, since: datetime, *, agent_id: UUID | None = None) -> list[ToolFigures]:
        """By name; of the newest 100,000 calls. Counted here: a result may hold what PostgreSQL cannot read."""
        principal.require("usage:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            texts = await queries.returned(tx, since, agent_id)
            denied = {one.reason: one.count for one in await queries.denied_tools(tx, since, agent_id)}
        calls: dict[str, list[_Returned]] = {name: [] for name in denied}
        for text in texts:
            call = _decode(text)
            calls.setdefault(call.tool, []).append(call)
        return [
            ToolFigures(
                name,
                len(found),
                sum(call.status != "ok" for call in found),
                denied.get(name, 0),
                sum(call.duration_ms for call in found),
            )
            for name, found in sorted(calls.items())
        ]
