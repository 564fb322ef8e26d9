"""/v1/memories"""

from __future__ import annotations

from typing import Annotated, Any, Literal, cast
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import Field

from glia.kit.errors import InvalidRequest
from glia.kit.ids import parse_id
from glia.memory.types import By, Draft, Filter, Found, MemoryStatus, Scope, Tier
from glia.surfaces.native.words import ListOf, TheWindow, agent_id_of, page_of
from glia.surfaces.shared.bodies import Body, Changes, Out, TheHouse, ThePrincipal, Time, WatchedRoute, given, id_of

router = APIRouter(prefix="/v1/memories", tags=["memories"], route_class=WatchedRoute)

TierName = Literal["working", "short", "long"]


class MemoryBody(Body):
    """agent_id: whose memory it is, by id or slug; left away, every agent of the workspace finds it.

    user_name: only found in sessions of this user. importance: 0 to 1.
    """

    content: str
    agent_id: str | None = Field(None, max_length=200)
    user_name: str | None = Field(None, max_length=200)
    tier: TierName = "long"
    bucket: str = "general"
    importance: float = Field(0.5, strict=False)
    metadata: dict[str, Any] = Field(default_factory=dict[str, Any])


class MemoryChanges(Changes):
    """status: `forgotten` sets it aside, `active` brings it back. version: 409 when it is not at this one any more."""

    content: str = ""
    tier: TierName = "long"
    bucket: str = "general"
    importance: float = Field(0.5, strict=False)
    status: Literal["active", "forgotten"] = "active"
    metadata: dict[str, Any] = Field(default_factory=dict[str, Any])
    version: int | None = None


class MemorySearchBody(Body):
    """agent_id: that agent's memories and the common ones; left away, all.

    session_id: as an agent in this session would find them, so without other users' and other sessions' memories.
    """

    query: str
    agent_id: str | None = Field(None, max_length=200)
    user_name: str | None = Field(None, max_length=200)
    session_id: str | None = Field(None, max_length=100)
    bucket: str | None = None
    tier: TierName | None = None
    limit: int = 10


class MemoryOut(Out):
    """session_id, source_seq, run_id: the session, the event in it and the run it comes from; null for a person's.

    tool_call_id: in that run, of the call by which the agent saved it. strength: importance after decay. topic, value:
    what it says about what, where that could be told.
    """

    id: UUID
    number: int
    agent_id: UUID | None
    user_name: str | None
    tier: Tier
    bucket: str
    content: str
    metadata: dict[str, Any]
    importance: float
    strength: float
    status: MemoryStatus
    superseded_by: UUID | None
    topic: str | None
    value: str | None
    origin: By
    session_id: UUID | None
    source_seq: int | None
    run_id: UUID | None
    tool_call_id: str | None
    version: int
    reinforced: int
    accesses: int
    useful: int
    not_useful: int
    used_at: Time
    expires_at: Time | None
    created_at: Time
    updated_at: Time


class FindOut(Out):
    """One time that an agent found it: in this run, by this call of memory_search."""

    id: UUID
    at: Time
    session_id: UUID | None
    run_id: UUID | None
    tool_call_id: str | None


class FoundMemoryOut(MemoryOut):
    """lexical, dense: the scores by words and by meaning, null where that did not find it; score: both together."""

    lexical: float | None
    dense: float | None
    score: float

    @classmethod
    def found(cls, one: Found) -> FoundMemoryOut:
        shown = MemoryOut.of(one.memory).model_dump()
        return cls(**shown, lexical=one.lexical, dense=one.dense, score=one.score)


class FoundMemories(ListOf[FoundMemoryOut]):
    """is_fallback: nothing matched, so these are the newest."""

    is_fallback: bool


class MemoryVersionOut(Out):
    """change: what led to this state. restores: the version that an undo went back to."""

    version: int
    content: str
    metadata: dict[str, Any]
    tier: Tier
    bucket: str
    importance: float
    status: MemoryStatus
    superseded_by: UUID | None
    change: str
    restores: int | None
    changed_by: str
    created_at: Time


class MemoryFeedbackBody(Body):
    is_useful: bool
    comment: str = ""


class ConflictOut(Out):
    """Two memories that contradict each other, and which of them is found."""

    id: UUID
    topic: str
    older_id: UUID
    older_content: str
    newer_id: UUID
    newer_content: str
    kept: Literal["newer", "older", "both", "merged"]
    resolved_by: str
    created_at: Time


class ConflictBody(Body):
    keep: Literal["newer", "older", "both"]


@router.post("", status_code=201)
async def create(body: MemoryBody, house: TheHouse, principal: ThePrincipal) -> MemoryOut:
    """Keep a fact."""
    agent = None if body.agent_id is None else (await house.agents.find(principal, body.agent_id)).id
    draft = Draft(
        body.content,
        agent,
        body.user_name,
        tier=Tier(body.tier),
        bucket=body.bucket,
        importance=body.importance,
        metadata=body.metadata,
    )
    return MemoryOut.of(await house.memories.save(principal, draft))


@router.get("")
async def list_memories(
    house: TheHouse,
    principal: ThePrincipal,
    window: TheWindow,
    agent_id: Annotated[str | None, Query(description="Only this agent's; its id or slug.")] = None,
    user_name: Annotated[str | None, Query(description="Only those of this user.")] = None,
    bucket: Annotated[str | None, Query(description="Only those of this bucket.")] = None,
    tier: TierName | None = None,
    status: Annotated[str, Query(description="`active`, `superseded`, `forgotten` or `all`.")] = "active",
    session_id: Annotated[str | None, Query(description="Only those that come from this session.")] = None,
) -> ListOf[MemoryOut]:
    """List memories, newest first."""
    if status not in {*MemoryStatus, "all"}:
        raise InvalidRequest(f"`status` {status[:50]!r} is not active, superseded, forgotten or all.", field="status")
    wanted = Filter(
        agent_id=None if agent_id is None else await agent_id_of(house, principal, agent_id),
        user_name=user_name,
        bucket=bucket,
        tier=tier,
        status=None if status == "all" else status,
        session_id=None if session_id is None else id_of(session_id, "session_id"),
    )
    return page_of(await house.memories.list(principal, window, wanted), MemoryOut.of)


@router.post("/search")
async def search(body: MemorySearchBody, house: TheHouse, principal: ThePrincipal) -> FoundMemories:
    """The memories that fit the query by words and meaning; the newest when none does."""
    agent = None if body.agent_id is None else (await house.agents.find(principal, body.agent_id)).id
    session = None if body.session_id is None else id_of(body.session_id, "session_id")
    user_name = body.user_name
    if session is not None and user_name is None:
        user_name = await house.memories.user_of(principal.workspace_id, session)
    scope = Scope(agent, user_name, session, is_narrow=session is not None or user_name is not None)
    tier = None if body.tier is None else Tier(body.tier)
    found = await house.memories.search(principal, body.query, scope, limit=body.limit, bucket=body.bucket, tier=tier)
    return FoundMemories(data=[FoundMemoryOut.found(one) for one in found.found], is_fallback=found.is_fallback)


@router.get("/conflicts")
async def list_conflicts(
    house: TheHouse,
    principal: ThePrincipal,
    window: TheWindow,
    agent_id: Annotated[str | None, Query(description="Only between this agent's memories; its id or slug.")] = None,
) -> ListOf[ConflictOut]:
    """List memories that contradict each other, newest first."""
    agent = None if agent_id is None else await agent_id_of(house, principal, agent_id)
    return page_of(await house.memories.conflicts(principal, window, scope_id=agent), ConflictOut.of)


@router.post("/conflicts/{conflict}/resolve")
async def resolve(conflict: str, body: ConflictBody, house: TheHouse, principal: ThePrincipal) -> ConflictOut:
    """Decide a conflict anew: keep the newer memory, the older one, or both."""
    return ConflictOut.of(await house.memories.resolve(principal, parse_id(conflict, "memory conflict"), body.keep))


@router.get("/{memory}")
async def get(memory: str, house: TheHouse, principal: ThePrincipal) -> MemoryOut:
    """One memory."""
    return MemoryOut.of(await house.memories.get(principal, parse_id(memory, "memory")))


@router.patch("/{memory}")
async def update(memory: str, body: MemoryChanges, house: TheHouse, principal: ThePrincipal) -> MemoryOut:
    """Change a memory; what it was stays as a version."""
    changes = given(body)
    version = cast(int | None, changes.pop("version", None))
    for name, kind in (("tier", Tier), ("status", MemoryStatus)):
        if name in changes:
            changes[name] = kind(changes[name])
    id = parse_id(memory, "memory")
    return MemoryOut.of(await house.memories.update(principal, id, changes, version=version))


@router.delete("/{memory}", status_code=204, response_class=Response)
async def delete(memory: str, house: TheHouse, principal: ThePrincipal) -> Response:
    """Delete a memory for good, with its versions."""
    await house.memories.delete(principal, parse_id(memory, "memory"))
    return Response(status_code=204)


@router.get("/{memory}/versions")
async def versions(memory: str, house: TheHouse, principal: ThePrincipal) -> ListOf[MemoryVersionOut]:
    """Every state it has had, newest first."""
    found = await house.memories.versions(principal, parse_id(memory, "memory"))
    return ListOf(data=[MemoryVersionOut.of(version) for version in found])


@router.get("/{memory}/finds")
async def finds(memory: str, house: TheHouse, principal: ThePrincipal, window: TheWindow) -> ListOf[FindOut]:
    """Each time that an agent found it, newest first; `accesses` counts them."""
    return page_of(await house.memories.finds(principal, parse_id(memory, "memory"), window), FindOut.of)


@router.post("/{memory}/undo")
async def undo(memory: str, house: TheHouse, principal: ThePrincipal) -> MemoryOut:
    """Take the latest change back; 409 when there is none."""
    return MemoryOut.of(await house.memories.undo(principal, parse_id(memory, "memory")))


@router.post("/{memory}/feedback")
async def feedback(memory: str, body: MemoryFeedbackBody, house: TheHouse, principal: ThePrincipal) -> MemoryOut:
    """Say whether it was of use, which moves its importance."""
    id = parse_id(memory, "memory")
    return MemoryOut.of(await house.memories.feedback(principal, id, is_useful=body.is_useful, comment=body.comment))
