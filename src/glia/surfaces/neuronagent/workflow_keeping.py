"""Workflows kept in NeuronAgent's words: the steps lie in the workflow's metadata, what is executed in its definition.

A workflow that another surface made or changed is shown by its definition.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast
from uuid import UUID, uuid5

from glia.identity.types import Principal
from glia.kit.clock import wire_time
from glia.kit.errors import Conflict, InvalidRequest, NotFound
from glia.kit.pages import LARGEST_LIMIT, Window, read_cursor
from glia.surfaces.neuronagent.workflow_words import KEY, NOTHING, Json, Steps, record_of, steps_in
from glia.triggers.types import Cron, Status, Trigger
from glia.wiring import House
from glia.workflows.types import Workflow, WorkflowSpec

STATUSES = ("active", "paused", "archived")
_TYPES = {"wait_approval": "approval", "condition": "conditional", "agent": "agent", "tool": "tool", "http": "http"}


class WorkflowNameTaken(Conflict):
    code = "name_taken"


class WorkflowAtRest(Conflict):
    code = "workflow_not_active"


def kept(workflow: Workflow) -> Json:
    found = workflow.current.metadata.get(KEY)
    return cast(Json, found) if isinstance(found, dict) else {}


def status_of(workflow: Workflow) -> str:
    return str(kept(workflow).get("status", "active"))


def records_of(house: House, workflow: Workflow) -> list[Json]:
    """The steps, as NeuronAgent's clients know them."""
    records = cast(list[Json], kept(workflow).get("steps") or [])
    if Steps(records, database_of(house)).compiled() == workflow.current.definition.get("steps"):
        return records
    return [_foreign(workflow, step) for step in cast(list[Json], workflow.current.definition.get("steps", []))]


def dag_of(house: House, workflow: Workflow) -> Json:
    given = kept(workflow).get("dag_definition")
    if isinstance(given, dict) and records_of(house, workflow) is kept(workflow).get("steps"):
        return cast(Json, given)
    return {"steps": records_of(house, workflow)}


def database_of(house: House) -> str:
    """The first of the configured databases: what a step of type `sql` reads unless it names another."""
    return house.settings.sql_databases.strip().partition(",")[0].partition("=")[0].strip()


def _foreign(workflow: Workflow, step: Json) -> Json:
    """A step of another surface's. Its id is the same each time, and new when the step is renamed."""
    inputs = {name: value for name, value in step.items() if name not in ("id", "name", "kind", "depends_on", "next")}
    at = wire_time(workflow.updated_at)
    return {
        "id": str(uuid5(workflow.id, str(step.get("id")))),
        "step_name": step.get("id"),
        "step_type": _TYPES.get(str(step.get("kind")), "custom"),
        "inputs": inputs,
        "outputs": {},
        "dependencies": step.get("depends_on") or [],
        "retry_config": {},
        "idempotency_key": None,
        "compensation_step_id": None,
        "required": None,
        "created_at": at,
        "updated_at": at,
    }


async def create(house: House, principal: Principal, given: Mapping[str, Any]) -> Workflow:
    """Raises WorkflowNameTaken: names are unique here."""
    name = str(given["name"])
    await _require_free(house, principal, name, None)
    dag = dict(cast(Json, given.get("dag_definition") or {}))
    if given.get("steps") is not None:
        dag["steps"] = given["steps"]
    marks = {"dag_definition": dag, "steps": steps_in(dag), "status": _status(given.get("status") or "active")}
    spec = WorkflowSpec(
        name, _definition(house, marks), str(given.get("description") or ""), cast(dict[str, object], {KEY: marks})
    )
    return await house.workflows.create(principal, spec)


async def update(house: House, principal: Principal, id: UUID, given: Mapping[str, Any]) -> Workflow:
    workflow = await house.workflows.get(principal, id)
    changes: dict[str, Any] = {name: given[name] for name in ("name", "description") if given.get(name) is not None}
    if "name" in changes and changes["name"] != workflow.current.name:
        await _require_free(house, principal, changes["name"], id)
    marks = dict(kept(workflow))
    if given.get("dag_definition") is not None or given.get("steps") is not None:
        dag = dict(cast(Json, given.get("dag_definition") or {}))
        if given.get("steps") is not None:
            dag["steps"] = given["steps"]
        marks |= {"dag_definition": dag, "steps": steps_in(dag)}
        changes["definition"] = _definition(house, marks)
    if given.get("status") is not None:
        marks["status"] = _status(given["status"])
        await _rest_schedule(house, principal, id, is_active=marks["status"] == "active")
    changes["metadata"] = {**workflow.current.metadata, KEY: marks}
    return await house.workflows.update(principal, id, changes)


async def add_step(house: House, principal: Principal, id: UUID, given: Mapping[str, Any]) -> Json:
    """Raises Conflict for a name that another step has."""
    workflow = await house.workflows.get(principal, id)
    records = records_of(house, workflow)
    if not kept(workflow) and workflow.current.definition.get("steps") == [NOTHING]:
        records = []
    record = record_of(given, len(records))
    if any(other["step_name"] == record["step_name"] for other in records):
        raise Conflict(f"The workflow has a step named {record['step_name']!r} already; choose another name.")
    marks = {**kept(workflow), "steps": [*records, record]}
    marks["dag_definition"] = {**cast(Json, marks.get("dag_definition") or {}), "steps": marks["steps"]}
    changes = {"definition": _definition(house, marks), "metadata": {**workflow.current.metadata, KEY: marks}}
    await house.workflows.update(principal, id, changes)
    return record


async def require_active(house: House, principal: Principal, id: UUID) -> Workflow:
    workflow = await house.workflows.get(principal, id)
    if status_of(workflow) != "active":
        raise WorkflowAtRest(f"The workflow is {status_of(workflow)}; set its `status` to `active` first.")
    return workflow


async def schedule_of(house: House, principal: Principal, workflow_id: UUID) -> Trigger | None:
    """The workflow's schedule: the oldest of its triggers by cron, whichever surface made it."""
    found = await house.triggers.list(principal, Window(LARGEST_LIMIT), workflow_id=workflow_id, kind="cron")
    return min(found.items, key=lambda trigger: trigger.id, default=None)


def no_schedule(workflow_id: UUID) -> NotFound:
    return NotFound(f"The workflow '{workflow_id}' has no schedule.", workflow_id=str(workflow_id))


def cron_of(trigger: Trigger) -> Cron:
    """Of a schedule: only triggers by cron are ones here."""
    return cast(Cron, trigger.when)


async def _rest_schedule(house: House, principal: Principal, id: UUID, *, is_active: bool) -> None:
    """A workflow at rest is not started by its schedule either."""
    trigger = await schedule_of(house, principal, id)
    if trigger is not None and not is_active and trigger.status is Status.ACTIVE:
        await house.triggers.pause(principal, trigger.id)


def _definition(house: House, marks: Json) -> Json:
    definition: Json = {"steps": Steps(marks["steps"], database_of(house)).compiled()}
    timeout = cast(Json, marks.get("dag_definition") or {}).get("timeout_seconds")
    return definition if timeout is None else {**definition, "timeout_seconds": timeout}


def _status(status: Any) -> str:
    if status not in STATUSES:
        raise InvalidRequest(f"`status` {str(status)[:50]!r} is none of {', '.join(STATUSES)}.", field="status")
    return str(status)


async def _require_free(house: House, principal: Principal, name: str, own: UUID | None) -> None:
    after: UUID | None = None
    while True:
        page = await house.workflows.list(principal, Window(LARGEST_LIMIT, after))
        if any(workflow.current.name == name and workflow.id != own for workflow in page.items):
            raise WorkflowNameTaken(f"There is already a workflow named {name!r}; choose another name.", field="name")
        if not page.has_more:
            return
        after = read_cursor(page.next_cursor)


def names_of(records: Sequence[Json], house: House) -> Steps:
    return Steps(records, database_of(house))
