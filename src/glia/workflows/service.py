"""Workflows: make, change, validate, start, and look at their executions."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any
from uuid import UUID

import orjson

from glia.agents.service import Agents
from glia.identity.types import Principal
from glia.kit.db import Database, Transaction
from glia.kit.errors import Conflict, GliaError, InvalidRequest
from glia.kit.ids import new_id
from glia.kit.jobs import StartJob
from glia.kit.outbound import Outbound
from glia.kit.pages import Page, Window, page_of
from glia.kit.slugs import slug_of
from glia.runs import queries as run_queries
from glia.runs.engine import Work
from glia.runs.events import RunCreated
from glia.runs.log import RunLog
from glia.runs.service import Runs
from glia.runs.types import Accepted, RunId, RunStatus
from glia.sessions.service import open_session
from glia.tools.service import Tools
from glia.workflows import queries
from glia.workflows.acts import Crew
from glia.workflows.checks import check_spec, check_title, problems_of, slug_or_refusal
from glia.workflows.errors import ExecutionNotFound, KeyUsedOtherwise, WorkflowNotFound, WorkflowSlugTaken
from glia.workflows.graph import Graph, graph_of
from glia.workflows.parsing import parse
from glia.workflows.schema import fault
from glia.workflows.state import fold
from glia.workflows.types import (
    LARGEST_INPUT_BYTES,
    WORKFLOW,
    Execution,
    Problem,
    Workflow,
    WorkflowSpec,
    WorkflowVersion,
)
from glia.workflows.views import steps_of
from glia.workflows.work import WorkflowWork

_GRAPHS_KEPT = 200
_MOST_TRIES = 5
LONGEST_KEY = 200


@dataclass(frozen=True)
class _Plan:
    """A version, ready to be executed."""

    version: WorkflowVersion
    graph: Graph


class Workflows:
    def __init__(
        self,
        db: Database,
        *,
        agents: Agents,
        tools: Tools,
        outbound: Outbound,
        start_job: StartJob | None = None,
        has_mail: bool = False,
    ) -> None:
        """start_job: for telling people that a step waits for them; None tells nobody. has_mail: mails can be sent."""
        self._db = db
        self._crew = Crew(db, agents, tools, outbound, start_job, has_mail)
        self._crew.start = self.start
        self._plans: OrderedDict[tuple[UUID, int], _Plan] = OrderedDict()
        self._wake: Callable[[], None] = lambda: None

    def connect(self, runs: Runs, wake: Callable[[], None]) -> None:
        """Closes the circle: the engine needs `work`, and executions start runs. wake: there may be work."""
        self._crew.runs = runs
        self._wake = wake

    # -- definitions --

    async def create(self, principal: Principal, spec: WorkflowSpec, *, slug: str | None = None) -> Workflow:
        """slug: the workflow's name in addresses; made from its name when not given. Raises InvalidWorkflow."""
        principal.require("workflows:write")
        check_title(spec)
        slug = slug_or_refusal(slug)
        id = new_id()
        await check_spec(self._crew, principal, spec, own=(id, slug))
        async with self._db.transaction(principal.workspace_id) as tx:
            await _insert(tx, principal, id, slug, name=spec.name)
            await queries.insert_version(
                tx, id, 1, spec, workspace_id=principal.workspace_id, created_by=principal.name
            )
            return await _get(tx, id)

    async def validate(self, principal: Principal, definition: Mapping[str, Any]) -> list[Problem]:
        """Everything that is wrong with a definition; nothing is kept."""
        principal.require("workflows:read")
        return await problems_of(self._crew, principal, definition, own=(None, None))

    async def get(self, principal: Principal, id: UUID, *, version: int | None = None) -> Workflow:
        principal.require("workflows:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            return await _get(tx, id, version)

    async def find(self, principal: Principal, reference: UUID | str) -> Workflow:
        """By id or slug."""
        principal.require("workflows:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            return await _get(tx, await _id_of(tx, reference))

    async def list(self, principal: Principal, window: Window) -> Page[Workflow]:
        principal.require("workflows:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            rows = await queries.list_page(tx, window)
        return page_of(rows, window, lambda workflow: workflow.id)

    async def search(
        self, principal: Principal, *, text: str = "", limit: int = 20, offset: int = 0
    ) -> tuple[list[Workflow], int]:
        """A page of the workflows of the caller's project, newest first, and how many match."""
        principal.require("workflows:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            return await queries.in_project(tx, principal.project_id, text=text, limit=limit, offset=offset)

    async def update(self, principal: Principal, id: UUID, changes: dict[str, Any]) -> Workflow:
        """Makes a new version. changes: fields of WorkflowSpec; of `definition` what is not given stays."""
        principal.require("workflows:write")
        for _ in range(_MOST_TRIES):
            before = await self.get(principal, id)
            spec = _changed(before.current, changes)
            check_title(spec)
            await check_spec(self._crew, principal, spec, own=(id, before.slug))
            async with self._db.transaction(principal.workspace_id) as tx:
                version = await queries.lock(tx, id)
                if version is None:
                    raise _missing(id)
                if version != before.version:
                    continue
                await queries.insert_version(
                    tx, id, version + 1, spec, workspace_id=principal.workspace_id, created_by=principal.name
                )
                await queries.set_version(tx, id, version + 1)
                return await _get(tx, id)
        raise Conflict("Others keep changing this workflow; try again.")

    async def versions(self, principal: Principal, id: UUID) -> list[WorkflowVersion]:
        """Newest first, at most 1,000."""
        principal.require("workflows:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            await _get(tx, id)
            return await queries.list_versions(tx, id)

    async def delete(self, principal: Principal, id: UUID) -> None:
        """Executions that were begun go on, and stay readable as runs."""
        principal.require("workflows:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            if not await queries.delete(tx, id):
                raise _missing(id)

    # -- executions --

    async def start(
        self,
        principal: Principal,
        workflow: UUID | str,
        input: Any,
        *,
        version: int | None = None,
        dedupe_key: str | None = None,
        parent_run_id: UUID | None = None,
        origin: Mapping[str, Any] | None = None,
    ) -> Accepted:
        """Begins an execution. Any worker takes it.

        workflow: id or slug. dedupe_key: the first execution that was begun under it is the answer to every later try;
        with another input KeyUsedOtherwise is raised. parent_run_id: the run that waits for this one. origin: why it is
        begun, in the words of whoever begins it; kept with the execution.
        """
        principal.require("runs:write")
        if dedupe_key is not None and not 1 <= len(dedupe_key) <= LONGEST_KEY:
            raise InvalidRequest(
                f"`idempotency_key` has {len(dedupe_key)} characters; it must have 1 to {LONGEST_KEY}.",
                field="idempotency_key",
            )
        starting = asyncio.ensure_future(
            self._start(principal, workflow, input, version, dedupe_key, parent_run_id, origin)
        )
        return await asyncio.shield(starting)

    async def _start(
        self,
        principal: Principal,
        reference: UUID | str,
        input: Any,
        version: int | None,
        dedupe_key: str | None,
        parent_run_id: UUID | None,
        origin: Mapping[str, Any] | None,
    ) -> Accepted:
        run_id = new_id()
        key = None
        try:
            async with self._db.transaction(principal.workspace_id) as tx:
                workflow = await _get(tx, await _id_of(tx, reference), version)
                _check_input(workflow.current, input)
                key = None if dedupe_key is None else f"workflow:{workflow.id}:{dedupe_key}"
                session = await open_session(tx, principal, agent_id=None, title=workflow.current.name)
                given: dict[str, object] = {
                    "workflow_id": str(workflow.id),
                    "workflow_version": workflow.version,
                    "input": input,
                }
                if origin is not None:
                    given["origin"] = dict(origin)
                is_new = await queries.insert_run(
                    tx,
                    run_id,
                    workspace_id=principal.workspace_id,
                    project_id=principal.project_id,
                    session_id=session.id,
                    key_id=principal.key_id,
                    input=given,
                    dedupe_key=key,
                    parent_run_id=parent_run_id,
                )
                if not is_new:
                    raise _Known
                created = RunCreated(WORKFLOW, True, parent_run_id=parent_run_id)
                await run_queries.append_unfenced(tx, session.id, run_id, None, [created])
                await queries.call_workers(tx)
                tx.after_commit.append(self._wake)
        except _Known:
            return await self._known(principal, str(key), input)
        return Accepted(RunId(run_id), session.id, 0)

    async def _known(self, principal: Principal, key: str, input: Any) -> Accepted:
        async with self._db.transaction(principal.workspace_id) as tx:
            known = await queries.known(tx, key)
        if known is None:
            raise GliaError("The execution that was begun under this key is gone.")
        if known.input != input:
            raise KeyUsedOtherwise(
                "An execution was begun under this key with another input; choose another key for this one.",
                field="idempotency_key",
                execution_id=str(known.run_id),
            )
        return Accepted(RunId(known.run_id), known.session_id, 0, "known")

    async def executions(
        self, principal: Principal, id: UUID, window: Window, *, status: RunStatus | None = None
    ) -> Page[Execution]:
        """Newest first, without their steps."""
        principal.require("runs:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            await _get(tx, id)
            rows = await queries.list_executions(tx, id, window, status=status)
        return page_of(rows, window, lambda execution: execution.id)

    async def execution(self, principal: Principal, id: UUID, execution_id: UUID) -> Execution:
        """One execution with all its steps, as its log tells it."""
        principal.require("runs:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            await _get(tx, id)
            found = await queries.get_execution(tx, id, execution_id)
            if found is None:
                raise ExecutionNotFound(
                    f"There is no execution '{execution_id}' of this workflow.", execution_id=str(execution_id)
                )
            events = await queries.read_steps(tx, execution_id)
        plan = await self._plan(principal.workspace_id, id, found.version)
        state = fold(plan.graph, found.input, found.id, events)
        return replace(found, steps=steps_of(state), output=state.output)

    # -- for the engine --

    async def work(self, log: RunLog) -> Work:
        """The work of one attempt of an execution."""
        run = log.run
        workflow_id, version = UUID(str(run.input["workflow_id"])), int(str(run.input["workflow_version"]))
        plan = await self._plan(run.workspace_id, workflow_id, version)
        return WorkflowWork(log, plan.graph, plan.version.name, self._crew)

    async def _plan(self, workspace_id: UUID, id: UUID, version: int) -> _Plan:
        """Versions never change, so each is read and parsed once."""
        known = self._plans.get((id, version))
        if known is None:
            async with self._db.transaction(workspace_id) as tx:
                current = (await _get(tx, id, version)).current
            parsed = parse(current.definition)
            if parsed.problems:  # written by a newer server: a step that is not understood must not be passed over
                raise GliaError(f"This server cannot read version {version} of the workflow '{id}'; update it.")
            known = _Plan(current, graph_of(parsed.definition))
            self._plans[id, version] = known
            if len(self._plans) > _GRAPHS_KEPT:
                self._plans.popitem(last=False)
        return known


def _changed(version: WorkflowVersion, changes: Mapping[str, Any]) -> WorkflowSpec:
    """Null takes `input_schema` and `output` away."""
    spec = WorkflowSpec(**{field.name: getattr(version, field.name) for field in fields(WorkflowSpec)})
    if "definition" in changes:
        merged = {**spec.definition, **changes["definition"]}
        changes = {**changes, "definition": {name: value for name, value in merged.items() if value is not None}}
    return replace(spec, **changes)


class _Known(Exception):
    """The key was used before: the transaction that opened a session for the run is undone."""


def _check_input(version: WorkflowVersion, input: Any) -> None:
    try:
        data = orjson.dumps(input)
    except (TypeError, orjson.JSONEncodeError):
        raise InvalidRequest("`input` is not plain JSON, or is nested too deeply.", field="input") from None
    if len(data) > LARGEST_INPUT_BYTES:
        raise InvalidRequest(
            f"`input` has {len(data)} bytes; the most is {LARGEST_INPUT_BYTES}. Upload large data and pass on its id.",
            field="input",
        )
    if rb"\u0000" in data:
        raise InvalidRequest("`input` holds a NUL character, which the database cannot keep.", field="input")
    schema = version.definition.get("input_schema")
    found = None if schema is None else fault(schema, input)
    if found is not None:
        where, why = found
        raise InvalidRequest(f"`{where[:200]}` does not satisfy the workflow's input schema: {why}.", field=where[:200])


async def _insert(tx: Transaction, principal: Principal, id: UUID, slug: str | None, *, name: str) -> None:
    """A slug that was asked for must be free; one made from the name gets a suffix when it is not."""
    where = {"workspace_id": principal.workspace_id, "project_id": principal.project_id}
    base = slug or slug_of(name, "workflow")
    if await queries.insert(tx, id, base, **where):
        return
    if slug is not None:
        raise WorkflowSlugTaken(f"There is already a workflow with the slug {slug!r}; choose another.", field="slug")
    await queries.insert(tx, id, f"{base}-{id.hex[-8:]}", **where)


async def _id_of(tx: Transaction, reference: UUID | str) -> UUID:
    if isinstance(reference, UUID):
        return reference
    found = await queries.find_id(tx, reference)
    if found is not None:
        return found
    try:
        return UUID(reference)
    except ValueError:
        raise WorkflowNotFound(f"There is no workflow {reference[:100]!r} in this workspace.") from None


async def _get(tx: Transaction, id: UUID, version: int | None = None) -> Workflow:
    workflow = await queries.get(tx, id, version)
    if workflow is None:
        what = "" if version is None else f" with a version {version}"
        raise WorkflowNotFound(f"There is no workflow '{id}'{what} in this workspace.", workflow_id=str(id))
    return workflow


def _missing(id: UUID) -> WorkflowNotFound:
    return WorkflowNotFound(f"There is no workflow '{id}' in this workspace.", workflow_id=str(id))
