"""GET /v1/jobs/{id}/stream: a job's log as Auvy's events. Each has the cursor from which a reader may go on."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import orjson

from glia.identity.types import Principal
from glia.kit.clock import wire_time
from glia.kit.ids import parse_id
from glia.runs.events import (
    ApprovalDecided,
    ApprovalRequested,
    ChildStarted,
    Event,
    ModelResponded,
    RunCancelled,
    RunFailed,
    RunStarted,
    RunWaiting,
    StepCompleted,
    StepFailed,
    StepStarted,
    StepWaiting,
    TextDelta,
    ToolCalled,
    ToolReturned,
    WorkflowCompleted,
)
from glia.runs.service import Runs
from glia.surfaces.auvy.auth import given_brain
from glia.surfaces.auvy.job_words import require_brain, result_of
from glia.surfaces.shared import sse
from glia.surfaces.shared.asgi import Request, Send, int_parameter
from glia.wiring import House

Data = dict[str, Any]
"""Any: JSON of one event."""

PING = b": ping\n\n"
_READ_AT_ONCE = 500


@dataclass(frozen=True)
class Following:
    """Whose job is followed. begins_after: the event before its first. cursor: what the reader has seen already."""

    principal: Principal
    session_id: UUID
    run_id: UUID
    begins_after: int
    cursor: int


@dataclass(frozen=True)
class JobStreams:
    house: House

    async def follow(self, request: Request, send: Send, job_id: str) -> None:
        query = dict(request.query)
        if last := request.headers.get("last-event-id"):
            query["after"] = last
        after = int_parameter(query, "after", 0, smallest=0, largest=2**62)
        brain = await given_brain(self.house, request.principal, request.headers.get("x-brain-id"))
        await self.stream(request, send, request.principal, parse_id(job_id, "job"), after, brain)

    async def stream(
        self,
        request: Request,
        send: Send,
        principal: Principal,
        run_id: UUID,
        after: int,
        brain: UUID | None = None,
    ) -> None:
        """The job's events above `after`, to its end."""
        standing = await self.house.summaries.standing(principal, run_id)
        require_brain(standing.run, brain)
        following = Following(principal, standing.run.session_id, run_id, standing.begins_after, after)
        await sse.stream(request.receive, send, job_chunks(self.house.runs, following))


async def job_chunks(runs: Runs, following: Following) -> AsyncGenerator[bytes, None]:
    """Ends with the job. What lies up to the cursor is read too, to know how much of a text was seen already."""
    yield b"retry: 1000\n\n"
    shown = Shown()
    items = runs.follow(following.principal, following.session_id, after=following.begins_after)
    async for item in items:
        if item is None:
            yield PING
        elif isinstance(item, Event) and item.run_id == following.run_id:
            data = shown.event(item)
            if data is not None and item.seq > following.cursor:
                yield sse.event(orjson.dumps(data), id=item.seq)
            if item.is_final:
                return


@dataclass
class Shown:
    """Says each event in Auvy's words. A step that was tried again repeats its text; what was shown is not repeated."""

    written: dict[int, int] = field(default_factory=dict[int, int])
    """Characters of each step's text that were shown."""

    def event(self, event: Event) -> Data | None:
        payload = event.payload
        if event.is_final:
            return _ending(event)
        match payload:
            case TextDelta(step=step, offset=offset, text=text):
                return self._token(step, offset, text)
            case ModelResponded(text=text, tool_calls=calls) if text:
                block = {"type": "text", "text": text}
                return {"type": "content_block", "step": payload.step, "content_block": block, "is_final": not calls}
            case ToolCalled() | ToolReturned() | ChildStarted():
                return _reflex_call(payload)
            case WorkflowCompleted(output=output):
                return {"type": "content_block", "content_block": {"type": "json", "json": output}, "is_final": True}
            case _:
                return _state(payload)

    def _token(self, step: int, offset: int, text: str) -> Data | None:
        seen = self.written.get(step, 0)
        fresh = text[max(0, seen - offset) :]
        if not fresh:
            return None
        self.written[step] = offset + len(text)
        return {"type": "token", "token": fresh, "step": step}


def _ending(event: Event) -> Data:
    match event.payload:
        case RunFailed(error=error):
            return {"type": "error", "error": error.message, "code": error.code}
        case RunCancelled():
            return {"type": "error", "error": "The job was cancelled.", "code": "cancelled"}
        case _:
            result = result_of(event)
            shown = None if result is None else result.model_dump(mode="json")
            return {"type": "complete", "status": "completed", "result": shown}


def _reflex_call(payload: ToolCalled | ToolReturned | ChildStarted) -> Data:
    match payload:
        case ToolCalled(tool_call_id=id, tool=tool, arguments=arguments):
            return {"type": "reflex_call", "status": "started", "call_id": id, "tool": tool, "arguments": arguments}
        case ChildStarted(tool_call_id=id, tool=tool, run_id=run_id):
            return {"type": "reflex_call", "status": "delegated", "call_id": id, "tool": tool, "job_id": str(run_id)}
        case ToolReturned(tool_call_id=id, tool=tool, status=status, text=text):
            done = {"ok": "completed", "error": "failed"}.get(status, status)
            return {"type": "reflex_call", "status": done, "call_id": id, "tool": tool, "result": text}


def _state(payload: object) -> Data | None:
    """Where the job stands; None for what Auvy has no event for."""
    match payload:
        case RunStarted(reason=reason):
            state: Data = {"status": "running", "reason": reason}
        case RunWaiting(waiting_for=reasons, wake_at=wake_at, detail=detail):
            status = "paused" if "budget" in reasons else "running" if reasons == ["run"] else "waiting"
            until = None if wake_at is None else wire_time(wake_at)
            state = {"status": status, "waitingFor": reasons, "detail": detail, "resume_at": until}
        case ApprovalRequested(approval_id=id, tool=tool, arguments=arguments, reason=reason):
            asked = {"id": str(id), "status": "pending", "tool": tool, "fields": arguments, "reason": reason}
            state = {"status": "waiting", "intervention": asked}
        case ApprovalDecided(approval_id=id, decision=decision):
            status = "rejected" if decision == "denied" else decision
            state = {"status": "running", "intervention": {"id": str(id), "status": status}}
        case StepStarted() | StepWaiting() | StepCompleted() | StepFailed():
            state = _step(payload)
        case _:
            return None
    return {"type": "state_update", **state}


def _step(payload: StepStarted | StepWaiting | StepCompleted | StepFailed) -> Data:
    """A step of a pathway."""
    match payload:
        case StepStarted(step=step, kind=kind):
            return {"status": "running", "step": {"id": step, "kind": kind, "status": "running"}}
        case StepWaiting(step=step, kind=kind, waiting_for=reason, approval_id=approval):
            shown = {"id": step, "kind": kind, "status": "waiting", "waitingFor": reason}
            asked = None if approval is None else {"id": str(approval), "status": "pending"}
            return {"status": "waiting", "step": shown, "intervention": asked}
        case StepCompleted(step=step, output=output):
            return {"status": "running", "step": {"id": step, "status": "completed", "output": output}}
        case StepFailed(step=step, error=error):
            return {"status": "running", "step": {"id": step, "status": "failed", "error": error.message}}
