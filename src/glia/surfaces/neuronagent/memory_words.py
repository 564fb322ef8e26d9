"""Memories in NeuronAgent's words: flat chunks with whole numbers, and three tiers with UUIDs.

Both are views of the same memories: every memory of an agent is a chunk, and lies in one tier.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from glia.identity.types import Principal
from glia.kit.errors import InvalidRequest, NotFound
from glia.memory.types import Found, Memory, Tier
from glia.surfaces.neuronagent.words import message_id, uuid_in
from glia.surfaces.shared.bodies import Out, Time
from glia.wiring import House

TierName = Literal["stm", "mtm", "lpm"]

_TIERS: dict[str, Tier] = {"stm": Tier.WORKING, "mtm": Tier.SHORT, "lpm": Tier.LONG}
_NAMES = {tier: name for name, tier in _TIERS.items()}


class ChunkOut(Out):
    """message_id: the answer that it comes from."""

    id: int
    agent_id: UUID | None
    session_id: UUID | None
    message_id: int | None
    content: str
    importance_score: float
    metadata: dict[str, Any]
    created_at: Time


class FoundChunkOut(ChunkOut):
    """similarity: 0 to 1, by meaning, or by words where that alone found it."""

    similarity: float


class MemoryOut(Out):
    """A memory in its tier. chunk_id: its number among the chunks. quality comes at `/agents/{id}/memory/quality`.

    pattern_count: how often it was learnt again. confidence: of what is kept for good. expires_at: null for `lpm`.
    """

    id: UUID
    chunk_id: int
    tier: Literal["stm", "mtm", "lpm"]
    agent_id: UUID | None
    session_id: UUID | None
    user_id: str | None
    content: str
    topic: str | None
    category: str
    importance_score: float
    access_count: int
    pattern_count: int
    confidence: float
    metadata: dict[str, Any]
    created_at: Time
    updated_at: Time
    last_reinforced_at: Time
    expires_at: Time | None


def tier_of(name: str) -> Tier:
    found = _TIERS.get(name)
    if found is None:
        raise InvalidRequest(f"`tier` {name[:50]!r} is none of {', '.join(_TIERS)}.", field="tier")
    return found


def tier_name(tier: Tier) -> TierName:
    return _NAMES[tier]  # type: ignore[return-value] # the names above, and no others


class Numbers:
    """The whole numbers of messages, each session asked for once."""

    def __init__(self, house: House, principal: Principal) -> None:
        self._house = house
        self._principal = principal
        self._of: dict[UUID, int] = {}

    async def message(self, session_id: UUID | None, seq: int | None) -> int | None:
        if session_id is None or seq is None:
            return None
        number = self._of.get(session_id)
        if number is None:
            try:
                number = await self._house.messages.number_of(self._principal, session_id)
            except NotFound:  # deleted meanwhile
                return None
            self._of[session_id] = number
        return message_id(number, seq)


async def chunk_out(memory: Memory, numbers: Numbers) -> ChunkOut:
    return ChunkOut(
        id=memory.number,
        agent_id=memory.agent_id,
        session_id=memory.session_id,
        message_id=await numbers.message(memory.session_id, memory.source_seq),
        content=memory.content,
        importance_score=round(memory.importance, 6),
        metadata={**memory.metadata, "tier": tier_name(memory.tier)},
        created_at=memory.created_at,
    )


async def found_out(found: Found, best: float, numbers: Numbers) -> FoundChunkOut:
    chunk = await chunk_out(found.memory, numbers)
    return FoundChunkOut(**vars(chunk), similarity=similarity_of(found, best))


def similarity_of(found: Found, best: float) -> float:
    """best: the best score by words among the finds."""
    if found.dense is not None:
        return round(max(0.0, min(1.0, found.dense)), 6)
    return round(min(1.0, (found.lexical or 0.0) / best), 6) if best > 0 else 0.0


def memory_out(memory: Memory) -> MemoryOut:
    seen = memory.reinforced + 1
    return MemoryOut(
        id=memory.id,
        chunk_id=memory.number,
        tier=tier_name(memory.tier),
        agent_id=memory.agent_id,
        session_id=memory.session_id,
        user_id=memory.user_name,
        content=memory.content,
        topic=memory.topic,
        category=memory.bucket,
        importance_score=round(memory.importance, 6),
        access_count=memory.accesses,
        pattern_count=memory.reinforced,
        confidence=round(min(0.95, seen / (seen + 5)), 4),
        metadata=memory.metadata,
        created_at=memory.created_at,
        updated_at=memory.updated_at,
        last_reinforced_at=memory.used_at,
        expires_at=memory.expires_at,
    )


async def memory_named(house: House, principal: Principal, reference: str, name: str = "id") -> Memory:
    """By its number as a chunk, or by its UUID."""
    if reference.isascii() and reference.isdigit() and len(reference) < 19:
        return await house.memories.numbered(principal, int(reference))
    return await house.memories.get(principal, uuid_in(reference, name))


def milliseconds_since(start: datetime, end: datetime) -> int:
    return max(0, round((end - start).total_seconds() * 1000))
