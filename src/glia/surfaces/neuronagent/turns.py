"""A turn: a message that was sent, the run that answers it, and what comes of it piece by piece."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from glia.identity.types import Principal
from glia.kit.errors import GliaError
from glia.runs.events import (
    CalledTool,
    Citation,
    Event,
    ModelResponded,
    Preview,
    RunCancelled,
    RunCompleted,
    RunFailed,
    RunWaiting,
    TextDelta,
    ToolCalled,
    ToolReturned,
)
from glia.runs.service import Runs, Watcher
from glia.runs.types import Accepted

Wire = dict[str, Any]

_LONGEST_WAIT_SECONDS = 3600.0
_MOST_EVENTS = 10_000


class GatewayTimeout(GliaError):
    code, status = "gateway_timeout", 504


class RunEndedBadly(GliaError):
    """A run that failed, shown as the error that ended it."""

    def __init__(self, failed: RunFailed, run_id: UUID) -> None:
        super().__init__(failed.error.message, run_id=str(run_id))
        code = failed.error.code
        self.code = code
        self.status = _STATUS_OF.get(code, 502 if code.startswith("model") else 500)


_STATUS_OF = {
    "limit_reached": 422,
    "upstream_failed": 502,
    "context_too_long": 502,
    "model_not_found": 404,
    "model_ambiguous": 400,
    "not_found": 404,
    "invalid_request": 400,
    "payment_required": 402,
    "unavailable": 503,
}


@dataclass
class Turn:
    """What came of a message so far. ended: the event that ended its run, or says that it waits for a person."""

    accepted: Accepted
    tool_calls: list[Wire] = field(default_factory=list[Wire])
    tool_results: list[Wire] = field(default_factory=list[Wire])
    ended: Event | None = None

    @property
    def _end(self) -> Event:
        if self.ended is None:
            raise GliaError(f"The run {self.accepted.run_id} has not ended.")
        return self.ended

    @property
    def at(self) -> datetime:
        return self._end.at

    @property
    def seq(self) -> int:
        return self._end.seq

    @property
    def status(self) -> str:
        match self._end.payload:
            case RunCompleted():
                return "completed"
            case RunWaiting():
                return "waiting"
            case _:
                return "cancelled"

    @property
    def waiting_for(self) -> list[str]:
        payload = self._end.payload
        return payload.waiting_for if isinstance(payload, RunWaiting) else []

    @property
    def content(self) -> str:
        match self._end.payload:
            case RunCompleted(message=message) if message is not None:
                return message.content
            case RunCancelled(text=text):
                return text
            case _:
                return ""

    @property
    def tokens_used(self) -> int:
        payload = self._end.payload
        usage = payload.usage if isinstance(payload, RunCompleted) else None
        return 0 if usage is None else usage.input_tokens + usage.output_tokens

    @property
    def output_tokens(self) -> int | None:
        payload = self._end.payload
        usage = payload.usage if isinstance(payload, RunCompleted) else None
        return None if usage is None else usage.output_tokens

    @property
    def citations(self) -> list[Wire]:
        payload = self._end.payload
        message = payload.message if isinstance(payload, RunCompleted) else None
        return [] if message is None else [citation_wire(citation) for citation in message.citations]

    def note(self, events: Iterable[Event]) -> None:
        """Takes in what the run has done."""
        for event in events:
            match event.payload:
                case ToolCalled() as called:
                    self.tool_calls.append(_call(called.tool_call_id, called.tool, called.arguments))
                case ToolReturned() as returned:
                    self.tool_results.append(result_wire(returned))
                case _:
                    pass

    def raise_if_failed(self) -> None:
        payload = self._end.payload
        if isinstance(payload, RunFailed):
            raise RunEndedBadly(payload, self.accepted.run_id)


async def finish(runs: Runs, principal: Principal, accepted: Accepted, watcher: Watcher | None) -> Turn:
    """The turn once its run has ended, or waits for a person or a budget. Raises RunEndedBadly, GatewayTimeout.

    watcher: entered before the run was accepted; None reads what there is from the log.
    """
    turn = Turn(accepted)
    try:
        async with asyncio.timeout(_LONGEST_WAIT_SECONDS):
            turn.ended = await runs.outcome(principal, accepted, watcher, or_need=True)
    except TimeoutError:
        raise GatewayTimeout(
            f"The run {accepted.run_id} is still going on after an hour; its answer will be among the session's"
            " messages.",
            run_id=str(accepted.run_id),
        ) from None
    turn.raise_if_failed()
    turn.note(await runs.run_events(principal, accepted.run_id, after=0, limit=_MOST_EVENTS))
    return turn


@dataclass(frozen=True)
class Frame:
    """A piece of a turn. kind: `chunk`, `tool_calls`, `tool_results`, or `end`; `quiet` when nothing happens.

    seq: of the event behind it; None for text that is not stored yet.
    """

    kind: str
    text: str = ""
    things: tuple[Wire, ...] = ()
    seq: int | None = None


async def frames(runs: Runs, principal: Principal, turn: Turn, watcher: Watcher | None) -> AsyncGenerator[Frame, None]:
    """The turn as it comes, until its `end`. The reader may leave early; the run goes on.

    watcher: entered, with previews, before the run was accepted; None reads what there is from the log.
    """
    accepted, text = turn.accepted, _Text()
    items = runs.follow(principal, accepted.session_id, after=accepted.after, watcher=watcher)
    async with aclosing(items):
        async for item in items:
            if item is None:
                yield Frame("quiet")
            elif item.run_id == accepted.run_id:
                for frame in _frames_of(item, turn, text):
                    yield frame
                if turn.ended is not None:
                    return


def _frames_of(item: Event | Preview, turn: Turn, text: _Text) -> list[Frame]:
    match item.delta if isinstance(item, Preview) else item.payload:
        case TextDelta() as delta:
            return _chunk(text.take(delta))
        case ModelResponded() as response:
            calls = tuple(_called(call) for call in response.tool_calls)
            turn.tool_calls += calls
            seq = item.seq if isinstance(item, Event) else None
            return [*_chunk(text.settle(response)), *([Frame("tool_calls", things=calls, seq=seq)] if calls else [])]
        case ToolReturned() as returned:
            result = result_wire(returned)
            turn.tool_results.append(result)
            return [Frame("tool_results", things=(result,), seq=item.seq if isinstance(item, Event) else None)]
        case _:
            if isinstance(item, Event) and (item.is_final or item.needs_someone):
                turn.ended = item
                return [Frame("end", seq=item.seq)]
            return []


def _chunk(text: str) -> list[Frame]:
    return [Frame("chunk", text)] if text else []


class _Text:
    """Each piece of a text once, although it comes as a preview, is stored, and is repeated whole at the end."""

    def __init__(self) -> None:
        self._step = 0
        self._shown = 0

    def take(self, delta: TextDelta) -> str:
        if not self._enter(delta.step) or delta.offset > self._shown:
            return ""  # what lies between comes with the whole text
        piece = delta.text[self._shown - delta.offset :]
        self._shown += len(piece)
        return piece

    def settle(self, response: ModelResponded) -> str:
        if not self._enter(response.step):
            return ""
        piece = response.text[self._shown :]
        self._shown = len(response.text)
        return piece

    def _enter(self, step: int) -> bool:
        if step > self._step:
            self._step, self._shown = step, 0
        return step == self._step


def _call(id: str, name: str, arguments: Any) -> Wire:
    return {"id": id, "name": name, "arguments": arguments}


def _called(call: CalledTool) -> Wire:
    try:
        arguments: Any = orjson.loads(call.arguments) if call.arguments.strip() else {}
    except orjson.JSONDecodeError:
        arguments = call.arguments
    return _call(call.id, call.name, arguments)


def result_wire(returned: ToolReturned) -> Wire:
    """error: why it could not be done; null when it was."""
    failed = returned.status != "ok"
    return {
        "tool_call_id": returned.tool_call_id,
        "content": returned.text,
        "error": returned.text if failed else None,
    }


def citation_wire(citation: Citation) -> Wire:
    return {
        "source_id": citation.document_id,
        "chunk": citation.quote,
        "score": None,
        "uri": citation.uri,
        "document_name": citation.document_name,
        "page": citation.page,
    }
