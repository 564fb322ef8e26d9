"""A run as NeuralHub shows it: read from its log, with the tool calls of the runs that it began."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import orjson

from glia.identity.types import Principal
from glia.kit.clock import wire_time
from glia.runs.events import (
    ApprovalRequested,
    ChildStarted,
    Event,
    MessageReceived,
    RunCancelled,
    RunCompleted,
    RunFailed,
    StepWaiting,
    ToolCalled,
    ToolReturned,
    WorkflowCompleted,
)
from glia.runs.types import AGENT, TOOL, Run
from glia.surfaces.neuralhub.words import STATE_OF, run_type
from glia.surfaces.shared.money import usd
from glia.wiring import House

_TYPES = tuple(
    payload.type
    for payload in (
        ApprovalRequested,
        ChildStarted,
        MessageReceived,
        RunCancelled,
        RunCompleted,
        RunFailed,
        StepWaiting,
        ToolCalled,
        ToolReturned,
        WorkflowCompleted,
    )
)
_READ_AT_ONCE = 1000
_MOST_EVENTS = 20_000
_MOST_RUNS = 50
"""Of runs that a run began, whose calls are shown with its own."""


@dataclass
class Story:
    """What a run's log tells. calls: by their ids, in the order they were made."""

    calls: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    began: list[UUID] = field(default_factory=list[UUID])
    asked: str | None = None
    result: Any = None


async def full_json(house: House, principal: Principal, run: Run) -> dict[str, Any]:
    """principal: with the right to read runs."""
    story = story_of(run, await _events(house, principal, run.id))
    calls = [*story.calls.values()]
    left: list[UUID] = list(story.began)
    seen: set[UUID] = {run.id}
    while left and len(seen) <= _MOST_RUNS:
        child_id = left.pop(0)
        if child_id in seen:
            continue
        seen.add(child_id)
        child = await house.runs.get(principal, child_id)
        below = story_of(child, await _events(house, principal, child_id))
        calls += below.calls.values()
        left += below.began
    calls.sort(key=lambda call: call["started"] or "")
    return {
        **summary_json(run),
        "input": story.asked if run.kind == AGENT else _input(run),
        "result": story.result,
        "events": calls,
    }


def summary_json(run: Run) -> dict[str, Any]:
    """A run without what takes reading its log."""
    state = STATE_OF[run.status]
    error = run.error
    return {
        "runId": str(run.id),
        "type": run_type(run.kind),
        "target": _target(run),
        "state": state,
        "status": state.lower(),
        "error": None if error is None else {"code": str(error["code"]), "message": str(error["message"])},
        "sessionId": str(run.session_id),
        "parentRunId": None if run.parent_run_id is None else str(run.parent_run_id),
        "waitingFor": list(run.waiting_for),
        "usage": {
            "modelCalls": run.model_calls,
            "toolCalls": run.tool_calls,
            "inputTokens": run.input_tokens,
            "outputTokens": run.output_tokens,
        },
        "cost": usd(run.cost_micros),
        "createdAt": wire_time(run.created_at),
        "startedAt": None if run.started_at is None else wire_time(run.started_at),
        "finishedAt": None if run.finished_at is None else wire_time(run.finished_at),
    }


async def _events(house: House, principal: Principal, run_id: UUID) -> Sequence[Event]:
    found: list[Event] = []
    after = 0
    while len(found) < _MOST_EVENTS:
        page = await house.runs.run_events(principal, run_id, after=after, limit=_READ_AT_ONCE, types=_TYPES)
        found += page
        if len(page) < _READ_AT_ONCE:
            break
        after = page[-1].seq
    return found


def story_of(run: Run, events: Iterable[Event]) -> Story:
    story = Story()
    for event in events:
        _note(story, run, event)
    return story


def _note(story: Story, run: Run, event: Event) -> None:
    match event.payload:
        case MessageReceived(role="user", content=content):
            story.asked = content
        case ToolCalled() as called:
            story.calls[called.tool_call_id] = call_json(run.id, called, event)
        case ToolReturned() as returned:
            call = story.calls.setdefault(
                returned.tool_call_id, _unstarted(run.id, returned.tool_call_id, returned.tool)
            )
            call.update(returned_json(returned))
        case ApprovalRequested() as asked:
            waiting = _unstarted(run.id, asked.tool_call_id, asked.tool)
            story.calls.setdefault(asked.tool_call_id, {**waiting, "input": asked.arguments, "status": "waiting"})
        case ChildStarted(run_id=child):
            story.began.append(child)
        case StepWaiting(run_id=UUID() as child):
            story.began.append(child)
        case WorkflowCompleted(output=output):
            story.result = output
        case RunCompleted(message=message) if message is not None and run.kind in {AGENT, TOOL}:
            story.result = parsed(message.content) if run.kind == TOOL else message.content
        case RunCancelled(text=text) | RunFailed(text=text) if text:
            story.result = text
        case _:
            pass


def call_json(run_id: UUID, called: ToolCalled, event: Event) -> dict[str, Any]:
    return {
        **_unstarted(run_id, called.tool_call_id, called.tool),
        "input": called.arguments,
        "status": "running",
        "started": wire_time(event.at),
    }


def returned_json(returned: ToolReturned) -> dict[str, Any]:
    """duration: seconds."""
    is_ok = returned.status == "ok"
    return {
        "output": returned.text if is_ok else None,
        "error": None if is_ok else returned.text,
        "status": "success" if is_ok else returned.status,
        "duration": returned.duration_ms / 1000,
    }


def parsed(text: str) -> Any:
    """What a tool wrote as JSON, as such; anything else is the text it is."""
    if text[:1] in ("{", "["):
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError:
            pass
    return text


def _unstarted(run_id: UUID, call_id: str, tool: str) -> dict[str, Any]:
    return {
        "id": call_id,
        "tool": tool,
        "input": None,
        "output": None,
        "error": None,
        "status": "denied",
        "started": None,
        "duration": None,
        "runId": str(run_id),
    }


def _target(run: Run) -> str | None:
    if run.agent_id is not None:
        return str(run.agent_id)
    target = run.input.get("tool" if run.kind == TOOL else "workflow_id")
    return None if target is None else str(target)


def _input(run: Run) -> Any:
    return run.input.get("arguments") if run.kind == TOOL else run.input.get("input")
