"""SQL of workers and of the queue."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from glia.kit.db import Transaction


@dataclass(frozen=True)
class Worker:
    """A process that executes runs. name: machine and process; None for whoever may not see the installation's insides.

    running: how many runs of the asker's workspace it has. is_alive: false while its last sign of life is too old and
    nobody has taken its runs yet.
    """

    id: UUID
    name: str | None
    version: str
    is_alive: bool
    running: int
    started_at: datetime


@dataclass(frozen=True)
class Queue:
    """The workspace's runs that are not over. waiting_seconds: how long the oldest queued run has been due; 0 without.

    scheduled: queued for a later moment, such as a retry. suspended: waiting for a person, a budget, a time or another
    run; for_budget and for_approval are parts of them.
    """

    queued: int
    scheduled: int
    running: int
    suspended: int
    for_budget: int
    for_approval: int
    oldest_run_id: UUID | None
    waiting_seconds: float


async def workers(tx: Transaction) -> list[Worker]:
    return await tx.many(
        Worker,
        """
        select w.id, w.name, w.version, w.lease_until > clock_timestamp() as is_alive,
          (select count(*) from runs r where r.worker_id = w.id and r.status = 'running') as running, w.started_at
        from workers w order by w.started_at, w.id limit 1000""",
    )


async def queue(tx: Transaction) -> Queue:
    return await tx.one(
        Queue,
        """
        with open as (
          select id, status, waiting_for, run_after from runs where status in ('queued', 'running', 'waiting')
        ), due as (
          select id, run_after from open where status = 'queued' and run_after <= clock_timestamp()
        )
        select (select count(*) from due) as queued,
          count(*) filter (where status = 'queued' and run_after > clock_timestamp()) as scheduled,
          count(*) filter (where status = 'running') as running,
          count(*) filter (where status = 'waiting') as suspended,
          count(*) filter (where status = 'waiting' and 'budget' = any(waiting_for)) as for_budget,
          count(*) filter (where status = 'waiting' and 'approval' = any(waiting_for)) as for_approval,
          (select id from due order by run_after, id limit 1) as oldest_run_id,
          coalesce((select extract(epoch from clock_timestamp() - min(run_after)) from due), 0)::float8
            as waiting_seconds
        from open""",
    )
