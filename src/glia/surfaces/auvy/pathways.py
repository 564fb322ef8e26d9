"""/v1/pathways: graphs of steps. A human step waits as an intervention."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import Field

from glia.identity.types import Principal
from glia.kit.errors import InvalidRequest
from glia.surfaces.auvy.auth import GivenBrain, InBrain, InNamedBrain
from glia.surfaces.auvy.words import SURFACE, JobStatus, LimitText, OffsetText, SearchText, own, page_of
from glia.surfaces.shared.bodies import Body, Changes, Out, TheHouse, Time, WatchedRoute, given
from glia.wiring import House
from glia.workflows.errors import WorkflowNotFound
from glia.workflows.types import Workflow, WorkflowSpec

router = APIRouter(prefix="/v1/pathways", tags=["pathways"], route_class=WatchedRoute)


class PathwayBody(Body):
    """definition: `{steps, input_schema, output}`. A step has an `id`, a `kind` (agent, tool, http, condition, map,
    wait_approval, wait_time, workflow) and what its kind needs; a `wait_approval` step waits for a person."""

    name: str = Field(max_length=200)
    slug: str | None = Field(None, max_length=100)
    description: str = Field("", max_length=10_000)
    definition: dict[str, Any]
    is_active: bool = True


class PathwayChanges(Changes):
    """Of `definition`, what is not given stays."""

    name: str = Field("", max_length=200)
    description: str = Field("", max_length=10_000)
    definition: dict[str, Any] = Field(default_factory=dict[str, Any])
    is_active: bool = True


class PathwayOut(Out):
    id: UUID
    brain_id: UUID
    name: str
    slug: str
    description: str
    definition: dict[str, Any]
    is_active: bool
    version: int
    created_at: Time
    updated_at: Time


class ExecuteBody(Body):
    """input: what the steps know as `{{input}}`. version: the current one when left away."""

    input: Any = Field(default_factory=dict[str, Any])
    version: int | None = Field(None, ge=1, le=2**31 - 1)


class ExecutedOut(Out):
    job_id: UUID
    status: JobStatus
    pathway_id: UUID
    stream_url: str


class RemovedPathwayOut(Out):
    id: UUID
    deleted: bool = True


@router.get("")
async def list_pathways(
    house: TheHouse,
    principal: InNamedBrain,
    response: Response,
    search: SearchText = "",
    limit: LimitText = None,
    offset: OffsetText = None,
) -> list[PathwayOut]:
    """A brain's pathways, newest first. `X-Total-Count` says how many there are."""
    number, passed = page_of(limit, offset)
    found, total = await house.workflows.search(principal, text=search, limit=number, offset=passed)
    response.headers["X-Total-Count"] = str(total)
    return [_out(workflow) for workflow in found]


@router.post("", status_code=201)
async def create(body: PathwayBody, house: TheHouse, principal: InBrain) -> PathwayOut:
    """Make a pathway. A definition with problems is refused, and they are named."""
    metadata: dict[str, object] = {} if body.is_active else {SURFACE: {"is_active": False}}
    spec = WorkflowSpec(body.name, body.definition, body.description, metadata)
    return _out(await house.workflows.create(principal, spec, slug=body.slug))


@router.get("/{pathway_id}")
async def get(pathway_id: str, house: TheHouse, principal: InBrain, brain: GivenBrain) -> PathwayOut:
    """One pathway, by its UUID or slug."""
    return _out(await _pathway(house, principal, pathway_id, brain))


@router.put("/{pathway_id}")
@router.patch("/{pathway_id}")
async def update(
    pathway_id: str, body: PathwayChanges, house: TheHouse, principal: InBrain, brain: GivenBrain
) -> PathwayOut:
    """Change a pathway: a new version. Jobs keep the version they began with."""
    found = await _pathway(house, principal, pathway_id, brain)
    changes = given(body)
    if "is_active" in changes:
        kept = {**own(found.current.metadata), "is_active": changes.pop("is_active")}
        changes["metadata"] = {**found.current.metadata, SURFACE: kept}
    return _out(await house.workflows.update(principal, found.id, changes) if changes else found)


@router.delete("/{pathway_id}")
async def delete(pathway_id: str, house: TheHouse, principal: InBrain, brain: GivenBrain) -> RemovedPathwayOut:
    """Delete a pathway. Jobs that were begun go on."""
    found = await _pathway(house, principal, pathway_id, brain)
    await house.workflows.delete(principal, found.id)
    return RemovedPathwayOut(id=found.id)


@router.post("/{pathway_id}/execute", status_code=202)
async def execute(
    pathway_id: str, house: TheHouse, principal: InBrain, brain: GivenBrain, body: ExecuteBody | None = None
) -> ExecutedOut:
    """Begin a job that executes the pathway."""
    found = await _pathway(house, principal, pathway_id, brain)
    if not _is_active(found):
        raise InvalidRequest(f"The pathway {found.slug!r} is not active; activate it first.", field="pathway_id")
    body = body or ExecuteBody(version=None)
    accepted = await house.workflows.start(principal, found.id, body.input, version=body.version)
    return ExecutedOut(
        job_id=accepted.run_id,
        status="pending",
        pathway_id=found.id,
        stream_url=f"/v1/jobs/{accepted.run_id}/stream",
    )


def _out(workflow: Workflow) -> PathwayOut:
    current = workflow.current
    return PathwayOut(
        id=workflow.id,
        brain_id=workflow.project_id,
        name=current.name,
        slug=workflow.slug,
        description=current.description,
        definition=current.definition,
        is_active=_is_active(workflow),
        version=workflow.version,
        created_at=workflow.created_at,
        updated_at=workflow.updated_at,
    )


def _is_active(workflow: Workflow) -> bool:
    return own(workflow.current.metadata).get("is_active") is not False


async def _pathway(house: House, principal: Principal, reference: str, brain: UUID | None) -> Workflow:
    found = await house.workflows.find(principal, reference)
    if brain not in (None, found.project_id):
        raise WorkflowNotFound(f"There is no pathway {reference[:100]!r} in this brain.")
    return found
