"""The figures that a trigger can watch, each one statement over an index."""

from __future__ import annotations

from typing import LiteralString
from uuid import UUID

from glia.kit.db import Transaction
from glia.triggers.types import Metric

_USAGE: LiteralString = """
    from usage_records where at > clock_timestamp() - make_interval(secs => %(window)s)
      and (%(agent_id)s::uuid is null or agent_id = %(agent_id)s)"""

_OF_MODELS: LiteralString = " and operation in ('chat', 'embeddings')"

_ENDED: LiteralString = """
    from runs where kind = 'agent' and status in ('completed', 'failed')
      and (%(agent_id)s::uuid is null or agent_id = %(agent_id)s)
      and finished_at > clock_timestamp() - make_interval(secs => %(window)s)"""

# A run's id begins with the time it was made, so that its primary order finds those of the window.
_QUERIES: dict[Metric, LiteralString] = {
    "cost_micros": "select coalesce(sum(cost_micros), 0)::float8" + _USAGE,
    "tokens": "select coalesce(sum(input_tokens + output_tokens), 0)::float8" + _USAGE,
    "model_calls": "select count(*)::float8" + _USAGE + _OF_MODELS,
    "failed_model_calls": "select count(*)::float8" + _USAGE + _OF_MODELS + " and status = 'failed'",
    "failed_runs": """
        select count(*)::float8 from runs
        where status = 'failed' and kind = 'agent'
          and finished_at > clock_timestamp() - make_interval(secs => %(window)s)
          and (%(agent_id)s::uuid is null or agent_id = %(agent_id)s)""",
    # Percent; 0 where nothing has ended. Only failures have an index, but a figure is looked at seldom.
    "error_rate": "select coalesce(100.0 * count(*) filter (where status = 'failed') / nullif(count(*), 0), 0)::float8"
    + _ENDED,
    "latency_seconds": """
        select coalesce(avg(extract(epoch from finished_at - created_at) - coalesce(waited_seconds, 0)), 0)::float8"""
    + _ENDED,
    "queue_wait_seconds": """
        select coalesce(max(extract(epoch from waited)), 0)::float8 from (
          select clock_timestamp() - greatest(created_at, run_after) as waited, agent_id from runs
          where status = 'queued' and run_after <= clock_timestamp()
          union all
          select started_at - created_at, agent_id from runs
          where started_at is not null and id >= (lpad(to_hex(
            (extract(epoch from clock_timestamp() - make_interval(secs => %(window)s)) * 1000)::bigint), 12, '0')
            || '00000000000000000000')::uuid
        ) runs where %(agent_id)s::uuid is null or agent_id = %(agent_id)s""",
}


async def measure(tx: Transaction, metric: Metric, *, window_seconds: int, agent_id: UUID | None) -> float:
    """The figure now. Calls of unknown price add nothing to the cost."""
    await tx.execute("set local statement_timeout = '10s'")
    found: float = await tx.value(_QUERIES[metric], window=window_seconds, agent_id=agent_id)
    await tx.execute("set local statement_timeout = default")
    return found
