"""SQL of runs that wait for money or room."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from glia.kit.db import Transaction
from glia.kit.pages import Window


@dataclass(frozen=True)
class Suspension:
    """A run that a budget or the credit holds up. id: the run's. budget_id: None when it is the credit.

    seq: of the event that says so. unit: what limit, spent and needed count: `micros`, `tokens` or `calls`.
    is_of_agent: the limit is that of the run's own agent, which `resume` with `max_cost_micros` raises.
    """

    id: UUID
    session_id: UUID
    agent_id: UUID | None
    budget_id: UUID | None
    seq: int
    at: datetime
    scope: str
    unit: str
    limit: int
    spent: int
    reserved: int
    needed: int
    message: str
    is_of_agent: bool
    wake_at: datetime | None


async def suspensions(tx: Transaction, window: Window, budget_id: UUID | None) -> list[Suspension]:
    return await tx.many(
        Suspension,
        """
        with waiting as (
          select r.id, r.session_id, r.agent_id, e.seq, e.at, r.wake_at, e.data,
            (e.data ->> 'budget_id')::uuid as budget_id
          from runs r cross join lateral (
            select seq, at, data from events
            where run_id = r.id and type = 'budget.exceeded' order by seq desc limit 1) e
          where r.status = 'waiting' and 'budget' = any(r.waiting_for)
            and (%(after)s::uuid is null or r.id < %(after)s)
        )
        select w.id, w.session_id, w.agent_id, w.budget_id, w.seq, w.at, w.data ->> 'scope' as scope,
          w.data ->> 'unit' as unit, (w.data ->> 'limit')::bigint as limit, (w.data ->> 'spent')::bigint as spent,
          (w.data ->> 'reserved')::bigint as reserved, (w.data ->> 'needed')::bigint as needed,
          w.data ->> 'message' as message, coalesce(b.is_of_agent, false) as is_of_agent, w.wake_at
        from waiting w left join budgets b on b.id = w.budget_id
        where %(budget_id)s::uuid is null or w.budget_id = %(budget_id)s
        order by w.id desc limit %(rows)s""",
        after=window.after,
        budget_id=budget_id,
        rows=window.limit + 1,
    )
