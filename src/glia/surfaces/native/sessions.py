"""/v1/sessions: conversations, their messages and their events. Sending and following are in `stream.py`."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import BaseModel, Field

from glia.kit.ids import parse_id
from glia.runs.events import ConversationMessage, Event
from glia.surfaces.native.stream import events_json
from glia.surfaces.native.words import AfterText, LimitText, ListOf, TheWindow, agent_id_of, page_of
from glia.surfaces.shared.bodies import Body, Out, TheHouse, ThePrincipal, Time, WatchedRoute, number_of

router = APIRouter(prefix="/v1/sessions", tags=["sessions"], route_class=WatchedRoute)

EVENTS_AT_ONCE = 100


class SessionBody(Body):
    """agent_id: the agent's id or slug."""

    agent_id: str = Field(max_length=200)
    title: str = Field("", max_length=500)
    metadata: dict[str, Any] = Field(default_factory=dict[str, Any])


class SessionOut(Out):
    """agent_id: null for a session that holds a job. last_seq: of its newest event; 0 when there is none.

    parent_session_id: the session that this one was forked from; forked_at: the last event that both share.
    """

    id: UUID
    agent_id: UUID | None
    project_id: UUID
    title: str
    metadata: dict[str, Any]
    last_seq: int
    parent_session_id: UUID | None
    forked_at: int | None
    created_at: Time
    updated_at: Time


class SummaryOut(Out):
    """title: the given one, or one made of the first message after the first reply; null before.

    cost_micros, input_tokens, output_tokens: of all its runs and of those that worked for them; cost_micros is null
    when no price is known. is_system: it holds background work.
    """

    id: UUID
    agent_id: UUID | None
    title: str | None = Field(validation_alias="shown_title")
    is_system: bool
    message_count: int
    cost_micros: int | None
    input_tokens: int
    output_tokens: int


class CitationOut(Out):
    """A passage the answer rests on. page: from 1; null where the document has no pages."""

    uri: str
    document_id: str
    document_name: str
    chunk: int
    page: int | None
    quote: str


class MessageOut(Out):
    """seq: of the event it was read from. citations: of an assistant's answer."""

    id: str
    role: str
    content: str
    seq: int
    run_id: UUID | None
    citations: list[CitationOut]
    created_at: Time


class EventOut(BaseModel):
    """An entry of the log; it never changes."""

    seq: int
    type: str
    at: Time
    run_id: UUID | None
    data: dict[str, Any]


@router.post("", status_code=201)
async def create(body: SessionBody, house: TheHouse, principal: ThePrincipal) -> SessionOut:
    """Open a session with an agent."""
    agent = await house.agents.find(principal, body.agent_id)
    session = await house.sessions.create(principal, agent_id=agent.id, title=body.title, metadata=body.metadata)
    return SessionOut.of(session)


@router.get("")
async def list_sessions(
    house: TheHouse,
    principal: ThePrincipal,
    window: TheWindow,
    agent_id: Annotated[str | None, Query(description="Only sessions with this agent; its id or slug.")] = None,
) -> ListOf[SessionOut]:
    """List sessions, newest first."""
    agent = None if agent_id is None else await agent_id_of(house, principal, agent_id)
    return page_of(await house.sessions.list(principal, window, agent_id=agent), SessionOut.of)


@router.get("/{session}")
async def get(session: str, house: TheHouse, principal: ThePrincipal) -> SessionOut:
    """One session."""
    return SessionOut.of(await house.sessions.get(principal, parse_id(session, "session")))


@router.get("/{session}/summary")
async def summary(session: str, house: TheHouse, principal: ThePrincipal) -> SummaryOut:
    """A session's title, how much was said in it and what it cost."""
    return SummaryOut.of(await house.summaries.get(principal, parse_id(session, "session")))


@router.delete("/{session}", status_code=204, response_class=Response)
async def delete(session: str, house: TheHouse, principal: ThePrincipal) -> Response:
    """Delete a session. Its open runs are cancelled."""
    id = parse_id(session, "session")
    await house.runs.cancel_session(principal, id)
    await house.sessions.delete(principal, id)
    return Response(status_code=204)


@router.get("/{session}/messages")
async def messages(
    session: str,
    house: TheHouse,
    principal: ThePrincipal,
    limit: LimitText = None,
    cursor: Annotated[str | None, Query(description="`next_cursor` of the page before.")] = None,
) -> ListOf[MessageOut]:
    """The conversation, oldest message first."""
    number = number_of(limit, "limit", EVENTS_AT_ONCE)
    after = number_of(cursor or None, "cursor", 0, smallest=0, largest=2**62)
    found = await house.runs.messages(principal, parse_id(session, "session"))
    left = [message for message in found if message.event.seq > after]
    shown = left[:number]
    has_more = len(left) > number
    next_cursor = str(shown[-1].event.seq) if has_more else None
    return ListOf(data=[_message_out(message) for message in shown], has_more=has_more, next_cursor=next_cursor)


@router.get("/{session}/events", response_model=ListOf[EventOut])
async def events(
    session: str, house: TheHouse, principal: ThePrincipal, after: AfterText = None, limit: LimitText = None
) -> Response:
    """Stored events, oldest first. `next_cursor` goes into `after`."""
    start, number = event_window(after, limit)
    found = await house.runs.events(principal, parse_id(session, "session"), after=start, limit=number + 1)
    return events_page(found, number)


def event_window(after: str | None, limit: str | None) -> tuple[int, int]:
    start = number_of(after or None, "after", 0, smallest=0, largest=2**62)
    return start, number_of(limit, "limit", EVENTS_AT_ONCE)


def events_page(found: list[Event], number: int) -> Response:
    """A page from up to `number + 1` events; the data goes out as it is stored, without being parsed."""
    shown = found[:number]
    has_more = len(found) > number
    next_cursor = f'"{shown[-1].seq}"' if has_more else "null"
    tail = f',"has_more":{"true" if has_more else "false"},"next_cursor":{next_cursor}}}'
    return Response(b'{"data":' + events_json(shown) + tail.encode(), media_type="application/json")


def _message_out(message: ConversationMessage) -> MessageOut:
    answer = message.answer
    return MessageOut(
        id=message.id,
        role=message.role,
        content=message.content,
        seq=message.event.seq,
        run_id=message.event.run_id,
        citations=[] if answer is None else [CitationOut.of(citation) for citation in answer.citations],
        created_at=message.event.at,
    )
