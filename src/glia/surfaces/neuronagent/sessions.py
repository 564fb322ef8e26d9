"""/api/v1/sessions: conversations with an agent."""

from __future__ import annotations

from typing import Annotated, Any, cast
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import Response

from glia.identity.types import Principal
from glia.kit.errors import InvalidRequest
from glia.sessions.types import Session, SessionFilter
from glia.surfaces.neuronagent.auth import TheCaller, TheUser
from glia.surfaces.neuronagent.words import (
    Part,
    SinceText,
    ThePart,
    UntilText,
    check_size,
    moment_in,
    part_from,
    usd,
    uuid_in,
)
from glia.surfaces.shared.bodies import Body, Changes, Out, TheHouse, Time, WatchedRoute, given
from glia.wiring import House

router = APIRouter(prefix="/api/v1", tags=["sessions"], route_class=WatchedRoute)

LARGEST_METADATA_BYTES = 5 * 1024
_KEY = "neuronagent"
_USER = "user_name"
"""Where a session's metadata names its user, for memory that is the user's own."""

Metadata = dict[str, Any]


class SessionBody(Body):
    """external_user_id: whose session it is, in your words; memory is kept apart by it. metadata: kept as it is."""

    agent_id: str
    external_user_id: str | None = None
    metadata: Metadata | None = None


class SessionChanges(Changes):
    """metadata: replaces all of it."""

    external_user_id: str | None = None
    metadata: Metadata | None = None


class SessionOut(Out):
    """updated_at and last_activity_at: when something happened in it last."""

    id: UUID
    agent_id: UUID | None
    external_user_id: str | None
    metadata: Metadata
    created_at: Time
    updated_at: Time
    last_activity_at: Time


class SessionCostsOut(Out):
    """total_cost: USD, of calls whose price is known."""

    session_id: UUID
    total_tokens: int
    total_cost: float
    request_count: int


def session_out(session: Session) -> SessionOut:
    user, metadata = _shown(session.metadata)
    return SessionOut(
        id=session.id,
        agent_id=session.agent_id,
        external_user_id=user,
        metadata=metadata,
        created_at=session.created_at,
        updated_at=session.updated_at,
        last_activity_at=session.updated_at,
    )


@router.post("/sessions", status_code=201)
async def create(body: SessionBody, house: TheHouse, principal: TheCaller) -> SessionOut:
    """Open a session with an agent."""
    _check(body.external_user_id, body.metadata)
    agent = await house.agents.get(principal, uuid_in(body.agent_id, "agent_id"))
    metadata = _kept(body.external_user_id, body.metadata or {})
    return session_out(await house.sessions.create(principal, agent_id=agent.id, metadata=metadata))


@router.get("/sessions")
async def list_all(
    house: TheHouse,
    principal: TheCaller,
    part: ThePart,
    agent_id: Annotated[str | None, Query(description="Only sessions with this agent.")] = None,
    external_user_id: Annotated[str | None, Query(description="Only sessions of this user.")] = None,
    start_date: SinceText = None,
    end_date: UntilText = None,
) -> list[SessionOut]:
    """List sessions, those first in which something happened last."""
    wanted = None if agent_id is None else uuid_in(agent_id, "agent_id")
    return await _list(house, principal, part, _filter(wanted, external_user_id, start_date, end_date))


@router.get("/agents/{agent_id}/sessions")
async def list_of_agent(
    agent_id: str,
    house: TheHouse,
    principal: TheCaller,
    part: ThePart,
    external_user_id: Annotated[str | None, Query(description="Only sessions of this user.")] = None,
    start_date: SinceText = None,
    end_date: UntilText = None,
) -> list[SessionOut]:
    """List an agent's sessions, those first in which something happened last."""
    agent = await house.agents.get(principal, uuid_in(agent_id, "agent_id"))
    return await _list(house, principal, part, _filter(agent.id, external_user_id, start_date, end_date))


@router.get("/sessions/{id}")
async def get(id: str, house: TheHouse, principal: TheCaller) -> SessionOut:
    """One session."""
    return session_out(await house.sessions.get(principal, uuid_in(id)))


@router.put("/sessions/{id}")
async def update(id: str, body: SessionChanges, house: TheHouse, principal: TheUser) -> SessionOut:
    """Change a session's user or metadata."""
    _check(body.external_user_id, body.metadata)
    session = await house.sessions.get(principal, uuid_in(id))
    user, metadata = _shown(session.metadata)
    changes = given(body)
    if changes:
        kept = _kept(changes.get("external_user_id", user), changes.get("metadata", metadata) or {})
        session = await house.sessions.update(principal, session.id, metadata=kept)
    return session_out(session)


@router.delete("/sessions/{id}", status_code=204, response_class=Response)
async def delete(id: str, house: TheHouse, principal: TheUser) -> Response:
    """Delete a session with its messages. Its open runs are cancelled."""
    session = uuid_in(id)
    await house.sessions.get(principal, session)
    await house.runs.cancel_session(principal, session)
    await house.sessions.delete(principal, session)
    return Response(status_code=204)


@router.get("/sessions/{id}/costs")
async def costs(id: str, house: TheHouse, principal: TheCaller) -> SessionCostsOut:
    """What the model calls of a session took."""
    session = await house.sessions.get(principal, uuid_in(id))
    runs = await part_from(
        lambda window: house.runs.list(principal, window, session_id=session.id), Part(limit=100_000)
    )
    return SessionCostsOut(
        session_id=session.id,
        total_tokens=sum(run.input_tokens + run.output_tokens for run in runs),
        total_cost=usd(sum(run.cost_micros or 0 for run in runs)),
        request_count=sum(run.model_calls for run in runs),
    )


def _filter(agent_id: UUID | None, user: str | None, start: str | None, end: str | None) -> SessionFilter:
    return SessionFilter(
        agent_id=agent_id,
        metadata={} if user is None else {_USER: user},
        since=moment_in(start, "start_date"),
        until=moment_in(end, "end_date"),
    )


async def _list(house: House, principal: Principal, part: Part, wanted: SessionFilter) -> list[SessionOut]:
    found = await house.sessions.recent(principal, wanted, limit=part.limit, offset=part.offset)
    return [session_out(session) for session in found]


def _check(user: str | None, metadata: Metadata | None) -> None:
    if user is not None and not 1 <= len(user) <= 255:
        raise InvalidRequest(
            f"`external_user_id` has {len(user)} characters; it must have between 1 and 255.", field="external_user_id"
        )
    check_size(metadata or {}, "metadata", LARGEST_METADATA_BYTES)


def _kept(user: str | None, metadata: Metadata) -> Metadata:
    """As the session keeps it. A `user_name` of the client's own gives way to the user, and comes back when shown."""
    if user is None:
        return metadata
    own = {_USER: metadata[_USER]} if _USER in metadata else {}
    return {**metadata, _USER: user, _KEY: own}


def _shown(kept: Metadata) -> tuple[str | None, Metadata]:
    """The user, and the metadata as the client gave it."""
    user = kept.get(_USER)
    own = kept.get(_KEY)
    if not isinstance(own, dict):
        return (user if isinstance(user, str) else None), kept
    rest = {name: value for name, value in kept.items() if name not in (_USER, _KEY)}
    return cast(str, user), {**rest, **cast(Metadata, own)}
