"""Forgetting by strategy, across buckets; and deciding contradictions by more than their age."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal
from uuid import UUID

from glia.identity.types import Principal
from glia.kit.db import Database, Transaction
from glia.kit.errors import GliaError, InvalidRequest
from glia.kit.pages import Window
from glia.memory import forget_queries as rows
from glia.memory import queries
from glia.memory.judging import Judge, Pair
from glia.memory.quality import TRUST, quality_of
from glia.memory.service import LONGEST_CONTENT, Memories, change
from glia.memory.types import (
    By,
    Conflict,
    Decision,
    Draft,
    ForgetOrder,
    Forgotten,
    Kept,
    Memory,
    MemoryStatus,
    Origin,
    Preference,
)
from glia.memory.upkeep import let_go, require_agent

_MOST_FORGOTTEN = 10_000
_MOST_DECIDED = 500
_BY_ITSELF = ("newest wins", "model")
"""Who decides conflicts when nobody asked."""


class Forgetting:
    def __init__(self, db: Database, memories: Memories, judge: Judge | None = None) -> None:
        """judge: for conflicts that a model is to decide; without one the newer memory is kept."""
        self._db = db
        self._memories = memories
        self._judge = judge

    async def forget(
        self, principal: Principal, agent_id: UUID, order: ForgetOrder, *, is_dry_run: bool = False
    ) -> list[Forgotten]:
        """At most 10,000 memories at once. Returns what goes, and why. is_dry_run: only says what would go."""
        principal.require("memory:write")
        _check(order)
        async with self._db.transaction(principal.workspace_id) as tx:
            await require_agent(tx, agent_id)
            gone = await rows.due(tx, agent_id, order, limit=_MOST_FORGOTTEN)
            if not is_dry_run:
                await let_go(tx, principal, gone, is_archiving=order.is_archiving)
        return gone

    async def decide(self, principal: Principal, agent_id: UUID, prefer: Preference) -> list[Decision]:
        """Decides the agent's conflicts that nobody has decided by hand, at most 500, the newest first."""
        principal.require("memory:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            await require_agent(tx, agent_id)
            conflicts = await queries.list_conflicts(tx, Window(limit=_MOST_DECIDED), agent_id)
        open_ones = [one for one in conflicts if one.resolved_by in _BY_ITSELF]
        return [await self._decide(principal, agent_id, one, prefer) for one in open_ones]

    async def _decide(self, principal: Principal, agent_id: UUID, conflict: Conflict, prefer: Preference) -> Decision:
        older = await self._memories.get(principal, conflict.older_id)
        newer = await self._memories.get(principal, conflict.newer_id)
        try:
            kept = await self._kept(principal, agent_id, older, newer, prefer)
            if kept == "merged":
                await self._merge(principal, conflict, older, newer)
            else:
                await self._memories.resolve(principal, conflict.id, kept)
        except GliaError as error:
            return Decision(conflict.id, newer.tier, conflict.kept, error.message)
        return Decision(conflict.id, newer.tier, kept)

    async def _kept(
        self, principal: Principal, agent_id: UUID, older: Memory, newer: Memory, prefer: Preference
    ) -> Kept:
        match prefer:
            case Preference.NEWEST:
                return "newer"
            case Preference.CONFIDENCE:
                now = datetime.now(UTC)
                return _better(confidence_of(older, now), confidence_of(newer, now))
            case Preference.SOURCE:
                return _better(TRUST[older.origin], TRUST[newer.origin])
            case Preference.MODEL:
                return await self._believed(principal, agent_id, older, newer)
            case Preference.MERGE:
                return "merged"

    async def _believed(self, principal: Principal, agent_id: UUID, older: Memory, newer: Memory) -> Kept:
        """Both stay when the model sees no contradiction."""
        if self._judge is None or not await self._judge.has_model(principal, agent_id):
            return "newer"
        contradicted = await self._judge.contradictions(principal, agent_id, [Pair(older, newer)])
        return "newer" if contradicted else "both"

    async def _merge(self, principal: Principal, conflict: Conflict, older: Memory, newer: Memory) -> None:
        """One memory that says both, the newer first, takes the place of the two."""
        content = f"{newer.content} (Earlier: {older.content})"[:LONGEST_CONTENT]
        draft = Draft(
            content,
            newer.agent_id,
            newer.user_name,
            newer.tier,
            newer.bucket,
            max(older.importance, newer.importance),
            {"kind": "merged", "of": [str(newer.id), str(older.id)]},
            newer.expires_at,
            newer.topic,
            newer.value,
        )
        origin = Origin(newer.session_id, newer.run_id, f"merge:{conflict.id}", by=By.CONSOLIDATION)
        async with self._db.transaction(principal.workspace_id) as tx:
            merged, _ = await self._memories.save_in(tx, principal, draft, origin)
            for memory in await _active(tx, older.id, newer.id):
                if memory.id != merged.id:
                    changes = {"status": MemoryStatus.SUPERSEDED, "superseded_by": merged.id}
                    await change(tx, principal, memory, changes, "merged")
            await queries.set_kept(tx, conflict.id, "merged", principal.name)


def confidence_of(memory: Memory, now: datetime) -> float:
    return memory.importance * quality_of(memory, now).accuracy


def _better(older: float, newer: float) -> Literal["older", "newer"]:
    return "older" if older > newer else "newer"


async def _active(tx: Transaction, *ids: UUID) -> list[Memory]:
    found = [await queries.lock(tx, id) for id in sorted(ids)]
    return [memory for memory in found if memory is not None]


def _check(order: ForgetOrder) -> None:
    for name, value, largest in (
        ("max_age_seconds", order.max_age_seconds, 1e10),
        ("min_kept_seconds", order.min_kept_seconds, 1e10),
        ("min_importance", order.min_importance, 1.0),
        ("min_strength", order.min_strength, 1.0),
        ("max_count", order.max_count, 1e9),
    ):
        if not 0 <= value <= largest:
            raise InvalidRequest(f"`{name}` is {value:g}; it must be between 0 and {largest:g}.", field=name)
