"""/api/v1/snapshots: run an agent, keep what it said and did, show it again or try it again."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import Field

from glia.identity.types import Principal
from glia.kit.errors import Conflict
from glia.runs.types import Accepted, ForkPoint, RunSnapshot, Said
from glia.surfaces.neuronagent.auth import TheCaller
from glia.surfaces.neuronagent.turns import Turn
from glia.surfaces.neuronagent.words import ThePart, part_from, uuid_in
from glia.surfaces.shared.bodies import Body, Out, TheHouse, Time, WatchedRoute
from glia.wiring import House

router = APIRouter(prefix="/api/v1", tags=["snapshots"], route_class=WatchedRoute)

_MOST_EVENTS = 2000


class SnapshotBody(Body):
    """deterministic_mode: a replay shows what is kept, and asks no model."""

    user_message: str = Field(min_length=1, max_length=100_000)
    deterministic_mode: bool = False


class SnapshotOut(Out):
    id: UUID
    session_id: UUID
    agent_id: UUID
    user_message: str
    execution_state: dict[str, Any]
    deterministic_mode: bool
    created_at: Time


class ReplayOut(Out):
    """session_id: where it happened; a replay that tries again does so in a fork, and the session stays as it is."""

    session_id: UUID
    agent_id: UUID
    user_message: str
    final_answer: str
    tool_calls: list[dict[str, Any]]
    tool_results: list[dict[str, Any]]
    tokens_used: int


@router.post("/sessions/{session_id}/snapshots", status_code=201)
async def create(session_id: str, body: SnapshotBody, house: TheHouse, principal: TheCaller) -> SnapshotOut:
    """Say something to the agent, and keep what it does."""
    session = await house.sessions.get(principal, uuid_in(session_id, "session_id"))
    if session.agent_id is None:
        raise Conflict("This session has no agent that could answer.")
    accepted = await house.runs.accept(principal, session.id, [Said("user", body.user_message)])
    turn = await finished(house, principal, accepted)
    kept = await house.run_snapshots.keep(
        principal,
        accepted.run_id,
        session_id=session.id,
        agent_id=session.agent_id,
        user_message=body.user_message,
        is_deterministic=body.deterministic_mode,
        state={**_state(turn), "after": accepted.after},
    )
    return _shown(kept)


@router.get("/sessions/{session_id}/snapshots")
async def of_session(session_id: str, house: TheHouse, principal: TheCaller, part: ThePart) -> list[SnapshotOut]:
    """A session's snapshots, newest first."""
    session = await house.sessions.get(principal, uuid_in(session_id, "session_id"))
    found = await part_from(lambda window: house.run_snapshots.list(principal, window, session_id=session.id), part)
    return [_shown(snapshot) for snapshot in found]


@router.get("/agents/{agent_id}/snapshots")
async def of_agent(agent_id: str, house: TheHouse, principal: TheCaller, part: ThePart) -> list[SnapshotOut]:
    """An agent's snapshots, newest first."""
    agent = await house.agents.get(principal, uuid_in(agent_id, "agent_id"))
    found = await part_from(lambda window: house.run_snapshots.list(principal, window, agent_id=agent.id), part)
    return [_shown(snapshot) for snapshot in found]


@router.get("/snapshots/{snapshot_id}")
async def get(snapshot_id: str, house: TheHouse, principal: TheCaller) -> SnapshotOut:
    """One snapshot."""
    return _shown(await house.run_snapshots.get(principal, uuid_in(snapshot_id, "snapshot_id")))


@router.delete("/snapshots/{snapshot_id}", status_code=204, response_class=Response)
async def delete(snapshot_id: str, house: TheHouse, principal: TheCaller) -> Response:
    """Delete a snapshot; its run stays."""
    await house.run_snapshots.delete(principal, uuid_in(snapshot_id, "snapshot_id"))
    return Response(status_code=204)


@router.post("/snapshots/{snapshot_id}/replay")
async def replay(snapshot_id: str, house: TheHouse, principal: TheCaller) -> ReplayOut:
    """Exactly what is kept, in deterministic mode; otherwise the same message once more, from the same history."""
    kept = await house.run_snapshots.get(principal, uuid_in(snapshot_id, "snapshot_id"))
    if kept.is_deterministic:
        return _replayed(kept, kept.session_id, kept.state)
    point = ForkPoint(at=int(kept.state.get("after", 0)), content=kept.user_message)
    fork, accepted = await house.forks.fork(principal, kept.session_id, point, is_background=False)
    if accepted is None:
        raise AssertionError("A fork in which something is said has a run.")
    return _replayed(kept, fork.id, _state(await finished(house, principal, accepted)))


async def finished(house: House, principal: Principal, accepted: Accepted) -> Turn:
    """The turn once its run has ended. Raises what ended it when that was a failure."""
    turn = Turn(accepted)
    turn.ended = await house.runs.outcome(principal, accepted, or_need=True)
    turn.note(await house.runs.run_events(principal, accepted.run_id, after=0, limit=_MOST_EVENTS))
    turn.raise_if_failed()
    return turn


def _state(turn: Turn) -> dict[str, Any]:
    return {
        "final_answer": turn.content,
        "tokens_used": turn.tokens_used,
        "tool_calls": turn.tool_calls,
        "tool_results": turn.tool_results,
        "status": turn.status,
        "run_id": str(turn.accepted.run_id),
    }


def _shown(kept: RunSnapshot) -> SnapshotOut:
    state = {name: value for name, value in kept.state.items() if name != "after"}
    return SnapshotOut(
        id=kept.id,
        session_id=kept.session_id,
        agent_id=kept.agent_id,
        user_message=kept.user_message,
        execution_state=state,
        deterministic_mode=kept.is_deterministic,
        created_at=kept.created_at,
    )


def _replayed(kept: RunSnapshot, session_id: UUID, state: dict[str, Any]) -> ReplayOut:
    return ReplayOut(
        session_id=session_id,
        agent_id=kept.agent_id,
        user_message=kept.user_message,
        final_answer=state["final_answer"],
        tool_calls=state["tool_calls"],
        tool_results=state["tool_results"],
        tokens_used=state["tokens_used"],
    )
