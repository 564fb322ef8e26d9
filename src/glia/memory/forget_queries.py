"""SQL for forgetting by strategy."""

from __future__ import annotations

from uuid import UUID

from glia.kit.db import Transaction
from glia.memory.types import ForgetOrder, Forgotten


async def due(tx: Transaction, scope_id: UUID, order: ForgetOrder, *, limit: int) -> list[Forgotten]:
    """What an order lets go, and why: its strategy, or `count`.

    For `conflict` these are the memories that lost a contradiction; for all others the active ones.
    """
    return await tx.many(
        Forgotten,
        """
        with ranked as (
          select id, bucket, tier, content, status, importance, used_at, created_at,
            memory_strength(importance, tier, used_at, accesses, now()) as strength,
            row_number() over (partition by status
              order by memory_strength(importance, tier, used_at, accesses, now()) desc, id desc) as place
          from memories
          where scope_id = %(scope_id)s and status in ('active', 'superseded')
            and (%(tiers)s::text[] = '{}' or tier = any(%(tiers)s))
        ), judged as (
          select id, bucket, tier, content,
            case
              when status = 'superseded' then
                case when %(strategy)s = 'conflict' and exists (select from memory_conflicts c
                  where (c.older_id = ranked.id and c.kept in ('newer', 'merged'))
                    or (c.newer_id = ranked.id and c.kept in ('older', 'merged'))) then 'conflict' end
              when place > %(max_count)s then 'count'
              when %(strategy)s = 'time' and used_at < now() - make_interval(secs => %(max_age)s) then 'time'
              when %(strategy)s = 'importance' and importance < %(min_importance)s then 'importance'
              when %(strategy)s = 'relevance' and strength < %(min_strength)s then 'relevance'
              when %(strategy)s = 'hybrid' and strength < %(min_strength)s then 'relevance'
              when %(strategy)s = 'hybrid' and importance < %(min_importance)s
                and used_at < now() - make_interval(secs => %(max_age)s) then 'time'
            end as reason
          from ranked where created_at <= now() - make_interval(secs => %(min_kept)s)
        )
        select id, bucket, tier, content, reason from judged where reason is not null order by id limit %(limit)s""",
        scope_id=scope_id,
        tiers=[tier.value for tier in order.tiers],
        strategy=order.strategy.value,
        max_count=order.max_count,
        max_age=float(order.max_age_seconds),
        min_importance=order.min_importance,
        min_strength=order.min_strength,
        min_kept=float(order.min_kept_seconds),
        limit=limit,
    )
