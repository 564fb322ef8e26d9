"""Chat completions answered by an agent: the messages open a session, the answer is read from its run's log."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from difflib import get_close_matches
from uuid import UUID

import msgspec

from glia.agents.errors import AgentNotFound
from glia.agents.types import Agent
from glia.gateway.service import DONE, Chunks, calls_json, completion
from glia.gateway.types import ChatCall
from glia.identity.types import Principal
from glia.kit.errors import GliaError, InvalidRequest, NotFound, Unavailable
from glia.kit.pages import LARGEST_LIMIT, Window
from glia.models.types import TokenUsage, ToolCall
from glia.runs.events import Event, ModelResponded, Preview, RunCancelled, RunCompleted, RunFailed, RunUsage, RunWaiting
from glia.runs.events import TextDelta as StoredText
from glia.runs.events import ThinkingDelta as StoredThinking
from glia.runs.service import Question, RunOptions, Runs, Said, Watcher
from glia.runs.types import Accepted
from glia.surfaces.openai.chat_history import model_of, read_history, stored
from glia.surfaces.openai.chat_options import read_wishes
from glia.surfaces.openai.leaving import Patience, WhileClientWaits
from glia.surfaces.openai.words import AGENT_PREFIX, RunEndedBadly, error_event, openai_error
from glia.surfaces.shared import sse
from glia.surfaces.shared.asgi import Request, Send, ignored_header, send_bytes, send_json
from glia.surfaces.shared.text_cursor import TextCursor
from glia.surfaces.shared.tracing import join_trace
from glia.wiring import House

_LONGEST_WAIT_SECONDS = 3600.0

Headers = list[tuple[bytes, bytes]]


async def chat_with_agent(house: House, patience: Patience, request: Request, send: Send, call: ChatCall) -> None:
    principal = request.principal
    read = read_history(call)
    agent = await find_agent(house, principal, call.model)
    wishes = read_wishes(call, await model_of(house, agent.current))
    if wishes.ignored and house.settings.strict_fields:
        raise InvalidRequest(f"`{wishes.ignored[0]}` has no effect on an agent; leave it out.", field=wishes.ignored[0])
    said = await stored(house, principal, agent, read, wishes.options)
    metadata: dict[str, object] = {"openai": wishes.notes} if wishes.notes else {}
    session = await house.sessions.create(principal, agent_id=agent.id, metadata=metadata)
    with house.runs.watch(session.id, previews=call.is_streamed) as watcher:
        accepted = await _accept(house, principal, agent, session.id, said, wishes.options)
        await join_trace(house.traces, request, accepted)
        headers = [
            (b"x-glia-run-id", str(accepted.run_id).encode()),
            (b"x-glia-session-id", str(session.id).encode()),
            *ignored_header(wishes.ignored),
        ]
        if call.is_streamed:
            answer = AgentStream(house.runs, principal, accepted, call, request.request_id, watcher)
            await sse.stream(request.receive, send, answer.chunks(), headers)
        else:
            with WhileClientWaits(patience, request.receive):
                completed = await outcome(house.runs, principal, accepted, watcher)
            await _send_whole(request, send, call.model, completed, headers)


async def _accept(
    house: House, principal: Principal, agent: Agent, session_id: UUID, said: list[Said], options: RunOptions
) -> Accepted:
    """A run without wishes begins in this very process, which is quicker."""
    if options == RunOptions():
        return await house.runs.accept(principal, session_id, said)
    model = agent.current.model
    return await house.runs.ask(principal, session_id, said, Question(options, agent.id, agent.version, model))


async def find_agent(house: House, principal: Principal, model: str) -> Agent:
    """The agent that a model name `agent:<id or slug>` means. Raises NotFound with names that are near."""
    reference = model.removeprefix(AGENT_PREFIX)
    try:
        return await house.agents.find(principal, reference)
    except AgentNotFound:
        pass
    page = await house.agents.list(principal, Window(LARGEST_LIMIT))
    near = get_close_matches(reference, [agent.slug for agent in page.items], n=3, cutoff=0.5)
    hint = f" Did you mean {', '.join(repr(AGENT_PREFIX + slug) for slug in near)}?" if near else ""
    raise NotFound(f"There is no agent {reference!r} in this workspace.{hint} GET /v1/models lists all.", field="model")


class AgentStream:
    """A run as the chunks of one chat completion."""

    def __init__(
        self,
        runs: Runs,
        principal: Principal,
        accepted: Accepted,
        call: ChatCall,
        request_id: str,
        watcher: Watcher,
    ) -> None:
        """watcher: entered before the run was accepted."""
        self._runs = runs
        self._principal = principal
        self._accepted = accepted
        self._call = call
        self._request_id = request_id
        self._watcher = watcher
        self._chunks = Chunks(call.model)
        self._text = TextCursor()
        self._thinking = TextCursor()

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Ends with the run. The reader may leave early; the run goes on."""
        accepted = self._accepted
        items = self._runs.follow(self._principal, accepted.session_id, after=accepted.after, watcher=self._watcher)
        async with aclosing(items):
            async for item in items:
                if item is None:
                    yield sse.HEARTBEAT
                elif item.run_id == accepted.run_id:
                    if chunk := self._chunk(item):
                        yield chunk
                    if isinstance(item, Event) and (item.is_final or item.needs_someone):
                        return

    def _chunk(self, item: Event | Preview) -> bytes:
        match item.delta if isinstance(item, Preview) else item.payload:
            case StoredText() as delta:
                return self._said(self._text.take(delta))
            case StoredThinking() as delta:
                thought = self._thinking.take(delta)
                return self._chunks.thinking(thought) if thought else b""
            case ModelResponded() as response:
                return self._said(self._text.settle(response, item.attempt if isinstance(item, Event) else None))
            case RunCompleted() as completed:
                return self._end(completed)
            case RunFailed() | RunCancelled() | RunWaiting(needs_someone=True) as ended:
                return error_event(bad_end(ended, self._accepted), self._request_id)
            case _:
                return b""

    def _said(self, text: str) -> bytes:
        return self._chunks.text(text) if text else b""

    def _end(self, completed: RunCompleted) -> bytes:
        delta = {"citations": _citations(completed)}
        ending = b""
        if calls := called(completed):
            ending = self._chunks.tool_calls(calls)
        ending += self._chunks.delta(delta, finish_reason(completed))
        if self._call.wants_usage:
            ending += self._chunks.usage(_usage(completed.usage))
        return ending + DONE


async def _send_whole(
    request: Request, send: Send, model: str, completed: RunCompleted | GliaError, headers: Headers
) -> None:
    if isinstance(completed, GliaError):
        # Sent from here, so that the client learns which run it was, and does not begin another by itself.
        body = openai_error(completed, request.request_id)
        await send_json(send, completed.status, body, [*headers, (b"x-should-retry", b"false")])
        return
    text = completed.message.content if completed.message else ""
    message: dict[str, object] = {"content": text, "refusal": None, "citations": _citations(completed)}
    if calls := called(completed):
        message |= {"content": text or None, "tool_calls": calls_json(calls)}
    body = completion(model, message, finish_reason(completed), _usage(completed.usage))
    await send_bytes(send, 200, body, b"application/json", headers)


async def outcome(
    runs: Runs, principal: Principal, accepted: Accepted, watcher: Watcher | None
) -> RunCompleted | GliaError:
    """How the run ended, or what it waits for that a person has to do."""
    try:
        async with asyncio.timeout(_LONGEST_WAIT_SECONDS):
            last = await runs.outcome(principal, accepted, watcher, or_need=True)
    except TimeoutError:
        return Unavailable(f"The run {accepted.run_id} is still going on after an hour; GET /v1/runs/ shows it.")
    payload = last.payload
    return payload if isinstance(payload, RunCompleted) else bad_end(payload, accepted)


def bad_end(ended: object, accepted: Accepted) -> RunEndedBadly:
    """What a client is told of a run that did not complete."""
    if isinstance(ended, RunFailed):
        return RunEndedBadly(ended.error.code, ended.error.message)
    if isinstance(ended, RunWaiting) and "budget" in ended.waiting_for:
        return RunEndedBadly(
            "budget_exceeded",
            f"{ended.detail} The run {accepted.run_id} keeps what it has done and goes on by itself once there is room;"
            f" the answer is then in GET /v1/sessions/{accepted.session_id}/messages.",
        )
    if isinstance(ended, RunWaiting):
        words = " and ".join(ended.waiting_for)
        return RunEndedBadly(
            "run_waiting",
            f"The run {accepted.run_id} waits for: {words}. Decide it under /v1/approvals, or raise the budget; the"
            f" answer is then in GET /v1/sessions/{accepted.session_id}/messages.",
        )
    return RunEndedBadly("run_cancelled", f"The run {accepted.run_id} was cancelled before it answered.")


def called(completed: RunCompleted) -> tuple[ToolCall, ...]:
    """Calls of the client's functions."""
    return tuple(ToolCall(c.id, c.provider_id, c.name, c.arguments) for c in completed.tool_calls or ())


def finish_reason(completed: RunCompleted) -> str:
    return "tool_calls" if completed.tool_calls else completed.finish_reason or "stop"


def _citations(completed: RunCompleted) -> object:
    return msgspec.to_builtins(completed.message.citations) if completed.message else []


def _usage(usage: RunUsage | None) -> TokenUsage:
    """All model calls of the run together."""
    if usage is None:
        return TokenUsage()
    return TokenUsage(input_tokens=usage.input_tokens, output_tokens=usage.output_tokens)
