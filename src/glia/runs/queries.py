"""SQL of runs and their log, all of it inside one workspace. What claims runs across workspaces is in lease_queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from glia.kit.db import Transaction, json
from glia.kit.pages import Window
from glia.runs.events import Event, Payload, encode
from glia.runs.types import AGENT, ENGINE_ABI, Run, RunStatus, Spent


@dataclass(frozen=True)
class Target:
    """What a new message in a session would run."""

    agent_id: UUID | None
    version: int | None
    last_seq: int


async def lock_session(tx: Transaction, session_id: UUID) -> Target | None:
    """The session's agent as it is now, held until commit so that runs of one session are accepted one by one."""
    return await tx.one_or_none(
        Target,
        """
        select s.agent_id, a.version, s.last_seq
        from sessions s left join agents a on a.id = s.agent_id and a.deleted_at is null
        where s.id = %(session_id)s and s.deleted_at is null for update of s""",
        session_id=session_id,
    )


async def insert(
    tx: Transaction,
    id: UUID,
    *,
    workspace_id: UUID,
    project_id: UUID,
    session_id: UUID,
    kind: str,
    agent_id: UUID | None,
    agent_version: int | None,
    key_id: UUID | None,
    is_background: bool,
    input: dict[str, object],
    worker_id: UUID | None,
) -> bool:
    """Queued, or with a worker already running there as attempt 1. False when the session has an unfinished run.

    The caller holds the session. It is asked before the unique index is, because the index would wait for a run that
    is just ending, which in turn waits for the session.
    """
    count = await tx.execute(
        """
        insert into runs (id, workspace_id, project_id, session_id, kind, agent_id, agent_version, key_id, status,
          is_background, engine_abi, input, worker_id, attempt, claimed_at, started_at)
        select %(id)s, %(workspace_id)s, %(project_id)s, %(session_id)s, %(kind)s, %(agent_id)s, %(agent_version)s,
          %(key_id)s, case when %(worker_id)s::uuid is null then 'queued' else 'running' end, %(is_background)s,
          %(abi)s, %(input)s, %(worker_id)s, case when %(worker_id)s::uuid is null then 0 else 1 end,
          case when %(worker_id)s::uuid is null then null else clock_timestamp() end,
          case when %(worker_id)s::uuid is null then null else clock_timestamp() end
        where not exists (select from runs where session_id = %(session_id)s
                          and status in ('queued', 'running', 'waiting'))
        on conflict (session_id) where status in ('queued', 'running', 'waiting') do nothing""",
        id=id,
        workspace_id=workspace_id,
        project_id=project_id,
        session_id=session_id,
        kind=kind,
        agent_id=agent_id,
        agent_version=agent_version,
        key_id=key_id,
        is_background=is_background,
        abi=ENGINE_ABI,
        input=json(input),
        worker_id=worker_id,
    )
    return count == 1


async def get(tx: Transaction, id: UUID) -> Run | None:
    return await tx.one_or_none(
        Run,
        """
        select id, workspace_id, project_id, session_id, kind, agent_id, agent_version, key_id, status, is_background,
          attempt, max_attempts, cancel_requested_at, model_calls, tool_calls, input_tokens, output_tokens,
          cost_micros, error, created_at, started_at, finished_at, input
        from runs where id = %(id)s""",
        id=id,
    )


async def list_page(
    tx: Transaction, window: Window, *, session_id: UUID | None, agent_id: UUID | None, status: str | None
) -> list[Run]:
    return await tx.many(
        Run,
        """
        select id, workspace_id, project_id, session_id, kind, agent_id, agent_version, key_id, status, is_background,
          attempt, max_attempts, cancel_requested_at, model_calls, tool_calls, input_tokens, output_tokens,
          cost_micros, error, created_at, started_at, finished_at, input
        from runs
        where (%(session_id)s::uuid is null or session_id = %(session_id)s)
          and (%(agent_id)s::uuid is null or agent_id = %(agent_id)s)
          and (%(status)s::text is null or status = %(status)s)
          and (%(after)s::uuid is null or id < %(after)s)
        order by id desc limit %(rows)s""",
        session_id=session_id,
        agent_id=agent_id,
        status=status,
        after=window.after,
        rows=window.limit + 1,
    )


async def session_exists(tx: Transaction, session_id: UUID) -> bool:
    return bool(
        await tx.value(
            "select true from sessions where id = %(session_id)s and deleted_at is null", session_id=session_id
        )
    )


@dataclass(frozen=True)
class Place:
    """Where events landed: the first one's sequence number and the time of all."""

    first_seq: int
    at: datetime


async def append_unfenced(
    tx: Transaction, session_id: UUID, run_id: UUID, attempt: int | None, payloads: Sequence[Payload]
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


async def append(tx: Transaction, run_id: UUID, attempt: int, payloads: Sequence[Payload]) -> Place | None:
    """Adds events as the run's present attempt; None when another attempt holds the run or it has ended."""
    return await tx.one_or_none(
        Place,
        """
        with fence as (
          select session_id from runs where id = %(run_id)s and attempt = %(attempt)s and status = 'running' for share
        ), place as (
          update sessions set last_seq = last_seq + cardinality(%(types)s::text[]), updated_at = clock_timestamp()
          from fence where id = fence.session_id
          returning id, workspace_id, last_seq - cardinality(%(types)s::text[]) as base
        ), stored as (
          insert into events (session_id, seq, workspace_id, run_id, attempt, type, at, data)
          select place.id, place.base + e.number, place.workspace_id, %(run_id)s, %(attempt)s, e.type,
            clock_timestamp(), e.data
          from place, unnest(%(types)s::text[], %(data)s::json[]) with ordinality as e(type, data, number)
          returning seq, at
        ) select min(seq) as first_seq, min(at) as at from stored having count(*) > 0""",
        run_id=run_id,
        attempt=attempt,
        types=[payload.type for payload in payloads],
        data=[encode(payload) for payload in payloads],
    )


async def advance(
    tx: Transaction,
    run_id: UUID,
    attempt: int,
    *,
    spent: Spent,
    status: RunStatus = RunStatus.RUNNING,
    error: dict[str, object] | None = None,
) -> bool:
    """Adds to the run's counters and, with another status, ends it. False when this attempt no longer holds it."""
    count = await tx.execute(
        """
        update runs set status = %(status)s, error = %(error)s,
          model_calls = model_calls + %(model_calls)s, tool_calls = tool_calls + %(tool_calls)s,
          input_tokens = input_tokens + %(input_tokens)s, output_tokens = output_tokens + %(output_tokens)s,
          cost_micros = case when %(cost_micros)s::bigint is null then cost_micros
                             else coalesce(cost_micros, 0) + %(cost_micros)s::bigint end,
          worker_id = case when %(status)s = 'running' then worker_id end,
          finished_at = case when %(status)s = 'running' then null else clock_timestamp() end
        where id = %(run_id)s and attempt = %(attempt)s and status = 'running'""",
        run_id=run_id,
        attempt=attempt,
        status=status,
        error=None if error is None else json(error),
        model_calls=spent.model_calls,
        tool_calls=spent.tool_calls,
        input_tokens=spent.input_tokens,
        output_tokens=spent.output_tokens,
        cost_micros=spent.cost_micros,
    )
    return count == 1


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

    A run that nobody has begun ends here. A job ends in a worker even then, because its slice must be told.
    """
    row = await tx.one_or_none(_Begun, "select status, kind from runs where id = %(id)s for update", id=id)
    if row is None:
        return None
    before = row.status
    if before is RunStatus.RUNNING or (before is RunStatus.QUEUED and row.kind != AGENT):
        await tx.execute(
            """
            update runs set cancel_requested_at = coalesce(cancel_requested_at, clock_timestamp()),
              run_after = least(run_after, clock_timestamp()) where id = %(id)s""",
            id=id,
        )
    elif not before.is_final:
        await tx.execute(
            """
            update runs set status = 'cancelled', worker_id = null, finished_at = clock_timestamp(),
              cancel_requested_at = clock_timestamp() where id = %(id)s""",
            id=id,
        )
    return before


_EVENTS = "select seq, type, at, run_id, attempt, data::text as data from events "


async def read_log(tx: Transaction, session_id: UUID, *, after: int, limit: int) -> list[Event]:
    return await tx.many(
        Event,
        _EVENTS + "where session_id = %(session_id)s and seq > %(after)s order by seq limit %(limit)s",
        session_id=session_id,
        after=after,
        limit=limit,
    )


async def read_run(tx: Transaction, run_id: UUID, *, after: int, limit: int) -> list[Event]:
    return await tx.many(
        Event,
        _EVENTS + "where run_id = %(run_id)s and seq > %(after)s order by seq limit %(limit)s",
        run_id=run_id,
        after=after,
        limit=limit,
    )


async def read_conversation(tx: Transaction, session_id: UUID) -> list[Event]:
    """What a model needs to know of a session: everything but deltas and notes about progress."""
    return await tx.many(
        Event,
        _EVENTS
        + """
        where session_id = %(session_id)s and type in ('message.received', 'model.requested', 'model.responded',
          'tool.called', 'tool.returned', 'run.completed', 'run.failed', 'run.cancelled')
        order by seq""",
        session_id=session_id,
    )
