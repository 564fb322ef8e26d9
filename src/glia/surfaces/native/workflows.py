"""/v1/workflows and their executions"""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import Field, WithJsonSchema

from glia.identity.types import Principal
from glia.kit.errors import InvalidRequest
from glia.kit.ids import parse_id
from glia.runs.types import RunStatus
from glia.surfaces.native.words import ListOf, TheWindow, page_of
from glia.surfaces.shared.bodies import Body, Changes, Out, TheHouse, ThePrincipal, Time, WatchedRoute, given
from glia.wiring import House
from glia.workflows.errors import WorkflowNotFound
from glia.workflows.types import StepStatus, Workflow, WorkflowSpec, WorkflowVersion

router = APIRouter(prefix="/v1/workflows", tags=["workflows"], route_class=WatchedRoute)

Steps = Annotated[
    list[Any],
    WithJsonSchema(
        {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["id", "kind"],
                "properties": {
                    "id": {"type": "string"},
                    "kind": {
                        "enum": [
                            "agent",
                            "tool",
                            "http",
                            "condition",
                            "map",
                            "wait_approval",
                            "wait_time",
                            "workflow",
                        ]
                    },
                    "depends_on": {"type": "array", "items": {"type": "string"}},
                    "next": {"type": "array", "items": {"type": "string"}},
                    "on_error": {"enum": ["compensate", "fail", "continue"]},
                    "compensation": {"type": "object"},
                    "reuse_key": {"type": "string"},
                },
            },
        }
    ),
]


class DefinitionBody(Body):
    """steps: each an object with `id`, `kind` and what its kind needs. output: null for what the last steps answer.

    timeout_seconds: for the whole execution, waits included; null for no limit.
    """

    steps: Steps
    input_schema: dict[str, Any] | None = None
    output: Any = None
    timeout_seconds: float | None = Field(None, strict=False)


class WorkflowBody(DefinitionBody):
    name: str
    slug: str | None = None
    description: str = ""
    metadata: dict[str, Any] = Field(default_factory=dict[str, Any])


class WorkflowChanges(Changes):
    """Null takes `input_schema`, `output` and `timeout_seconds` away."""

    name: str = ""
    description: str = ""
    steps: Steps = Field(default_factory=list[Any])
    input_schema: dict[str, Any] | None = None
    output: Any = None
    timeout_seconds: float | None = Field(None, strict=False)
    metadata: dict[str, Any] = Field(default_factory=dict[str, Any])


class RunBody(Body):
    """version: the current one when left away. idempotency_key: the same key names the same execution for ever."""

    input: Any = Field(default_factory=dict[str, Any])
    version: int | None = Field(None, ge=1)
    idempotency_key: str | None = None


class WorkflowVersionOut(Out):
    version: int
    name: str
    description: str
    steps: list[Any]
    input_schema: dict[str, Any] | None
    output: Any
    timeout_seconds: float | None
    metadata: dict[str, Any]
    created_by: str
    created_at: Time


class WorkflowOut(WorkflowVersionOut):
    """A workflow as it is now. created_at and updated_at are the workflow's, not its version's."""

    id: UUID
    slug: str
    updated_at: Time


class ProblemOut(Out):
    field: str
    message: str


class ValidationOut(Out):
    is_valid: bool
    problems: list[ProblemOut]


class ExecutionStartedOut(Out):
    """id: the execution's, which is its run's. is_new: false when the idempotency key was used before."""

    id: UUID
    run_id: UUID
    session_id: UUID
    workflow_id: UUID
    status: RunStatus
    is_new: bool


class StepErrorOut(Out):
    code: str
    message: str


class StepOut(Out):
    """run_id: the run that it began. items: of a map. compensation: what undid it."""

    id: str
    kind: str
    status: StepStatus
    attempts: int
    output: Any
    error: StepErrorOut | None
    started_at: Time | None
    finished_at: Time | None
    duration_seconds: float | None
    waiting_for: str | None
    wake_at: Time | None
    run_id: UUID | None
    approval_id: UUID | None
    is_compensated: bool
    items: list[StepOut] = Field(default_factory=list["StepOut"])
    compensation: StepOut | None = None


class ExecutionSummary(Out):
    """id: also the run's. attempt: how often it was begun or went on. waiting_for: `approval`, `run`, `time`."""

    id: UUID
    workflow_id: UUID
    version: int
    session_id: UUID
    status: RunStatus
    attempt: int
    input: Any
    error: StepErrorOut | None
    waiting_for: list[str]
    wake_at: Time | None
    parent_run_id: UUID | None
    cancel_requested_at: Time | None
    created_at: Time
    started_at: Time | None
    finished_at: Time | None


class ExecutionOut(ExecutionSummary):
    output: Any
    steps: list[StepOut]


StatusText = Annotated[
    str | None,
    WithJsonSchema({"type": "string", "enum": [status.value for status in RunStatus]}),
    Query(description="Only executions in this state."),
]


@router.post("", status_code=201)
async def create(body: WorkflowBody, house: TheHouse, principal: ThePrincipal) -> WorkflowOut:
    """Make a workflow; this is its version 1. A definition with problems is refused, and all of them are named."""
    spec = WorkflowSpec(body.name, _definition(body), body.description, body.metadata)
    return workflow_out(await house.workflows.create(principal, spec, slug=body.slug))


@router.post("/validate")
async def validate(body: DefinitionBody, house: TheHouse, principal: ThePrincipal) -> ValidationOut:
    """What is wrong with a definition. Nothing is kept."""
    problems = await house.workflows.validate(principal, _definition(body))
    return ValidationOut(is_valid=not problems, problems=[ProblemOut.of(problem) for problem in problems])


@router.get("")
async def list_workflows(house: TheHouse, principal: ThePrincipal, window: TheWindow) -> ListOf[WorkflowOut]:
    """List workflows, newest first."""
    return page_of(await house.workflows.list(principal, window), workflow_out)


@router.get("/{workflow}")
async def get(workflow: str, house: TheHouse, principal: ThePrincipal) -> WorkflowOut:
    """One workflow, by its id or slug."""
    return workflow_out(await house.workflows.find(principal, workflow))


@router.patch("/{workflow}")
async def update(workflow: str, body: WorkflowChanges, house: TheHouse, principal: ThePrincipal) -> WorkflowOut:
    """Change a workflow: a new version with the given fields changed. Executions keep the version they began with."""
    id = await _id_of(house, principal, workflow)
    changes = given(body)
    definition = {
        name: changes.pop(name) for name in ("steps", "input_schema", "output", "timeout_seconds") if name in changes
    }
    if definition:
        changes["definition"] = definition
    if not changes:
        return workflow_out(await house.workflows.get(principal, id))
    return workflow_out(await house.workflows.update(principal, id, changes))


@router.delete("/{workflow}", status_code=204, response_class=Response)
async def delete(workflow: str, house: TheHouse, principal: ThePrincipal) -> Response:
    """Delete a workflow. Executions that were begun go on, and stay readable as runs."""
    await house.workflows.delete(principal, await _id_of(house, principal, workflow))
    return Response(status_code=204)


@router.get("/{workflow}/versions")
async def versions(workflow: str, house: TheHouse, principal: ThePrincipal) -> ListOf[WorkflowVersionOut]:
    """All versions of a workflow, newest first, at most 1,000."""
    found = await house.workflows.versions(principal, await _id_of(house, principal, workflow))
    return ListOf(data=[version_out(version) for version in found])


@router.get("/{workflow}/versions/{version}")
async def get_version(workflow: str, version: str, house: TheHouse, principal: ThePrincipal) -> WorkflowVersionOut:
    """One version of a workflow."""
    found = await house.workflows.find(principal, workflow)
    if not (version.isascii() and version.isdigit() and 1 <= int(version[:12]) <= found.version):
        raise WorkflowNotFound(
            f"The workflow {found.slug!r} has no version {version[:40]!r}; it is at {found.version}."
        )
    return version_out((await house.workflows.get(principal, found.id, version=int(version[:12]))).current)


@router.post("/{workflow}/run", status_code=202)
async def run(workflow: str, body: RunBody, house: TheHouse, principal: ThePrincipal) -> ExecutionStartedOut:
    """Begin an execution, in the background. Follow it here, as a run, or by its session's events."""
    id = await _id_of(house, principal, workflow)
    accepted = await house.workflows.start(
        principal, id, body.input, version=body.version, dedupe_key=body.idempotency_key
    )
    is_new = accepted.outcome != "known"
    status = RunStatus.QUEUED if is_new else (await house.runs.get(principal, accepted.run_id)).status
    return ExecutionStartedOut(
        id=accepted.run_id,
        run_id=accepted.run_id,
        session_id=accepted.session_id,
        workflow_id=id,
        status=status,
        is_new=is_new,
    )


@router.get("/{workflow}/executions")
async def executions(
    workflow: str, house: TheHouse, principal: ThePrincipal, window: TheWindow, status: StatusText = None
) -> ListOf[ExecutionSummary]:
    """List a workflow's executions, newest first."""
    id = await _id_of(house, principal, workflow)
    found = await house.workflows.executions(principal, id, window, status=_status_of(status))
    return page_of(found, ExecutionSummary.of)


@router.get("/{workflow}/executions/{execution}")
async def execution(workflow: str, execution: str, house: TheHouse, principal: ThePrincipal) -> ExecutionOut:
    """One execution with each step: its state, tries, output and times."""
    id = await _id_of(house, principal, workflow)
    return ExecutionOut.of(await house.workflows.execution(principal, id, parse_id(execution, "execution")))


def workflow_out(workflow: Workflow) -> WorkflowOut:
    shown = version_out(workflow.current).model_dump()
    shown.update(id=workflow.id, slug=workflow.slug, created_at=workflow.created_at, updated_at=workflow.updated_at)
    return WorkflowOut(**shown)


def version_out(version: WorkflowVersion) -> WorkflowVersionOut:
    definition = version.definition
    return WorkflowVersionOut(
        version=version.version,
        name=version.name,
        description=version.description,
        steps=definition["steps"],
        input_schema=definition.get("input_schema"),
        output=definition.get("output"),
        timeout_seconds=definition.get("timeout_seconds"),
        metadata=version.metadata,
        created_by=version.created_by,
        created_at=version.created_at,
    )


def _definition(body: DefinitionBody) -> dict[str, Any]:
    written = {
        "steps": body.steps,
        "input_schema": body.input_schema,
        "output": body.output,
        "timeout_seconds": body.timeout_seconds,
    }
    return {name: value for name, value in written.items() if value is not None}


async def _id_of(house: House, principal: Principal, reference: str) -> UUID:
    """The id behind an id or slug. Raises WorkflowNotFound for a slug that nobody has."""
    try:
        return UUID(reference)
    except ValueError:
        return (await house.workflows.find(principal, reference)).id


def _status_of(text: str | None) -> RunStatus | None:
    if text is None:
        return None
    try:
        return RunStatus(text)
    except ValueError:
        known = ", ".join(status.value for status in RunStatus)
        raise InvalidRequest(f"`status` {text[:100]!r} is none of {known}.", field="status") from None
