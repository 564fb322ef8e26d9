"""/api/v1/messages and the messages of a session. Sending one is in `sending.py`."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import Response

from glia.identity.types import Principal
from glia.kit.errors import InvalidRequest
from glia.runs.errors import MessageNotFound
from glia.surfaces.neuronagent.auth import TheCaller, TheUser
from glia.surfaces.neuronagent.message_words import MessageOut, messages_out
from glia.surfaces.neuronagent.sessions import LARGEST_METADATA_BYTES
from glia.surfaces.neuronagent.words import (
    SinceText,
    ThePart,
    UntilText,
    check_size,
    moment_in,
    number_in,
    session_and_seq,
    uuid_in,
)
from glia.surfaces.shared.bodies import Changes, TheHouse, WatchedRoute, given
from glia.wiring import House

router = APIRouter(prefix="/api/v1", tags=["messages"], route_class=WatchedRoute)

LONGEST_CONTENT = 100_000
LONGEST_SEARCH = 1000
ROLES = ("user", "assistant", "system", "tool")


class MessageChanges(Changes):
    """metadata: replaces all of it."""

    content: str | None = None
    metadata: dict[str, Any] | None = None


@router.get("/sessions/{session_id}/messages")
async def list_messages(
    session_id: str,
    house: TheHouse,
    principal: TheCaller,
    part: ThePart,
    role: Annotated[str | None, Query(description="Only messages of this role.")] = None,
    search: Annotated[str | None, Query(description="Only messages that hold this text, in any case.")] = None,
    start_date: SinceText = None,
    end_date: UntilText = None,
) -> list[MessageOut]:
    """A session's messages, oldest first: what was said, each tool call, each result, each answer."""
    if role is not None and role not in ROLES:
        raise InvalidRequest(f"`role` {role[:50]!r} is none of {', '.join(ROLES)}.", field="role")
    if search is not None and len(search) > LONGEST_SEARCH:
        raise InvalidRequest(f"`search` has {len(search)} characters; the most is {LONGEST_SEARCH}.", field="search")
    since, until = moment_in(start_date, "start_date"), moment_in(end_date, "end_date")
    text = (search or "").lower()
    found = await _all(house, principal, uuid_in(session_id, "session_id"))
    return part.of(
        [
            message
            for message in found
            if (role is None or message.role == role)
            and text in message.content.lower()
            and (since is None or message.created_at >= since)
            and (until is None or message.created_at < until)
        ]
    )


@router.get("/messages/{id}")
async def get(id: str, house: TheHouse, principal: TheCaller) -> MessageOut:
    """One message."""
    return await _one(house, principal, number_in(id))


@router.put("/messages/{id}")
async def update(id: str, body: MessageChanges, house: TheHouse, principal: TheUser) -> MessageOut:
    """Change a message's text or metadata. Later answers read the new text."""
    return await _update(house, principal, number_in(id), body)


@router.delete("/messages/{id}", status_code=204, response_class=Response)
async def delete(id: str, house: TheHouse, principal: TheUser) -> Response:
    """Delete a message. Later answers do not read it."""
    await delete_message(house, principal, number_in(id))
    return Response(status_code=204)


@router.get("/sessions/{session_id}/messages/{id}")
async def get_nested(session_id: str, id: str, house: TheHouse, principal: TheCaller) -> MessageOut:
    """One message of a session."""
    return await _one(house, principal, number_in(id), uuid_in(session_id, "session_id"))


@router.put("/sessions/{session_id}/messages/{id}")
async def update_nested(
    session_id: str, id: str, body: MessageChanges, house: TheHouse, principal: TheUser
) -> MessageOut:
    """Change a message of a session."""
    return await _update(house, principal, number_in(id), body, uuid_in(session_id, "session_id"))


@router.delete("/sessions/{session_id}/messages/{id}", status_code=204, response_class=Response)
async def delete_nested(session_id: str, id: str, house: TheHouse, principal: TheUser) -> Response:
    """Delete a message of a session."""
    await delete_message(house, principal, number_in(id), uuid_in(session_id, "session_id"))
    return Response(status_code=204)


async def place_of(house: House, principal: Principal, id: int, within: UUID | None = None) -> tuple[UUID, int]:
    """The session and the event behind a message's id. Raises MessageNotFound, also when it lies in another session."""
    number, seq = session_and_seq(id)
    session = await house.messages.numbered(principal, number)
    if within is not None and session != within:
        await house.sessions.get(principal, within)
        raise MessageNotFound(f"There is no message {id} in this session.")
    return session, seq


async def delete_message(house: House, principal: Principal, id: int, within: UUID | None = None) -> None:
    session, seq = await place_of(house, principal, id, within)
    await house.messages.delete(principal, session, seq)


async def _update(
    house: House, principal: Principal, id: int, body: MessageChanges, within: UUID | None = None
) -> MessageOut:
    changes = {name: value for name, value in given(body).items() if value is not None}
    content = changes.get("content")
    if content is not None and (not content.strip() or len(content) > LONGEST_CONTENT):
        raise InvalidRequest(
            f"`content` has {len(content)} characters; it must have between 1 and {LONGEST_CONTENT} and not be empty.",
            field="content",
        )
    check_size(changes.get("metadata", {}), "metadata", LARGEST_METADATA_BYTES)
    session, seq = await place_of(house, principal, id, within)
    if changes:
        await house.messages.edit(principal, session, seq, **changes)
    return await _one(house, principal, id)


async def _one(house: House, principal: Principal, id: int, within: UUID | None = None) -> MessageOut:
    session, _ = await place_of(house, principal, id, within)
    for message in await _all(house, principal, session):
        if message.id == id:
            return message
    raise MessageNotFound(f"There is no message {id} in this workspace.")


async def _all(house: House, principal: Principal, session_id: UUID) -> list[MessageOut]:
    entries = await house.messages.transcript(principal, session_id)
    number = await house.messages.number_of(principal, session_id)
    return messages_out(entries, session_id, number)
