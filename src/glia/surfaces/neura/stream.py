"""A run as Neura's stream events: `data: {"type": ...}` lines, `done` or `error` last.

Only stored events are sent, each with its sequence number as `id`, so that a reader that comes back with
`Last-Event-ID` sees no gap and no repeat.
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

import orjson

from glia.kit.errors import GliaError
from glia.kit.ids import parse_id
from glia.runs.events import (
    ArtifactCreated,
    ChildStarted,
    ContextCompacted,
    Event,
    ModelResponded,
    Payload,
    PlanMade,
    RunCreated,
    RunStarted,
    RunWaiting,
    TextDelta,
    ThinkingDelta,
    ToolCalled,
    ToolReturned,
    UnknownPayload,
)
from glia.surfaces.neura.endings import ended_badly
from glia.surfaces.neura.tale import Tale, settle
from glia.surfaces.neura.turns import Turn, Turns, details
from glia.surfaces.neura.words import neura_error
from glia.surfaces.shared import sse
from glia.surfaces.shared.text_cursor import TextCursor

Wire = dict[str, Any]

_HEARTBEAT_SECONDS = 14.0
_FIRST_LOOK_SECONDS = 1.0
_LARGEST_ARTIFACT_BYTES = 1024 * 1024
_TEXTS = ("text/", "application/json", "image/svg")


class TurnStream:
    def __init__(self, turns: Turns, turn: Turn, *, after: int = 0) -> None:
        """after: the last event that the reader has seen already."""
        self._turns = turns
        self._turn = turn
        self._after = after
        self._tale = Tale()
        self._text = TextCursor()
        self._thinking = TextCursor()
        self._events = turns.house.runs.story(
            turn.principal, turn.accepted, turn.watcher, quiet_seconds=_HEARTBEAT_SECONDS
        )
        self._held: list[Event] = []
        self._pending: asyncio.Task[Event | None] | None = None
        self._last: int | None = None

    async def open(self) -> None:
        """Looks whether there is money for the run, where money is limited, before the stream's status is sent.

        Raises PaymentRequired when there is not.
        """
        if not await self._turns.house.spending.is_limited(self._turn.principal.workspace_id):
            return
        task: asyncio.Task[Event | None] | None = None
        try:
            async with asyncio.timeout(_FIRST_LOOK_SECONDS):
                while not self._tale.refused:
                    task = asyncio.ensure_future(anext(self._events))
                    event = await asyncio.shield(task)
                    if event is None:
                        continue
                    self._held.append(event)
                    if event.type == "budget.exceeded":
                        self._tale.note(event, event.payload)
                    elif event.type not in {"message.received", "run.created", "run.started", "model.requested"}:
                        return
        except (TimeoutError, StopAsyncIteration):
            self._pending = task if task is not None and not task.done() else None
            return
        error = await ended_badly(self._turns.house, self._turn.principal, self._turn.accepted, self._tale)
        await self._events.aclose()
        if error is not None:
            raise error

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        async with aclosing(self._events):
            async for event in self._all():
                if event is None:
                    yield sse.HEARTBEAT
                    continue
                if chunk := await self._chunk(event):
                    yield chunk
        yield await self._end()

    async def _all(self) -> AsyncGenerator[Event | None, None]:
        for event in self._held:
            yield event
        self._held.clear()
        if self._pending is not None:
            try:
                yield await self._pending
            except StopAsyncIteration:
                return
        async for event in self._events:
            yield event

    async def _chunk(self, event: Event) -> bytes:
        payload = event.payload
        self._last = event.seq
        self._tale.note(event, payload)
        found = self._wire(event, payload)
        if event.seq <= self._after:
            return b""
        if isinstance(payload, ArtifactCreated):
            found = [await self._artifact(payload)]
        return _lines(found, event.seq)

    def _wire(self, event: Event, payload: Payload | UnknownPayload) -> list[Wire]:
        found: list[Wire] = []
        match payload:
            case TextDelta() as delta:
                found = _piece("token", self._text.take(delta))
            case ThinkingDelta() as delta:
                found = _piece("thinking", self._thinking.take(delta))
            case ModelResponded() as response:
                found = _piece("token", self._text.settle(response, event.attempt))
            case ToolCalled(tool=tool, arguments=arguments):
                found = [{"type": "tool_call", "tool": tool, "args": arguments if isinstance(arguments, dict) else {}}]
            case ToolReturned() as returned:
                found = _returned(returned)
            case PlanMade(reasoning=reasoning, steps=steps):
                plan = "\n".join([reasoning, *(f"{number}. {step.action}" for number, step in enumerate(steps, 1))])
                found = _piece("thinking", plan.strip())
            case _:
                if message := _status_of(payload):
                    found = [{"type": "status", "message": message}]
        return found

    async def _artifact(self, created: ArtifactCreated) -> Wire:
        """An artifact's content: texts as they are, the rest as a data URL; of a large one only the address."""
        house, turn = self._turns.house, self._turn
        address = f"/v1/sessions/{turn.accepted.session_id}/artifacts/{created.id}/file"
        content = address
        if created.size_bytes <= _LARGEST_ARTIFACT_BYTES:
            try:
                id = parse_id(created.id, "artifact")
                found = await house.sandboxes.artifacts.get(turn.principal, turn.accepted.session_id, id)
                parts = [part async for part in house.sandboxes.artifacts.content(turn.principal, found)]
                content = _shown(b"".join(parts), created.media_type)
            except GliaError:
                pass  # it was deleted meanwhile; the address says so
        kind = created.media_type.partition("/")[2] if created.media_type.startswith("text/") else "file"
        kind = "image" if created.media_type.startswith("image/") else kind
        return {"type": "artifact", "artifact_type": kind, "title": created.name, "content": content}

    async def _end(self) -> bytes:
        """The last lines. `error` when there is no answer, else what was cited and `done`."""
        house, turn, tale = self._turns.house, self._turn, self._tale
        error = await ended_badly(house, turn.principal, turn.accepted, tale)
        if error is not None:
            said = neura_error(error, str(turn.accepted.run_id))
            is_bare = error.status == 402
            text = f"{said['error']}: {said['detail']}" if is_bare and "detail" in said else said["error"]
            return _lines([{"type": "error", "error": text}], self._last)
        await settle(house, turn.principal, turn.accepted.run_id, tale)
        done: Wire = {"type": "done", "answer": tale.answer, "costs": tale.costs.wire()}
        if turn.asked.is_detailed:
            done["metadata"] = details(turn, tale)
        cited: list[Wire] = [{"type": "sources", "sources": tale.sources}] if tale.sources else []
        return _lines([*cited, done], self._last)


def _status_of(payload: Payload | UnknownPayload) -> str:
    """How the run is getting on, in words; empty for what is no news."""
    message = ""
    match payload:
        case RunCreated():
            message = "Agent loaded"
        case RunStarted(reason="recovered"):
            message = "Going on after an interruption"
        case RunStarted(reason="resumed"):
            message = "Going on"
        case ContextCompacted():
            message = "The earlier conversation was summarised"
        case ChildStarted():
            message = "Another agent is at work"
        case RunWaiting(waiting_for=waiting_for) if "approval" not in waiting_for:
            message = f"Waiting for: {', '.join(waiting_for)}"
        case _:
            pass
    return message


def _piece(kind: str, content: str) -> list[Wire]:
    return [{"type": kind, "content": content}] if content else []


def _returned(returned: ToolReturned) -> list[Wire]:
    result: Wire = {"status": returned.status, "output": _parsed(returned.text)}
    found: list[Wire] = [{"type": "tool_result", "tool": returned.tool, "result": result}]
    if returned.sources:
        uris = list(dict.fromkeys(source.uri for source in returned.sources))
        found.append({"type": "sources", "sources": uris})
    return found


def _parsed(text: str) -> object:
    """JSON that a tool gave, as JSON."""
    if text[:1] in ("{", "["):
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError:
            return text
    return text


def _shown(content: bytes, media_type: str) -> str:
    if media_type.startswith(_TEXTS):
        return content.decode("utf-8", "replace")
    return f"data:{media_type};base64,{b64encode(content).decode()}"


def _lines(events: Sequence[Wire], seq: int | None) -> bytes:
    """The last of them carries the id: whoever has seen it has seen all."""
    last = len(events) - 1
    return b"".join(
        sse.event(orjson.dumps(event), id=seq if index == last else None) for index, event in enumerate(events)
    )
