"""/api/v1/workflows: definitions and their steps."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import Field

from glia.surfaces.neuronagent import workflow_keeping as keeping
from glia.surfaces.neuronagent.auth import TheCaller
from glia.surfaces.neuronagent.words import ThePart, part_from, uuid_in
from glia.surfaces.neuronagent.workflow_words import Json
from glia.surfaces.shared.bodies import Body, Changes, Out, TheHouse, Time, WatchedRoute, given
from glia.wiring import House
from glia.workflows.types import Workflow

router = APIRouter(prefix="/api/v1", tags=["workflows"], route_class=WatchedRoute)


class WorkflowBody(Body):
    """dag_definition: `steps` (or `nodes` and `edges`), and `timeout_seconds` for the whole workflow. steps: the same
    at the top. Each step: `id`, `type`, `inputs` (or `input`, `config`), `dependencies` (or `depends_on`)."""

    name: str = Field(min_length=1, max_length=200)
    dag_definition: dict[str, Any] | None = None
    steps: list[Any] | dict[str, Any] | None = None
    description: str | None = None
    status: str = "active"


class WorkflowChanges(Changes):
    name: str | None = Field(None, min_length=1, max_length=200)
    dag_definition: dict[str, Any] | None = None
    steps: list[Any] | dict[str, Any] | None = None
    description: str | None = None
    status: str | None = None
    id: Any = None
    created_at: Any = None
    updated_at: Any = None


class StepBody(Body):
    """step_type: `agent` (inputs: agent_id, user_message), `tool` (tool_name, args), `http` (url, method, headers,
    body), `sql` (query), `approval` (approval_config), `conditional` (expression, then, else) or `custom`.

    dependencies: names or ids of steps. compensation_step_id: the step that undoes this one when the workflow fails;
    it runs only then. idempotency_key: a step that has once completed under it is not done again in later executions of
    the workflow, its output is taken; it may hold references as `order-{{inputs.id}}`.
    """

    step_name: str
    step_type: str
    inputs: dict[str, Any] = Field(default_factory=dict[str, Any])
    outputs: dict[str, Any] = Field(default_factory=dict[str, Any])
    dependencies: list[str] = Field(default_factory=list[str])
    retry_config: dict[str, Any] = Field(default_factory=dict[str, Any])
    idempotency_key: str | None = None
    compensation_step_id: str | None = None


class StepOut(Out):
    id: str
    workflow_id: UUID
    step_name: str
    step_type: str
    inputs: dict[str, Any]
    outputs: dict[str, Any]
    dependencies: list[str]
    retry_config: dict[str, Any]
    idempotency_key: str | None
    compensation_step_id: str | None
    created_at: str
    updated_at: str


class WorkflowOut(Out):
    id: UUID
    name: str
    description: str
    dag_definition: dict[str, Any]
    steps: list[StepOut]
    status: str
    created_at: Time
    updated_at: Time


@router.post("/workflows", status_code=201)
async def create(body: WorkflowBody, house: TheHouse, principal: TheCaller) -> WorkflowOut:
    """Make a workflow; steps can be added later."""
    return _shown(house, await keeping.create(house, principal, given(body)))


@router.get("/workflows")
async def list_workflows(
    house: TheHouse,
    principal: TheCaller,
    part: ThePart,
    status: Annotated[str | None, Query(description="active, paused or archived.")] = None,
) -> list[WorkflowOut]:
    """List workflows, newest first."""
    found = await part_from(
        lambda window: house.workflows.list(principal, window),
        part,
        lambda workflow: status is None or keeping.status_of(workflow) == status,
    )
    return [_shown(house, workflow) for workflow in found]


@router.get("/workflows/{workflow_id}")
async def get(workflow_id: str, house: TheHouse, principal: TheCaller) -> WorkflowOut:
    """One workflow."""
    return _shown(house, await house.workflows.get(principal, uuid_in(workflow_id, "workflow_id")))


@router.put("/workflows/{workflow_id}")
async def update(workflow_id: str, body: WorkflowChanges, house: TheHouse, principal: TheCaller) -> WorkflowOut:
    """Change a workflow: what is given, nothing else. Executions that were begun go on as they were."""
    id = uuid_in(workflow_id, "workflow_id")
    return _shown(house, await keeping.update(house, principal, id, given(body)))


@router.delete("/workflows/{workflow_id}", status_code=204, response_class=Response)
async def delete(workflow_id: str, house: TheHouse, principal: TheCaller) -> Response:
    """Delete a workflow and its schedule. Executions that were begun go on."""
    id = uuid_in(workflow_id, "workflow_id")
    await house.workflows.get(principal, id)
    while (trigger := await keeping.schedule_of(house, principal, id)) is not None:
        await house.triggers.delete(principal, trigger.id)
    await house.workflows.delete(principal, id)
    return Response(status_code=204)


@router.post("/workflows/{workflow_id}/steps", status_code=201)
async def add_step(workflow_id: str, body: StepBody, house: TheHouse, principal: TheCaller) -> StepOut:
    """Add a step."""
    id = uuid_in(workflow_id, "workflow_id")
    return _step(id, await keeping.add_step(house, principal, id, given(body)))


@router.get("/workflows/{workflow_id}/steps")
async def list_steps(workflow_id: str, house: TheHouse, principal: TheCaller, part: ThePart) -> list[StepOut]:
    """A workflow's steps by name."""
    workflow = await house.workflows.get(principal, uuid_in(workflow_id, "workflow_id"))
    records = sorted(keeping.records_of(house, workflow), key=lambda record: str(record["step_name"]))
    return [_step(workflow.id, record) for record in part.of(records)]


def _shown(house: House, workflow: Workflow) -> WorkflowOut:
    return WorkflowOut(
        id=workflow.id,
        name=workflow.current.name,
        description=workflow.current.description,
        dag_definition=keeping.dag_of(house, workflow),
        steps=[_step(workflow.id, record) for record in keeping.records_of(house, workflow)],
        status=keeping.status_of(workflow),
        created_at=workflow.created_at,
        updated_at=workflow.updated_at,
    )


def _step(workflow_id: UUID, record: Json) -> StepOut:
    return StepOut(workflow_id=workflow_id, **{name: record[name] for name in StepOut.model_fields if name in record})
