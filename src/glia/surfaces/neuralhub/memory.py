"""/v1/memory"""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response
from pydantic import Field, WithJsonSchema

from glia.identity.types import Principal
from glia.kit.errors import InvalidRequest
from glia.kit.pages import Window, read_cursor
from glia.memory.types import Draft, Filter, Memory, Scope, similarity
from glia.surfaces.neuralhub.agents import LimitText, find_agent
from glia.surfaces.neuralhub.scopes import needs
from glia.surfaces.neuralhub.words import id_of, memory_id
from glia.surfaces.shared.bodies import Body, Out, TheHouse, Time, WatchedRoute, number_of
from glia.wiring import House

router = APIRouter(prefix="/v1/memory", tags=["memory"], route_class=WatchedRoute)

Reader = Annotated[Principal, Depends(needs("memories:read", "agents:read"))]
Writer = Annotated[Principal, Depends(needs("memories:write", "agents:read"))]
AgentText = Annotated[
    str | None, Query(description="Only what this agent remembers, with what all share; its id or slug.")
]


class MemoryBody(Body):
    """agent_id: whose memory it is; left away, every agent of the workspace finds it."""

    content: str
    metadata: dict[str, Any] = Field(default_factory=dict[str, Any])
    agent_id: str | None = Field(None, max_length=200)


class StoredOut(Out):
    id: str
    created_at: Time


class MemoryOut(Out):
    id: str
    content: str
    metadata: dict[str, Any]
    agent_id: str | None
    created_at: Time


class FoundOut(MemoryOut):
    """similarity: 0 to 1; of the meanings where the server has an embedding model, of the words otherwise."""

    similarity: float


class MemoriesOut(Out):
    memories: list[MemoryOut]
    hasMore: bool  # noqa: N815 - NeuralHub's lists are in camel case
    cursor: str | None


@router.post("", status_code=201)
async def store(body: MemoryBody, house: TheHouse, principal: Writer) -> StoredOut:
    """Remember something. It is embedded at once and can be searched by meaning."""
    agent = None if body.agent_id is None else await _agent_id(house, principal, body.agent_id)
    saved = await house.memories.save(principal, Draft(body.content, agent_id=agent, metadata=body.metadata))
    return StoredOut(id=memory_id(saved.id), created_at=saved.created_at)


@router.get("")
async def list_memories(
    house: TheHouse,
    principal: Reader,
    limit: LimitText = None,
    cursor: str | None = None,
    agent_id: Annotated[str | None, Query(description="Only this agent's own; its id or slug.")] = None,
) -> MemoriesOut:
    """What is remembered, newest first."""
    agent = None if agent_id is None else await _agent_id(house, principal, agent_id)
    window = Window(number_of(limit, "limit", 20), read_cursor(cursor))
    page = await house.memories.list(principal, window, Filter(agent_id=agent))
    return MemoriesOut(
        memories=[_memory_out(memory) for memory in page.items], hasMore=page.has_more, cursor=page.next_cursor
    )


@router.get("/search")
async def search(
    house: TheHouse,
    principal: Reader,
    q: Annotated[str | None, Query(description="What to look for; needed.")] = None,
    query: Annotated[str | None, Query(description="The same as `q`.")] = None,
    limit: Annotated[str | None, WithJsonSchema({"type": "integer", "minimum": 1, "maximum": 1000}), Query()] = None,
    agent_id: AgentText = None,
    threshold: Annotated[
        str | None,
        WithJsonSchema({"type": "number", "minimum": 0, "maximum": 1}),
        Query(description="The least similarity of what is found."),
    ] = None,
) -> list[FoundOut]:
    """What is nearest in meaning, most similar first."""
    asked = q if q is not None else query
    if asked is None or not asked.strip():
        raise InvalidRequest("`q` is missing or empty; say what to look for.", field="q")
    least = _threshold(threshold)
    scope = Scope(agent_id=None if agent_id is None else await _agent_id(house, principal, agent_id))
    recall = await house.memories.search(principal, asked, scope, limit=number_of(limit, "limit", 10))
    if recall.is_fallback:
        return []
    found = [
        FoundOut(**_memory_out(one.memory).model_dump(), similarity=round(similarity(one, asked), 4))
        for one in recall.found
    ]
    return sorted((one for one in found if one.similarity >= least), key=lambda one: -one.similarity)


@router.get("/{memory}")
async def get_memory(memory: str, house: TheHouse, principal: Reader) -> MemoryOut:
    """One memory."""
    return _memory_out(await house.memories.get(principal, _id_of(memory)))


@router.delete("/{memory}", status_code=204, response_class=Response)
async def delete(memory: str, house: TheHouse, principal: Writer) -> Response:
    """Forget something for good."""
    await house.memories.delete(principal, _id_of(memory))
    return Response(status_code=204)


def _memory_out(memory: Memory) -> MemoryOut:
    return MemoryOut(
        id=memory_id(memory.id),
        content=memory.content,
        metadata=memory.metadata,
        agent_id=None if memory.agent_id is None else str(memory.agent_id),
        created_at=memory.created_at,
    )


def _id_of(text: str) -> UUID:
    return id_of(text, "memory", prefix="mem_")


async def _agent_id(house: House, principal: Principal, reference: str) -> UUID:
    return (await find_agent(house, principal, reference)).id


def _threshold(text: str | None) -> float:
    if text is None:
        return 0.0
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise InvalidRequest(f"`threshold` is {text[:40]!r}; it must be between 0 and 1.", field="threshold")
    return value
