"""/v1/responses: a run of an agent or of a model, made, followed, looked at again, stopped and forgotten."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from typing import Any
from uuid import UUID

from glia.identity.service import IdempotentAnswers
from glia.identity.types import Principal
from glia.kit.errors import GliaError, InvalidRequest, NotFound
from glia.runs.events import Event, MessageReceived
from glia.runs.service import Question, RunOptions, Said, Watcher
from glia.runs.types import Accepted
from glia.surfaces.openai.ids import RESPONSE, shown
from glia.surfaces.openai.leaving import Patience, WhileClientWaits
from glia.surfaces.openai.outcomes import outcome
from glia.surfaces.openai.response_asking import ResponseRequests
from glia.surfaces.openai.response_body import ResponseBody
from glia.surfaces.openai.response_compact import TASK, compaction_json, transcript
from glia.surfaces.openai.response_input import items_of
from glia.surfaces.openai.response_reading import NOTE, StoredResponses, note_of, page_of_items
from glia.surfaces.openai.words import openai_error, read_body
from glia.surfaces.shared import sse
from glia.surfaces.shared.accepting import accepted_once
from glia.surfaces.shared.asgi import Request, Send, ignored_header, int_parameter, send_json
from glia.surfaces.shared.idempotency import REPLAYED, answer_once
from glia.surfaces.shared.tracing import join_trace
from glia.wiring import House

Json = dict[str, Any]
Headers = list[tuple[bytes, bytes]]

LARGEST_BODY_BYTES = 32 * 1024 * 1024


class Responses:
    def __init__(self, house: House, patience: Patience, answers: IdempotentAnswers) -> None:
        self._answers = answers
        self._house = house
        self._runs = house.runs
        self._patience = patience
        self._stored = StoredResponses(house)
        self._requests = ResponseRequests(house, self._stored)

    async def create(self, request: Request, send: Send) -> None:
        """Under an `Idempotency-Key` a repeat is answered from the run that the first try began, streamed ones too;
        what is not stored is answered again as it was written."""
        content = await request.body(LARGEST_BODY_BYTES)
        body, unknown = read_body(content, ResponseBody)
        if body.is_stored:
            await self._create(request, send, body, unknown, content)
            return

        async def answer(send: Send) -> None:
            await self._create(request, send, body, unknown, None)

        await answer_once(self._answers, request, content, send, answer, is_streamed=bool(body.stream))

    async def _create(
        self, request: Request, send: Send, body: ResponseBody, unknown: list[str], content: bytes | None
    ) -> None:
        """content: of a request that is not repeated under its key."""
        principal = request.principal
        ignored, watchers = unknown, list[Watcher]()

        async def begin(dedupe_key: str | None) -> Accepted:
            nonlocal ignored
            if dedupe_key and (known := await self._runs.known(principal, dedupe_key)):
                return known
            asked = await self._requests.read(principal, body, unknown)
            session_id = asked.session_id or await self._requests.open(principal, asked)
            is_live = bool(body.stream) and not body.background
            watcher = stack.enter_context(self._runs.watch(session_id, previews=is_live))
            accepted = await self._requests.ask(principal, asked, session_id, dedupe_key)
            await join_trace(self._house.traces, request, accepted)
            if accepted.session_id == session_id:
                watchers.append(watcher)
            ignored = asked.ignored
            return accepted

        with ExitStack() as stack:
            if content is None:
                accepted, is_replayed = await begin(None), False
            else:
                accepted, is_replayed = await accepted_once(self._answers, request, content, begin)
            headers = [
                (b"x-glia-run-id", str(accepted.run_id).encode()),
                (b"x-glia-session-id", str(accepted.session_id).encode()),
                *ignored_header(ignored),
                *([REPLAYED] if is_replayed else []),
            ]
            await self._answer(request, send, body, accepted, watchers[0] if watchers else None, headers)

    async def _answer(
        self,
        request: Request,
        send: Send,
        body: ResponseBody,
        accepted: Accepted,
        watcher: Watcher | None,
        headers: Headers,
    ) -> None:
        try:
            if body.stream:
                run = await self._runs.get(request.principal, accepted.run_id)
                chunks = self._stored.chunks(request, run, accepted, watcher)
                await sse.stream(request.receive, send, chunks, headers)
            elif body.background:
                run = await self._runs.get(request.principal, accepted.run_id)
                await send_json(send, 200, (await self._stored.events(request.principal, run)).response, headers)
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
        headers: Headers,
    ) -> None:
        with WhileClientWaits(self._patience, request.receive):
            ended = await outcome(self._runs, request.principal, accepted, watcher)
        if isinstance(ended, GliaError):
            # Sent from here, so that the client learns which run it was, and does not begin another by itself.
            problem = openai_error(ended, request.request_id)
            await send_json(send, ended.status, problem, [*headers, (b"x-should-retry", b"false")])
            return
        run = await self._runs.get(request.principal, accepted.run_id)
        await send_json(send, 200, (await self._stored.events(request.principal, run)).response, headers)

    async def retrieve(self, request: Request, send: Send, id: str) -> None:
        run = await self._stored.run(request.principal, id)
        is_streamed = request.query.get("stream", "false").lower()
        if is_streamed not in ("true", "false"):
            raise InvalidRequest("`stream` must be true or false.", field="stream")
        if is_streamed == "false":
            await send_json(send, 200, (await self._stored.events(request.principal, run)).response)
            return
        after = int_parameter(request.query, "starting_after", -1, smallest=-1, largest=2**31)
        accepted = await self._runs.accepted(request.principal, run)
        await sse.stream(request.receive, send, self._stored.chunks(request, run, accepted, None, after=after))

    async def cancel(self, request: Request, send: Send, id: str) -> None:
        """Only what runs in the background, as this API has it."""
        run = await self._stored.run(request.principal, id)
        if not run.is_background:
            raise InvalidRequest("Only a response in the `background` can be cancelled.", field="response_id")
        run = await self._runs.cancel(request.principal, run.id)
        if not run.status.is_final:
            async with asyncio.timeout(30):
                await self._runs.outcome(request.principal, await self._runs.accepted(request.principal, run))
        await send_json(send, 200, (await self._stored.events(request.principal, run)).response)

    async def delete(self, request: Request, send: Send, id: str) -> None:
        """Forgets a response; its session goes with the last one of it."""
        principal = request.principal
        run = await self._stored.run(principal, id)
        await self._runs.cancel(principal, run.id)
        await self._runs.note(principal, run.id, NOTE, {**note_of(run), "is_deleted": True})
        session = await self._house.sessions.get(principal, run.session_id)
        if NOTE in session.metadata and not await self._stored.has_others(principal, run):
            await self._forget(principal, run.session_id)
        await send_json(send, 200, {"id": shown(RESPONSE, run.id), "object": "response", "deleted": True})

    async def input_items(self, request: Request, send: Send, id: str) -> None:
        run = await self._stored.run(request.principal, id)
        events = await self._stored.log(request.principal, run)
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
        agent, resolved = await self._requests.target(principal, body.model)
        if resolved.is_embedded:
            raise InvalidRequest(
                "The built-in model writes no summaries; choose another, as GET /v1/models lists them.", field="model"
            )
        _, before, open_calls = await self._requests.history(principal, body, agent)
        said = list(before)
        if body.input or not said:
            told = await self._requests.items(principal, open_calls).read(body.input)
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
            found = (await self._stored.events(principal, await self._runs.get(principal, accepted.run_id))).response
            return compaction_json(ended.message.content if ended.message else "", found["usage"])
        finally:
            await asyncio.shield(asyncio.ensure_future(self._forget(principal, session.id)))

    async def _forget(self, principal: Principal, session_id: UUID) -> None:
        await self._runs.cancel_session(principal, session_id)
        try:
            await self._house.sessions.delete(principal, session_id)
        except NotFound:
            return  # someone else was quicker


def _items(event: Event) -> list[Json]:
    payload = event.payload
    return items_of(payload) if isinstance(payload, MessageReceived) else []
