"""All SQL of the jobs slice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import LiteralString
from uuid import UUID

from glia.jobs.types import Job, JobFilter, JobSpec
from glia.kit.db import Transaction, json
from glia.kit.pages import Window

# A job that stands for a run shows the run's state; one truth, not two that could differ.
_STATUS: LiteralString = """
    case when r.id is null then j.status
         when r.status = 'queued' then 'pending'
         when r.status in ('running', 'waiting') then 'in_progress'
         else r.status end"""

_JOBS: LiteralString = f"""
    select j.id, j.project_id, j.agent_id, j.run_id, j.parent_id, j.root_id, j.depth, j.kind, j.title, j.description,
      {_STATUS} as status, j.priority,
      case when r.status = 'completed' then 100 else j.progress end as progress, j.total_steps,
      case when r.status = 'completed' then j.total_steps else j.completed_steps end as completed_steps,
      j.current_step, j.input,
      case when r.status = 'completed' then coalesce(j.output, (
        select jsonb_build_object('answer', e.data -> 'message' ->> 'content') from events e
        where e.run_id = r.id and e.type = 'run.completed' limit 1)) else j.output end as output,
      case when r.id is null then j.error else r.error ->> 'message' end as error,
      j.tags, j.resources, j.metadata, j.created_by, j.created_at,
      greatest(j.updated_at, r.started_at, r.finished_at) as updated_at,
      case when r.id is null then j.started_at else r.started_at end as started_at,
      case when r.id is null then j.finished_at else r.finished_at end as finished_at
    from jobs j left join runs r on r.id = j.run_id """

_MATCHES: LiteralString = f"""
    where (%(agent_id)s::uuid is null or j.agent_id = %(agent_id)s)
      and (%(status)s::text is null or {_STATUS} = %(status)s)
      and (%(kind)s::text is null or j.kind = %(kind)s)
      and (%(tag)s::text is null or %(tag)s = any(j.tags))
      and (%(parent_id)s::uuid is null or j.parent_id = %(parent_id)s)
      and (%(run_id)s::uuid is null or j.run_id = %(run_id)s)
      and (not %(is_top)s or j.parent_id is null) """


async def insert(
    tx: Transaction,
    id: UUID,
    spec: JobSpec,
    *,
    workspace_id: UUID,
    project_id: UUID,
    root_id: UUID,
    depth: int,
    run_id: UUID | None,
    created_by: str,
) -> None:
    await tx.execute(
        """
        insert into jobs (id, workspace_id, project_id, agent_id, run_id, parent_id, root_id, depth, kind, title,
          description, priority, total_steps, input, tags, resources, metadata, created_by)
        values (%(id)s, %(workspace_id)s, %(project_id)s, %(agent_id)s, %(run_id)s, %(parent_id)s, %(root_id)s,
          %(depth)s, %(kind)s, %(title)s, %(description)s, %(priority)s, %(total_steps)s, %(input)s, %(tags)s,
          %(resources)s, %(metadata)s, %(created_by)s)""",
        id=id,
        workspace_id=workspace_id,
        project_id=project_id,
        agent_id=spec.agent_id,
        run_id=run_id,
        parent_id=spec.parent_id,
        root_id=root_id,
        depth=depth,
        kind=spec.kind,
        title=spec.title,
        description=spec.description,
        priority=spec.priority,
        total_steps=spec.total_steps,
        input=json(spec.input),
        tags=list(spec.tags),
        resources=list(spec.resources),
        metadata=json(spec.metadata),
        created_by=created_by,
    )


async def get(tx: Transaction, id: UUID) -> Job | None:
    return await tx.one_or_none(Job, _JOBS + "where j.id = %(id)s", id=id)


async def lock(tx: Transaction, id: UUID) -> Job | None:
    """Holds the job: its changes come one after another."""
    return await tx.one_or_none(Job, _JOBS + "where j.id = %(id)s for update of j", id=id)


async def hold_tree(tx: Transaction, root_id: UUID) -> int:
    """Holds the tree's top, so that jobs come into it one after another, and counts what is in it."""
    await tx.execute("select from jobs where id = %(root_id)s for update", root_id=root_id)
    return await tx.value("select count(*) from jobs where root_id = %(root_id)s", root_id=root_id)


def _parameters(only: JobFilter) -> dict[str, object]:
    return {
        "agent_id": only.agent_id,
        "status": only.status,
        "kind": only.kind,
        "tag": only.tag,
        "parent_id": only.parent_id,
        "run_id": only.run_id,
        "is_top": only.is_top,
    }


async def list_page(tx: Transaction, window: Window, only: JobFilter) -> list[Job]:
    return await tx.many(
        Job,
        _JOBS + _MATCHES + "and (%(after)s::uuid is null or j.id < %(after)s) order by j.id desc limit %(rows)s",
        after=window.after,
        rows=window.limit + 1,
        **_parameters(only),
    )


async def list_at(tx: Transaction, only: JobFilter, *, limit: int, offset: int) -> list[Job]:
    return await tx.many(
        Job,
        _JOBS + _MATCHES + "order by j.id desc limit %(limit)s offset %(offset)s",
        limit=limit,
        offset=offset,
        **_parameters(only),
    )


async def count(tx: Transaction, only: JobFilter) -> int:
    return await tx.value(
        "select count(*) from jobs j left join runs r on r.id = j.run_id " + _MATCHES, **_parameters(only)
    )


async def below(tx: Transaction, root_id: UUID, depth: int) -> list[Job]:
    """The jobs of a tree that lie deeper than this, oldest first."""
    return await tx.many(
        Job,
        _JOBS + "where j.root_id = %(root_id)s and j.depth > %(depth)s order by j.id",
        root_id=root_id,
        depth=depth,
    )


async def about(tx: Transaction, resource: str, agent_id: UUID | None) -> Job | None:
    """The newest job about a resource, or whose run it is."""
    return await tx.one_or_none(
        Job,
        _JOBS
        + """
        where (j.resources @> array[%(resource)s] or j.run_id::text = %(resource)s)
          and (%(agent_id)s::uuid is null or j.agent_id = %(agent_id)s)
        order by j.id desc limit 1""",
        resource=resource,
        agent_id=agent_id,
    )


async def update(tx: Transaction, job: Job, resources: Sequence[str]) -> None:
    """Writes what may change of a job as it is in this object."""
    await tx.execute(
        """
        update jobs set status = %(status)s, progress = %(progress)s, completed_steps = %(completed_steps)s,
          total_steps = %(total_steps)s, current_step = %(current_step)s, output = %(output)s, error = %(error)s,
          title = %(title)s, description = %(description)s, priority = %(priority)s, tags = %(tags)s,
          resources = %(resources)s, metadata = %(metadata)s, updated_at = clock_timestamp(),
          started_at = case when %(status)s <> 'pending' then coalesce(started_at, clock_timestamp()) end,
          finished_at = case when %(is_final)s then coalesce(finished_at, clock_timestamp()) end
        where id = %(id)s""",
        id=job.id,
        status=job.status,
        is_final=job.status.is_final,
        progress=job.progress,
        completed_steps=job.completed_steps,
        total_steps=job.total_steps,
        current_step=job.current_step,
        output=None if job.output is None else json(job.output),
        error=job.error,
        title=job.title,
        description=job.description,
        priority=job.priority,
        tags=list(job.tags),
        resources=list(resources),
        metadata=json(job.metadata),
    )


async def delete(tx: Transaction, id: UUID) -> bool:
    """With the jobs below it."""
    return await tx.execute("delete from jobs where id = %(id)s", id=id) == 1


async def open_runs(tx: Transaction, job: Job) -> list[UUID]:
    """Runs that have not ended of a job and of those below it."""
    return await tx.values(
        """
        with recursive line as (
          select id, run_id from jobs where id = %(id)s
          union all
          select j.id, j.run_id from line join jobs j on j.parent_id = line.id
        ) select r.id from line join runs r on r.id = line.run_id
        where r.status in ('queued', 'running', 'waiting')""",
        id=job.id,
    )


async def close_stale(tx: Transaction, *, agent_id: UUID | None, seconds: float, error: str) -> list[UUID]:
    """Jobs in progress that nobody has told anything of for so long fail. Those of runs are the engine's."""
    return await tx.values(
        """
        update jobs set status = 'failed', error = %(error)s, finished_at = clock_timestamp(),
          updated_at = clock_timestamp()
        where status = 'in_progress' and run_id is null
          and (%(agent_id)s::uuid is null or agent_id = %(agent_id)s)
          and updated_at < clock_timestamp() - make_interval(secs => %(seconds)s)
        returning id""",
        agent_id=agent_id,
        seconds=seconds,
        error=error,
    )


async def set_output(tx: Transaction, run_id: UUID, output: dict[str, object]) -> None:
    await tx.execute(
        "update jobs set output = %(output)s, updated_at = clock_timestamp() where run_id = %(run_id)s",
        output=json(output),
        run_id=run_id,
    )
