"""/api/v1/workflows/{id}/execute, its executions, and schedules that begin them."""

from __future__ import annotations

from typing import Annotated, Any, Literal, cast
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import Field

from glia.identity.types import Principal
from glia.kit.errors import InvalidRequest, NotFound
from glia.runs.types import RunStatus
from glia.surfaces.neuronagent import workflow_keeping as keeping
from glia.surfaces.neuronagent.auth import TheCaller
from glia.surfaces.neuronagent.words import ThePart, part_from, uuid_in
from glia.surfaces.shared.bodies import Body, Changes, Out, TheHouse, Time, WatchedRoute, given
from glia.triggers.types import Cron, Status, Trigger, TriggerSpec
from glia.wiring import House
from glia.workflows.types import WORKFLOW, Execution, StepView

router = APIRouter(prefix="/api/v1", tags=["workflow executions"], route_class=WatchedRoute)

TriggerType = Literal["manual", "schedule", "webhook", "db_notify", "queue"]
ExecutionStatus = Literal["pending", "running", "completed", "failed", "cancelled"]

_STATUS: dict[RunStatus, ExecutionStatus] = {
    RunStatus.QUEUED: "pending",
    RunStatus.RUNNING: "running",
    RunStatus.WAITING: "running",
    RunStatus.COMPLETED: "completed",
    RunStatus.FAILED: "failed",
    RunStatus.CANCELLED: "cancelled",
}


class ExecuteBody(Body):
    """idempotency_key: the same key names the same execution for ever."""

    inputs: dict[str, Any] = Field(default_factory=dict[str, Any])
    trigger_type: TriggerType = "manual"
    trigger_data: dict[str, Any] = Field(default_factory=dict[str, Any])
    idempotency_key: str | None = None


class AcceptedOut(Out):
    """id and execution_id: the execution's; ask for it to see how far it is."""

    id: UUID
    execution_id: UUID
    workflow_id: UUID
    status: Literal["accepted"] = "accepted"
    message: str


class StepExecutionOut(Out):
    step_name: str
    status: str
    attempts: int
    output: Any
    error: dict[str, Any] | None
    started_at: Time | None
    completed_at: Time | None
    waiting_for: str | None
    compensated: bool


class ExecutionOut(Out):
    """steps: empty in lists."""

    id: UUID
    workflow_id: UUID
    status: ExecutionStatus
    trigger_type: str
    trigger_data: dict[str, Any]
    inputs: Any
    outputs: Any
    error_message: str | None
    started_at: Time | None
    completed_at: Time | None
    created_at: Time
    updated_at: Time
    steps: list[StepExecutionOut]


class ScheduleBody(Body):
    cron_expression: str
    timezone: str = "UTC"
    enabled: bool = True


class ScheduleChanges(Changes):
    cron_expression: str = ""
    timezone: str = "UTC"
    enabled: bool = True


class ScheduleOut(Out):
    id: UUID
    workflow_id: UUID
    cron_expression: str
    timezone: str
    enabled: bool
    next_run_at: Time | None
    last_run_at: Time | None
    created_at: Time
    updated_at: Time


@router.post("/workflows/{workflow_id}/execute", status_code=202)
async def execute(
    workflow_id: str, house: TheHouse, principal: TheCaller, body: ExecuteBody | None = None
) -> AcceptedOut:
    """Begin an execution; it goes on in the background."""
    body = body or ExecuteBody.model_validate({})
    workflow = await keeping.require_active(house, principal, uuid_in(workflow_id, "workflow_id"))
    accepted = await house.workflows.start(
        principal,
        workflow.id,
        body.inputs,
        dedupe_key=body.idempotency_key,
        origin={"type": body.trigger_type, "data": body.trigger_data},
    )
    return AcceptedOut(
        id=accepted.run_id,
        execution_id=accepted.run_id,
        workflow_id=workflow.id,
        message=f"The workflow {workflow.current.name!r} is being executed.",
    )


@router.get("/workflows/{workflow_id}/executions")
async def list_executions(
    workflow_id: str,
    house: TheHouse,
    principal: TheCaller,
    part: ThePart,
    status: Annotated[ExecutionStatus | None, Query(description="Only those.")] = None,
) -> list[ExecutionOut]:
    """A workflow's executions, newest first, without their steps."""
    id = uuid_in(workflow_id, "workflow_id")
    found = await part_from(
        lambda window: house.workflows.executions(principal, id, window),
        part,
        lambda execution: status is None or _STATUS[execution.status] == status,
    )
    return [_execution(execution, None) for execution in found]


@router.get("/workflows/{workflow_id}/executions/{execution_id}")
async def get_execution(workflow_id: str, execution_id: str, house: TheHouse, principal: TheCaller) -> ExecutionOut:
    """One execution with its steps."""
    id, execution = uuid_in(workflow_id, "workflow_id"), uuid_in(execution_id, "execution_id")
    return await _whole(house, principal, id, execution)


@router.get("/workflow-executions/{execution_id}")
async def find_execution(execution_id: str, house: TheHouse, principal: TheCaller) -> ExecutionOut:
    """One execution with its steps."""
    id = uuid_in(execution_id, "execution_id")
    return await _whole(house, principal, await _workflow_of(house, principal, id), id)


@router.post("/workflow-executions/{execution_id}/cancel")
async def cancel(execution_id: str, house: TheHouse, principal: TheCaller) -> ExecutionOut:
    """Stop an execution; one that has ended stays as it is."""
    id = uuid_in(execution_id, "execution_id")
    workflow = await _workflow_of(house, principal, id)
    await house.runs.cancel(principal, id)
    return await _whole(house, principal, workflow, id)


@router.get("/workflow-schedules")
@router.get("/workflows/schedules")
async def list_schedules(house: TheHouse, principal: TheCaller, part: ThePart) -> list[ScheduleOut]:
    """Every workflow's schedule, the next one to come first."""
    triggers = await part_from(
        lambda window: house.triggers.list(principal, window, kind="cron"),
        part,
        lambda trigger: trigger.workflow_id is not None,
    )
    shown = [_schedule(trigger) for trigger in triggers]
    return sorted(shown, key=lambda schedule: (schedule.next_run_at is None, str(schedule.next_run_at), schedule.id))


@router.post("/workflows/{workflow_id}/schedule", status_code=201)
async def set_schedule(workflow_id: str, body: ScheduleBody, house: TheHouse, principal: TheCaller) -> ScheduleOut:
    """Give a workflow its schedule, in place of the one that it has."""
    id = uuid_in(workflow_id, "workflow_id")
    workflow = await house.workflows.get(principal, id)
    when = Cron(body.cron_expression, body.timezone)
    before = await keeping.schedule_of(house, principal, id)
    try:
        if before is None:
            spec = TriggerSpec(f"{workflow.current.name}: schedule"[:200], None, None, when, workflow_id=id, input={})
            trigger = (await house.triggers.create(principal, spec)).trigger
        else:
            trigger = await house.triggers.update(principal, before.id, {"when": when})
    except InvalidRequest as error:
        raise _renamed(error) from None
    return _schedule(await _set_enabled(house, principal, trigger, is_enabled=body.enabled))


@router.get("/workflows/{workflow_id}/schedule")
async def get_schedule(workflow_id: str, house: TheHouse, principal: TheCaller) -> ScheduleOut:
    """A workflow's schedule."""
    return _schedule(await _require_schedule(house, principal, uuid_in(workflow_id, "workflow_id")))


@router.put("/workflows/{workflow_id}/schedule")
async def change_schedule(
    workflow_id: str, body: ScheduleChanges, house: TheHouse, principal: TheCaller
) -> ScheduleOut:
    """Change a workflow's schedule: what is given, nothing else."""
    trigger = await _require_schedule(house, principal, uuid_in(workflow_id, "workflow_id"))
    changes, cron = given(body), keeping.cron_of(trigger)
    when = Cron(changes.get("cron_expression", cron.cron), changes.get("timezone", cron.timezone))
    try:
        if when != cron:
            trigger = await house.triggers.update(principal, trigger.id, {"when": when})
    except InvalidRequest as error:
        raise _renamed(error) from None
    if "enabled" in changes:
        trigger = await _set_enabled(house, principal, trigger, is_enabled=changes["enabled"])
    return _schedule(trigger)


@router.delete("/workflows/{workflow_id}/schedule", status_code=204, response_class=Response)
async def delete_schedule(workflow_id: str, house: TheHouse, principal: TheCaller) -> Response:
    """Delete a workflow's schedule."""
    trigger = await _require_schedule(house, principal, uuid_in(workflow_id, "workflow_id"))
    await house.triggers.delete(principal, trigger.id)
    return Response(status_code=204)


async def _set_enabled(house: House, principal: Principal, trigger: Trigger, *, is_enabled: bool) -> Trigger:
    if is_enabled:
        return await house.triggers.resume(principal, trigger.id)
    return await house.triggers.pause(principal, trigger.id)


async def _require_schedule(house: House, principal: Principal, workflow_id: UUID) -> Trigger:
    await house.workflows.get(principal, workflow_id)
    trigger = await keeping.schedule_of(house, principal, workflow_id)
    if trigger is None:
        raise keeping.no_schedule(workflow_id)
    return trigger


def _renamed(error: InvalidRequest) -> InvalidRequest:
    """The core's field in NeuronAgent's words."""
    field = "timezone" if "timezone" in (error.field or "") else "cron_expression"
    return InvalidRequest(error.message.replace("`when.cron`", "`cron_expression`"), field=field)


def _schedule(trigger: Trigger) -> ScheduleOut:
    cron = keeping.cron_of(trigger)
    return ScheduleOut(
        id=trigger.id,
        workflow_id=trigger.workflow_id or trigger.id,
        cron_expression=cron.cron,
        timezone=cron.timezone,
        enabled=trigger.status is Status.ACTIVE,
        next_run_at=trigger.next_at,
        last_run_at=trigger.last_fired_at,
        created_at=trigger.created_at,
        updated_at=trigger.updated_at,
    )


async def _workflow_of(house: House, principal: Principal, id: UUID) -> UUID:
    run = await house.runs.get(principal, id)
    if run.kind != WORKFLOW:
        raise NotFound(f"There is no workflow execution '{id}' in this workspace.", execution_id=str(id))
    return UUID(str(run.input["workflow_id"]))


async def _whole(house: House, principal: Principal, workflow_id: UUID, id: UUID) -> ExecutionOut:
    execution = await house.workflows.execution(principal, workflow_id, id)
    workflow = await house.workflows.get(principal, workflow_id, version=execution.version)
    names = keeping.names_of(keeping.records_of(house, workflow), house)
    return _execution(execution, names.name_of)


def _execution(execution: Execution, name_of: Any) -> ExecutionOut:
    """name_of: a step's name by the core's id; None when the steps are not shown."""
    origin = execution.origin or {"type": "schedule" if execution.is_fired else "manual"}
    outputs = execution.output
    if name_of is not None and isinstance(outputs, dict):
        outputs = {name_of(id): output for id, output in cast(dict[str, Any], outputs).items() if id != "nothing"}
    ended = execution.finished_at
    return ExecutionOut(
        id=execution.id,
        workflow_id=execution.workflow_id,
        status=_STATUS[execution.status],
        trigger_type=str(origin.get("type", "manual")),
        trigger_data=origin.get("data") or {},
        inputs=execution.input,
        outputs=outputs,
        error_message=None if execution.error is None else str(execution.error.get("message", "")),
        started_at=execution.started_at,
        completed_at=ended,
        created_at=execution.created_at,
        updated_at=ended or execution.started_at or execution.created_at,
        steps=[] if name_of is None else [_step(step, name_of) for step in execution.steps if step.id != "nothing"],
    )


def _step(step: StepView, name_of: Any) -> StepExecutionOut:
    return StepExecutionOut(
        step_name=name_of(step.id),
        status=step.status,
        attempts=step.attempts,
        output=step.output,
        error=dict(step.error) if step.error else None,
        started_at=step.started_at,
        completed_at=step.finished_at,
        waiting_for=step.waiting_for,
        compensated=step.is_compensated,
    )
