"""SQL that sees the runs of every workspace: who is alive, whose runs are free, who takes which.

Only the database's clock decides leases. Beat, reap and claim exclude each other through the worker's row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import LiteralString
from uuid import UUID

from glia.kit.db import Transaction
from glia.runs.queries import RUN_COLUMNS
from glia.runs.types import ENGINE_ABI, Run

REGISTER: LiteralString = """
    insert into glia.workers (id, name, version, engine_abi, lease_until)
    values (%(id)s, %(name)s, %(version)s, %(abi)s, clock_timestamp() + make_interval(secs => %(lease_seconds)s))"""

# A lapsed lease cannot be revived: no row comes back, and the process must take a new id.
BEAT: LiteralString = """
    with beat as (
      update glia.workers set lease_until = clock_timestamp() + make_interval(secs => %(lease_seconds)s)
      where id = %(id)s and lease_until > clock_timestamp() returning id
    ) select coalesce(array_agg(r.id) filter (where r.id is not null), '{}') as cancelled
    from beat left join glia.runs r
      on r.worker_id = beat.id and r.status = 'running' and r.cancel_requested_at is not null
    group by beat.id"""

RETIRE: LiteralString = "delete from glia.workers where id = %(id)s"


async def reap(tx: Transaction) -> int:
    """Frees the runs of workers whose lease has lapsed, and returns how many.

    A worker whose beat is being written at this moment, and rows that a frozen worker's open transaction still holds,
    are skipped; what remains of them comes with a later reap.
    """
    await tx.execute("select pg_advisory_xact_lock(hashtext('glia.claim'))")
    freed = await tx.execute(
        """
        with dead as materialized (
          select id from workers where lease_until < clock_timestamp() for no key update skip locked
        )
        update runs set status = 'queued', worker_id = null, run_after = clock_timestamp(), is_resumed = false
        where id in (
          select r.id from runs r
          where r.status = 'running' and (r.worker_id is null or r.worker_id in (select id from dead))
          for update of r skip locked)"""
    )
    await tx.execute(
        """
        delete from workers where id in (
          select w.id from workers w where w.lease_until < clock_timestamp()
            and not exists (select from runs r where r.worker_id = w.id and r.status = 'running')
          for update of w skip locked)"""
    )
    return freed


async def wake(tx: Transaction) -> int:
    """Queues the waiting runs whose time has come, and cancels the open children of runs that have ended."""
    woken = await tx.execute(
        """
        select glia.resume_run(id) from runs
        where status = 'waiting' and wake_at <= clock_timestamp() limit 1000 for update skip locked"""
    )
    await tx.execute(
        """
        update runs c set cancel_requested_at = clock_timestamp() from runs p
        where p.id = c.parent_run_id and c.status in ('queued', 'running', 'waiting') and c.cancel_requested_at is null
          and c.parent_run_id is not null and p.status in ('completed', 'failed', 'cancelled')"""
    )
    await tx.execute(
        """
        select glia.resume_run(id) from runs
        where status = 'waiting' and cancel_requested_at is not null and parent_run_id is not null
        for update skip locked"""
    )
    return woken


async def give_back(tx: Transaction, worker_id: UUID, held: list[UUID]) -> int:
    """Frees runs that are marked as this worker's but that it does not have, such as after a lost reply."""
    return await tx.execute(
        """
        update runs set status = 'queued', worker_id = null, run_after = clock_timestamp(), is_resumed = false
        where worker_id = %(worker_id)s and status = 'running' and id <> all(%(held)s::uuid[])
          and claimed_at < clock_timestamp() - interval '3 seconds'""",
        worker_id=worker_id,
        held=held,
    )


async def claim(tx: Transaction, worker_id: UUID, *, want: int, largest_share: int, kinds: Sequence[str]) -> list[Run]:
    """Takes up to `want` queued runs, fairly between workspaces: one with a single run passes one with forty.

    Of each session one run at a time, in the order of their acceptance; one that was begun already goes first.
    largest_share: how many runs of one workspace may run at the same time, everywhere together.
    kinds: what this process knows how to do; the rest is left to newer ones.
    Claims go one after another under an advisory lock, so that the share is exact.
    """
    await tx.execute("select pg_advisory_xact_lock(hashtext('glia.claim'))")
    return await tx.many(
        Run,
        """
        with recursive backlog(workspace_id) as (
          (select workspace_id from runs where status = 'queued' order by workspace_id limit 1)
          union all
          select (select r.workspace_id from runs r where r.status = 'queued' and r.workspace_id > b.workspace_id
                  order by r.workspace_id limit 1)
          from backlog b where b.workspace_id is not null
        ), busy as (
          select b.workspace_id,
            (select count(*) from runs r where r.workspace_id = b.workspace_id and r.status = 'running') as running
          from backlog b where b.workspace_id is not null
        ), candidates as (
          select q.id, q.priority, q.run_after,
            busy.running + row_number() over (partition by busy.workspace_id
                                              order by q.priority desc, q.run_after, q.id) as turn
          from busy cross join lateral (
            select id, priority, run_after from runs r
            where workspace_id = busy.workspace_id and status = 'queued' and run_after <= clock_timestamp()
              and engine_abi <= %(abi)s and kind = any(%(kinds)s)
              and not exists (select from runs a
                              where a.session_id = r.session_id and a.status in ('running', 'waiting'))
              and not exists (select from runs b where b.session_id = r.session_id and b.status = 'queued'
                              and b.id <> r.id
                              and ((b.attempt > 0, b.priority) > (r.attempt > 0, r.priority)
                                   or ((b.attempt > 0, b.priority) = (r.attempt > 0, r.priority) and b.id < r.id)))
            order by priority desc, run_after, id limit %(want)s) q
        ), chosen as (
          select id as chosen_id from candidates where turn <= %(largest_share)s
          order by turn, priority desc, run_after, id limit %(want)s
        )
        update runs set status = 'running', worker_id = %(worker_id)s, attempt = attempt + 1,
          claimed_at = clock_timestamp(), started_at = coalesce(started_at, clock_timestamp())
        from chosen
        where id = chosen_id and status = 'queued'
          and exists (select from workers w where w.id = %(worker_id)s and w.lease_until > clock_timestamp())
        returning """
        + RUN_COLUMNS,
        worker_id=worker_id,
        want=want,
        largest_share=largest_share,
        abi=ENGINE_ABI,
        kinds=list(kinds),
    )


@dataclass(frozen=True)
class Pulse:
    """What an operator wants to know at a glance. waiting_for_abi: queued runs that need a newer engine."""

    workers: int
    queued: int
    running: int
    waiting_for_abi: int
    oldest_queued_seconds: float | None


async def pulse(tx: Transaction) -> Pulse:
    return await tx.one(
        Pulse,
        """
        select (select count(*) from workers where lease_until > clock_timestamp()) as workers,
          count(*) filter (where status = 'queued') as queued,
          count(*) filter (where status = 'running') as running,
          count(*) filter (where status = 'queued' and engine_abi > %(abi)s) as waiting_for_abi,
          extract(epoch from clock_timestamp() - min(run_after) filter (where status = 'queued'))::float8
            as oldest_queued_seconds
        from runs where status in ('queued', 'running')""",
        abi=ENGINE_ABI,
    )
