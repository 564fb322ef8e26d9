"""/api/agents/{agent_id}/jobs: tracked tasks of an agent."""

from __future__ import annotations

from typing import Annotated, Any, cast
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import Field, WithJsonSchema

from glia.identity.types import Principal
from glia.jobs.errors import JobNotFound
from glia.jobs.types import Job, JobChanges, JobFilter, JobSpec, JobStatus, JobTree
from glia.kit.errors import InvalidRequest
from glia.kit.ids import parse_id
from glia.surfaces.neura.conversations import LimitText, OffsetText
from glia.surfaces.neura.words import SURFACE, Success, limit_of, offset_of, one_of
from glia.surfaces.shared.bodies import Body, Changes, Out, TheHouse, ThePrincipal, Time, WatchedRoute, given, id_of
from glia.wiring import House

router = APIRouter(prefix="/api/agents/{agent_id}/jobs", tags=["jobs"], route_class=WatchedRoute)

JOB_TYPES = ("general", "campaign", "inference", "research", "automation", "batch", "pipeline")
_DEFAULT_LIMIT = 50
_KEPT = ("bucket_id", "assigned_model", "assigned_provider")
_STATUSES = tuple(status.value for status in JobStatus)


class JobBody(Body):
    """job_type: general, campaign, inference, research, automation, batch or pipeline. priority: 1 to 10.

    bucket_id, and every field of input_data whose name ends in `id`, is a resource that the job is found by.
    """

    name: str = Field(min_length=1)
    job_type: str = "general"
    description: str = ""
    parent_job_id: str | None = Field(None, max_length=100)
    priority: int = 5
    total_steps: int = 1
    input_data: dict[str, Any] = Field(default_factory=dict[str, Any])
    bucket_id: str | None = Field(None, max_length=200)
    assigned_model: str | None = Field(None, max_length=300)
    assigned_provider: str | None = Field(None, max_length=300)
    tags: list[str] = Field(default_factory=list[str])


class JobPatch(Changes):
    """status: in_progress, completed, failed, paused or cancelled, as may follow the present one."""

    status: str = ""
    progress_percentage: float = 0
    completed_steps: int = 0
    current_step: str = ""
    output_data: dict[str, Any] = Field(default_factory=dict[str, Any])
    error: str = ""
    name: str = Field("", min_length=1)
    description: str = ""
    priority: int = 5
    total_steps: int = 1
    tags: list[str] = Field(default_factory=list[str])


class StaleBody(Body):
    max_age_minutes: float = 60


class JobOut(Out):
    job_id: UUID
    agent_id: UUID | None
    name: str
    job_type: str
    description: str
    status: JobStatus
    priority: int
    progress_percentage: float
    total_steps: int
    completed_steps: int
    current_step: str
    parent_job_id: UUID | None
    input_data: dict[str, Any]
    output_data: dict[str, Any] | None
    error: str | None
    bucket_id: str | None
    assigned_model: str | None
    assigned_provider: str | None
    tags: list[str]
    created_at: Time
    updated_at: Time
    started_at: Time | None
    completed_at: Time | None


class TreeOut(JobOut):
    children: list[TreeOut]


class JobsOut(Out):
    jobs: list[JobOut]
    total: int
    limit: int
    offset: int


class ClosedOut(Out):
    """closed: how many jobs were closed as failed."""

    success: bool = True
    closed: int
    job_ids: list[UUID]


StatusText = Annotated[str | None, WithJsonSchema({"type": "string", "enum": list(_STATUSES)}), Query()]
TypeText = Annotated[str | None, WithJsonSchema({"type": "string", "enum": list(JOB_TYPES)}), Query()]


@router.get("")
async def list_jobs(
    agent_id: str,
    house: TheHouse,
    principal: ThePrincipal,
    status: StatusText = None,
    job_type: TypeText = None,
    parent_only: Annotated[bool, Query(description="Only jobs without a parent.")] = False,
    limit: LimitText = None,
    offset: OffsetText = None,
) -> JobsOut:
    """List an agent's jobs, newest first."""
    agent = await house.agents.find(principal, agent_id)
    only = JobFilter(
        agent_id=agent.id,
        status=None if status is None else _status(status),
        kind=None if job_type is None else one_of(job_type, "job_type", JOB_TYPES),
        is_top=parent_only,
    )
    number, start = limit_of(limit, _DEFAULT_LIMIT), offset_of(offset)
    found, total = await house.jobs.list_at(principal, only, limit=number, offset=start)
    return JobsOut(jobs=[job_out(job) for job in found], total=total, limit=number, offset=start)


@router.post("", status_code=201)
async def create(agent_id: str, body: JobBody, house: TheHouse, principal: ThePrincipal) -> JobOut:
    """Create a job."""
    agent = await house.agents.find(principal, agent_id)
    one_of(body.job_type, "job_type", JOB_TYPES)
    parent = None if body.parent_job_id is None else id_of(body.parent_job_id, "parent_job_id")
    if parent is not None:
        await _parent(house, principal, agent.id, parent)
    spec = JobSpec(
        title=body.name,
        kind=body.job_type,
        description=body.description,
        agent_id=agent.id,
        parent_id=parent,
        priority=body.priority,
        total_steps=body.total_steps,
        input=body.input_data,
        tags=tuple(body.tags),
        resources=() if body.bucket_id is None else (body.bucket_id,),
        metadata={SURFACE: {name: getattr(body, name) for name in _KEPT if getattr(body, name) is not None}},
    )
    return job_out(await house.jobs.create(principal, spec))


@router.post("/close-stale")
async def close_stale(
    agent_id: str, house: TheHouse, principal: ThePrincipal, body: StaleBody | None = None
) -> ClosedOut:
    """Close the agent's jobs in progress that nobody has told anything of for so long, as failed."""
    agent = await house.agents.find(principal, agent_id)
    minutes = 60.0 if body is None else body.max_age_minutes
    closed = await house.jobs.close_stale(principal, max_age_minutes=minutes, agent_id=agent.id)
    return ClosedOut(closed=len(closed), job_ids=list(closed))


@router.get("/by-resource/{resource_id}")
async def by_resource(agent_id: str, resource_id: str, house: TheHouse, principal: ThePrincipal) -> JobOut:
    """The agent's newest job about a resource: its bucket, a field of its input or output, or its run."""
    agent = await house.agents.find(principal, agent_id)
    return job_out(await house.jobs.about(principal, resource_id, agent_id=agent.id))


@router.get("/{job_id}")
async def get(agent_id: str, job_id: str, house: TheHouse, principal: ThePrincipal) -> JobOut:
    """One job."""
    return job_out(await _found(house, principal, agent_id, job_id))


@router.get("/{job_id}/tree")
async def tree(agent_id: str, job_id: str, house: TheHouse, principal: ThePrincipal) -> TreeOut:
    """A job with all that are below it."""
    job = await _found(house, principal, agent_id, job_id)
    return _tree_out(await house.jobs.tree(principal, job.id))


@router.put("/{job_id}")
async def update(agent_id: str, job_id: str, body: JobPatch, house: TheHouse, principal: ThePrincipal) -> JobOut:
    """Tell how far a job is. A status that cannot follow the present one is refused."""
    job = await _found(house, principal, agent_id, job_id)
    wanted = given(body)
    words = {"progress_percentage": "progress", "output_data": "output", "name": "title"}
    changes = {words.get(name, name): value for name, value in wanted.items()}
    if "status" in changes:
        changes["status"] = _status(body.status)
    if "tags" in changes:
        changes["tags"] = tuple(body.tags)
    return job_out(await house.jobs.update(principal, job.id, JobChanges(**changes)))


@router.delete("/{job_id}")
async def delete(agent_id: str, job_id: str, house: TheHouse, principal: ThePrincipal) -> Success:
    """Delete a job with those below it."""
    job = await _found(house, principal, agent_id, job_id)
    await house.jobs.delete(principal, job.id)
    return Success()


async def _found(house: House, principal: Principal, agent_id: str, job_id: str) -> Job:
    agent = await house.agents.find(principal, agent_id)
    job = await house.jobs.get(principal, parse_id(job_id, "job"))
    if job.agent_id != agent.id:
        raise JobNotFound(f"There is no job '{job.id}' of this agent.")
    return job


async def _parent(house: House, principal: Principal, agent_id: UUID, id: UUID) -> None:
    try:
        is_there = (await house.jobs.get(principal, id)).agent_id == agent_id
    except JobNotFound:
        is_there = False
    if not is_there:
        raise InvalidRequest(f"There is no job '{id}' of this agent to be the parent.", field="parent_job_id")


def _status(text: str) -> JobStatus:
    return JobStatus(one_of(text, "status", _STATUSES))


def job_out(job: Job) -> JobOut:
    return JobOut(**_shown(job))


def _tree_out(tree: JobTree) -> TreeOut:
    return TreeOut(**_shown(tree.job), children=[_tree_out(child) for child in tree.children])


def _shown(job: Job) -> dict[str, Any]:
    kept = cast(dict[str, Any], job.metadata.get(SURFACE) or {})
    return {
        "job_id": job.id,
        "agent_id": job.agent_id,
        "name": job.title,
        "job_type": job.kind,
        "description": job.description,
        "status": job.status,
        "priority": job.priority,
        "progress_percentage": job.progress,
        "total_steps": job.total_steps,
        "completed_steps": job.completed_steps,
        "current_step": job.current_step,
        "parent_job_id": job.parent_id,
        "input_data": job.input,
        "output_data": job.output,
        "error": job.error,
        **{name: kept.get(name) for name in _KEPT},
        "tags": list(job.tags),
        "created_at": job.created_at,
        "updated_at": job.updated_at,
        "started_at": job.started_at,
        "completed_at": job.finished_at,
    }
