"""Responses as they are stored: found, added up from their runs' logs, followed."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, cast

import orjson

from glia.identity.types import Principal
from glia.kit.errors import GliaError, InvalidRequest, NotFound
from glia.kit.pages import LARGEST_LIMIT, Window
from glia.runs.errors import RunNotFound
from glia.runs.events import Event
from glia.runs.service import Watcher
from glia.runs.types import AGENT, MODEL, Accepted, Run
from glia.surfaces.openai.ids import RESPONSE, read_id, run_of_item, shown
from glia.surfaces.openai.outcomes import bad_end
from glia.surfaces.openai.response_body import ResponseBody
from glia.surfaces.openai.response_events import ResponseEvents
from glia.surfaces.openai.words import AGENT_PREFIX
from glia.surfaces.shared import sse
from glia.surfaces.shared.asgi import Request, int_parameter
from glia.wiring import House

Json = dict[str, Any]

NOTE = "openai"
"""Where a run keeps what this surface gives back."""
_AT_ONCE = 1000


class StoredResponses:
    def __init__(self, house: House) -> None:
        self._house = house
        self._runs = house.runs

    async def run(self, principal: Principal, id: str, field: str | None = None) -> Run:
        """The run behind a response: any run of an agent, or of a model. Raises NotFound."""
        missing = NotFound(f"There is no response {id[:200]!r} in this workspace.", field=field)
        try:
            run = await self._runs.get(principal, read_id(RESPONSE, id, "response", field))
        except RunNotFound:
            raise missing from None
        note = note_of(run)
        if run.kind not in (AGENT, MODEL) or note.get("is_deleted") or note.get("store") is False:
            raise missing
        try:
            await self._house.sessions.get(principal, run.session_id)
        except NotFound:
            raise missing from None
        return run

    async def has_others(self, principal: Principal, run: Run) -> bool:
        page = await self._runs.list(principal, Window(LARGEST_LIMIT), session_id=run.session_id)
        return any(other.id != run.id and not note_of(other).get("is_deleted") for other in page.items)

    async def log(self, principal: Principal, run: Run) -> list[Event]:
        events: list[Event] = []
        while True:
            after = events[-1].seq if events else 0
            found = await self._runs.run_events(principal, run.id, after=after, limit=_AT_ONCE)
            events += found
            if len(found) < _AT_ONCE:
                return events

    async def events(self, principal: Principal, run: Run) -> ResponseEvents:
        events = ResponseEvents(run.id, await self._head(principal, run))
        events.take_all(await self.log(principal, run))
        return events

    async def output_items(self, principal: Principal, id: str) -> list[Json]:
        """The output that the item of this id belongs to. Empty where there is none."""
        run_id = run_of_item(id)
        if run_id is None:
            return []
        try:
            run = await self.run(principal, str(run_id))
        except NotFound:
            return []
        return (await self.events(principal, run)).with_thoughts()

    async def _head(self, principal: Principal, run: Run) -> Json:
        note = note_of(run)
        if not note:  # a run that was begun elsewhere
            note = ResponseBody(model=await self._model_of(principal, run)).echo([])
            note |= {"background": run.is_background}
        conversation = note.get("conversation")
        return {
            "id": shown(RESPONSE, run.id),
            "object": "response",
            "created_at": int(run.created_at.timestamp()),
            **note,
            "conversation": {"id": conversation} if conversation else None,
        }

    async def _model_of(self, principal: Principal, run: Run) -> str:
        if run.agent_id is None:
            return ""
        agent = await self._house.agents.find(principal, str(run.agent_id))
        return AGENT_PREFIX + agent.slug

    async def chunks(
        self, request: Request, run: Run, accepted: Accepted, watcher: Watcher | None, *, after: int = -1
    ) -> AsyncGenerator[bytes, None]:
        """The response's events above a number, until it is over. The reader may leave early; the run goes on."""
        principal = request.principal
        events = ResponseEvents(run.id, await self._head(principal, run))
        items = self._runs.follow(principal, accepted.session_id, after=accepted.after, watcher=watcher)
        async with aclosing(items):
            async for item in items:
                if item is None:
                    yield sse.HEARTBEAT
                    continue
                if item.run_id != run.id:
                    continue
                told = [event for event in events.take(item) if event["sequence_number"] > after]
                if told:
                    yield b"".join(sse.event(orjson.dumps(event), name=event["type"]) for event in told)
                if events.is_over:
                    return
                if isinstance(item, Event) and item.needs_someone and not run.is_background:
                    yield _error_event(bad_end(item.payload, accepted), events.next_number)
                    return


def _error_event(error: GliaError, number: int) -> bytes:
    fields = {"code": error.code, "message": error.message, "param": error.field}
    return sse.event(orjson.dumps({"type": "error", "sequence_number": number, **fields}), name="error")


def note_of(run: Run) -> Json:
    return cast(Json, run.input.get(NOTE) or {})


def page_of_items(request: Request, found: list[Json]) -> Json:
    """A list of items, the newest first unless asked otherwise. Raises InvalidRequest."""
    limit = int_parameter(request.query, "limit", 20, smallest=1, largest=100)
    order = request.query.get("order", "desc")
    if order not in ("asc", "desc"):
        raise InvalidRequest(f"`order` is {order[:50]!r}; it must be 'asc' or 'desc'.", field="order")
    items = found if order == "asc" else found[::-1]
    if after := request.query.get("after"):
        ids = [item["id"] for item in items]
        if after not in ids:
            raise InvalidRequest(f"`after` is {after[:100]!r}, which is none of the items.", field="after")
        items = items[ids.index(after) + 1 :]
    page = items[:limit]
    return {
        "object": "list",
        "data": page,
        "first_id": page[0]["id"] if page else None,
        "last_id": page[-1]["id"] if page else None,
        "has_more": len(items) > limit,
    }
