"""A run in NeuronAgent's words: its state, its steps, the changes of its state, and the tree of what it decided."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, cast
from uuid import UUID

import orjson

from glia.runs.events import (
    ApprovalRequested,
    CalledTool,
    Event,
    ModelResponded,
    PlanMade,
    RunCancelled,
    RunCompleted,
    RunCreated,
    RunFailed,
    RunStarted,
    RunWaiting,
    ToolCalled,
    ToolReturned,
)
from glia.runs.types import Run, RunStatus
from glia.surfaces.neuronagent.words import usd

KEY = "neuronagent"
Wire = dict[str, Any]

_STATES = {
    RunStatus.QUEUED: "queued",
    RunStatus.RUNNING: "executing",
    RunStatus.COMPLETED: "completed",
    RunStatus.FAILED: "failed",
    RunStatus.CANCELLED: "canceled",
}
_MEMORY = ("memory_", "knowledge_search", "conversation_search")


def state_of(run: Run) -> str:
    if run.status is RunStatus.WAITING:
        return "awaiting_tool" if run.waiting_for == ("run",) else "blocked"
    return _STATES[run.status]


def run_wire(run: Run, events: Sequence[Event], organisation: UUID) -> Wire:
    note = cast(Wire, run.input.get(KEY) or {})
    plans = [event for event in events if isinstance(event.payload, PlanMade)]
    calls = [event for event in events if isinstance(event.payload, ToolCalled | ModelResponded)]
    error = run.error or {}
    return {
        "id": run.id,
        "agent_id": run.agent_id,
        "session_id": run.session_id,
        "task_input": note.get("task_input", ""),
        "task_metadata": note.get("task_metadata") or {},
        "state": state_of(run),
        "plan_id": f"{run.id}:{plans[-1].seq}" if plans else None,
        "current_step_index": len(calls),
        "total_steps": len(calls),
        "retry_count": max(0, run.attempt - 1),
        "final_answer": answer_in(events),
        "error_class": error.get("code"),
        "error_detail": error.get("message"),
        "tokens_used": run.input_tokens + run.output_tokens,
        "cost_estimate": None if run.cost_micros is None else usd(run.cost_micros),
        "started_at": run.started_at,
        "completed_at": run.finished_at,
        "created_at": run.created_at,
        "updated_at": run.finished_at or run.started_at or run.created_at,
        "org_id": organisation,
        "checkpoint": {"last_event": events[-1].seq if events else 0},
    }


def answer_in(events: Iterable[Event]) -> str | None:
    for event in events:
        if isinstance(event.payload, RunCompleted) and event.payload.message is not None:
            return event.payload.message.content
    return None


def steps_of(events: Sequence[Event]) -> list[Wire]:
    """Each model call and each tool call, in the order in which they began."""
    results = {one.payload.tool_call_id: one.payload for one in events if isinstance(one.payload, ToolReturned)}
    steps: list[Wire] = []
    for event in events:
        match event.payload:
            case ModelResponded() as said:
                asked = [call.name for call in said.tool_calls]
                output: Wire = {"text": said.text, "tool_calls": asked, "finish_reason": said.finish_reason}
                steps.append(_step(len(steps), event, "llm_call", {"model": said.model}, output, said.latency_ms))
            case ToolCalled() as called:
                returned = results.get(called.tool_call_id)
                output = {} if returned is None else {"content": returned.text, "status": returned.status}
                given = {"tool": called.tool, "arguments": called.arguments, "tool_call_id": called.tool_call_id}
                milliseconds = None if returned is None else returned.duration_ms
                steps.append(_step(len(steps), event, "tool_call", given, output, milliseconds))
            case _:
                pass
    return steps


def _step(index: int, event: Event, kind: str, given: Wire, output: Wire, milliseconds: int | None) -> Wire:
    is_done = bool(output)
    return {
        "id": f"{event.run_id}:{event.seq}",
        "run_id": event.run_id,
        "step_index": index,
        "plan_step_ref": None,
        "state": "completed"
        if is_done and output.get("status", "ok") == "ok"
        else "failed"
        if is_done
        else "executing",
        "action_type": kind,
        "action_input": given,
        "action_output": output,
        "evaluation": None,
        "duration_ms": milliseconds,
        "retry_count": max(0, (event.attempt or 1) - 1),
        "created_at": event.at,
    }


def traces_of(events: Sequence[Event]) -> list[Wire]:
    """Each change of the run's state, with what brought it about."""
    traces: list[Wire] = []
    state, since = "created", events[0].at if events else None
    for event in events:
        new = _state_after(event)
        if new is None or new == state:
            continue
        traces.append(
            {
                "id": f"{event.run_id}:{event.seq}",
                "run_id": event.run_id,
                "from_state": state,
                "to_state": new,
                "trigger": event.type,
                "metadata": _facts(event),
                "duration_ms": _milliseconds(since, event.at),
                "created_at": event.at,
            }
        )
        state, since = new, event.at
    return traces


def _state_after(event: Event) -> str | None:  # noqa: PLR0911 - one for each kind
    match event.payload:
        case RunCreated():
            return "queued"
        case RunStarted() | ToolReturned():
            return "executing"
        case PlanMade():
            return "planning"
        case ToolCalled():
            return "executing_tool"
        case ModelResponded():
            return "evaluating_result"
        case RunWaiting(waiting_for=reasons):
            return "awaiting_tool" if reasons == ["run"] else "blocked"
        case RunCompleted():
            return "completed"
        case RunFailed():
            return "failed"
        case RunCancelled():
            return "canceled"
        case _:
            return None


def _facts(event: Event) -> Wire:
    match event.payload:
        case ToolCalled(tool=tool) | ToolReturned(tool=tool):
            return {"tool": tool}
        case ModelResponded(model=model):
            return {"model": model}
        case RunFailed(error=error):
            return {"code": error.code}
        case RunWaiting(waiting_for=reasons):
            return {"waiting_for": reasons}
        case _:
            return {}


def _milliseconds(since: datetime | None, until: datetime) -> int:
    return 0 if since is None else round((until - since).total_seconds() * 1000)


def plan_of(events: Sequence[Event]) -> Wire | None:
    """The newest plan; version counts the run's plans."""
    plans = [event for event in events if isinstance(event.payload, PlanMade)]
    if not plans:
        return None
    event = plans[-1]
    plan = cast(PlanMade, event.payload)
    steps = [{"action": s.action, "tool": s.tool, "dependencies": s.depends_on} for s in plan.steps]
    return {
        "id": f"{event.run_id}:{event.seq}",
        "run_id": event.run_id,
        "version": len(plans),
        "steps": steps,
        "reasoning": plan.reasoning,
        "is_active": True,
        "created_at": event.at,
    }


def decision_tree(run: Run, events: Sequence[Event]) -> Wire:
    """The run at the root; below it each model call, and below that the tools that it decided to call."""
    results = {one.payload.tool_call_id: one for one in events if isinstance(one.payload, ToolReturned)}
    root = _node(f"{run.id}", "decision", f"Run of the kind {run.kind}", None, answer_in(events), run.created_at)
    for event in events:
        match event.payload:
            case PlanMade() as plan:
                root["children"].append(
                    _node(_id(event), "decision", "Makes a plan", plan.task, plan_of([event]), event.at)
                )
            case ModelResponded() as said:
                what = (
                    f"{said.model} asks for {len(said.tool_calls)} tools"
                    if said.tool_calls
                    else f"{said.model} answers"
                )
                node = _node(_id(event), "llm_call", what, None, said.text, event.at)
                node["children"] = [_tool_node(call, results.get(call.id), event.at) for call in said.tool_calls]
                root["children"].append(node)
            case ApprovalRequested() as asked:
                said_why = f"Asks a person about {asked.tool}: {asked.reason}"
                root["children"].append(_node(_id(event), "decision", said_why, asked.arguments, None, event.at))
            case _:
                pass
    return root


def _tool_node(call: CalledTool, result: Event | None, at: datetime) -> Wire:
    kind = "memory_retrieval" if call.name.startswith(_MEMORY) else "tool_call"
    returned = None if result is None else cast(ToolReturned, result.payload)
    output = None if returned is None else returned.text
    return _node(
        call.id, kind, f"Calls {call.name}", _parsed(call.arguments), output, at if result is None else result.at
    )


def _node(id: str, kind: str, description: str, given: Any, output: Any, at: datetime) -> Wire:
    return {
        "id": id,
        "type": kind,
        "description": description,
        "input": given,
        "output": output,
        "children": [],
        "timestamp": at,
    }


def _id(event: Event) -> str:
    return f"{event.run_id}:{event.seq}"


def _parsed(arguments: str) -> Any:
    try:
        return orjson.loads(arguments) if arguments.strip() else {}
    except orjson.JSONDecodeError:
        return arguments


def profile_of(run: Run, events: Sequence[Event]) -> Wire:
    """Where a run's time went, in milliseconds. database_time_ms: what was neither model nor tool nor waiting."""
    until = run.finished_at or (events[-1].at if events else run.created_at)
    total = _milliseconds(run.started_at or run.created_at, until)
    models = sum(event.payload.latency_ms for event in events if isinstance(event.payload, ModelResponded))
    returned = [event.payload for event in events if isinstance(event.payload, ToolReturned)]
    memory = sum(one.duration_ms for one in returned if one.tool.startswith(_MEMORY))
    tools = sum(one.duration_ms for one in returned) - memory
    waited = round(run.waited_seconds * 1000)
    parts = {"llm": models, "tools": tools, "memory": memory, "waiting": waited}
    slow = [{"part": name, "time_ms": ms} for name, ms in parts.items() if total and ms > total / 2]
    slow += [
        {"part": one.tool, "time_ms": one.duration_ms} for one in returned if total and one.duration_ms > total / 4
    ]
    return {
        "execution_id": run.id,
        "total_time_ms": total,
        "llm_time_ms": models,
        "tool_time_ms": tools,
        "memory_time_ms": memory,
        "waiting_time_ms": waited,
        "database_time_ms": max(0, total - models - tools - memory - waited),
        "bottlenecks": slow,
        "resource_usage": {
            "model_calls": run.model_calls,
            "tool_calls": run.tool_calls,
            "input_tokens": run.input_tokens,
            "output_tokens": run.output_tokens,
            "cost": None if run.cost_micros is None else usd(run.cost_micros),
        },
    }
