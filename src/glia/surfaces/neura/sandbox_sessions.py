"""/api/agents/{agent_id}/sandbox-session: what people see of the code that ran in a conversation."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from fastapi import APIRouter
from pydantic import Field

from glia.identity.types import Principal
from glia.kit.ids import parse_id
from glia.sandboxes.records import Console
from glia.sessions.errors import SessionNotFound
from glia.surfaces.neura.sandbox_state import details_of
from glia.surfaces.neura.words import Success
from glia.surfaces.shared.bodies import Changes, Out, TheHouse, ThePrincipal, Time, WatchedRoute
from glia.wiring import House

router = APIRouter(prefix="/api/agents/{agent_id}/sandbox-session", tags=["sandbox"], route_class=WatchedRoute)

_PARTS = ("terminal_lines", "files", "artifacts")

Entries = list[dict[str, Any]]


class SessionBody(Changes):
    """session: status, template, totalCost, runtimeMinutes, and whatever else is to be kept. A part that is left away
    stays as it is."""

    conversation_id: str
    terminal_lines: Entries | None = Field(None, max_length=2_000)
    files: Entries | None = Field(None, max_length=1_000)
    artifacts: Entries | None = Field(None, max_length=1_000)
    session: dict[str, Any] | None = None


class SessionOut(Out):
    """session: everything that was kept as such, its four known entries also beside it."""

    session_id: UUID
    conversation_id: UUID
    terminal_lines: list[Any]
    files: list[Any]
    artifacts: list[Any]
    status: str | None
    template: str | None
    total_cost: float | None
    runtime_minutes: float | None
    session: dict[str, Any]
    created_at: Time
    updated_at: Time


class FoundOut(Out):
    success: bool
    session: SessionOut


class SavedOut(FoundOut):
    session_id: UUID
    message: str


@router.post("", status_code=201)
async def save(agent_id: str, body: SessionBody, house: TheHouse, principal: ThePrincipal) -> SavedOut:
    """Save the state of a conversation's sandbox."""
    session_id = await _conversation(house, principal, agent_id, body.conversation_id)
    wanted = {name: getattr(body, name) for name in _PARTS if getattr(body, name) is not None}
    if body.session is not None:
        wanted["details"] = details_of(body.session)
    console = await house.sandboxes.consoles.save(principal, session_id, wanted)
    return SavedOut(success=True, session=_shown(console), session_id=console.id, message="Sandbox session saved.")


@router.get("/{conversation_id}")
async def get(agent_id: str, conversation_id: str, house: TheHouse, principal: ThePrincipal) -> FoundOut:
    """The state that was saved, or that the agent's own code has left."""
    session_id = await _conversation(house, principal, agent_id, conversation_id)
    return FoundOut(success=True, session=_shown(await house.sandboxes.consoles.get(principal, session_id)))


@router.delete("/{conversation_id}")
async def delete(agent_id: str, conversation_id: str, house: TheHouse, principal: ThePrincipal) -> Success:
    """Forget the state. Files and artifacts of the conversation stay."""
    session_id = await _conversation(house, principal, agent_id, conversation_id)
    await house.sandboxes.consoles.delete(principal, session_id)
    return Success()


async def _conversation(house: House, principal: Principal, agent_id: str, conversation_id: str) -> UUID:
    agent = await house.agents.find(principal, agent_id)
    session = await house.sessions.get(principal, parse_id(conversation_id, "conversation"))
    if session.agent_id != agent.id:
        raise SessionNotFound(f"There is no conversation '{session.id}' with this agent.")
    return session.id


def _shown(console: Console) -> SessionOut:
    details = console.details
    return SessionOut(
        session_id=console.id,
        conversation_id=console.session_id,
        terminal_lines=console.terminal_lines,
        files=console.files,
        artifacts=console.artifacts,
        status=_text(details.get("status")),
        template=_text(details.get("template")),
        total_cost=_number(details.get("total_cost")),
        runtime_minutes=_number(details.get("runtime_minutes")),
        session=details,
        created_at=console.created_at,
        updated_at=console.updated_at,
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _number(value: object) -> float | None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(cast(float, value)) if is_number else None
