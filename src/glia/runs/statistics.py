"""How an agent is used by those who ask it: requests, tokens, cost, time, failures; by day and by key."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from glia.identity.types import Principal
from glia.kit.db import Database, Transaction
from glia.runs.types import AgentStatistics, DayTotals, KeyTotals, RequestTotals


class Statistics:
    def __init__(self, db: Database) -> None:
        self._db = db

    async def of_agent(self, principal: Principal, agent_id: UUID, since: datetime) -> AgentStatistics:
        """Of the requests since then; days in order, those without requests left out; the busiest keys first."""
        principal.require("usage:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            await tx.execute("set local statement_timeout = '20s'")
            given: dict[str, object] = {"agent_id": agent_id, "since": since}
            return AgentStatistics(
                await _totals(tx, given),
                await _daily(tx, given),
                await _per_key(tx, given),
            )


# A run's id begins with the time it was made, so that the agent's index finds those of the span.
_REQUESTS = """
    with asked as materialized (
      select r.id, r.status, r.key_id, r.created_at, r.finished_at, r.waited_seconds
      from runs r
      where r.agent_id = %(agent_id)s and r.kind = 'agent' and r.parent_run_id is null and r.created_at >= %(since)s
        and r.id >= (lpad(to_hex((extract(epoch from %(since)s::timestamptz) * 1000)::bigint), 12, '0')
          || '00000000000000000000')::uuid
        and (r.dedupe_key is null or r.dedupe_key not like 'trigger:%%')
    ), spent as (
      select a.id, sum(u.input_tokens + u.output_tokens) as tokens, sum(u.cost_micros) as cost_micros
      from asked a
      join runs t on t.root_run_id = a.id
      join usage_records u on u.run_id = t.id
      group by a.id
    ) """


async def _totals(tx: Transaction, given: dict[str, object]) -> RequestTotals:
    return await tx.one(
        RequestTotals,
        _REQUESTS
        + """
        select count(*) as requests, count(*) filter (where a.status = 'completed') as completed,
          count(*) filter (where a.status = 'failed') as failed, coalesce(sum(s.tokens), 0)::bigint as tokens,
          sum(s.cost_micros)::bigint as cost_micros,
          round(avg(1000 * (extract(epoch from a.finished_at - a.created_at)::float8 - a.waited_seconds))
            filter (where a.status in ('completed', 'failed')))::bigint as latency_ms,
          max(a.created_at) as last_at
        from asked a left join spent s on s.id = a.id""",
        **given,
    )


async def _daily(tx: Transaction, given: dict[str, object]) -> list[DayTotals]:
    return await tx.many(
        DayTotals,
        _REQUESTS
        + """
        select (a.created_at at time zone 'UTC')::date as day, count(*) as requests,
          sum(s.cost_micros)::bigint as cost_micros
        from asked a left join spent s on s.id = a.id group by 1 order by 1""",
        **given,
    )


async def _per_key(tx: Transaction, given: dict[str, object]) -> list[KeyTotals]:
    return await tx.many(
        KeyTotals,
        _REQUESTS
        + """
        select a.key_id, coalesce(max(k.name), '') as name, count(*) as requests,
          sum(s.cost_micros)::bigint as cost_micros
        from asked a left join spent s on s.id = a.id left join api_keys k on k.id = a.key_id
        where a.key_id is not null group by a.key_id order by requests desc, a.key_id limit 1000""",
        **given,
    )
