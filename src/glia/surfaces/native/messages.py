"""/v1/sessions/{session}/transcript and single messages: everything that was said and done, and changes of it."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import Field

from glia.kit.ids import parse_id
from glia.surfaces.native.sessions import SessionOut
from glia.surfaces.native.words import ListOf
from glia.surfaces.shared.bodies import (
    Changes,
    Out,
    TheHouse,
    ThePrincipal,
    Time,
    WatchedRoute,
    given,
    number_of,
)

router = APIRouter(prefix="/v1/sessions", tags=["sessions"], route_class=WatchedRoute)


class SessionChanges(Changes):
    """metadata: replaces all of it."""

    title: str = Field("", max_length=500)
    metadata: dict[str, Any] = Field(default_factory=dict[str, Any])


class MessageChanges(Changes):
    """metadata: replaces all of it; no model sees it."""

    content: str | None = None
    metadata: dict[str, Any] | None = None


class EntryOut(Out):
    """A line of a transcript. seq: of its event, which names the entry. kind: `cut` is an answer whose run ended early.

    tool, tool_call_id, arguments: of calls and results; is_error: of results.
    """

    seq: int
    kind: Literal["said", "called", "returned", "answered", "cut"]
    role: str
    content: str
    at: Time
    run_id: UUID | None
    tool: str | None
    tool_call_id: str | None
    arguments: Any
    is_error: bool
    metadata: dict[str, Any]


@router.patch("/{session}")
async def update_session(session: str, body: SessionChanges, house: TheHouse, principal: ThePrincipal) -> SessionOut:
    """Change a session's title or metadata."""
    return SessionOut.of(await house.sessions.update(principal, parse_id(session, "session"), **given(body)))


@router.get("/{session}/transcript")
async def transcript(session: str, house: TheHouse, principal: ThePrincipal) -> ListOf[EntryOut]:
    """Everything in a session, oldest first: messages, tool calls, results and answers."""
    entries = await house.messages.transcript(principal, parse_id(session, "session"))
    return ListOf(data=[EntryOut.of(entry) for entry in entries])


@router.patch("/{session}/messages/{seq}")
async def edit(session: str, seq: str, body: MessageChanges, house: TheHouse, principal: ThePrincipal) -> EntryOut:
    """Change a message's text or metadata. The log keeps what was written; later runs read the new text."""
    changes = {name: value for name, value in given(body).items() if value is not None}
    number = number_of(seq, "seq", 0, smallest=0, largest=2**62)
    return EntryOut.of(await house.messages.edit(principal, parse_id(session, "session"), number, **changes))


@router.delete("/{session}/messages/{seq}", status_code=204, response_class=Response)
async def delete(session: str, seq: str, house: TheHouse, principal: ThePrincipal) -> Response:
    """Take a message away: nobody is shown it any more, and later runs do not read it."""
    number = number_of(seq, "seq", 0, smallest=0, largest=2**62)
    await house.messages.delete(principal, parse_id(session, "session"), number)
    return Response(status_code=204)
