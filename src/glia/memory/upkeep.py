"""Upkeep: memories are merged, promoted, forgotten, judged and mended. Nothing here is lost but by a policy's order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import structlog

from glia.identity.types import Principal
from glia.kit.db import Database, Transaction
from glia.kit.errors import Conflict, GliaError, InvalidRequest
from glia.memory import queries, search
from glia.memory import upkeep_queries as rows
from glia.memory.errors import MemoryNotFound
from glia.memory.judging import Judge, Pair
from glia.memory.quality import quality_of
from glia.memory.service import LONGEST_CONTENT, Memories, change, supersede, supersede_contradicted
from glia.memory.types import (
    By,
    Checkup,
    Draft,
    Embedding,
    Forgotten,
    Issue,
    Memory,
    MemoryId,
    MemorySettings,
    MemoryStatus,
    Origin,
    Policy,
    Quality,
    Scope,
    Tended,
    Tier,
)

_AT_ONCE = 200
_MOST_ISSUES = 1_000
_MOST_FORGOTTEN = 10_000
_MOST_FINDS = 1_000  # of one memory
_EMBEDDED_AT_ONCE = 32
_ALIKE = 0.9
_MOST_JUDGED, _BESIDE = 40, 4

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True)
class Rated:
    memory: Memory
    quality: Quality


class Upkeep:
    """agent_id, throughout: whose memories; None for the common ones of the workspace."""

    def __init__(
        self, db: Database, memories: Memories, embedding: Embedding | None = None, judge: Judge | None = None
    ) -> None:
        """judge: finds contradictions and writes summaries by a configured model; None goes by rules only."""
        self._db = db
        self._memories = memories
        self._embedding = embedding
        self._judge = judge

    async def settings(self, principal: Principal, agent_id: UUID) -> MemorySettings:
        principal.require("memory:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            await require_agent(tx, agent_id)
            return await queries.settings(tx, agent_id)

    async def set_settings(self, principal: Principal, agent_id: UUID, settings: MemorySettings) -> MemorySettings:
        principal.require("memory:write")
        if not 0 <= settings.idle_seconds <= 604_800:
            raise InvalidRequest(
                f"`idle_seconds` is {settings.idle_seconds}; it must be between 0 and 604800.", field="idle_seconds"
            )
        async with self._db.transaction(principal.workspace_id) as tx:
            await require_agent(tx, agent_id)
            await queries.set_settings(tx, agent_id, settings, workspace_id=principal.workspace_id)
            return await queries.settings(tx, agent_id)

    async def policies(self, principal: Principal, agent_id: UUID | None) -> list[Policy]:
        principal.require("memory:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            return await queries.list_policies(tx, await _scope(tx, principal, agent_id))

    async def set_policy(self, principal: Principal, agent_id: UUID | None, policy: Policy) -> Policy:
        """Kept for the bucket, and followed whenever memories are put in order."""
        principal.require("memory:write")
        _check_policy(policy)
        async with self._db.transaction(principal.workspace_id) as tx:
            scope_id = await _scope(tx, principal, agent_id)
            await queries.set_policy(tx, scope_id, policy, workspace_id=principal.workspace_id)
        return policy

    async def delete_policy(self, principal: Principal, agent_id: UUID | None, bucket: str) -> None:
        principal.require("memory:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            if not await queries.delete_policy(tx, await _scope(tx, principal, agent_id), bucket.replace("\0", "")):
                raise MemoryNotFound(f"There is no policy for the bucket {bucket[:100]!r}.")

    async def forget(
        self,
        principal: Principal,
        agent_id: UUID | None,
        policy: Policy | None = None,
        *,
        tier: Tier | None = None,
        is_dry_run: bool = False,
    ) -> list[Forgotten]:
        """Follows a policy once, or all that are kept; at most 10,000 memories a bucket. Returns what goes, and why.

        is_dry_run: only says what would go.
        """
        principal.require("memory:write")
        if policy is not None:
            _check_policy(policy)
        async with self._db.transaction(principal.workspace_id) as tx:
            scope_id = await _scope(tx, principal, agent_id)
            wanted = [policy] if policy is not None else await queries.list_policies(tx, scope_id)
            gone: list[Forgotten] = []
            for one in wanted:
                found = await rows.forgettable(tx, scope_id, one, tier=tier, limit=_MOST_FORGOTTEN)
                gone += found
                if not is_dry_run:
                    await let_go(tx, principal, found, is_archiving=one.is_archiving)
        return gone

    async def buckets(self, principal: Principal, agent_id: UUID | None) -> list[str]:
        """The buckets that hold something."""
        principal.require("memory:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            return await rows.buckets(tx, await _scope(tx, principal, agent_id))

    async def consolidate(
        self, principal: Principal, agent_id: UUID | None, *, tier: Tier | None = None, alike: float = _ALIKE
    ) -> int:
        """Merges memories that say nearly the same into the strongest of them. Returns how many were merged away.

        alike: 0.7 to 1; how much of their words two memories must share.
        """
        principal.require("memory:write")
        if not 0.7 <= alike <= 1:
            raise InvalidRequest(
                f"`similarity_threshold` is {alike}; it must be between 0.7 and 1.", field="similarity_threshold"
            )
        merged = 0
        async with self._db.transaction(principal.workspace_id) as tx:
            scope_id = await _scope(tx, principal, agent_id)
            pairs = await rows.near_duplicates(tx, scope_id, tier=tier, least=alike, limit=_AT_ONCE)
            locked = await rows.lock_many(tx, sorted({id for pair in pairs for id in (pair.kept_id, pair.other_id)}))
            memories = {memory.id: memory for memory in locked}
            merged_away: set[UUID] = set()
            for pair in pairs:
                if {pair.kept_id, pair.other_id} & merged_away:
                    continue
                merged_away.add(pair.other_id)
                await _merge(tx, principal, memories, pair)
                merged += 1
        return merged

    async def summarise(
        self,
        principal: Principal,
        agent_id: UUID,
        *,
        most: int = 10,
        user_name: str | None = None,
        is_of_all: bool = False,
    ) -> Memory | None:
        """Makes one memory of the oldest ones, which it supersedes; None when there are fewer than two.

        is_of_all: also of working memories, and of whichever user and session has the oldest one, in place of
        user_name. The summary is written by the configured model; by rules it is what they say, sentence by sentence,
        cut at the largest size of a memory.
        """
        principal.require("memory:write")
        if not 2 <= most <= 100:
            raise InvalidRequest(f"`max_memories` is {most}; it must be between 2 and 100.", field="max_memories")
        async with self._db.transaction(principal.workspace_id) as tx:
            await require_agent(tx, agent_id)
            oldest = await rows.oldest(tx, agent_id, user_name, limit=most, is_of_all=is_of_all)
            user_name = oldest[0].user_name if oldest else user_name
        parts = _fitting([memory.content for memory in oldest])
        if len(parts) < 2:
            return None
        written = None
        if self._judge is not None and await self._judge.has_model(principal, agent_id):
            written = await self._judge.summary(principal, agent_id, parts)
        async with self._db.transaction(principal.workspace_id) as tx:
            covered = await rows.lock_many(tx, [memory.id for memory in oldest[: len(parts)]])
            if [(memory.content, memory.status) for memory in covered] != [
                (part, MemoryStatus.ACTIVE) for part in parts
            ]:
                raise Conflict("The memories were changed while they were summarised; ask again.")
            draft = Draft(
                written or "\n".join(parts),
                agent_id,
                user_name,
                importance=max(0.8, *(memory.importance for memory in covered)),
                metadata={
                    "kind": "summary",
                    "of": [str(memory.id) for memory in covered],
                    "written_by": "model" if written else "rules",
                },
            )
            summary, _ = await self._memories.save_in(tx, principal, draft, Origin(by=By.CONSOLIDATION))
            for memory in covered:
                changes = {"status": MemoryStatus.SUPERSEDED, "superseded_by": summary.id}
                await change(tx, principal, memory, changes, "summarised")
        return summary

    async def resolve_conflicts(self, principal: Principal, agent_id: UUID | None) -> int:
        """Ends the contradictions among all memories, as saving does for each new one. Returns how many."""
        principal.require("memory:write")
        ended, after = 0, None
        while True:
            async with self._db.transaction(principal.workspace_id) as tx:
                scope_id = await _scope(tx, principal, agent_id)
                page = await rows.active(tx, scope_id, after=after, limit=_AT_ONCE)
                for memory in reversed(page):  # the newest first, so that it is the one that stays
                    current = await queries.lock(tx, memory.id)
                    if current is not None and current.status is MemoryStatus.ACTIVE:
                        ended += await _end_older(tx, principal, current)
            if len(page) < _AT_ONCE:
                break
            after = page[-1].id
        return ended + await self._resolve_by_model(principal, agent_id)

    async def _resolve_by_model(self, principal: Principal, agent_id: UUID | None) -> int:
        """Has the model look at what is new since the last time, beside the memories that are most like it."""
        if agent_id is None or self._judge is None or not await self._judge.has_model(principal, agent_id):
            return 0
        async with self._db.transaction(principal.workspace_id) as tx:
            settings = await queries.settings(tx, agent_id)
            recent = await rows.recent(tx, agent_id, since=settings.tended_at, limit=_MOST_JUDGED)
            pairs = [pair for memory in recent for pair in await _beside(tx, principal, agent_id, memory)]
        ended = 0
        for pair in await self._judge.contradictions(principal, agent_id, pairs[:_MOST_JUDGED]):
            async with self._db.transaction(principal.workspace_id) as tx:
                locked = await rows.lock_many(tx, [pair.older.id, pair.newer.id])
                if [one.content for one in locked if one.status is MemoryStatus.ACTIVE] == [
                    pair.older.content,
                    pair.newer.content,
                ]:
                    await supersede(tx, principal, locked[0], locked[1], topic="judged", by="model")
                    ended += 1
        return ended

    async def qualities(self, principal: Principal, agent_id: UUID | None, *, limit: int = 100) -> list[Rated]:
        """Active memories with their quality, the worst first; of the oldest 1,000."""
        principal.require("memory:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            scope_id = await _scope(tx, principal, agent_id)
            found = await rows.active(tx, scope_id, after=None, limit=1_000)
        now = datetime.now(UTC)
        rated = [Rated(memory, quality_of(memory, now)) for memory in found]
        return sorted(rated, key=lambda one: one.quality.overall)[:limit]

    async def quality(self, principal: Principal, id: UUID) -> Rated:
        memory = await self._memories.get(principal, id)
        return Rated(memory, quality_of(memory, datetime.now(UTC)))

    async def check(self, principal: Principal, agent_id: UUID | None, *, is_repairing: bool = False) -> Checkup:
        """Looks for damage: missing words or vectors, texts out of bounds, contradictions; at most 1,000 issues."""
        principal.require("memory:write" if is_repairing else "memory:read")
        model = self._embedding.model if self._embedding else None
        repaired = 0
        async with self._db.transaction(principal.workspace_id) as tx:
            scope_id = await _scope(tx, principal, agent_id)
            issues = await rows.issues(tx, scope_id, model, limit=_MOST_ISSUES)
            if is_repairing:
                for issue in issues:
                    repaired += await _repair(tx, principal, issue)
        if is_repairing and self._embedding is not None:
            repaired += await self._embed_if_possible(principal, scope_id)
        return Checkup(tuple(issues), repaired)

    async def tend(self, principal: Principal, agent_id: UUID | None) -> Tended:
        """Puts memories in order: what ran out is forgotten, duplicates are merged, contradictions ended, memories move
        between tiers, policies are followed, missing vectors made."""
        principal.require("memory:write")
        expired, promoted, demoted = await self.age(principal, agent_id)
        done = Tended(
            expired=expired,
            merged=await self.consolidate(principal, agent_id),
            superseded=await self.resolve_conflicts(principal, agent_id),
            promoted=promoted,
            demoted=demoted,
            forgotten=len(await self.forget(principal, agent_id)),
            embedded=await self._embed_if_possible(principal, agent_id or principal.workspace_id),
        )
        async with self._db.transaction(principal.workspace_id) as tx:
            await rows.forget_finds(tx, agent_id or principal.workspace_id, most=_MOST_FINDS)
            if agent_id is not None:
                await rows.set_tended(tx, agent_id, workspace_id=principal.workspace_id)
        return done

    async def age(self, principal: Principal, agent_id: UUID | None) -> tuple[int, int, int]:
        """Moves memories between tiers. Returns how many expired, were promoted, and were demoted."""
        principal.require("memory:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            scope_id = await _scope(tx, principal, agent_id)
            promoted = await rows.due_for_promotion(tx, scope_id, limit=_AT_ONCE)
            for memory in promoted:
                up = Tier.SHORT if memory.tier is Tier.WORKING else Tier.LONG
                await change(tx, principal, memory, {"tier": up}, "promoted")
            demoted = await rows.due_for_demotion(tx, scope_id, limit=_AT_ONCE)
            for memory in demoted:
                await change(tx, principal, memory, {"tier": Tier.SHORT}, "demoted")
            expired = await rows.expired(tx, scope_id, limit=_AT_ONCE)
            for memory in expired:
                await change(tx, principal, memory, {"status": MemoryStatus.FORGOTTEN}, "expired")
        return len(expired), len(promoted), len(demoted)

    async def _embed_if_possible(self, principal: Principal, scope_id: UUID) -> int:
        """Makes the vectors that are missing; when the embedder is down, the next time does."""
        if self._embedding is None:
            return 0
        done = 0
        while True:
            async with self._db.transaction(principal.workspace_id) as tx:
                model = self._embedding.model
                batch = await search.list_without_vector(tx, scope_id, model, limit=_EMBEDDED_AT_ONCE)
            if not batch:
                return done
            try:
                vectors = await self._embedding.embed([one.content for one in batch])
            except GliaError as error:
                log.warning("memories could not be embedded", code=error.code)
                return done
            async with self._db.transaction(principal.workspace_id) as tx:
                for one, vector in zip(batch, vectors, strict=True):
                    await search.set_vector(tx, one.id, one.content, vector, model)
            done += len(batch)


async def _beside(tx: Transaction, principal: Principal, agent_id: UUID, newer: Memory) -> list[Pair]:
    """The memory with each older one of the same agent and user that it may make untrue."""
    scope = Scope(agent_id, newer.user_name)
    found = await search.search(tx, scope, newer.content, workspace_id=principal.workspace_id, limit=_BESIDE + 1)
    return [
        Pair(one.memory, newer)
        for one in found
        if one.memory.id < newer.id
        and (one.memory.agent_id, one.memory.user_name, one.memory.only_in)
        == (agent_id, newer.user_name, newer.only_in)
    ]


async def _scope(tx: Transaction, principal: Principal, agent_id: UUID | None) -> UUID:
    if agent_id is None:
        return principal.workspace_id
    await require_agent(tx, agent_id)
    return agent_id


async def require_agent(tx: Transaction, agent_id: UUID) -> None:
    if not await queries.has_agent(tx, agent_id):
        raise InvalidRequest(f"There is no agent '{agent_id}' in this workspace.", field="agent_id")


def _check_policy(policy: Policy) -> None:
    bounds = (policy.max_age_seconds, policy.max_count, policy.min_strength)
    if all(bound is None for bound in bounds):
        raise InvalidRequest("A policy needs `max_age_seconds`, `max_count` or `min_strength`; this one has none.")
    for name, bound, smallest, largest in (
        ("max_age_seconds", policy.max_age_seconds, 1, 10**10),
        ("max_count", policy.max_count, 0, 10**9),
        ("min_strength", policy.min_strength, 0, 1),
    ):
        if bound is not None and not smallest <= bound <= largest:
            raise InvalidRequest(f"`{name}` is {bound}; it must be between {smallest} and {largest}.", field=name)
    if not 1 <= len(policy.bucket) <= 100 or "\0" in policy.bucket:
        raise InvalidRequest("`bucket` must have between 1 and 100 characters.", field="bucket")


async def let_go(tx: Transaction, principal: Principal, found: Sequence[Forgotten], *, is_archiving: bool) -> None:
    ids = [one.id for one in found]
    if not is_archiving:
        await rows.delete_many(tx, ids)
        return
    for memory in await rows.lock_many(tx, ids):
        await change(tx, principal, memory, {"status": MemoryStatus.FORGOTTEN}, "forgotten by policy")


async def _merge(tx: Transaction, principal: Principal, memories: dict[MemoryId, Memory], pair: rows.Pair) -> None:
    kept, other = memories[MemoryId(pair.kept_id)], memories[MemoryId(pair.other_id)]
    # The longer life and the larger importance of the two go on.
    longest = max((kept, other), key=lambda memory: list(Tier).index(memory.tier))
    changes = {"importance": max(kept.importance, other.importance), "tier": longest.tier}
    memories[kept.id] = await change(tx, principal, kept, changes, "merged")
    await change(tx, principal, other, {"status": MemoryStatus.SUPERSEDED, "superseded_by": kept.id}, "merged away")
    await rows.merge_counters(tx, kept.id, other.id)


async def _end_older(tx: Transaction, principal: Principal, memory: Memory) -> int:
    """Ends contradictions in which this memory is the newer one."""
    contradicted = await queries.contradicting(tx, memory) if memory.topic is not None else []
    if any(other.id > memory.id for other in contradicted):
        return 0
    return await supersede_contradicted(tx, principal, memory)


async def _repair(tx: Transaction, principal: Principal, issue: Issue) -> int:
    memory = await queries.lock(tx, issue.memory_id)
    if memory is None or not issue.is_repairable:
        return 0
    match issue.kind:
        case "words_missing" | "vector_mismatch":
            await search.index(tx, memory.id, memory.content, workspace_id=principal.workspace_id)
        case "version_missing":
            await queries.record(tx, memory, "repaired", by=principal.name, workspace_id=principal.workspace_id)
        case "content_empty" | "expired":
            await change(tx, principal, memory, {"status": MemoryStatus.FORGOTTEN}, "repaired")
        case "contradicted":
            return 0 if await _end_newest(tx, principal, memory) == 0 else 1
        case _:
            return 0
    return 1


async def _end_newest(tx: Transaction, principal: Principal, memory: Memory) -> int:
    contradicting = await queries.contradicting(tx, memory)
    newest = max(contradicting, key=lambda other: other.id, default=None)
    return 0 if newest is None else await supersede_contradicted(tx, principal, newest)


def _fitting(contents: Sequence[str]) -> list[str]:
    """As many from the start as fit into one memory together."""
    kept: list[str] = []
    room = LONGEST_CONTENT
    for content in contents:
        room -= len(content) + 1
        if room < 0:
            break
        kept.append(content)
    return kept
