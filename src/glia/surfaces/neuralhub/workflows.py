"""/v1/workflows: named graphs of steps, run by `/v1/run` with the type `workflow`."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi.responses import Response
from pydantic import Field

from glia.identity.types import Principal
from glia.kit.ids import parse_id
from glia.kit.pages import Window, read_cursor
from glia.surfaces.neuralhub.agents import LimitText
from glia.surfaces.neuralhub.scopes import needs
from glia.surfaces.shared.bodies import Body, Changes, Out, TheHouse, Time, WatchedRoute, given, number_of
from glia.wiring import House
from glia.workflows.types import Workflow, WorkflowSpec

router = APIRouter(prefix="/v1/workflows", tags=["workflows"], route_class=WatchedRoute)

Reader = Annotated[Principal, Depends(needs("agents:read"))]
Writer = Annotated[Principal, Depends(needs("agents:write", "agents:read", "tools:read"))]

_DEFINITION = ("steps", "input_schema", "output")


class WorkflowBody(Body):
    """slug: its name as a target; made from `name` when left away. steps: agents, tools, requests, conditions, maps,
    waits, sub-workflows. output: what a run answers, with references to its steps."""

    name: str = Field(max_length=200)
    slug: str | None = Field(None, max_length=100)
    description: str = ""
    steps: list[Any]
    input_schema: dict[str, Any] | None = None
    output: Any = None
    metadata: dict[str, Any] = Field(default_factory=dict[str, Any])


class WorkflowChanges(Changes):
    name: str = Field("", max_length=200)
    description: str = ""
    steps: list[Any] = Field(default_factory=list[Any])
    input_schema: dict[str, Any] | None = None
    output: Any = None
    metadata: dict[str, Any] = Field(default_factory=dict[str, Any])


class WorkflowOut(Out):
    id: str
    slug: str
    name: str
    description: str
    steps: list[Any]
    input_schema: dict[str, Any] | None
    output: Any
    metadata: dict[str, Any]
    version: int
    created_at: Time
    updated_at: Time


@router.post("", status_code=201)
async def create(body: WorkflowBody, house: TheHouse, principal: Writer) -> WorkflowOut:
    """Make a workflow. All that is wrong with it is named at once."""
    sent = {"steps": body.steps, "input_schema": body.input_schema, "output": body.output}
    definition = {name: value for name, value in sent.items() if value is not None}
    spec = WorkflowSpec(body.name, definition, body.description, body.metadata)
    principal.require("workflows:write")
    reader = replace(principal, scopes=principal.scopes | {"workflows:read"})
    return workflow_out(await house.workflows.create(reader, spec, slug=body.slug))


@router.get("")
async def list_workflows(
    response: Response, house: TheHouse, principal: Reader, limit: LimitText = None, cursor: str | None = None
) -> list[WorkflowOut]:
    """The workspace's workflows, newest first; the header `X-Next-Cursor` tells of more."""
    page = await house.workflows.list(principal, Window(number_of(limit, "limit", 100), read_cursor(cursor)))
    if page.next_cursor:
        response.headers["X-Next-Cursor"] = page.next_cursor
    return [workflow_out(workflow) for workflow in page.items]


@router.get("/{workflow}")
async def get_workflow(workflow: str, house: TheHouse, principal: Reader) -> WorkflowOut:
    """One workflow, by its id or slug."""
    return workflow_out(await find_workflow(house, principal, workflow))


@router.patch("/{workflow}")
async def update(workflow: str, body: WorkflowChanges, house: TheHouse, principal: Writer) -> WorkflowOut:
    """Change a workflow; what is not given stays. Runs that were begun keep the version they began with."""
    found = await _held(house, principal, workflow)
    changes = given(body)
    if definition := {name: changes.pop(name) for name in _DEFINITION if name in changes}:
        changes["definition"] = definition
    return workflow_out(await house.workflows.update(principal, found.id, changes) if changes else found)


@router.delete("/{workflow}", status_code=204, response_class=Response)
async def delete(workflow: str, house: TheHouse, principal: Writer) -> Response:
    """Delete a workflow. Runs that were begun go on, and stay readable."""
    await house.workflows.delete(principal, (await _held(house, principal, workflow)).id)
    return Response(status_code=204)


async def find_workflow(house: House, principal: Principal, reference: str) -> Workflow:
    """principal: with the right to read workflows. Raises WorkflowNotFound."""
    if "\0" in reference:
        parse_id(reference, "workflow")
    return await house.workflows.find(principal, reference)


async def _held(house: House, principal: Principal, reference: str) -> Workflow:
    """One that is about to be changed; who may change it need not be allowed to list them all."""
    principal.require("workflows:write")
    reader = replace(principal, scopes=principal.scopes | {"workflows:read"})
    return await find_workflow(house, reader, reference)


def workflow_out(workflow: Workflow) -> WorkflowOut:
    current = workflow.current
    return WorkflowOut(
        id=str(workflow.id),
        slug=workflow.slug,
        name=current.name,
        description=current.description,
        steps=current.definition["steps"],
        input_schema=current.definition.get("input_schema"),
        output=current.definition.get("output"),
        metadata=current.metadata,
        version=workflow.version,
        created_at=workflow.created_at,
        updated_at=workflow.updated_at,
    )
