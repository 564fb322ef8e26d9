"""/v1/responses: a run of an agent or of a model, made, followed, looked at again, stopped and forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

import orjson

from glia.agents.types import Agent
from glia.gateway.service import SCOPE
from glia.identity.service import IdempotentAnswers
from glia.identity.types import Principal
from glia.kit.errors import Conflict, GliaError, InvalidRequest, NotFound
from glia.kit.pages import LARGEST_LIMIT, Window
from glia.models.service import ResolvedModel
from glia.runs.errors import RunNotFound, SessionBusy
from glia.runs.events import Event, MessageReceived
from glia.runs.service import Question, RunOptions, Said, Watcher
from glia.runs.types import AGENT, MODEL, Accepted, Run
from glia.surfaces.openai.agent_chat import bad_end, find_agent, outcome
from glia.surfaces.openai.chat_history import model_of, stored
from glia.surfaces.openai.chat_options import without_use
from glia.surfaces.openai.ids import CONVERSATION, RESPONSE, read_id, shown
from glia.surfaces.openai.leaving import Patience, WhileClientWaits
from glia.surfaces.openai.response_body import ResponseBody
from glia.surfaces.openai.response_compact import TASK, compaction_json, transcript
from glia.surfaces.openai.response_events import ResponseEvents
from glia.surfaces.openai.response_input import InputItems, items_of
from glia.surfaces.openai.response_tools import read_choice, read_tools
from glia.surfaces.openai.words import AGENT_PREFIX, openai_error, read_body
from glia.surfaces.shared import sse
from glia.surfaces.shared.asgi import Request, Send, ignored_header, int_parameter, send_json
from glia.surfaces.shared.idempotency import answer_once, key_of
from glia.surfaces.shared.tracing import join_trace
from glia.wiring import House

Json = dict[str, Any]

LARGEST_BODY_BYTES = 32 * 1024 * 1024
NOTE = "openai"
"""Where a run keeps what this surface gives back."""
_AT_ONCE = 1000


@dataclass(frozen=True)
class Asked:
    """A request, read and checked. agent: None when a model is asked without one. session_id: None for a new one."""

    body: ResponseBody
    agent: Agent | None
    options: RunOptions
    said: list[Said]
    notes: Json
    ignored: list[str]
    session_id: UUID | None
    before: list[Said]


class Responses:
    def __init__(self, house: House, patience: Patience, answers: IdempotentAnswers) -> None:
        self._answers = answers
        self._house = house
        self._runs = house.runs
        self._patience = patience

    async def create(self, request: Request, send: Send) -> None:
        content = await request.body(LARGEST_BODY_BYTES)
        body, unknown = read_body(content, ResponseBody)
        if body.stream or key_of(request) is None:
            await self._create(request, send, body, unknown)
            return

        async def answer(send: Send) -> None:
            await self._create(request, send, body, unknown)

        await answer_once(self._answers, request, content, send, answer)

    async def _create(self, request: Request, send: Send, body: ResponseBody, unknown: list[str]) -> None:
        principal = request.principal
        asked = await self._read(principal, body, unknown)
        session_id = asked.session_id or await self._open(principal, asked)
        is_live = bool(body.stream) and not body.background
        with self._runs.watch(session_id, previews=is_live) as watcher:
            accepted = await self._ask(principal, asked, session_id)
            await join_trace(self._house.traces, request, accepted)
            is_elsewhere = accepted.session_id != session_id
            await self._answer(request, send, asked, accepted, None if is_elsewhere else watcher)

    async def _answer(
        self, request: Request, send: Send, asked: Asked, accepted: Accepted, watcher: Watcher | None
    ) -> None:
        body = asked.body
        headers = [
            (b"x-glia-run-id", str(accepted.run_id).encode()),
            (b"x-glia-session-id", str(accepted.session_id).encode()),
            *ignored_header(asked.ignored),
        ]
        try:
            if body.stream:
                run = await self._runs.get(request.principal, accepted.run_id)
                chunks = self._chunks(request, run, accepted, watcher)
                await sse.stream(request.receive, send, chunks, headers)
            elif body.background:
                run = await self._runs.get(request.principal, accepted.run_id)
                await send_json(send, 200, (await self._events(request.principal, run)).response, headers)
            else:
                await self._send_whole(request, send, accepted, watcher, headers)
        finally:
            if not body.is_stored:
                await asyncio.shield(asyncio.ensure_future(self._forget(request.principal, accepted.session_id)))

    async def _send_whole(
        self,
        request: Request,
        send: Send,
        accepted: Accepted,
        watcher: Watcher | None,
        headers: list[tuple[bytes, bytes]],
    ) -> None:
        with WhileClientWaits(self._patience, request.receive):
            ended = await outcome(self._runs, request.principal, accepted, watcher)
        if isinstance(ended, GliaError):
            # Sent from here, so that the client learns which run it was, and does not begin another by itself.
            problem = openai_error(ended, request.request_id)
            await send_json(send, ended.status, problem, [*headers, (b"x-should-retry", b"false")])
            return
        run = await self._runs.get(request.principal, accepted.run_id)
        await send_json(send, 200, (await self._events(request.principal, run)).response, headers)

    async def retrieve(self, request: Request, send: Send, id: str) -> None:
        run = await self._run(request.principal, id)
        is_streamed = request.query.get("stream", "false").lower()
        if is_streamed not in ("true", "false"):
            raise InvalidRequest("`stream` must be true or false.", field="stream")
        if is_streamed == "false":
            await send_json(send, 200, (await self._events(request.principal, run)).response)
            return
        after = int_parameter(request.query, "starting_after", -1, smallest=-1, largest=2**31)
        accepted = await self._runs.accepted(request.principal, run)
        await sse.stream(request.receive, send, self._chunks(request, run, accepted, None, after=after))

    async def cancel(self, request: Request, send: Send, id: str) -> None:
        """Only what runs in the background, as this API has it."""
        run = await self._run(request.principal, id)
        if not run.is_background:
            raise InvalidRequest("Only a response in the `background` can be cancelled.", field="response_id")
        run = await self._runs.cancel(request.principal, run.id)
        if not run.status.is_final:
            async with asyncio.timeout(30):
                await self._runs.outcome(request.principal, await self._runs.accepted(request.principal, run))
        await send_json(send, 200, (await self._events(request.principal, run)).response)

    async def delete(self, request: Request, send: Send, id: str) -> None:
        """Forgets a response; its session goes with the last one of it."""
        principal = request.principal
        run = await self._run(principal, id)
        await self._runs.cancel(principal, run.id)
        await self._runs.note(principal, run.id, NOTE, {**_note(run), "is_deleted": True})
        session = await self._house.sessions.get(principal, run.session_id)
        if NOTE in session.metadata and not await self._has_others(principal, run):
            await self._forget(principal, run.session_id)
        await send_json(send, 200, {"id": shown(RESPONSE, run.id), "object": "response", "deleted": True})

    async def input_items(self, request: Request, send: Send, id: str) -> None:
        run = await self._run(request.principal, id)
        events = await self._log(request.principal, run)
        found = [item for event in events for item in _items(event)]
        await send_json(send, 200, page_of_items(request, found))

    async def compact(self, request: Request, send: Send) -> None:
        """The conversation as one item that later requests can bring along instead of it."""
        content = await request.body(LARGEST_BODY_BYTES)
        body, unknown = read_body(content, ResponseBody)
        made = await self._compacted(request, body)
        await send_json(send, 200, made, ignored_header(unknown))

    async def _compacted(self, request: Request, body: ResponseBody) -> Json:
        principal = request.principal
        agent, resolved = await self._target(principal, body.model)
        if resolved.is_embedded:
            raise InvalidRequest(
                "The built-in model writes no summaries; choose another, as GET /v1/models lists them.", field="model"
            )
        _, before, open_calls = await self._history(principal, body, agent)
        said = list(before)
        if body.input or not said:
            told = await InputItems(self._house.files, principal, open_calls).read(body.input)
            said += [entry.said for entry in told]
        options = RunOptions(
            model=agent.current.model if agent else body.model,
            instructions=f"{TASK}\n\n{body.instructions or ''}".strip(),
        )
        session = await self._house.sessions.create(principal, agent_id=None)
        try:
            with self._runs.watch(session.id) as watcher, WhileClientWaits(self._patience, request.receive):
                question = Question(options, notes={NOTE: body.echo([])})
                accepted = await self._runs.ask(principal, session.id, [Said("user", transcript(said))], question)
                ended = await outcome(self._runs, principal, accepted, watcher)
            if isinstance(ended, GliaError):
                raise ended
            found = (await self._events(principal, await self._runs.get(principal, accepted.run_id))).response
            return compaction_json(ended.message.content if ended.message else "", found["usage"])
        finally:
            await asyncio.shield(asyncio.ensure_future(self._forget(principal, session.id)))

    # What the routes are made of.

    async def _read(self, principal: Principal, body: ResponseBody, unknown: list[str]) -> Asked:
        body.check()
        agent, resolved = await self._target(principal, body.model)
        tools = await read_tools(self._house, principal, body.tools or [])
        ignored = [*unknown, *body.ignored(resolved)]
        ignored += [name for name in without_use(resolved) if getattr(body, name, None) is not None]
        if ignored and self._house.settings.strict_fields:
            raise InvalidRequest(f"`{ignored[0]}` has no effect here; leave it out.", field=ignored[0])
        options = RunOptions(
            model=None if agent else body.model,
            instructions=body.instructions or "",
            temperature=body.temperature,
            top_p=body.top_p,
            max_output_tokens=body.max_output_tokens,
            max_tool_calls=body.max_tool_calls,
            thinking_effort=body.effort,
            response_format=body.form,
            tool_choice=read_choice(body.tool_choice, tools),
            parallel_tool_calls=body.parallel_tool_calls,
            client_tools=tools.functions,
            tools=tools.names,
            knowledge_base_ids=tools.bases,
            extra=body.passed_on(resolved),
        )
        session_id, before, open_calls = await self._history(principal, body, agent)
        told = await InputItems(self._house.files, principal, open_calls).read(body.input)
        try:
            said = await stored(self._house, principal, agent, told, options)
        except InvalidRequest as error:
            error.field = {"response_format": "text.format", "messages": "input"}.get(error.field or "", error.field)
            raise
        return Asked(body, agent, options, said, body.echo(tools.shown), ignored, session_id, before)

    async def _target(self, principal: Principal, model: str) -> tuple[Agent | None, ResolvedModel]:
        if model.startswith(AGENT_PREFIX):
            agent = await find_agent(self._house, principal, model)
            return agent, await model_of(self._house, agent.current)
        principal.require(SCOPE)
        return None, await self._house.models.resolve(model)

    async def _history(
        self, principal: Principal, body: ResponseBody, agent: Agent | None
    ) -> tuple[UUID | None, list[Said], list[str]]:
        """The session to go on in, or what is to be said again in a new one; and the calls that wait for results."""
        if (conversation := body.conversation_id) is not None:
            id = read_id(CONVERSATION, conversation, "conversation", "conversation")
            heard = await self._runs.conversation(principal, id)
            return id, [], sorted(heard.open_calls)
        if body.previous_response_id is None:
            return None, [], []
        run = await self._run(principal, body.previous_response_id, "previous_response_id")
        last = await self._runs.last_of(principal, run)
        if last is None:
            raise Conflict(
                f"The response {body.previous_response_id!r} is not finished; wait for it, or cancel it.",
                field="previous_response_id",
            )
        heard = await self._runs.conversation(principal, run.session_id, upto=last)
        session = await self._house.sessions.get(principal, run.session_id)
        fits = body.is_stored and session.agent_id == (agent.id if agent else None)
        if fits and await self._runs.is_newest(principal, run):
            return run.session_id, heard.said, sorted(heard.open_calls)
        return None, heard.said, sorted(heard.open_calls)

    async def _open(self, principal: Principal, asked: Asked) -> UUID:
        agent_id = asked.agent.id if asked.agent else None
        metadata: dict[str, object] = {NOTE: {"is_response": True}}
        session = await self._house.sessions.create(principal, agent_id=agent_id, metadata=metadata)
        return session.id

    async def _ask(self, principal: Principal, asked: Asked, session_id: UUID) -> Accepted:
        """Begins the run. When others go on from the same response at this moment, in a session of its own."""
        agent = asked.agent
        notes = {**asked.notes, "conversation": asked.body.conversation_id}
        question = Question(
            asked.options,
            agent.id if agent else None,
            agent.version if agent else None,
            agent.current.model if agent else None,
            {NOTE: notes},
            is_background=bool(asked.body.background),
        )
        is_new = asked.session_id is None
        said = [*asked.before, *asked.said] if is_new else asked.said
        try:
            return await self._runs.ask(principal, session_id, said, question)
        except SessionBusy:
            if is_new or asked.body.conversation_id is not None:
                raise
        session_id = await self._open(principal, asked)
        return await self._runs.ask(principal, session_id, [*asked.before, *asked.said], question)

    async def _run(self, principal: Principal, id: str, field: str | None = None) -> Run:
        """The run behind a response: any run of an agent, or of a model. Raises NotFound."""
        missing = NotFound(f"There is no response {id[:200]!r} in this workspace.", field=field)
        try:
            run = await self._runs.get(principal, read_id(RESPONSE, id, "response", field))
        except RunNotFound:
            raise missing from None
        note = _note(run)
        if run.kind not in (AGENT, MODEL) or note.get("is_deleted") or note.get("store") is False:
            raise missing
        try:
            await self._house.sessions.get(principal, run.session_id)
        except NotFound:
            raise missing from None
        return run

    async def _has_others(self, principal: Principal, run: Run) -> bool:
        page = await self._runs.list(principal, Window(LARGEST_LIMIT), session_id=run.session_id)
        return any(other.id != run.id and not _note(other).get("is_deleted") for other in page.items)

    async def _forget(self, principal: Principal, session_id: UUID) -> None:
        await self._runs.cancel_session(principal, session_id)
        try:
            await self._house.sessions.delete(principal, session_id)
        except NotFound:
            return  # someone else was quicker

    async def _log(self, principal: Principal, run: Run) -> list[Event]:
        events: list[Event] = []
        while True:
            after = events[-1].seq if events else 0
            found = await self._runs.run_events(principal, run.id, after=after, limit=_AT_ONCE)
            events += found
            if len(found) < _AT_ONCE:
                return events

    async def _events(self, principal: Principal, run: Run) -> ResponseEvents:
        events = ResponseEvents(run.id, await self._head(principal, run))
        events.take_all(await self._log(principal, run))
        return events

    async def _head(self, principal: Principal, run: Run) -> Json:
        note = _note(run)
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

    async def _chunks(
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


def _note(run: Run) -> Json:
    return cast(Json, run.input.get(NOTE) or {})


def _items(event: Event) -> list[Json]:
    payload = event.payload
    return items_of(payload) if isinstance(payload, MessageReceived) else []


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
