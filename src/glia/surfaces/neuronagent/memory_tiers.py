"""/api/v1/memories: an agent's memories in their tiers. stm lasts an hour, mtm a week, lpm for good."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import Field

from glia.identity.types import Principal
from glia.kit.errors import InvalidRequest, NotFound
from glia.memory.types import Draft, Filter, Memory, MemoryStatus, Origin, Scope, Tier
from glia.surfaces.neuronagent.auth import TheCaller
from glia.surfaces.neuronagent.memory import agent_in
from glia.surfaces.neuronagent.memory_words import MemoryOut, TierName, memory_named, memory_out, similarity_of, tier_of
from glia.surfaces.neuronagent.words import ThePart, part_from, uuid_in
from glia.surfaces.shared.bodies import Body, Changes, TheHouse, WatchedRoute, given
from glia.wiring import House

router = APIRouter(prefix="/api/v1", tags=["memory"], route_class=WatchedRoute)

_UP = {Tier.WORKING: Tier.SHORT, Tier.SHORT: Tier.LONG}
_DOWN = {Tier.LONG: Tier.SHORT, Tier.SHORT: Tier.WORKING}


class MemoryBody(Body):
    """session_id: for `stm`, the only session whose agent finds it. user_id: only found in this user's sessions."""

    agent_id: str
    content: str
    tier: TierName = "lpm"
    session_id: str | None = None
    user_id: str | None = Field(None, max_length=200)
    category: str = "general"
    importance_score: float = Field(0.5, ge=0, le=1, strict=False)
    metadata: dict[str, Any] = Field(default_factory=dict[str, Any])


class MemoryChanges(Changes):
    content: str = ""
    tier: TierName = "lpm"
    category: str = "general"
    importance_score: float = Field(0.5, ge=0, le=1, strict=False)
    metadata: dict[str, Any] = Field(default_factory=dict[str, Any])


class FindBody(Body):
    query: str = Field(min_length=1, max_length=10_000)
    agent_id: str | None = None
    tier: TierName | None = None
    top_k: int = Field(5, ge=1, le=100)


class FoundMemoryOut(MemoryOut):
    similarity: float


class MoveBody(Body):
    """target_tier: the next one when not given."""

    memory_id: str | int | None = None
    target_tier: TierName | None = None


@router.get("/memories")
async def list_memories(
    house: TheHouse,
    principal: TheCaller,
    part: ThePart,
    agent_id: Annotated[str | None, Query(description="Only this agent's.", max_length=100)] = None,
    tier: Annotated[TierName | None, Query(description="Only of this tier.")] = None,
    session_id: Annotated[str | None, Query(description="Only from this session.", max_length=100)] = None,
) -> list[MemoryOut]:
    """List memories, newest first."""
    agent = None if agent_id is None else await agent_in(house, principal, agent_id)
    return await _listed(house, principal, part, Filter(agent_id=agent), tier, session_id)


@router.get("/agents/{id}/memories")
async def list_of_agent(
    id: str,
    house: TheHouse,
    principal: TheCaller,
    part: ThePart,
    tier: Annotated[TierName | None, Query(description="Only of this tier.")] = None,
    session_id: Annotated[str | None, Query(description="Only from this session.", max_length=100)] = None,
) -> list[MemoryOut]:
    """List an agent's memories, newest first."""
    agent = await agent_in(house, principal, id)
    return await _listed(house, principal, part, Filter(agent_id=agent), tier, session_id)


async def _listed(
    house: House, principal: Principal, part: ThePart, wanted: Filter, tier: str | None, session_id: str | None
) -> list[MemoryOut]:
    wanted = Filter(
        agent_id=wanted.agent_id,
        tier=None if tier is None else tier_of(tier).value,
        session_id=None if session_id is None else uuid_in(session_id, "session_id"),
    )
    found = await part_from(lambda window: house.memories.list(principal, window, wanted), part)
    return [memory_out(memory) for memory in found]


@router.post("/memories", status_code=201)
async def create(body: MemoryBody, house: TheHouse, principal: TheCaller) -> MemoryOut:
    """Keep something in a tier."""
    return await _create(body, uuid_in(body.agent_id, "agent_id"), house, principal)


async def _create(body: MemoryBody, agent_id: UUID, house: House, principal: Principal) -> MemoryOut:
    await house.agents.get(principal, agent_id)
    origin = Origin()
    if body.session_id is not None:
        session = await house.sessions.get(principal, uuid_in(body.session_id, "session_id"))
        origin = Origin(session.id)
    draft = Draft(
        body.content,
        agent_id,
        body.user_id,
        tier_of(body.tier),
        body.category,
        body.importance_score,
        body.metadata,
    )
    return memory_out(await house.memories.save(principal, draft, origin))


@router.post("/memories/search")
async def search(body: FindBody, house: TheHouse, principal: TheCaller) -> list[FoundMemoryOut]:
    """The memories that fit a query by meaning and words, best first."""
    agent = None if body.agent_id is None else await agent_in(house, principal, body.agent_id)
    tier = None if body.tier is None else tier_of(body.tier)
    recall = await house.memories.search(principal, body.query, Scope(agent), limit=body.top_k, tier=tier)
    if recall.is_fallback:
        return []
    best = max(one.lexical or 0.0 for one in recall.found)
    return [FoundMemoryOut(**vars(memory_out(one.memory)), similarity=similarity_of(one, best)) for one in recall.found]


@router.post("/memories/promote")
async def promote_named(body: MoveBody, house: TheHouse, principal: TheCaller) -> MemoryOut:
    """Move a memory, named in the body, up."""
    if body.memory_id is None:
        raise InvalidRequest("`memory_id` is missing.", field="memory_id")
    return await _moved(str(body.memory_id), body, house, principal, is_up=True)


@router.get("/memories/{memory_id}")
async def get(memory_id: str, house: TheHouse, principal: TheCaller) -> MemoryOut:
    """One memory, by its UUID or its number as a chunk."""
    return memory_out(await _active(house, principal, memory_id))


@router.put("/memories/{memory_id}")
async def update(memory_id: str, body: MemoryChanges, house: TheHouse, principal: TheCaller) -> MemoryOut:
    """Change what is given; what it was stays in its history."""
    memory, changes = await _active(house, principal, memory_id), given(body)
    names = {"category": "bucket", "importance_score": "importance"}
    wanted = {names.get(name, name): value for name, value in changes.items()}
    if "tier" in wanted:
        wanted["tier"] = tier_of(wanted["tier"])
    return memory_out(await house.memories.update(principal, memory.id, wanted))


@router.delete("/memories/{memory_id}", status_code=204, response_class=Response)
async def delete(memory_id: str, house: TheHouse, principal: TheCaller) -> Response:
    """Delete a memory for good."""
    memory = await memory_named(house, principal, memory_id, "memory_id")
    await house.memories.delete(principal, memory.id)
    return Response(status_code=204)


@router.post("/memories/{memory_id}/promote")
async def promote(memory_id: str, house: TheHouse, principal: TheCaller, body: MoveBody | None = None) -> MemoryOut:
    """Move a memory to a tier in which it lasts longer."""
    return await _moved(memory_id, body or MoveBody(), house, principal, is_up=True)


@router.post("/memories/{memory_id}/demote")
async def demote(memory_id: str, house: TheHouse, principal: TheCaller, body: MoveBody | None = None) -> MemoryOut:
    """Move a memory to a tier in which it lasts less long."""
    return await _moved(memory_id, body or MoveBody(), house, principal, is_up=False)


async def _moved(memory_id: str, body: MoveBody, house: House, principal: Principal, *, is_up: bool) -> MemoryOut:
    memory = await _active(house, principal, memory_id)
    order = list(Tier)
    target = (_UP if is_up else _DOWN).get(memory.tier) if body.target_tier is None else tier_of(body.target_tier)
    way = "up" if is_up else "down"
    if target is None or (order.index(target) > order.index(memory.tier)) is not is_up or target is memory.tier:
        raise InvalidRequest(
            f"There is no such tier {way} from `{memory_out(memory).tier}`; the order is stm, mtm, lpm.",
            field="target_tier",
        )
    return memory_out(await house.memories.update(principal, memory.id, {"tier": target}))


async def _active(house: House, principal: Principal, memory_id: str) -> Memory:
    memory = await memory_named(house, principal, memory_id, "memory_id")
    if memory.status is not MemoryStatus.ACTIVE:
        raise NotFound(f"The memory {memory_id[:100]!r} is {memory.status.value}; nothing finds it any more.")
    return memory
