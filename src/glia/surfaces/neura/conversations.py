"""/api/agents/{agent_id}/conversations: an agent's sessions."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import Field, WithJsonSchema

from glia.identity.types import Principal
from glia.kit.clock import wire_time
from glia.kit.ids import parse_id
from glia.kit.pages import LARGEST_LIMIT
from glia.runs.service import Said
from glia.sessions.errors import SessionNotFound
from glia.sessions.types import Session, SessionFilter
from glia.surfaces.neura.chat_body import read_messages
from glia.surfaces.neura.sandbox_state import record_of, state_of, with_form
from glia.surfaces.neura.words import Success, limit_of, offset_of
from glia.surfaces.shared.bodies import Body, Changes, Out, TheHouse, ThePrincipal, Time, WatchedRoute, given
from glia.wiring import House

router = APIRouter(prefix="/api/agents/{agent_id}/conversations", tags=["conversations"], route_class=WatchedRoute)

_OWN = frozenset({"role", "content"})
_SHOWN = frozenset({"said", "answered", "cut"})

LimitText = Annotated[
    str | None,
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": LARGEST_LIMIT}),
    Query(description=f"How many at most; {LARGEST_LIMIT} unless it is said."),
]
OffsetText = Annotated[str | None, WithJsonSchema({"type": "integer", "minimum": 0}), Query()]


class ConversationBody(Body):
    """messages: `{role, content}` each; other fields of a message are kept with it.

    sandboxState: terminal, files, artifacts, session, and whatever else is to be kept: what /sandbox-session shows.
    """

    title: str = Field(min_length=1, max_length=500)
    messages: list[dict[str, Any]] = Field(max_length=1_000)
    sandboxState: dict[str, Any] | None = None  # noqa: N815 - as clients of this API write it


class ConversationChanges(Changes):
    """messages: all of them; those that the conversation begins with already stay, the rest is replaced."""

    title: str = Field("", min_length=1, max_length=500)
    messages: list[dict[str, Any]] = Field(default_factory=list[dict[str, Any]], max_length=1_000)
    sandboxState: dict[str, Any] | None = None  # noqa: N815


class SummaryOut(Out):
    id: UUID
    title: str
    messageCount: int  # noqa: N815
    createdAt: Time  # noqa: N815
    updatedAt: Time  # noqa: N815
    agentId: UUID  # noqa: N815


class ConversationOut(SummaryOut):
    """messages: each with `role`, `content`, `id` and `timestamp`, and what its maker kept with it; oldest first."""

    messages: list[dict[str, Any]]
    sandboxState: dict[str, Any] | None  # noqa: N815


class ConversationsOut(Out):
    conversations: list[SummaryOut]


@router.get("")
async def list_conversations(
    agent_id: str,
    house: TheHouse,
    principal: ThePrincipal,
    limit: LimitText = None,
    offset: OffsetText = None,
) -> ConversationsOut:
    """List an agent's conversations without their messages, those first in which something happened last."""
    agent = await house.agents.find(principal, agent_id)
    wanted = SessionFilter(agent_id=agent.id)
    found = await house.sessions.recent(
        principal, wanted, limit=limit_of(limit, LARGEST_LIMIT), offset=offset_of(offset)
    )
    counts = await house.messages.counts(principal, [session.id for session in found])
    return ConversationsOut(
        conversations=[SummaryOut(**_summary(session, agent.id, counts[session.id])) for session in found]
    )


@router.post("", status_code=201)
async def create(agent_id: str, body: ConversationBody, house: TheHouse, principal: ThePrincipal) -> ConversationOut:
    """Create a conversation, with what was said in it so far."""
    agent = await house.agents.find(principal, agent_id)
    said = _said(body.messages)
    state = body.sandboxState
    metadata = {} if state is None else with_form({}, state)
    record = None if state is None else house.sandboxes.consoles.checked(record_of(state))
    session = await house.sessions.create(principal, agent_id=agent.id, title=body.title, metadata=metadata)
    if record is not None:
        await house.sandboxes.consoles.save(principal, session.id, record)
    if said:
        await house.runs.add_messages(principal, session.id, said)
    return await _shown(house, principal, agent.id, session.id)


@router.get("/{conversation_id}")
async def get(agent_id: str, conversation_id: str, house: TheHouse, principal: ThePrincipal) -> ConversationOut:
    """One conversation with its messages."""
    session = await _found(house, principal, agent_id, conversation_id)
    return await _shown(house, principal, session.agent_id, session.id)


@router.put("/{conversation_id}")
async def update(
    agent_id: str, conversation_id: str, body: ConversationChanges, house: TheHouse, principal: ThePrincipal
) -> ConversationOut:
    """Change a conversation; what is left away stays."""
    session = await _found(house, principal, agent_id, conversation_id)
    wanted = given(body)
    said = _said(body.messages) if "messages" in wanted else None
    title = body.title if "title" in wanted else None
    metadata = with_form(session.metadata, body.sandboxState) if "sandboxState" in wanted else None
    record = None if body.sandboxState is None else house.sandboxes.consoles.checked(record_of(body.sandboxState))
    if said is not None:
        await house.messages.replace(principal, session.id, said)
    if record is not None:
        await house.sandboxes.consoles.save(principal, session.id, record)
    elif metadata is not None and await house.sandboxes.consoles.find(principal, session.id) is not None:
        await house.sandboxes.consoles.delete(principal, session.id)
    if title is not None or metadata is not None:
        await house.sessions.update(principal, session.id, title=title, metadata=metadata)
    return await _shown(house, principal, session.agent_id, session.id)


@router.delete("/{conversation_id}")
async def delete(agent_id: str, conversation_id: str, house: TheHouse, principal: ThePrincipal) -> Success:
    """Delete a conversation. Its open runs are cancelled."""
    session = await _found(house, principal, agent_id, conversation_id)
    await house.runs.cancel_session(principal, session.id)
    await house.sessions.delete(principal, session.id)
    return Success()


async def _found(house: House, principal: Principal, agent_id: str, conversation_id: str) -> Session:
    agent = await house.agents.find(principal, agent_id)
    session = await house.sessions.get(principal, parse_id(conversation_id, "conversation"))
    if session.agent_id != agent.id:
        raise SessionNotFound(f"There is no conversation '{session.id}' with this agent.")
    return session


async def _shown(house: House, principal: Principal, agent_id: UUID | None, id: UUID) -> ConversationOut:
    session = await house.sessions.get(principal, id)
    entries = [entry for entry in await house.messages.transcript(principal, id) if entry.kind in _SHOWN]
    messages = [
        {
            "id": str(entry.seq),
            "timestamp": wire_time(entry.at),
            **entry.metadata,
            "role": entry.role,
            "content": entry.content,
        }
        for entry in entries
    ]
    state = state_of(session.metadata, await house.sandboxes.consoles.find(principal, id))
    return ConversationOut(**_summary(session, agent_id, len(messages)), messages=messages, sandboxState=state)


def _summary(session: Session, agent_id: UUID | None, messages: int) -> dict[str, Any]:
    return {
        "id": session.id,
        "title": session.title,
        "messageCount": messages,
        "createdAt": session.created_at,
        "updatedAt": session.updated_at,
        "agentId": agent_id,
    }


def _said(messages: list[dict[str, Any]]) -> list[Said]:
    said = read_messages(messages, "messages")
    extra = [{name: value for name, value in given.items() if name not in _OWN} for given in messages]
    return [Said(one.role, one.content, metadata=more) if more else one for one, more in zip(said, extra, strict=True)]
