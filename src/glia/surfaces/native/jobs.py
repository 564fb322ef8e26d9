"""/v1/jobs: tracked tasks with progress and children."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import Field, WithJsonSchema

from glia.jobs.types import Job, JobChanges, JobFilter, JobSpec, JobStatus, JobTree
from glia.kit.errors import InvalidRequest
from glia.kit.ids import parse_id
from glia.runs.types import Said
from glia.surfaces.native.words import ListOf, TheWindow, agent_id_of, page_of
from glia.surfaces.shared.bodies import (
    Body,
    Changes,
    Out,
    TheHouse,
    ThePrincipal,
    Time,
    WatchedRoute,
    given,
    id_of,
)

router = APIRouter(prefix="/v1/jobs", tags=["jobs"], route_class=WatchedRoute)


class JobBody(Body):
    """message: with an agent, begins a background run that is told this; the job then shows the run's state.

    agent_id: the agent's id or slug. run_id: a run whose state the job shows. resources: ids of what the job is about.
    """

    title: str
    kind: str = "general"
    description: str = ""
    agent_id: str | None = Field(None, max_length=200)
    run_id: str | None = Field(None, max_length=100)
    message: str | None = None
    parent_id: str | None = Field(None, max_length=100)
    priority: int = 5
    total_steps: int = 1
    input: dict[str, Any] = Field(default_factory=dict)
    tags: list[str] = Field(default_factory=list)
    resources: list[str] = Field(default_factory=list, max_length=50)
    metadata: dict[str, Any] = Field(default_factory=dict)


class JobPatch(Changes):
    """progress: percent; reckoned from `completed_steps` when only those are given."""

    status: str = ""
    progress: float = 0
    completed_steps: int = 0
    current_step: str = ""
    output: dict[str, Any] = Field(default_factory=dict)
    error: str = ""
    title: str = ""
    description: str = ""
    priority: int = 5
    total_steps: int = 1
    tags: list[str] = Field(default_factory=list)
    metadata: dict[str, Any] = Field(default_factory=dict)


class StaleBody(Body):
    """agent_id: only jobs of this agent; its id or slug."""

    max_age_minutes: float = 60
    agent_id: str | None = Field(None, max_length=200)


class JobOut(Out):
    """status: pending, in_progress, paused, completed, failed or cancelled. progress: percent.

    root_id: the job at the top of its tree; depth: how many are above it.
    """

    id: UUID
    title: str
    kind: str
    description: str
    status: JobStatus
    priority: int
    progress: float
    total_steps: int
    completed_steps: int
    current_step: str
    agent_id: UUID | None
    run_id: UUID | None
    parent_id: UUID | None
    root_id: UUID
    depth: int
    input: dict[str, Any]
    output: dict[str, Any] | None
    error: str | None
    tags: list[str]
    resources: list[str]
    metadata: dict[str, Any]
    created_by: str
    created_at: Time
    updated_at: Time
    started_at: Time | None
    finished_at: Time | None


class TreeOut(JobOut):
    children: list[TreeOut]


class ClosedOut(Out):
    """closed: how many jobs were closed as failed."""

    closed: int
    job_ids: list[UUID]


StatusText = Annotated[
    str | None,
    WithJsonSchema({"type": "string", "enum": [status.value for status in JobStatus]}),
    Query(description="Only jobs in this state."),
]


@router.post("", status_code=201)
async def create(body: JobBody, house: TheHouse, principal: ThePrincipal) -> JobOut:
    """Make a job, or with `message` have an agent do it."""
    if body.message is not None and body.run_id is not None:
        raise InvalidRequest("`run_id` and `message` exclude each other.", field="run_id")
    spec = JobSpec(
        title=body.title,
        kind=body.kind,
        description=body.description,
        agent_id=None if body.agent_id is None else await agent_id_of(house, principal, body.agent_id),
        parent_id=None if body.parent_id is None else id_of(body.parent_id, "parent_id"),
        priority=body.priority,
        total_steps=body.total_steps,
        input=body.input,
        tags=tuple(body.tags),
        resources=tuple(body.resources),
        metadata=body.metadata,
    )
    if body.message is not None:
        return JobOut.of(await house.jobs.start(principal, spec, [Said("user", body.message)]))
    run_id = None if body.run_id is None else parse_id(body.run_id, "run")
    return JobOut.of(await house.jobs.create(principal, spec, run_id=run_id))


@router.get("")
async def list_jobs(
    house: TheHouse,
    principal: ThePrincipal,
    window: TheWindow,
    agent_id: Annotated[str | None, Query(description="Only jobs of this agent; its id or slug.")] = None,
    status: StatusText = None,
    kind: Annotated[str | None, Query(description="Only jobs of this kind.")] = None,
    tag: Annotated[str | None, Query(description="Only jobs with this tag.")] = None,
    parent_id: Annotated[str | None, Query(description="Only jobs right below this one.")] = None,
    run_id: Annotated[str | None, Query(description="Only the job that shows this run.")] = None,
    top: Annotated[bool, Query(description="Only jobs without a parent.")] = False,
) -> ListOf[JobOut]:
    """List jobs, newest first."""
    only = JobFilter(
        agent_id=None if agent_id is None else await agent_id_of(house, principal, agent_id),
        status=None if status is None else status_of(status),
        kind=kind,
        tag=tag,
        parent_id=None if parent_id is None else parse_id(parent_id, "job"),
        run_id=None if run_id is None else parse_id(run_id, "run"),
        is_top=top,
    )
    return page_of(await house.jobs.list(principal, window, only), JobOut.of)


@router.post("/close-stale")
async def close_stale(house: TheHouse, principal: ThePrincipal, body: StaleBody | None = None) -> ClosedOut:
    """Close the jobs in progress that nobody has told anything of for so long, as failed."""
    body = body or StaleBody.model_validate({})
    agent = None if body.agent_id is None else await agent_id_of(house, principal, body.agent_id)
    closed = await house.jobs.close_stale(principal, max_age_minutes=body.max_age_minutes, agent_id=agent)
    return ClosedOut(closed=len(closed), job_ids=list(closed))


@router.get("/by-resource/{resource}")
async def about(resource: str, house: TheHouse, principal: ThePrincipal) -> JobOut:
    """The newest job about a resource: named in `resources`, by a field `…_id` of its input or output, or its run."""
    return JobOut.of(await house.jobs.about(principal, resource))


@router.get("/{job}")
async def get(job: str, house: TheHouse, principal: ThePrincipal) -> JobOut:
    """One job."""
    return JobOut.of(await house.jobs.get(principal, parse_id(job, "job")))


@router.get("/{job}/tree")
async def tree(job: str, house: TheHouse, principal: ThePrincipal) -> TreeOut:
    """A job with all that are below it."""
    return _tree_out(await house.jobs.tree(principal, parse_id(job, "job")))


@router.patch("/{job}")
async def update(job: str, body: JobPatch, house: TheHouse, principal: ThePrincipal) -> JobOut:
    """Tell how far a job is. A status that cannot follow the present one is refused."""
    changes = given(body)
    if "status" in changes:
        changes["status"] = status_of(body.status)
    if "tags" in changes:
        changes["tags"] = tuple(body.tags)
    return JobOut.of(await house.jobs.update(principal, parse_id(job, "job"), JobChanges(**changes)))


@router.delete("/{job}", status_code=204, response_class=Response)
async def delete(job: str, house: TheHouse, principal: ThePrincipal) -> Response:
    """Delete a job with those below it. Their runs are cancelled."""
    await house.jobs.delete(principal, parse_id(job, "job"))
    return Response(status_code=204)


def status_of(text: str) -> JobStatus:
    try:
        return JobStatus(text)
    except ValueError:
        known = ", ".join(status.value for status in JobStatus)
        raise InvalidRequest(f"`status` {text[:100]!r} is none of {known}.", field="status") from None


def _tree_out(tree: JobTree) -> TreeOut:
    return TreeOut(**_shown(tree.job), children=[_tree_out(child) for child in tree.children])


def _shown(job: Job) -> dict[str, Any]:
    return {name: getattr(job, name) for name in JobOut.model_fields} | {
        "tags": list(job.tags),
        "resources": list(job.resources),
    }
