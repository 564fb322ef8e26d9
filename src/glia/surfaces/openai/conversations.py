"""/v1/conversations: sessions, by the name that this API has for them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, cast

import msgspec

from glia.identity.types import Principal
from glia.kit.errors import InvalidRequest, NotFound
from glia.runs.events import Event, MessageDeleted, MessageEdited, MessageReceived
from glia.runs.service import RunOptions
from glia.sessions.errors import SessionNotFound
from glia.sessions.types import Session
from glia.surfaces.openai.chat_history import stored
from glia.surfaces.openai.ids import CONVERSATION, read_id, shown
from glia.surfaces.openai.response_events import ResponseEvents
from glia.surfaces.openai.response_input import InputItems, items_of
from glia.surfaces.openai.response_reading import NOTE, StoredResponses, page_of_items
from glia.surfaces.openai.words import read_body
from glia.surfaces.shared.asgi import Request, Send, ignored_header, send_json
from glia.wiring import House

Json = dict[str, Any]

_MOST_ITEMS = 20
_AT_ONCE = 1000
LARGEST_BODY_BYTES = 32 * 1024 * 1024


class _New(msgspec.Struct):
    items: list[Json] | None = None
    metadata: dict[str, str] | None = None


class _Items(msgspec.Struct):
    items: list[Json]


class _Changes(msgspec.Struct):
    metadata: dict[str, str] | None = None


@dataclass(frozen=True)
class _Said:
    """seq: of the event that names it for changes; None where it cannot be changed."""

    item: Json
    seq: int | None

    def edited(self, change: MessageEdited) -> _Said:
        if change.seq != self.seq or change.content is None or "content" not in self.item:
            return self
        first, *others = self.item["content"]
        return replace(self, item={**self.item, "content": [{**first, "text": change.content}, *others]})


class ConversationRoutes:
    def __init__(self, house: House) -> None:
        self._house = house
        self._responses = StoredResponses(house)

    async def create(self, request: Request, send: Send) -> None:
        body, ignored = read_body(await request.body(LARGEST_BODY_BYTES) or b"{}", _New)
        metadata: dict[str, object] = {NOTE: {"metadata": body.metadata or {}}}
        _check_count(body.items or [])
        session = await self._house.sessions.create(request.principal, agent_id=None, metadata=metadata)
        if body.items:
            await self._add(request.principal, session, body.items)
        await send_json(send, 200, conversation_json(session), ignored_header(ignored))

    async def get(self, request: Request, send: Send, id: str) -> None:
        await send_json(send, 200, conversation_json(await self._session(request.principal, id)))

    async def update(self, request: Request, send: Send, id: str) -> None:
        body, ignored = read_body(await request.body(), _Changes)
        session = await self._session(request.principal, id)
        note = {**cast(Json, session.metadata.get(NOTE) or {}), "metadata": body.metadata or {}}
        session = await self._house.sessions.update(
            request.principal, session.id, metadata={**session.metadata, NOTE: note}
        )
        await send_json(send, 200, conversation_json(session), ignored_header(ignored))

    async def delete(self, request: Request, send: Send, id: str) -> None:
        session = await self._session(request.principal, id)
        await self._house.runs.cancel_session(request.principal, session.id)
        await self._house.sessions.delete(request.principal, session.id)
        body = {"id": shown(CONVERSATION, session.id), "object": "conversation.deleted", "deleted": True}
        await send_json(send, 200, body)

    async def list_items(self, request: Request, send: Send, id: str) -> None:
        session = await self._session(request.principal, id)
        await send_json(send, 200, page_of_items(request, await self._items(request.principal, session)))

    async def add_items(self, request: Request, send: Send, id: str) -> None:
        body, ignored = read_body(await request.body(LARGEST_BODY_BYTES), _Items)
        session = await self._session(request.principal, id)
        _check_count(body.items)
        known = {item["id"] for item in await self._items(request.principal, session)}
        await self._add(request.principal, session, body.items)
        new = [item for item in await self._items(request.principal, session) if item["id"] not in known]
        page = {
            "object": "list",
            "data": new,
            "first_id": new[0]["id"] if new else None,
            "last_id": new[-1]["id"] if new else None,
            "has_more": False,
        }
        await send_json(send, 200, page, ignored_header(ignored))

    async def get_item(self, request: Request, send: Send, id: str, item: str) -> None:
        session = await self._session(request.principal, id)
        found = [one for one in await self._items(request.principal, session) if one["id"] == item]
        if not found:
            raise _no_item(item)
        await send_json(send, 200, found[0])

    async def _session(self, principal: Principal, id: str) -> Session:
        try:
            return await self._house.sessions.get(principal, read_id(CONVERSATION, id, "conversation"))
        except SessionNotFound:
            raise NotFound(f"There is no conversation {id[:200]!r} in this workspace.") from None

    async def _add(self, principal: Principal, session: Session, given: list[Json]) -> None:
        heard = await self._house.runs.conversation(principal, session.id)
        told = await InputItems(
            self._house.files, principal, sorted(heard.open_calls), self._responses.output_items
        ).items(given)
        said = await stored(self._house, principal, None, told, RunOptions())
        if said:
            await self._house.runs.add_messages(principal, session.id, said)

    async def delete_item(self, request: Request, send: Send, id: str, item: str) -> None:
        """Messages, calls with what was answered to them, and results; not what the server's tools did."""
        principal = request.principal
        session = await self._session(principal, id)
        found = [one for one in await self._said(principal, session) if one.item["id"] == item]
        if not found:
            raise _no_item(item)
        if found[0].seq is None:
            raise InvalidRequest(
                f"The item {item!r} belongs to the work of a run, which is kept; delete the message that came of it.",
                field="item_id",
            )
        await self._house.messages.delete(principal, session.id, found[0].seq)
        await send_json(send, 200, conversation_json(session))

    async def _items(self, principal: Principal, session: Session) -> list[Json]:
        return [one.item for one in await self._said(principal, session)]

    async def _said(self, principal: Principal, session: Session) -> list[_Said]:
        """What was said, and what each run put out, oldest first."""
        found: list[_Said] = []
        runs: dict[Any, ResponseEvents] = {}
        for event in await self._log(principal, session):
            payload = event.payload
            if isinstance(payload, MessageReceived):
                found += [_Said(item, event.seq) for item in items_of(payload)]
            elif isinstance(payload, MessageDeleted):
                found = [one for one in found if one.seq != payload.seq]
            elif isinstance(payload, MessageEdited):
                found = [one.edited(payload) for one in found]
            elif event.run_id is not None:
                if event.run_id not in runs:
                    runs[event.run_id] = ResponseEvents(event.run_id, {"background": False})
                runs[event.run_id].take(event)
                if event.is_final:
                    output = runs[event.run_id].response["output"]
                    said = [item for item in output if item["type"] == "message"][-1:]
                    found += [_Said(item, event.seq if item in said else None) for item in output]
        return found

    async def _log(self, principal: Principal, session: Session) -> list[Event]:
        events: list[Event] = []
        while True:
            after = events[-1].seq if events else 0
            more = await self._house.runs.events(principal, session.id, after=after, limit=_AT_ONCE)
            events += more
            if len(more) < _AT_ONCE:
                return events


def conversation_json(session: Session) -> Json:
    note = cast(Json, session.metadata.get(NOTE) or {})
    return {
        "id": shown(CONVERSATION, session.id),
        "object": "conversation",
        "created_at": int(session.created_at.timestamp()),
        "metadata": note.get("metadata") or {},
    }


def _no_item(id: str) -> NotFound:
    return NotFound(f"There is no item {id[:200]!r} in this conversation.", field="item_id")


def _check_count(items: list[Json]) -> None:
    if len(items) > _MOST_ITEMS:
        raise InvalidRequest(f"`items` has {len(items)} entries; {_MOST_ITEMS} can be added at once.", field="items")
