"""/v1/conversations: sessions, by the name that this API has for them."""

from __future__ import annotations

from typing import Any, cast

import msgspec

from glia.identity.service import IdempotentAnswers
from glia.identity.types import Principal
from glia.kit.errors import InvalidRequest, NotFound
from glia.runs.events import Event, MessageReceived
from glia.runs.service import RunOptions
from glia.sessions.types import Session
from glia.surfaces.openai.chat_history import stored
from glia.surfaces.openai.ids import CONVERSATION, read_id, shown
from glia.surfaces.openai.response_events import ResponseEvents
from glia.surfaces.openai.response_input import InputItems, items_of
from glia.surfaces.openai.responses import NOTE, page_of_items
from glia.surfaces.openai.words import read_body
from glia.surfaces.shared.asgi import Request, Send, ignored_header, send_json
from glia.surfaces.shared.idempotency import answer_once
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


class ConversationRoutes:
    def __init__(self, house: House, answers: IdempotentAnswers) -> None:
        self._house = house
        self._answers = answers

    async def create(self, request: Request, send: Send) -> None:
        content = await request.body(LARGEST_BODY_BYTES)

        async def answer(send: Send) -> None:
            body, ignored = read_body(content or b"{}", _New)
            metadata: dict[str, object] = {NOTE: {"metadata": body.metadata or {}}}
            _check_count(body.items or [])
            session = await self._house.sessions.create(request.principal, agent_id=None, metadata=metadata)
            if body.items:
                await self._add(request.principal, session, body.items)
            await send_json(send, 200, conversation_json(session), ignored_header(ignored))

        await answer_once(self._answers, request, content, send, answer)

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
            raise NotFound(f"There is no item {item[:200]!r} in this conversation.", field="item_id")
        await send_json(send, 200, found[0])

    async def _session(self, principal: Principal, id: str) -> Session:
        return await self._house.sessions.get(principal, read_id(CONVERSATION, id, "conversation"))

    async def _add(self, principal: Principal, session: Session, given: list[Json]) -> None:
        heard = await self._house.runs.conversation(principal, session.id)
        told = await InputItems(self._house.files, principal, sorted(heard.open_calls)).items(given)
        said = await stored(self._house, principal, None, told, RunOptions())
        if said:
            await self._house.runs.add_messages(principal, session.id, said)

    async def _items(self, principal: Principal, session: Session) -> list[Json]:
        """What was said, and what each run put out, oldest first."""
        found: list[Json] = []
        runs: dict[Any, ResponseEvents] = {}
        for event in await self._log(principal, session):
            payload = event.payload
            if isinstance(payload, MessageReceived):
                found += items_of(payload)
            elif event.run_id is not None:
                if event.run_id not in runs:
                    runs[event.run_id] = ResponseEvents(event.run_id, {"background": False})
                runs[event.run_id].take(event)
                if event.is_final:
                    found += runs[event.run_id].response["output"]
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


def _check_count(items: list[Json]) -> None:
    if len(items) > _MOST_ITEMS:
        raise InvalidRequest(f"`items` has {len(items)} entries; {_MOST_ITEMS} can be added at once.", field="items")
