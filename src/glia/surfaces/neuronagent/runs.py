"""/api/v1/runs and /api/v1/observability: runs of agents, their steps, why they did what, and where the time went."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from fastapi import APIRouter
from pydantic import Field

from glia.identity.types import Principal
from glia.kit.errors import InvalidRequest, NotFound
from glia.runs.events import Event, ModelResponded, ToolCalled, ToolReturned
from glia.runs.types import Run, Said
from glia.surfaces.neuronagent import run_words as words
from glia.surfaces.neuronagent.auth import TheCaller, TheUser
from glia.surfaces.neuronagent.words import ThePart, uuid_in
from glia.surfaces.shared.bodies import Body, Out, TheHouse, Time, WatchedRoute
from glia.wiring import House

router = APIRouter(prefix="/api/v1", tags=["runs"], route_class=WatchedRoute)

_AT_ONCE = 1000
_MOST_EVENTS = 20_000
Wire = dict[str, Any]


class RunBody(Body):
    session_id: str
    task_input: str = Field(min_length=1, max_length=100_000)
    task_metadata: dict[str, Any] = Field(default_factory=dict[str, Any])


class CancelBody(Body):
    """reason: kept with the run."""

    reason: str | None = Field(None, max_length=1000)


class RunOut(Out):
    """state: created, queued, planning, executing, awaiting_tool, executing_tool, evaluating_result, blocked,
    completed, failed or canceled. cost_estimate: USD; null when no price is known."""

    id: UUID
    agent_id: UUID | None
    session_id: UUID
    task_input: str
    task_metadata: dict[str, Any]
    state: str
    plan_id: str | None
    current_step_index: int
    total_steps: int
    retry_count: int
    final_answer: str | None
    error_class: str | None
    error_detail: str | None
    tokens_used: int
    cost_estimate: float | None
    started_at: Time | None
    completed_at: Time | None
    created_at: Time
    updated_at: Time
    org_id: UUID
    checkpoint: dict[str, Any]


class PlanOut(Out):
    id: str
    run_id: UUID
    version: int
    steps: list[dict[str, Any]]
    reasoning: str
    is_active: bool
    created_at: Time


class StepOut(Out):
    id: str
    run_id: UUID
    step_index: int
    plan_step_ref: str | None
    state: str
    action_type: str
    action_input: dict[str, Any]
    action_output: dict[str, Any]
    evaluation: dict[str, Any] | None
    duration_ms: int | None
    retry_count: int
    created_at: Time


class TraceOut(Out):
    id: str
    run_id: UUID
    from_state: str
    to_state: str
    trigger: str
    metadata: dict[str, Any]
    duration_ms: int
    created_at: Time


class NodeOut(Out):
    """type: llm_call, tool_call, memory_retrieval or decision."""

    id: str
    type: str
    description: str
    input: Any
    output: Any
    children: list[NodeOut]
    timestamp: Time


class LinkOut(Out):
    order: int
    tool_name: str
    tool_call_id: str
    arguments: Any
    result: str | None
    status: str
    duration_ms: int | None
    timestamp: Time


@router.post("/agents/{agent_id}/runs", status_code=201)
async def create(agent_id: str, body: RunBody, house: TheHouse, principal: TheUser) -> RunOut:
    """Run an agent on a task, and answer when it has ended or waits for somebody."""
    agent = await house.agents.get(principal, uuid_in(agent_id, "agent_id"))
    session = await house.sessions.get(principal, uuid_in(body.session_id, "session_id"))
    if session.agent_id != agent.id:
        raise InvalidRequest(f"The session '{session.id}' is not one of this agent's.", field="session_id")
    accepted = await house.runs.accept(principal, session.id, [Said("user", body.task_input)])
    note: dict[str, object] = {"task_input": body.task_input, "task_metadata": body.task_metadata}
    await house.runs.note(principal, accepted.run_id, words.KEY, note)
    await house.runs.outcome(principal, accepted, or_need=True)
    return await _shown(house, principal, accepted.run_id)


@router.get("/runs/{run_id}")
async def get(run_id: str, house: TheHouse, principal: TheCaller) -> RunOut:
    """One run."""
    return await _shown(house, principal, uuid_in(run_id, "run_id"))


@router.get("/runs/{run_id}/plan")
async def plan(run_id: str, house: TheHouse, principal: TheCaller) -> PlanOut:
    """The run's newest plan; 404 when its agent makes none."""
    run, events = await _read(house, principal, run_id)
    found = words.plan_of(events)
    if found is None:
        raise NotFound(f"The run '{run.id}' has made no plan.", run_id=str(run.id))
    return PlanOut(**found)


@router.get("/runs/{run_id}/steps")
async def steps(run_id: str, house: TheHouse, principal: TheCaller, part: ThePart) -> list[StepOut]:
    """Each model call and tool call of a run."""
    _run, events = await _read(house, principal, run_id)
    return [StepOut(**step) for step in part.of(words.steps_of(events))]


@router.get("/runs/{run_id}/traces")
async def traces(run_id: str, house: TheHouse, principal: TheCaller, part: ThePart) -> list[TraceOut]:
    """Each change of a run's state."""
    _run, events = await _read(house, principal, run_id)
    return [TraceOut(**trace) for trace in part.of(words.traces_of(events))]


@router.post("/runs/{run_id}/cancel")
async def cancel(run_id: str, house: TheHouse, principal: TheUser, body: CancelBody | None = None) -> RunOut:
    """Stop a run; one that has ended stays as it is."""
    id = uuid_in(run_id, "run_id")
    run = await house.runs.get(principal, id)
    if body is not None and body.reason and not run.status.is_final:
        note = {**cast(dict[str, object], run.input.get(words.KEY) or {}), "cancel_reason": body.reason}
        await house.runs.note(principal, id, words.KEY, note)
    await house.runs.cancel(principal, id)
    return await _shown(house, principal, id)


@router.get("/runs/{run_id}/explain/tool/{inv_id}")
async def explain_tool(run_id: str, inv_id: str, house: TheHouse, principal: TheCaller) -> dict[str, Any]:
    """Why a tool was called: what the model said and knew when it asked for it."""
    run, events = await _read(house, principal, run_id)
    for event in events:
        said = event.payload
        if isinstance(said, ModelResponded) and any(call.id == inv_id for call in said.tool_calls):
            call = next(call for call in said.tool_calls if call.id == inv_id)
            reason = said.thinking or said.text or f"{said.model} asked for {call.name} without saying why."
            asked = {"tool": call.name, "arguments": call.arguments, "model": said.model, "step": said.step}
            return {"run_id": run.id, "reason": reason, "tool_call_id": inv_id, **asked}
    raise NotFound(f"The run '{run.id}' has no tool call {inv_id[:100]!r}.", tool_call_id=inv_id[:100])


@router.get("/runs/{run_id}/explain/memory")
async def explain_memory(run_id: str, house: TheHouse, principal: TheCaller) -> dict[str, Any]:
    """What the run looked up in memory and knowledge."""
    run, events = await _read(house, principal, run_id)
    looked = [link for link in _chain(events) if link["tool_name"].startswith(("memory", "knowledge", "conversation"))]
    reason = f"It looked things up {len(looked)} times." if looked else "It looked nothing up with a tool."
    return {"run_id": run.id, "reason": reason, "retrievals": looked}


@router.get("/runs/{run_id}/explain/model")
async def explain_model(run_id: str, house: TheHouse, principal: TheCaller) -> dict[str, Any]:
    """Which models answered, and why those."""
    run, events = await _read(house, principal, run_id)
    used = list(dict.fromkeys(e.payload.model for e in events if isinstance(e.payload, ModelResponded)))
    wanted = None
    if run.agent_id is not None and run.agent_version is not None:
        version = await house.agents.get(principal, run.agent_id, version=run.agent_version)
        wanted = version.current.model
    asked = (
        "The agent names no model, so the server's default answered."
        if wanted is None
        else f"The agent names {wanted}."
    )
    return {"run_id": run.id, "reason": asked, "requested_model": wanted, "models": used, "calls": run.model_calls}


@router.get("/runs/{run_id}/explain/plan")
async def explain_plan(run_id: str, house: TheHouse, principal: TheCaller) -> dict[str, Any]:
    """The reasoning behind the run's plan."""
    run, events = await _read(house, principal, run_id)
    found = words.plan_of(events)
    reason = "The agent makes no plans before it acts." if found is None else found["reasoning"] or "None was given."
    return {"run_id": run.id, "reason": reason, "plan": found}


@router.get("/observability/executions/{execution_id}/decision-tree", tags=["observability"])
async def decision_tree(execution_id: str, house: TheHouse, principal: TheCaller) -> NodeOut:
    """What a run decided, as a tree. An execution is a run, or a workflow's execution."""
    run, events = await _read(house, principal, execution_id)
    return NodeOut(**words.decision_tree(run, events))


@router.get("/observability/executions/{execution_id}/tool-chain", tags=["observability"])
async def tool_chain(execution_id: str, house: TheHouse, principal: TheCaller) -> list[LinkOut]:
    """The tools that a run called, in their order."""
    _run, events = await _read(house, principal, execution_id)
    return [LinkOut(**link) for link in _chain(events)]


@router.get("/observability/executions/{execution_id}/performance", tags=["observability"])
async def performance(execution_id: str, house: TheHouse, principal: TheCaller) -> dict[str, Any]:
    """Where a run's time went."""
    run, events = await _read(house, principal, execution_id)
    return words.profile_of(run, events)


def _chain(events: list[Event]) -> list[Wire]:
    results = {one.payload.tool_call_id: one.payload for one in events if isinstance(one.payload, ToolReturned)}
    chain: list[Wire] = []
    for event in events:
        if not isinstance(event.payload, ToolCalled):
            continue
        called = event.payload
        result = results.get(called.tool_call_id)
        chain.append(
            {
                "order": len(chain),
                "tool_name": called.tool,
                "tool_call_id": called.tool_call_id,
                "arguments": called.arguments,
                "result": None if result is None else result.text,
                "status": "running" if result is None else result.status,
                "duration_ms": None if result is None else result.duration_ms,
                "timestamp": event.at,
            }
        )
    return chain


async def _read(house: House, principal: Principal, text: str) -> tuple[Run, list[Event]]:
    id = uuid_in(text)
    run = await house.runs.get(principal, id)
    return run, await events_of(house, principal, run.id)


async def events_of(house: House, principal: Principal, run_id: UUID) -> list[Event]:
    """At most 20,000, the first ones."""
    events: list[Event] = []
    while len(events) < _MOST_EVENTS:
        after = events[-1].seq if events else 0
        more = await house.runs.run_events(principal, run_id, after=after, limit=_AT_ONCE)
        events += more
        if len(more) < _AT_ONCE:
            break
    return events


async def _shown(house: House, principal: Principal, id: UUID) -> RunOut:
    run = await house.runs.get(principal, id)
    return RunOut(**words.run_wire(run, await events_of(house, principal, id), principal.workspace_id))
