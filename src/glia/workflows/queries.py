"""All SQL of the workflows slice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

import orjson

from glia.kit.db import Transaction, json
from glia.kit.pages import Window
from glia.runs.events import Event
from glia.runs.types import ENGINE_ABI, RunStatus
from glia.workflows.types import WORKFLOW, Execution, Workflow, WorkflowId, WorkflowSpec, WorkflowVersion


async def reused(tx: Transaction, workflow_id: UUID, key: str) -> str | None:
    """What a step answered under this key, as JSON; None when none has."""
    return await tx.value(
        "select output::text from reused_steps where workflow_id = %(workflow_id)s and key = %(key)s",
        workflow_id=workflow_id,
        key=key,
    )


async def keep_for_reuse(
    tx: Transaction, *, workspace_id: UUID, workflow_id: UUID, key: str, execution_id: UUID, output: str
) -> None:
    """The first that completes under a key is the one that stays. Nothing is kept of a workflow that is gone."""
    await tx.execute(
        """
        insert into reused_steps (workspace_id, workflow_id, key, execution_id, output)
        select %(workspace_id)s, id, %(key)s, %(execution_id)s, %(output)s::json from workflows
        where id = %(workflow_id)s
        on conflict do nothing""",
        workspace_id=workspace_id,
        workflow_id=workflow_id,
        key=key,
        execution_id=execution_id,
        output=output,
    )


async def forget_reused(tx: Transaction, workflow_id: UUID, key: str, execution_id: UUID) -> None:
    await tx.execute(
        """
        delete from reused_steps
        where workflow_id = %(workflow_id)s and key = %(key)s and execution_id = %(execution_id)s""",
        workflow_id=workflow_id,
        key=key,
        execution_id=execution_id,
    )


@dataclass(frozen=True)
class _Row:
    id: WorkflowId
    slug: str
    created_at: datetime
    updated_at: datetime
    version: int
    name: str
    description: str
    definition: dict[str, Any]
    metadata: dict[str, object]
    created_by: str
    versioned_at: datetime
    project_id: UUID

    def workflow(self) -> Workflow:
        version = WorkflowVersion(
            self.version,
            self.name,
            self.description,
            self.definition,
            self.metadata,
            self.created_by,
            self.versioned_at,
        )
        return Workflow(self.id, self.slug, version, self.created_at, self.updated_at, self.project_id)


_WORKFLOWS: LiteralString = """
    select w.id, w.slug, w.created_at, w.updated_at, v.version, v.name, v.description, v.definition, v.metadata,
      v.created_by, v.created_at as versioned_at, w.project_id
    from workflows w join workflow_versions v on v.workflow_id = w.id
      and v.version = coalesce(%(version)s::int, w.version) """


async def insert(tx: Transaction, id: UUID, slug: str, *, workspace_id: UUID, project_id: UUID) -> bool:
    """False when the slug is taken."""
    count = await tx.execute(
        """
        insert into workflows (id, workspace_id, project_id, slug, version)
        values (%(id)s, %(workspace_id)s, %(project_id)s, %(slug)s, 1)
        on conflict (workspace_id, slug) where deleted_at is null do nothing""",
        id=id,
        workspace_id=workspace_id,
        project_id=project_id,
        slug=slug,
    )
    return count == 1


async def insert_version(
    tx: Transaction, id: UUID, version: int, spec: WorkflowSpec, *, workspace_id: UUID, created_by: str
) -> None:
    await tx.execute(
        """
        insert into workflow_versions (workflow_id, version, workspace_id, name, description, definition, metadata,
          created_by)
        values (%(id)s, %(version)s, %(workspace_id)s, %(name)s, %(description)s, %(definition)s::json, %(metadata)s,
          %(created_by)s)""",
        id=id,
        version=version,
        workspace_id=workspace_id,
        name=spec.name,
        description=spec.description,
        definition=orjson.dumps(spec.definition).decode(),
        metadata=json(spec.metadata),
        created_by=created_by,
    )


async def get(tx: Transaction, id: UUID, version: int | None = None) -> Workflow | None:
    """The workflow at a version, or as it is now. Old versions of a deleted one stay readable for its executions."""
    row = await tx.one_or_none(
        _Row,
        _WORKFLOWS + "where w.id = %(id)s and (w.deleted_at is null or %(version)s::int is not null)",
        id=id,
        version=version,
    )
    return None if row is None else row.workflow()


async def find_id(tx: Transaction, slug: str) -> UUID | None:
    return await tx.value("select id from workflows where slug = %(slug)s and deleted_at is null", slug=slug)


async def lock(tx: Transaction, id: UUID) -> int | None:
    """The current version number, held until the transaction ends; None when there is no such workflow."""
    return await tx.value("select version from workflows where id = %(id)s and deleted_at is null for update", id=id)


async def set_version(tx: Transaction, id: UUID, version: int) -> None:
    await tx.execute(
        "update workflows set version = %(version)s, updated_at = now() where id = %(id)s", id=id, version=version
    )


async def list_page(tx: Transaction, window: Window) -> list[Workflow]:
    rows = await tx.many(
        _Row,
        _WORKFLOWS
        + """
        where w.deleted_at is null and (%(after)s::uuid is null or w.id < %(after)s)
        order by w.id desc limit %(rows)s""",
        version=None,
        after=window.after,
        rows=window.limit + 1,
    )
    return [row.workflow() for row in rows]


async def list_versions(tx: Transaction, id: UUID) -> list[WorkflowVersion]:
    return await tx.many(
        WorkflowVersion,
        """
        select version, name, description, definition, metadata, created_by, created_at
        from workflow_versions where workflow_id = %(id)s order by version desc limit 1000""",
        id=id,
    )


async def delete(tx: Transaction, id: UUID) -> bool:
    count = await tx.execute(
        "update workflows set deleted_at = now(), updated_at = now() where id = %(id)s and deleted_at is null", id=id
    )
    return count == 1


@dataclass(frozen=True)
class Known:
    """An execution that was begun under a key."""

    run_id: UUID
    session_id: UUID
    input: Any


async def known(tx: Transaction, dedupe_key: str) -> Known | None:
    return await tx.one_or_none(
        Known,
        """
        select id as run_id, session_id, input->'input' as input from runs where dedupe_key = %(dedupe_key)s""",
        dedupe_key=dedupe_key,
    )


async def depth_of(tx: Transaction, run_id: UUID) -> int | None:
    return await tx.value("select depth from runs where id = %(run_id)s", run_id=run_id)


@dataclass(frozen=True)
class Caller:
    """The run that starts an execution."""

    key_id: UUID | None
    depth: int


async def caller(tx: Transaction, run_id: UUID) -> Caller:
    return await tx.one(Caller, "select key_id, depth from runs where id = %(run_id)s", run_id=run_id)


async def insert_run(
    tx: Transaction,
    id: UUID,
    *,
    workspace_id: UUID,
    project_id: UUID,
    session_id: UUID,
    key_id: UUID | None,
    input: dict[str, object],
    dedupe_key: str | None,
    parent_run_id: UUID | None,
) -> bool:
    """False when the key was used before."""
    count = await tx.execute(
        """
        insert into runs (id, workspace_id, project_id, session_id, kind, key_id, status, is_background, engine_abi,
          input, dedupe_key, parent_run_id, root_run_id, depth)
        select %(id)s, %(workspace_id)s, %(project_id)s, %(session_id)s, %(kind)s, %(key_id)s, 'queued', true, %(abi)s,
          %(input)s, %(dedupe_key)s, %(parent)s::uuid,
          coalesce((select root_run_id from runs where id = %(parent)s), %(id)s),
          coalesce((select depth + 1 from runs where id = %(parent)s), 0)
        on conflict do nothing""",
        id=id,
        workspace_id=workspace_id,
        project_id=project_id,
        session_id=session_id,
        kind=WORKFLOW,
        key_id=key_id,
        abi=ENGINE_ABI,
        input=json(input),
        dedupe_key=dedupe_key,
        parent=parent_run_id,
    )
    return count == 1


async def call_workers(tx: Transaction) -> None:
    await tx.execute("select pg_notify('glia_work', '')")


_EXECUTIONS: LiteralString = """
    select id, (input->>'workflow_id')::uuid as workflow_id, (input->>'workflow_version')::int as version, session_id,
      status, attempt, input->'input' as input, input->'origin' as origin, null as output, error, waiting_for, wake_at,
      coalesce(dedupe_key like '%%:trigger:%%', false) as is_fired, parent_run_id, cancel_requested_at, created_at,
      started_at, finished_at
    from runs where kind = 'workflow' and input->>'workflow_id' = %(workflow_id)s """


async def get_execution(tx: Transaction, workflow_id: UUID, id: UUID) -> Execution | None:
    return await tx.one_or_none(Execution, _EXECUTIONS + "and id = %(id)s", workflow_id=str(workflow_id), id=id)


async def list_executions(
    tx: Transaction, workflow_id: UUID, window: Window, *, status: RunStatus | None
) -> list[Execution]:
    return await tx.many(
        Execution,
        _EXECUTIONS
        + """
          and (%(status)s::text is null or status = %(status)s) and (%(after)s::uuid is null or id < %(after)s)
        order by id desc limit %(rows)s""",
        workflow_id=str(workflow_id),
        status=status,
        after=window.after,
        rows=window.limit + 1,
    )


async def read_steps(tx: Transaction, run_id: UUID) -> list[Event]:
    """Everything in an execution's log that its state is folded from."""
    return await tx.many(
        Event,
        """
        select seq, type, at, run_id, attempt, data::text as data from events
        where run_id = %(run_id)s and (type like 'step.%%'
          or type in ('tool.called', 'approval.requested', 'approval.decided', 'workflow.completed'))
        order by seq""",
        run_id=run_id,
    )


async def read_decisions(tx: Transaction, run_id: UUID, *, after: int) -> list[Event]:
    return await tx.many(
        Event,
        """
        select seq, type, at, run_id, attempt, data::text as data from events
        where run_id = %(run_id)s and seq > %(after)s and type = 'approval.decided' order by seq""",
        run_id=run_id,
        after=after,
    )


@dataclass(frozen=True)
class Ended:
    """A run that has ended, with what it said. output: of a workflow; message: of an agent, as its event has it."""

    run_id: UUID
    status: RunStatus
    kind: str
    last: str
    output: str | None


async def ended(tx: Transaction, ids: Sequence[UUID]) -> list[Ended]:
    """Those of these runs that have ended. last: their last event; output: their `workflow.completed`; both as JSON."""
    return await tx.many(
        Ended,
        """
        select r.id as run_id, r.status, r.kind,
          coalesce((select e.data::text from events e where e.run_id = r.id
             and e.type in ('run.completed', 'run.failed', 'run.cancelled') order by e.seq desc limit 1), '{}') as last,
          (select e.data::text from events e where e.run_id = r.id and e.type = 'workflow.completed'
             order by e.seq desc limit 1) as output
        from runs r where r.id = any(%(ids)s) and r.status in ('completed', 'failed', 'cancelled')""",
        ids=list(ids),
    )


async def has_news(tx: Transaction, *, children: Sequence[UUID], approvals: Sequence[UUID]) -> bool:
    """Whether any of these runs has ended, or any of these approvals been decided."""
    return bool(
        await tx.value(
            """
            select exists (select from runs where id = any(%(children)s)
                           and status in ('completed', 'failed', 'cancelled'))
              or exists (select from approvals where id = any(%(approvals)s) and status <> 'pending')""",
            children=list(children),
            approvals=list(approvals),
        )
    )


async def in_project(
    tx: Transaction, project_id: UUID, *, text: str, limit: int, offset: int
) -> tuple[list[Workflow], int]:
    """A page of a project's workflows, newest first, and how many match. text: in name, slug or description."""
    parameters: dict[str, object] = {"project_id": project_id, "text": text, "version": None}
    rows = await tx.many(
        _Row,
        _WORKFLOWS + _IN_PROJECT + " order by w.id desc limit %(limit)s offset %(offset)s",
        limit=limit,
        offset=offset,
        **parameters,
    )
    total = await tx.value(
        "select count(*) from workflows w join workflow_versions v on v.workflow_id = w.id and v.version = w.version"
        + _IN_PROJECT,
        **parameters,
    )
    return [row.workflow() for row in rows], total


_IN_PROJECT: LiteralString = """
    where w.deleted_at is null and w.project_id = %(project_id)s
      and (%(text)s = '' or strpos(lower(v.name || ' ' || w.slug || ' ' || v.description), lower(%(text)s)) > 0)"""
