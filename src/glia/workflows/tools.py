"""Workflows as tools of agents: an agent that names `workflow__<slug>` starts it and is told its output.

The execution is a run of its own. The run that called waits without a worker until it has ended.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast
from uuid import UUID

import orjson

from glia.identity.types import Principal, system_principal
from glia.kit.db import Database, Transaction
from glia.kit.pages import Window
from glia.tools.errors import InvalidArguments
from glia.tools.types import ChildRun, Effect, Tool, ToolContext, ToolResult
from glia.workflows import queries
from glia.workflows.service import Workflows
from glia.workflows.types import DEEPEST_NESTING, Execution, Workflow

PREFIX = "workflow__"
_LONGEST_NAME = 64
_MOST_SUGGESTED = 100


class WorkflowTools:
    """workflows: set once they exist; tools are built before them, because their steps call tools."""

    workflows: Workflows

    def __init__(self, db: Database) -> None:
        self._db = db

    async def resolve(self, principal: Principal, names: Sequence[str]) -> Mapping[str, Sequence[Tool]]:
        found: dict[str, list[Tool]] = {}
        async with self._db.transaction(principal.workspace_id) as tx:
            for name in names:
                id = await _id_of(tx, name)
                workflow = None if id is None else await queries.get(tx, id)
                if workflow is not None:
                    found[name] = [self._tool(workflow)]
        return found

    async def known(self, principal: Principal, tx: Transaction, names: Sequence[str]) -> set[str]:
        return {name for name in names if await _id_of(tx, name) is not None}

    async def suggestions(self, principal: Principal, tx: Transaction) -> list[str]:
        listed = await queries.list_page(tx, Window(limit=_MOST_SUGGESTED))
        return [f"{PREFIX}{workflow.slug}" for workflow in listed]

    def _tool(self, workflow: Workflow) -> Tool:
        schema, is_wrapped = _schema_of(workflow)

        async def call(context: ToolContext, arguments: str) -> ToolResult:
            return await self._call(workflow, context, _input(arguments, is_wrapped=is_wrapped))

        about = workflow.current.description or "It answers with its output."
        description = f"Starts the workflow {workflow.current.name} and waits for it. {about}"[:1000]
        return Tool(_name_of(workflow), description, schema, Effect.IDEMPOTENT, call)

    async def _call(self, workflow: Workflow, context: ToolContext, input: Any) -> ToolResult:
        if context.agent_id is None:
            return ToolResult("Only agents start workflows as tools; use a step of the kind `workflow`.", is_error=True)
        async with self._db.transaction(context.workspace_id) as tx:
            caller = await queries.caller(tx, context.run_id)
        if caller.depth >= DEEPEST_NESTING:
            return ToolResult(f"Runs lie {caller.depth} deep already; do it without a workflow.", is_error=True)
        principal = replace(system_principal(context.workspace_id, context.project_id), key_id=caller.key_id)
        child = await self.workflows.start(
            principal, workflow.id, input, dedupe_key=context.idempotency_key, parent_run_id=context.run_id
        )
        execution = await self.workflows.execution(principal, workflow.id, child.run_id)
        if not execution.status.is_final:
            return ToolResult("", child=ChildRun(child.run_id, child.session_id))
        return _result(workflow.current.name, execution)


def _result(name: str, execution: Execution) -> ToolResult:
    if execution.status == "completed":
        output = execution.output
        return ToolResult(output if isinstance(output, str) else orjson.dumps(output).decode())
    if execution.status == "failed":
        said = (execution.error or {}).get("message", "nobody knows why.")
        return ToolResult(f"{name} failed: {said}", is_error=True)
    return ToolResult(f"{name} was cancelled before it had an output.", is_error=True)


def _schema_of(workflow: Workflow) -> tuple[Mapping[str, object], bool]:
    """Arguments are an object; an input that may be something else is their only field."""
    schema: dict[str, object] | None = workflow.current.definition.get("input_schema")
    if schema is None:
        return {"type": "object", "properties": {}}, False
    if schema.get("type") == "object":
        return {"properties": {}, **schema}, False
    return {"type": "object", "properties": {"input": schema}, "required": ["input"]}, True


def _input(arguments: str, *, is_wrapped: bool) -> Any:
    """Any: JSON; the workflow's schema is checked when it is started."""
    try:
        given = orjson.loads(arguments or "{}")
    except orjson.JSONDecodeError as error:
        raise InvalidArguments(f"The arguments are not JSON: {error}.") from None
    if not isinstance(given, dict):
        raise InvalidArguments("The arguments must be an object.")
    fields = cast(dict[str, Any], given)
    if not is_wrapped:
        return fields
    if set(fields) != {"input"}:
        raise InvalidArguments("The arguments must be an object with `input` and nothing else.")
    return fields["input"]


def _name_of(workflow: Workflow) -> str:
    """What models may call a tool; one that had to be changed ends in a part of the id, so that no two are the same."""
    name = f"{PREFIX}{workflow.slug}"
    allowed = re.sub(r"[^a-zA-Z0-9_-]", "_", name)[:_LONGEST_NAME]
    return name if allowed == name else f"{allowed[: _LONGEST_NAME - 9]}_{workflow.id.hex[-8:]}"


async def _id_of(tx: Transaction, name: str) -> UUID | None:
    return await queries.find_id(tx, name.removeprefix(PREFIX)) if name.startswith(PREFIX) else None
