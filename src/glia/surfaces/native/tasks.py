"""/v1/tasks: work in the background for a session; its state is that of the job of the same id, at /v1/jobs."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import Field

from glia.jobs.types import Job, JobStatus
from glia.kit.ids import parse_id
from glia.surfaces.shared.bodies import Body, Out, TheHouse, ThePrincipal, Time, WatchedRoute, id_of
from glia.tasks.service import spec_of
from glia.tasks.types import TaskSpec

router = APIRouter(prefix="/v1/tasks", tags=["tasks"], route_class=WatchedRoute)


class TaskBody(Body):
    """kind: `agent_execution` (`input.user_message`), `data_processing` (`input.data`, `type`, `transform`) or
    `code_execution` (`input.code`, `language`, `timeout`). priority: higher goes first."""

    kind: str = Field(min_length=1, max_length=100)
    session_id: str = Field(max_length=100)
    input: dict[str, Any]
    priority: int = 0
    metadata: dict[str, Any] = Field(default_factory=dict[str, Any])


class TaskOut(Out):
    """output: what came of it."""

    id: UUID
    kind: str
    session_id: UUID
    agent_id: UUID | None
    run_id: UUID | None
    status: JobStatus
    priority: int
    progress: float
    input: dict[str, Any]
    output: dict[str, Any] | None
    error: str | None
    metadata: dict[str, Any]
    created_at: Time
    started_at: Time | None
    finished_at: Time | None


def task_out(job: Job) -> TaskOut:
    spec = spec_of(job)
    return TaskOut(
        id=job.id,
        kind=spec.kind,
        session_id=spec.session_id,
        agent_id=job.agent_id,
        run_id=job.run_id,
        status=job.status,
        priority=spec.priority,
        progress=job.progress,
        input=job.input,
        output=job.output,
        error=job.error,
        metadata=spec.metadata,
        created_at=job.created_at,
        started_at=job.started_at,
        finished_at=job.finished_at,
    )


@router.post("", status_code=201)
async def create(body: TaskBody, house: TheHouse, principal: ThePrincipal) -> TaskOut:
    """Have something done in the background, by a session's agent or beside it."""
    session = await house.sessions.get(principal, id_of(body.session_id, "session_id"))
    spec = TaskSpec(body.kind, session.agent_id or UUID(int=0), session.id, body.input, body.priority, body.metadata)
    return task_out(await house.tasks.create(principal, spec))


@router.get("/{task}")
async def get(task: str, house: TheHouse, principal: ThePrincipal) -> TaskOut:
    """One task."""
    return task_out(await house.tasks.get(principal, parse_id(task, "task")))


@router.post("/{task}/cancel")
async def cancel(task: str, house: TheHouse, principal: ThePrincipal) -> TaskOut:
    """Stop it; 409 when it has ended."""
    return task_out(await house.tasks.cancel(principal, parse_id(task, "task")))


@router.post("/{task}/retry", status_code=201)
async def retry(task: str, house: TheHouse, principal: ThePrincipal) -> TaskOut:
    """Do it once more, as a new task; 409 while it is under way."""
    return task_out(await house.tasks.retry(principal, parse_id(task, "task")))
