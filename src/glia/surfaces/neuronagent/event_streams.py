"""/api/v1/sessions/{session_id}/events: the session's log in NeuronAgent's words, notes, and summaries of it."""

from __future__ import annotations

from typing import Annotated, Any, Literal, cast
from uuid import UUID

import orjson
from fastapi import APIRouter, Query
from pydantic import Field, WithJsonSchema

from glia.kit.errors import InvalidRequest
from glia.runs.events import (
    Event,
    EventsSummarised,
    MessageReceived,
    ModelResponded,
    NoteAdded,
    RunCompleted,
    RunFailed,
    ToolCalled,
    ToolReturned,
)
from glia.surfaces.neuronagent.auth import TheCaller
from glia.surfaces.neuronagent.words import uuid_in
from glia.surfaces.shared.bodies import Body, Out, TheHouse, Time, WatchedRoute, number_of

router = APIRouter(prefix="/api/v1", tags=["event streams"], route_class=WatchedRoute)

EventType = Literal["user_message", "agent_action", "tool_execution", "agent_response", "error", "system"]
_SEQ_BITS = 48


class EventBody(Body):
    event_type: EventType
    actor: str = Field(min_length=1, max_length=200)
    content: str
    metadata: dict[str, Any] = Field(default_factory=dict[str, Any])


class MadeOut(Out):
    id: UUID
    session_id: UUID


class EventOut(Out):
    id: UUID
    session_id: UUID
    event_type: EventType
    actor: str
    content: str
    metadata: dict[str, Any]
    timestamp: Time


class SummariseBody(Body):
    start_event_id: str
    end_event_id: str


class SummaryOut(Out):
    id: UUID
    session_id: UUID
    start_event_id: UUID
    end_event_id: UUID
    event_count: int
    summary_text: str
    created_at: Time


class ContextOut(Out):
    events: list[EventOut]
    summaries: list[SummaryOut]


class CountOut(Out):
    session_id: UUID
    count: int


LimitText = Annotated[
    str | None, WithJsonSchema({"type": "integer", "minimum": 1, "maximum": 1000}), Query(description="1 to 1000.")
]
MostText = Annotated[
    str | None, WithJsonSchema({"type": "integer", "minimum": 1, "maximum": 500}), Query(description="1 to 500.")
]


def event_id(session_id: UUID, seq: int) -> UUID:
    """The id of an event: its session's, with the number of the event in its last 48 bits."""
    return UUID(int=(session_id.int >> _SEQ_BITS << _SEQ_BITS) | seq)


def seq_in(session_id: UUID, text: str, name: str) -> int:
    id = uuid_in(text, name)
    if id.int >> _SEQ_BITS != session_id.int >> _SEQ_BITS:
        raise InvalidRequest(f"`{name}` '{id}' is no event of this session.", field=name)
    return id.int & ((1 << _SEQ_BITS) - 1)


def told(session_id: UUID, event: Event) -> EventOut | None:
    """An event as clients see it; None for what is the engine's own business."""
    found = _told(event)
    if found is None:
        return None
    kind, actor, content, metadata = found
    return EventOut(
        id=event_id(session_id, event.seq),
        session_id=session_id,
        event_type=kind,
        actor=actor,
        content=content,
        metadata=metadata,
        timestamp=event.at,
    )


def _told(event: Event) -> tuple[EventType, str, str, dict[str, Any]] | None:  # noqa: PLR0911 - one for each kind
    run = {} if event.run_id is None else {"run_id": str(event.run_id)}
    match event.payload:
        case MessageReceived(role=role, content=content):
            return ("user_message" if role == "user" else "system"), role, content, {}
        case NoteAdded() as note:
            return cast(EventType, note.kind), note.actor, note.content, note.metadata
        case ModelResponded() as said if said.tool_calls:
            names = ", ".join(call.name for call in said.tool_calls)
            return "agent_action", "agent", said.text or f"Calls {names}.", {**run, "model": said.model}
        case ToolCalled() as called:
            more = {"tool": called.tool, "tool_call_id": called.tool_call_id, "phase": "called"}
            return "tool_execution", called.tool, _plain(called.arguments), {**run, **more}
        case ToolReturned() as returned:
            more = {"tool": returned.tool, "tool_call_id": returned.tool_call_id, "phase": "returned"}
            return "tool_execution", returned.tool, returned.text, {**run, **more, "status": returned.status}
        case RunCompleted(message=message) if message is not None:
            return "agent_response", "agent", message.content, run
        case RunFailed(error=error):
            return "error", "system", error.message, {**run, "code": error.code}
        case _:
            return None


def _plain(value: object) -> str:
    return value if isinstance(value, str) else orjson.dumps(value, default=str).decode()


@router.post("/sessions/{session_id}/events", status_code=201)
async def add(session_id: str, body: EventBody, house: TheHouse, principal: TheCaller) -> MadeOut:
    """Put an event into the session's log. No model is told of it."""
    id = uuid_in(session_id, "session_id")
    seq = await house.notes.add(principal, id, body.event_type, body.actor, body.content, body.metadata)
    return MadeOut(id=event_id(id, seq), session_id=id)


@router.get("/sessions/{session_id}/events")
async def list_events(
    session_id: str, house: TheHouse, principal: TheCaller, limit: LimitText = None
) -> list[EventOut]:
    """The newest events, oldest of them first."""
    id = uuid_in(session_id, "session_id")
    most = number_of(limit, "limit", 100)
    return (await _all(house, principal, id))[-most:]


@router.post("/sessions/{session_id}/events/summarize", status_code=201)
async def summarize(session_id: str, body: SummariseBody, house: TheHouse, principal: TheCaller) -> MadeOut:
    """Keep a summary of what happened from one event to another."""
    id = uuid_in(session_id, "session_id")
    first, last = seq_in(id, body.start_event_id, "start_event_id"), seq_in(id, body.end_event_id, "end_event_id")
    if first > last:
        raise InvalidRequest("`start_event_id` comes after `end_event_id`.", field="start_event_id")
    events = await _all(house, principal, id)
    chosen = [event for event in events if event_id(id, first) <= event.id <= event_id(id, last)]
    if not chosen:
        raise InvalidRequest("There are no events between the two.", field="start_event_id")
    lines = [f"{event.event_type} ({event.actor}): {event.content}" for event in chosen]
    seq = await house.notes.summarise(principal, id, lines, first_seq=first, last_seq=last)
    return MadeOut(id=event_id(id, seq), session_id=id)


@router.get("/sessions/{session_id}/events/context")
async def context(session_id: str, house: TheHouse, principal: TheCaller, max_events: MostText = None) -> ContextOut:
    """The newest events, and every summary."""
    id = uuid_in(session_id, "session_id")
    most = number_of(max_events, "max_events", 50, largest=500)
    history = await house.notes.history(principal, id)
    summaries = [
        SummaryOut(
            id=event_id(id, event.seq),
            session_id=id,
            start_event_id=event_id(id, event.payload.first_seq),
            end_event_id=event_id(id, event.payload.last_seq),
            event_count=event.payload.events,
            summary_text=event.payload.summary,
            created_at=event.at,
        )
        for event in history
        if isinstance(event.payload, EventsSummarised)
    ]
    events = [shown for event in history if (shown := told(id, event)) is not None]
    return ContextOut(events=events[-most:], summaries=summaries)


@router.get("/sessions/{session_id}/events/count")
async def count(session_id: str, house: TheHouse, principal: TheCaller) -> CountOut:
    """How many events there are."""
    id = uuid_in(session_id, "session_id")
    return CountOut(session_id=id, count=len(await _all(house, principal, id)))


async def _all(house: TheHouse, principal: TheCaller, id: UUID) -> list[EventOut]:
    history = await house.notes.history(principal, id)
    return [shown for event in history if (shown := told(id, event)) is not None]
