"""/v1/memories"""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import Field

from glia.kit.ids import parse_id
from glia.surfaces.native.words import (
    Body,
    Changes,
    ListOf,
    NativeRoute,
    Out,
    TheHouse,
    ThePrincipal,
    TheWindow,
    Time,
    agent_id_of,
    given,
    page_of,
)

router = APIRouter(prefix="/v1/memories", tags=["memories"], route_class=NativeRoute)


class MemoryBody(Body):
    """agent_id: whose memory it is, by id or slug; left away, every agent of the workspace finds it."""

    content: str
    agent_id: str | None = Field(None, max_length=200)
    metadata: dict[str, Any] = Field(default_factory=dict[str, Any])


class MemoryChanges(Changes):
    content: str = ""
    metadata: dict[str, Any] = Field(default_factory=dict[str, Any])


class MemorySearchBody(Body):
    """agent_id: that agent's memories and the common ones; left away, all."""

    query: str
    agent_id: str | None = Field(None, max_length=200)
    limit: int = 10


class MemoryOut(Out):
    """session_id, run_id: where an agent saved it; null when a person wrote it."""

    id: UUID
    agent_id: UUID | None
    content: str
    metadata: dict[str, Any]
    session_id: UUID | None
    run_id: UUID | None
    created_at: Time
    updated_at: Time


class FoundMemories(ListOf[MemoryOut]):
    """is_fallback: nothing matched, so these are the newest."""

    is_fallback: bool


@router.post("", status_code=201)
async def create(body: MemoryBody, house: TheHouse, principal: ThePrincipal) -> MemoryOut:
    """Keep a fact."""
    agent = None if body.agent_id is None else (await house.agents.find(principal, body.agent_id)).id
    saved = await house.memories.save(principal, body.content, agent_id=agent, metadata=body.metadata)
    return MemoryOut.of(saved)


@router.get("")
async def list_memories(
    house: TheHouse,
    principal: ThePrincipal,
    window: TheWindow,
    agent_id: Annotated[str | None, Query(description="Only this agent's; its id or slug.")] = None,
) -> ListOf[MemoryOut]:
    """List memories, newest first."""
    agent = None if agent_id is None else await agent_id_of(house, principal, agent_id)
    return page_of(await house.memories.list(principal, window, agent_id=agent), MemoryOut.of)


@router.post("/search")
async def search(body: MemorySearchBody, house: TheHouse, principal: ThePrincipal) -> FoundMemories:
    """The memories that share words with the query; the newest when none does."""
    agent = None if body.agent_id is None else (await house.agents.find(principal, body.agent_id)).id
    found = await house.memories.search(principal, body.query, agent_id=agent, limit=body.limit)
    return FoundMemories(data=[MemoryOut.of(memory) for memory in found.memories], is_fallback=found.is_fallback)


@router.get("/{memory}")
async def get(memory: str, house: TheHouse, principal: ThePrincipal) -> MemoryOut:
    """One memory."""
    return MemoryOut.of(await house.memories.get(principal, parse_id(memory, "memory")))


@router.patch("/{memory}")
async def update(memory: str, body: MemoryChanges, house: TheHouse, principal: ThePrincipal) -> MemoryOut:
    """Change a memory's content or metadata."""
    return MemoryOut.of(await house.memories.update(principal, parse_id(memory, "memory"), **given(body)))


@router.delete("/{memory}", status_code=204, response_class=Response)
async def delete(memory: str, house: TheHouse, principal: ThePrincipal) -> Response:
    """Forget a fact."""
    await house.memories.delete(principal, parse_id(memory, "memory"))
    return Response(status_code=204)
