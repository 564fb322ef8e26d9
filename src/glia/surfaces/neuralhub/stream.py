"""GET /v1/run/{id}/events: a run's log, event by event, in NeuralHub's words."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import orjson

from glia.identity.types import Principal
from glia.runs.events import (
    ApprovalDecided,
    ApprovalRequested,
    ArtifactCreated,
    Event,
    RunStarted,
    RunWaiting,
    StepCompleted,
    StepFailed,
    StepSkipped,
    StepStarted,
    TextDelta,
    ThinkingDelta,
    ToolCalled,
    ToolReturned,
)
from glia.runs.types import Run
from glia.surfaces.neuralhub.run import run_id
from glia.surfaces.neuralhub.run_views import call_json, full_json, returned_json
from glia.surfaces.neuralhub.scopes import require
from glia.surfaces.shared import sse
from glia.surfaces.shared.asgi import Request, Send, int_parameter
from glia.wiring import House

_LARGEST_SEQ = 2**62
_READ_AT_ONCE = 500


@dataclass(frozen=True)
class RunStream:
    house: House

    async def follow(self, request: Request, send: Send, run: str) -> None:
        """From `after` or `Last-Event-ID` on, until the run has ended. A reader that leaves leaves the run alone."""
        principal = require(request.principal, "run:read", "sessions:read")
        after = _after(request)
        found = await self.house.runs.get(principal, run_id(run))
        await sse.stream(request.receive, send, self._chunks(principal, found, after))

    async def _chunks(self, principal: Principal, run: Run, after: int) -> AsyncGenerator[bytes, None]:
        runs = self.house.runs
        with runs.watch(run.session_id) as watcher:  # entered before the log is read, so that nothing is missed
            while True:
                stored = await runs.run_events(principal, run.id, after=after, limit=_READ_AT_ONCE)
                for event in stored:
                    after = event.seq
                    if chunk := await self._chunk(principal, run, event):
                        yield chunk
                    if event.is_final:
                        return
                if len(stored) < _READ_AT_ONCE:
                    break
            if (await runs.get(principal, run.id)).status.is_final and not stored:
                return  # the reader has seen the end before
            items = runs.follow(principal, run.session_id, after=after, watcher=watcher)
            async with aclosing(items):
                async for item in items:
                    if item is None:
                        yield sse.HEARTBEAT
                    elif isinstance(item, Event) and item.run_id == run.id:
                        if chunk := await self._chunk(principal, run, item):
                            yield chunk
                        if item.is_final:
                            return

    async def _chunk(self, principal: Principal, run: Run, event: Event) -> bytes:
        if event.is_final:
            ended = await self.house.runs.get(principal, run.id)
            return _event("done", event, await full_json(self.house, principal, ended))
        named = _named(run, event)
        return b"" if named is None else _event(named[0], event, named[1])


def _named(run: Run, event: Event) -> tuple[str, dict[str, Any]] | None:
    """An event's name and data; None for those that are nobody's business outside."""
    payload = event.payload
    match payload:
        case RunStarted():
            found = "state", {"state": "RUNNING"}
        case RunWaiting():
            found = "state", {"state": "WAITING", "waitingFor": payload.waiting_for, "detail": payload.detail}
        case TextDelta() | ThinkingDelta():
            found = _NAMES[payload.type], {**_place(payload), "text": payload.text}
        case ToolCalled():
            found = "tool_call", call_json(run.id, payload, event)
        case ToolReturned():
            found = "tool_result", {"id": payload.tool_call_id, "tool": payload.tool, **returned_json(payload)}
        case ApprovalRequested() | ApprovalDecided():
            found = "approval", _approval(payload)
        case ArtifactCreated():
            size = {"mediaType": payload.media_type, "size": payload.size_bytes}
            found = "artifact", {"id": payload.id, "name": payload.name, **size}
        case StepStarted() | StepCompleted() | StepFailed() | StepSkipped():
            found = "step", {"step": payload.step, "state": payload.type.removeprefix("step.")}
        case _:
            found = None
    return found


_NAMES = {TextDelta.type: "text", ThinkingDelta.type: "thinking"}


def _place(delta: TextDelta | ThinkingDelta) -> dict[str, Any]:
    """Where a piece belongs: a step that is tried again says its text again, with the next attempt."""
    return {"step": delta.step, "attempt": delta.attempt, "offset": delta.offset}


def _approval(payload: ApprovalRequested | ApprovalDecided) -> dict[str, Any]:
    about: dict[str, Any] = {"approvalId": str(payload.approval_id), "id": payload.tool_call_id}
    if isinstance(payload, ApprovalDecided):
        return {**about, "decision": payload.decision}
    return {**about, "decision": None, "tool": payload.tool, "input": payload.arguments, "reason": payload.reason}


def _event(name: str, event: Event, data: dict[str, Any]) -> bytes:
    return sse.event(orjson.dumps(data), name=name, id=event.seq)


def _after(request: Request) -> int:
    given = dict(request.query)
    if "after" not in given and (last := request.headers.get("last-event-id")):
        given["after"] = last
    return int_parameter(given, "after", 0, smallest=0, largest=_LARGEST_SEQ)
