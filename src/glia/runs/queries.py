"""SQL of runs and their log, all of it inside one workspace. What claims runs across workspaces is in lease_queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString
from uuid import UUID

from glia.kit.db import Database, Transaction, json
from glia.kit.pages import Window
from glia.runs.events import Payload, encode
from glia.runs.types import AGENT, ENGINE_ABI, NOTHING, Run, RunStatus, Spent


async def insert_job(
    tx: Transaction,
    id: UUID,
    *,
    workspace_id: UUID,
    project_id: UUID,
    session_id: UUID,
    kind: str,
    input: dict[str, object],
    key_id: UUID | None = None,
) -> None:
    await tx.execute(
        """
        insert into runs (id, workspace_id, project_id, session_id, kind, status, is_background, engine_abi, input,
          root_run_id, key_id)
        values (%(id)s, %(workspace_id)s, %(project_id)s, %(session_id)s, %(kind)s, 'queued', true, %(abi)s, %(input)s,
          %(id)s, %(key_id)s)""",
        id=id,
        workspace_id=workspace_id,
        project_id=project_id,
        session_id=session_id,
        kind=kind,
        abi=ENGINE_ABI,
        input=json(input),
        key_id=key_id,
    )


RUN_COLUMNS: LiteralString = """
    id, workspace_id, project_id, session_id, kind, agent_id, agent_version, key_id, status, is_background, attempt,
    max_attempts, cancel_requested_at, model_calls, tool_calls, input_tokens, output_tokens, cost_micros, error,
    created_at, started_at, finished_at, root_run_id, parent_run_id, depth, waiting_for, wake_at, waited_seconds,
    is_resumed, input"""
_RUNS: LiteralString = f"select {RUN_COLUMNS} from runs "


async def get(tx: Transaction, id: UUID) -> Run | None:
    return await tx.one_or_none(
        Run,
        _RUNS + "where id = %(id)s",
        id=id,
    )


async def list_page(
    tx: Transaction,
    window: Window,
    *,
    session_id: UUID | None,
    agent_id: UUID | None,
    root_run_id: UUID | None,
    status: str | None,
    waiting_for: str | None = None,
    worker_id: UUID | None = None,
    is_scheduled: bool | None = None,
) -> list[Run]:
    return await tx.many(
        Run,
        _RUNS
        + """
        where (%(session_id)s::uuid is null or session_id = %(session_id)s)
          and (%(agent_id)s::uuid is null or agent_id = %(agent_id)s)
          and (%(root_run_id)s::uuid is null or root_run_id = %(root_run_id)s)
          and (%(status)s::text is null or status = %(status)s)
          and (%(waiting_for)s::text is null or (status = 'waiting' and %(waiting_for)s = any(waiting_for)))
          and (%(worker_id)s::uuid is null or (status = 'running' and worker_id = %(worker_id)s))
          and (%(is_scheduled)s::bool is null
            or (status = 'queued' and (run_after > clock_timestamp()) = %(is_scheduled)s))
          and (%(after)s::uuid is null or id < %(after)s)
        order by id desc limit %(rows)s""",
        session_id=session_id,
        agent_id=agent_id,
        root_run_id=root_run_id,
        status=status,
        waiting_for=waiting_for,
        worker_id=worker_id,
        is_scheduled=is_scheduled,
        after=window.after,
        rows=window.limit + 1,
    )


async def fork_point(tx: Transaction, session_id: UUID) -> int | None:
    """The event after which a session's own events begin: 0 unless it is a fork. None when there is no such session."""
    return await tx.value(
        "select forked_at from sessions where id = %(session_id)s and deleted_at is null", session_id=session_id
    )


@dataclass(frozen=True)
class Place:
    """Where events landed: the first one's sequence number and the time of all."""

    first_seq: int
    at: datetime


async def append_unfenced(
    tx: Transaction, session_id: UUID, run_id: UUID | None, attempt: int | None, payloads: Sequence[Payload]
) -> Place:
    """For writers that hold the session or the run in this transaction: accepting a run, cancelling a queued one."""
    return await tx.one(
        Place,
        """
        with place as (
          update sessions set last_seq = last_seq + cardinality(%(types)s::text[]), updated_at = clock_timestamp()
          where id = %(session_id)s returning id, workspace_id, last_seq - cardinality(%(types)s::text[]) as base
        ), stored as (
          insert into events (session_id, seq, workspace_id, run_id, attempt, type, at, data)
          select place.id, place.base + e.number, place.workspace_id, %(run_id)s, %(attempt)s, e.type,
            clock_timestamp(), e.data
          from place, unnest(%(types)s::text[], %(data)s::json[]) with ordinality as e(type, data, number)
          returning seq, at
        ) select min(seq) as first_seq, min(at) as at from stored""",
        session_id=session_id,
        run_id=run_id,
        attempt=attempt,
        types=[payload.type for payload in payloads],
        data=[encode(payload) for payload in payloads],
    )


_APPEND: LiteralString = """
    select first_seq, at from glia.append_events(%(workspace_id)s, %(run_id)s, %(attempt)s, %(types)s,
      %(data)s::json, %(model_calls)s, %(tool_calls)s, %(input_tokens)s, %(output_tokens)s, %(cost_micros)s,
      %(status)s, %(error)s, %(usage)s, %(waiting_for)s, %(wake_at)s, %(if_last_seq)s)"""


@dataclass(frozen=True)
class Entry:
    """What one append brings: events as JSON text, and what belongs with them.

    if_last_seq: write only if this is still the session's newest event.
    """

    types: Sequence[str]
    data: Sequence[str]
    spent: Spent = NOTHING
    status: RunStatus = RunStatus.RUNNING
    error: dict[str, object] | None = None
    usage: str | None = None
    waiting_for: Sequence[str] = ()
    wake_at: datetime | None = None
    if_last_seq: int | None = None

    def parameters(self, run: Run) -> dict[str, object]:
        return {
            "workspace_id": run.workspace_id,
            "run_id": run.id,
            "attempt": run.attempt,
            "types": ",".join(self.types),
            "data": _array(self.data),
            "model_calls": self.spent.model_calls,
            "tool_calls": self.spent.tool_calls,
            "input_tokens": self.spent.input_tokens,
            "output_tokens": self.spent.output_tokens,
            "cost_micros": self.spent.cost_micros,
            "status": str(self.status),
            "error": None if self.error is None else json(self.error),
            "usage": self.usage,
            "waiting_for": list(self.waiting_for),
            "wake_at": self.wake_at,
            "if_last_seq": self.if_last_seq,
        }


def _array(items: Sequence[str]) -> str:
    """JSON texts as one JSON array."""
    return f"[{','.join(items)}]"


async def append(db: Database, run: Run, entry: Entry) -> Place | None:
    """Adds events as the run's present attempt; None when another attempt holds the run or it has ended.

    With `if_last_seq` nothing is written when others have written into the session meanwhile; then first_seq is the
    newest event's number, negative.
    """
    return await db.call(Place, _APPEND, **entry.parameters(run))


async def append_in(tx: Transaction, run: Run, entry: Entry) -> Place | None:
    """As `append`, inside a transaction that does more."""
    return await tx.one_or_none(Place, _APPEND, **entry.parameters(run))


async def hold(tx: Transaction, run_id: UUID, attempt: int) -> bool:
    """Holds the run for this transaction; False when this attempt no longer has it."""
    return bool(
        await tx.value(
            "select true from runs where id = %(run_id)s and attempt = %(attempt)s and status = 'running' for share",
            run_id=run_id,
            attempt=attempt,
        )
    )


async def hand_back(tx: Transaction, runs: Sequence[UUID], worker_id: UUID, *, pause_seconds: float = 0) -> None:
    """Queues runs of this worker again for anyone, because it stops or could not write.

    Nothing crashed, so the attempt does not count against `max_attempts`.
    """
    await tx.execute(
        """
        update runs set status = 'queued', worker_id = null, max_attempts = max_attempts + 1,
          run_after = clock_timestamp() + make_interval(secs => %(pause_seconds)s)
        where id = any(%(runs)s) and worker_id = %(worker_id)s and status = 'running'""",
        runs=list(runs),
        worker_id=worker_id,
        pause_seconds=pause_seconds,
    )


@dataclass(frozen=True)
class _Begun:
    status: RunStatus
    kind: str


async def request_cancel(tx: Transaction, id: UUID) -> RunStatus | None:
    """Notes the wish on an unfinished run and returns its status before; None when there is no such run.

    A run that no worker has ends here. A job ends in a worker even then, because its slice must be told.
    """
    row = await tx.one_or_none(_Begun, "select status, kind from runs where id = %(id)s for update", id=id)
    if row is None:
        return None
    before = row.status
    if before is RunStatus.RUNNING or (not before.is_final and row.kind != AGENT):
        await tx.execute("select glia.resume_run(%(id)s)", id=id)
        await tx.execute(
            """
            update runs set cancel_requested_at = coalesce(cancel_requested_at, clock_timestamp()),
              run_after = least(run_after, clock_timestamp()) where id = %(id)s""",
            id=id,
        )
    elif not before.is_final:
        await tx.execute(
            """
            with ended as (
              update runs set status = 'cancelled', worker_id = null, finished_at = clock_timestamp(),
                cancel_requested_at = clock_timestamp(), waiting_for = '{}', wake_at = null
              where id = %(id)s returning id, parent_run_id
            ) select glia.resume_parent(parent_run_id, id) from ended where parent_run_id is not null""",
            id=id,
        )
    return before


async def resume(tx: Transaction, id: UUID, reason: str | None = None) -> bool:
    """Lets a waiting run go on in any worker; False when it does not wait, or not for this."""
    await tx.execute("select from runs where id = %(id)s for update", id=id)
    return bool(await tx.value("select glia.resume_run(%(id)s, %(reason)s)", id=id, reason=reason))


async def resume_cancelled(tx: Transaction, id: UUID) -> None:
    """Lets a run go on that began to wait after someone had wanted it cancelled, so that its worker ends it."""
    await tx.execute(
        "select glia.resume_run(id) from runs where id = %(id)s and cancel_requested_at is not null", id=id
    )


async def resume_all(tx: Transaction, reason: str) -> None:
    """Lets every run of the workspace go on that waits for this."""
    await tx.execute(
        """
        select glia.resume_run(id, %(reason)s) from runs
        where status = 'waiting' and %(reason)s = any(waiting_for) for update skip locked""",
        reason=reason,
    )


async def has_open_children(tx: Transaction, id: UUID) -> bool:
    return bool(
        await tx.value(
            """
            select true from runs where parent_run_id = %(id)s and status in ('queued', 'running', 'waiting')
            limit 1""",
            id=id,
        )
    )


async def tree_needs_someone(tx: Transaction, id: UUID) -> bool:
    """Whether a run and those it waits for all wait, and at least one of them for a person or a budget."""
    return bool(
        await tx.value(
            """
            with recursive tree as (
              select id, status, waiting_for from runs where id = %(id)s
              union all
              select c.id, c.status, c.waiting_for from tree t join runs c on c.parent_run_id = t.id
              where c.status in ('queued', 'running', 'waiting')
            )
            select bool_and(status = 'waiting') and bool_or(waiting_for && array['approval', 'budget']) from tree""",
            id=id,
        )
    )


async def open_in_session(tx: Transaction, session_id: UUID) -> list[UUID]:
    """Runs of a session that have not ended, the newest first, so that none begins because one before it ended."""
    return await tx.values(
        """
        select id from runs where session_id = %(session_id)s and status in ('queued', 'running', 'waiting')
        order by created_at desc""",
        session_id=session_id,
    )


async def open_children(tx: Transaction, id: UUID) -> list[UUID]:
    return await tx.values(
        "select id from runs where parent_run_id = %(id)s and status in ('queued', 'running', 'waiting')", id=id
    )


async def agents_above(tx: Transaction, id: UUID) -> list[UUID]:
    """The agents of a run and of all runs above it."""
    return await tx.values(
        """
        with recursive above as (
          select agent_id, parent_run_id from runs where id = %(id)s
          union all
          select r.agent_id, r.parent_run_id from above a join runs r on r.id = a.parent_run_id
        ) select agent_id from above where agent_id is not null""",
        id=id,
    )


async def at_work(tx: Transaction, session_id: UUID, *, besides: UUID) -> list[UUID]:
    """The runs that were begun in a session and have not ended."""
    return await tx.values(
        """
        select id from runs where session_id = %(session_id)s and id <> %(besides)s
          and (status in ('running', 'waiting') or (status = 'queued' and attempt > 0))""",
        session_id=session_id,
        besides=besides,
    )


async def keep_context(tx: Transaction, workspace_id: UUID, key: str, body: str) -> None:
    await tx.execute(
        """
        insert into model_contexts (workspace_id, key, body) values (%(workspace_id)s, %(key)s, %(body)s::json)
        on conflict do nothing""",
        workspace_id=workspace_id,
        key=key,
        body=body,
    )


async def get_context(tx: Transaction, key: str) -> str | None:
    """As JSON text."""
    return await tx.value("select body::text from model_contexts where key = %(key)s", key=key)
