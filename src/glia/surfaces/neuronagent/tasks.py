"""/api/v1/async-tasks: work that is done in the background, and what came of it."""

from __future__ import annotations

from typing import Annotated, Any, Literal, cast
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import Field

from glia.identity.types import Principal
from glia.jobs.types import Job, JobStatus
from glia.kit.errors import GliaError, InvalidRequest, NotFound
from glia.runs.events import ToolCalled
from glia.surfaces.neuronagent.auth import TheCaller
from glia.surfaces.neuronagent.words import Part, ThePart, check_size, uuid_in
from glia.surfaces.shared.bodies import Body, Out, TheHouse, Time, WatchedRoute
from glia.tasks.errors import TaskEnded
from glia.tasks.service import spec_of
from glia.tasks.types import TURN, TaskFilter, TaskSpec
from glia.wiring import House

router = APIRouter(prefix="/api/v1", tags=["async-tasks"], route_class=WatchedRoute)

StatusName = Literal["pending", "running", "completed", "failed", "cancelled"]
_STATUSES: dict[JobStatus, StatusName] = {
    JobStatus.PENDING: "pending",
    JobStatus.IN_PROGRESS: "running",
    JobStatus.PAUSED: "running",
    JobStatus.COMPLETED: "completed",
    JobStatus.FAILED: "failed",
    JobStatus.CANCELLED: "cancelled",
}


class TaskBody(Body):
    """task_type: `agent_execution` (`input.user_message`), `data_processing` (`input.data`, `type`, `transform`) or
    `code_execution` (`input.code`, `language`, `timeout`). priority: higher goes first. input.metadata: given back."""

    task_type: str = Field(min_length=1, max_length=100)
    session_id: str
    agent_id: str
    input: dict[str, Any]
    priority: int = 0
    metadata: dict[str, Any] | None = None


class TaskOut(Out):
    """result: `final_answer`, `tool_calls` and `tokens_used` of an agent's turn; rows and figures of data; output of
    code. run_id: the run that does it."""

    id: UUID
    session_id: UUID
    agent_id: UUID | None
    run_id: UUID | None
    task_type: str
    status: StatusName
    priority: int
    input: dict[str, Any]
    result: dict[str, Any] | None
    error_message: str | None
    progress: float
    created_at: Time
    started_at: Time | None
    completed_at: Time | None
    metadata: dict[str, Any]


class CancelledOut(Out):
    task_id: UUID
    status: Literal["cancelled"]


async def task_out(house: House, principal: Principal, job: Job) -> TaskOut:
    spec = spec_of(job)
    return TaskOut(
        id=job.id,
        session_id=spec.session_id,
        agent_id=job.agent_id,
        run_id=job.run_id,
        task_type=spec.kind,
        status=_STATUSES[job.status],
        priority=spec.priority,
        input=spec.input,
        result=await _result(house, principal, job, spec.kind),
        error_message=job.error,
        progress=job.progress,
        created_at=job.created_at,
        started_at=job.started_at,
        completed_at=job.finished_at,
        metadata=spec.metadata,
    )


async def _result(house: House, principal: Principal, job: Job, kind: str) -> dict[str, Any] | None:
    if kind != TURN or job.output is None or job.run_id is None:
        return job.output
    try:
        run = await house.runs.get(principal, job.run_id)
        events = await house.runs.run_events(principal, job.run_id, after=0, limit=1000)
    except GliaError:  # deleted with its session
        return job.output
    calls = [event.payload for event in events if event.type == ToolCalled.type]
    return {
        "final_answer": job.output.get("answer"),
        "tool_calls": [
            {"id": call.tool_call_id, "name": call.tool, "arguments": call.arguments}
            for call in calls
            if isinstance(call, ToolCalled)
        ],
        "tokens_used": run.input_tokens + run.output_tokens,
    }


async def _create(body: TaskBody, house: House, principal: Principal) -> TaskOut:
    own: object = body.input.get("metadata")
    metadata = {**(cast(dict[str, Any], own) if isinstance(own, dict) else {}), **(body.metadata or {})}
    check_size(metadata, "metadata", 5_000)
    spec = TaskSpec(
        body.task_type,
        uuid_in(body.agent_id, "agent_id"),
        uuid_in(body.session_id, "session_id"),
        body.input,
        body.priority,
        metadata,
    )
    return await task_out(house, principal, await house.tasks.create(principal, spec))


async def _listed(
    house: House, principal: Principal, part: Part, session_id: str | None, agent_id: str | None, status: str | None
) -> list[TaskOut]:
    wanted = {theirs: ours.value for ours, theirs in reversed(_STATUSES.items())}
    if status is not None and status not in wanted:
        raise InvalidRequest(f"`status` {status[:50]!r} is none of {', '.join(wanted)}.", field="status")
    only = TaskFilter(
        None if session_id is None else uuid_in(session_id, "session_id"),
        None if agent_id is None else uuid_in(agent_id, "agent_id"),
        None if status is None else wanted[status],
    )
    found = await house.tasks.list(principal, only, limit=part.limit, offset=part.offset)
    return [await task_out(house, principal, job) for job in found]


SessionText = Annotated[str | None, Query(description="Only of this session.", max_length=100)]
AgentText = Annotated[str | None, Query(description="Only of this agent.", max_length=100)]
StatusText = Annotated[str | None, Query(description="Only in this state.", max_length=20)]


@router.post("/async-tasks", status_code=201)
async def create(body: TaskBody, house: TheHouse, principal: TheCaller) -> TaskOut:
    """Have something done in the background."""
    return await _create(body, house, principal)


@router.post("/tasks", status_code=201)
async def create_task(body: TaskBody, house: TheHouse, principal: TheCaller) -> TaskOut:
    """The same under another name."""
    return await _create(body, house, principal)


@router.get("/async-tasks")
async def list_tasks(
    house: TheHouse,
    principal: TheCaller,
    part: ThePart,
    session_id: SessionText = None,
    agent_id: AgentText = None,
    status: StatusText = None,
) -> list[TaskOut]:
    """List tasks, newest first."""
    return await _listed(house, principal, part, session_id, agent_id, status)


@router.get("/tasks")
async def list_all(
    house: TheHouse,
    principal: TheCaller,
    part: ThePart,
    session_id: SessionText = None,
    agent_id: AgentText = None,
    status: StatusText = None,
) -> list[TaskOut]:
    """The same under another name."""
    return await _listed(house, principal, part, session_id, agent_id, status)


@router.get("/async-tasks/{id}")
async def get(id: str, house: TheHouse, principal: TheCaller) -> TaskOut:
    """One task."""
    return await task_out(house, principal, await house.tasks.get(principal, uuid_in(id)))


@router.get("/tasks/{id}")
async def get_task(id: str, house: TheHouse, principal: TheCaller) -> TaskOut:
    """The same under another name."""
    return await task_out(house, principal, await house.tasks.get(principal, uuid_in(id)))


async def _cancel(id: str, house: House, principal: Principal) -> CancelledOut:
    try:
        job = await house.tasks.cancel(principal, uuid_in(id))
    except TaskEnded as error:  # to NeuronAgent's clients there is no such task to cancel
        raise NotFound(error.message) from None
    return CancelledOut(task_id=job.id, status="cancelled")


@router.post("/async-tasks/{id}/cancel")
async def cancel(id: str, house: TheHouse, principal: TheCaller) -> CancelledOut:
    """Stop a task; 404 for one that has ended."""
    return await _cancel(id, house, principal)


@router.post("/tasks/{id}/cancel")
async def cancel_task(id: str, house: TheHouse, principal: TheCaller) -> CancelledOut:
    """The same under another name."""
    return await _cancel(id, house, principal)


@router.post("/async-tasks/{id}/retry", status_code=201)
async def retry(id: str, house: TheHouse, principal: TheCaller) -> TaskOut:
    """Do a task that has ended once more, as a new one."""
    return await task_out(house, principal, await house.tasks.retry(principal, uuid_in(id)))
