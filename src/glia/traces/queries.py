"""All SQL of the traces slice: what is to be sent, and what a trace is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from glia.kit.db import Transaction
from glia.runs.events import Event


@dataclass(frozen=True)
class Pending:
    """A run whose trace is to be sent, and how often that was tried, this time included."""

    run_id: UUID
    workspace_id: UUID
    attempts: int


async def want_traces(tx: Transaction, seconds: float) -> None:
    """From now on, and for so long, runs that end are put into the outbox."""
    await tx.execute(
        """
        insert into trace_export (until) values (now() + make_interval(secs => %(seconds)s))
        on conflict (is_only) do update set until = excluded.until where trace_export.until < excluded.until""",
        seconds=seconds,
    )


async def claim(tx: Transaction, *, limit: int, lease_seconds: float) -> list[Pending]:
    return await tx.many(
        Pending,
        """
        update trace_outbox o set attempts = o.attempts + 1,
          next_at = clock_timestamp() + make_interval(secs => %(lease)s)
        where o.run_id in (select run_id from trace_outbox where next_at <= statement_timestamp()
                           order by next_at limit %(limit)s for update skip locked)
          and o.next_at <= statement_timestamp()
        returning o.run_id, o.workspace_id, o.attempts""",
        limit=limit,
        lease=lease_seconds,
    )


async def sent(tx: Transaction, runs: Sequence[UUID]) -> None:
    await tx.execute("delete from trace_outbox where run_id = any(%(runs)s)", runs=list(runs))


async def postpone(tx: Transaction, runs: Sequence[UUID], seconds: float) -> None:
    await tx.execute(
        """
        update trace_outbox set next_at = clock_timestamp() + make_interval(secs => %(seconds)s)
        where run_id = any(%(runs)s)""",
        runs=list(runs),
        seconds=seconds,
    )


async def forget_old(tx: Transaction, *, keep_seconds: float, largest: int) -> int:
    """Drops what waited too long, and the oldest of what is too much. How many traces were lost."""
    await tx.execute("delete from trace_parents where created_at < now() - interval '30 days'")
    return await tx.execute(
        """
        delete from trace_outbox where created_at < statement_timestamp() - make_interval(secs => %(keep)s)
          or run_id in (select run_id from trace_outbox order by created_at desc offset %(largest)s)""",
        keep=keep_seconds,
        largest=largest,
    )


async def keep_parent(tx: Transaction, run_id: UUID, workspace_id: UUID, traceparent: str) -> None:
    await tx.execute(
        """
        insert into trace_parents (run_id, workspace_id, traceparent)
        values (%(run_id)s, %(workspace_id)s, %(traceparent)s) on conflict (run_id) do nothing""",
        run_id=run_id,
        workspace_id=workspace_id,
        traceparent=traceparent,
    )


@dataclass(frozen=True)
class TracedRun:
    """A run with what its trace says of it. traceparent: of the run at the top of its tree.

    parent_call_id: the tool call of the parent that this run answers.
    """

    id: UUID
    workspace_id: UUID
    session_id: UUID
    kind: str
    agent_id: UUID | None
    agent_version: int | None
    agent_name: str | None
    model: str | None
    status: str
    attempt: int
    input_tokens: int
    output_tokens: int
    cost_micros: int | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime
    root_run_id: UUID
    parent_run_id: UUID | None
    parent_call_id: str | None
    traceparent: str | None


async def run(tx: Transaction, id: UUID) -> TracedRun | None:
    return await tx.one_or_none(
        TracedRun,
        """
        select r.id, r.workspace_id, r.session_id, r.kind, r.agent_id, r.agent_version, v.name as agent_name, v.model,
          r.status, r.attempt, r.input_tokens, r.output_tokens, r.cost_micros, r.created_at, r.started_at,
          coalesce(r.finished_at, clock_timestamp()) as finished_at, r.root_run_id, r.parent_run_id,
          (select e.data->>'tool_call_id' from events e
           where e.run_id = r.parent_run_id and e.type = 'child.started' and e.data->>'run_id' = r.id::text
           limit 1) as parent_call_id,
          (select t.traceparent from trace_parents t where t.run_id = r.root_run_id) as traceparent
        from runs r left join agent_versions v on v.agent_id = r.agent_id and v.version = r.agent_version
        where r.id = %(id)s""",
        id=id,
    )


async def events(tx: Transaction, run_id: UUID, *, limit: int) -> list[Event]:
    """What happened in a run, without what the model wrote piece by piece."""
    return await tx.many(
        Event,
        """
        select seq, type, at, run_id, attempt, data::text as data from events
        where run_id = %(run_id)s and type not in ('text.delta', 'thinking.delta', 'job.progress')
        order by seq limit %(limit)s""",
        run_id=run_id,
        limit=limit,
    )
