"""All SQL of the usage slice."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import LiteralString
from uuid import UUID

import msgspec

from glia.kit.db import Transaction, json
from glia.kit.pages import Window
from glia.usage.types import Grouping, RunCost, UsageFilter, UsageRecord, UsageRow


async def insert(tx: Transaction, record: UsageRecord) -> None:
    """Stores the record, and counts it against budgets and credits."""
    await tx.execute("select glia.record_usage(%(record)s)", record=msgspec.json.encode(record).decode())


async def insert_many(tx: Transaction, records: Sequence[UsageRecord]) -> None:
    """Records of any workspaces that nothing limits, as the system role; budgets and credits do not see them.

    What is already there, or whose workspace is gone, is skipped.
    One statement over one JSON value: PostgreSQL has no COPY into tables with row-level security.
    """
    await tx.execute(
        """
        insert into usage_records (id, workspace_id, project_id, at, operation, model, agent_id, run_id, key_id,
          input_tokens, output_tokens, cached_input_tokens, thinking_tokens, is_estimated, is_streamed, cost_micros,
          latency_ms, status)
        select id, workspace_id, project_id, at, operation, model, agent_id, run_id, key_id, input_tokens,
          output_tokens, cached_input_tokens, thinking_tokens, is_estimated, is_streamed, cost_micros, latency_ms,
          status
        from jsonb_to_recordset(%(records)s) as given (id uuid, workspace_id uuid, project_id uuid, at timestamptz,
          operation text, model text, agent_id uuid, run_id uuid, key_id uuid, input_tokens bigint,
          output_tokens bigint, cached_input_tokens bigint, thinking_tokens bigint, is_estimated boolean,
          is_streamed boolean, cost_micros bigint, latency_ms int, status text)
        where exists (select 1 from workspaces where workspaces.id = given.workspace_id)
        on conflict do nothing""",
        records=json(list(records)),
    )


_ONLY: LiteralString = """
          (%(model)s::text is null or model = %(model)s)
          and (%(agent_id)s::uuid is null or agent_id = %(agent_id)s)
          and (%(run_id)s::uuid is null or run_id = %(run_id)s)
          and (%(key_id)s::uuid is null or key_id = %(key_id)s)
          and (%(project_id)s::uuid is null or project_id = %(project_id)s)
          and (%(session_id)s::uuid is null
            or run_id in (select r.id from runs r where r.session_id = %(session_id)s))
          and (%(root_run_id)s::uuid is null
            or run_id in (select r.id from runs r where r.root_run_id = %(root_run_id)s))
          and (%(status)s::text is null or status = %(status)s)
          and (%(is_priced)s::bool is null or (cost_micros is not null) = %(is_priced)s)
          and (not %(no_agent)s or agent_id is null)
          and (not %(no_run)s or run_id is null)
          and (not %(no_key)s or key_id is null)"""


def _asked(only: UsageFilter) -> dict[str, object]:
    return {
        "model": only.model,
        "agent_id": only.agent_id,
        "run_id": only.run_id,
        "key_id": only.key_id,
        "project_id": only.project_id,
        "session_id": only.session_id,
        "root_run_id": only.root_run_id,
        "status": only.status,
        "is_priced": only.is_priced,
        "no_agent": "agent_id" in only.is_without,
        "no_run": "run_id" in only.is_without,
        "no_key": "key_id" in only.is_without,
    }


async def summary(
    tx: Transaction, since: datetime, until: datetime, group_by: Grouping | None, limit: int, only: UsageFilter
) -> list[UsageRow]:
    return await tx.many(
        UsageRow,
        """
        select case %(group_by)s::text
            when 'model' then model
            when 'agent' then agent_id::text
            when 'day' then to_char(at at time zone 'UTC', 'YYYY-MM-DD')
            when 'key' then key_id::text
            when 'run' then run_id::text
            when 'project' then project_id::text
          end as group,
          count(*) as calls,
          count(*) filter (where status = 'failed') as failed_calls,
          count(*) filter (where is_estimated) as estimated_calls,
          coalesce(sum(input_tokens), 0)::bigint as input_tokens,
          coalesce(sum(output_tokens), 0)::bigint as output_tokens,
          coalesce(sum(cached_input_tokens), 0)::bigint as cached_input_tokens,
          coalesce(sum(thinking_tokens), 0)::bigint as thinking_tokens,
          sum(cost_micros)::bigint as cost_micros,
          count(*) filter (where cost_micros is null) as calls_of_unknown_cost,
          coalesce(round(avg(latency_ms)), 0)::bigint as latency_ms
        from usage_records where at >= %(since)s and at < %(until)s and """
        + _ONLY
        + """
        group by 1 order by (case when %(group_by)s::text = 'day' then 0 else count(*) end) desc, 1 limit %(limit)s""",
        since=since,
        until=until,
        group_by=group_by,
        limit=limit,
        **_asked(only),
    )


async def list_page(
    tx: Transaction, window: Window, since: datetime | None, until: datetime | None, only: UsageFilter
) -> list[UsageRecord]:
    return await tx.many(
        UsageRecord,
        """
        select id, workspace_id, project_id, at, operation, model, agent_id, run_id, key_id, input_tokens,
          output_tokens, cached_input_tokens, thinking_tokens, is_estimated, is_streamed, cost_micros, latency_ms,
          status, step, tool_call_id
        from usage_records where (%(after)s::uuid is null or id < %(after)s)
          and (%(since)s::timestamptz is null or at >= %(since)s)
          and (%(until)s::timestamptz is null or at < %(until)s) and """
        + _ONLY
        + """
        order by id desc limit %(rows)s""",
        since=since,
        until=until,
        **_asked(only),
        after=window.after,
        rows=window.limit + 1,
    )


async def of_tree(tx: Transaction, run_id: UUID) -> list[RunCost]:
    """What a run and those below it spent, by kind of call."""
    return await tx.many(
        RunCost,
        """
        with recursive line as (
          select id, root_run_id from runs where id = %(run_id)s
          union all
          select r.id, r.root_run_id from line
          join runs r on r.root_run_id = line.root_run_id and r.depth > 0 and r.parent_run_id = line.id
        )
        select u.operation, u.run_id <> %(run_id)s as is_below, count(*) as calls,
          coalesce(sum(u.cost_micros), 0)::bigint as cost_micros, bool_or(u.cost_micros is null) as has_unknown
        from line join usage_records u on u.run_id = line.id
        group by 1, 2""",
        run_id=run_id,
    )
