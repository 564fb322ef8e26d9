"""All SQL of the instructions slice."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from glia.instructions.types import Instruction, InstructionSpec
from glia.kit.db import Transaction


async def insert(
    tx: Transaction, id: UUID, spec: InstructionSpec, *, workspace_id: UUID, agent_id: UUID, trigger_id: UUID
) -> None:
    await tx.execute(
        """
        insert into instructions (id, workspace_id, agent_id, trigger_id, kind, action, condition, schedule, frequency,
          timezone)
        values (%(id)s, %(workspace_id)s, %(agent_id)s, %(trigger_id)s, %(kind)s, %(action)s, %(condition)s,
          %(schedule)s, %(frequency)s, %(timezone)s)""",
        id=id,
        workspace_id=workspace_id,
        agent_id=agent_id,
        trigger_id=trigger_id,
        kind=spec.kind,
        action=spec.action,
        condition=spec.condition,
        schedule=spec.schedule,
        frequency=spec.frequency,
        timezone=spec.timezone,
    )


async def triggered(tx: Transaction, agent_id: UUID, limit: int) -> list[Instruction]:
    """Newest first. A trigger's history keeps its newest firings; those that began no run are not counted."""
    return await tx.many(
        Instruction,
        """
        select i.id, i.agent_id, i.kind, i.action, i.condition, i.schedule, i.frequency, i.timezone, i.trigger_id,
          t.status = 'active' as is_active,
          greatest(0, t.firings - (select count(*) from trigger_firings f
                                   where f.trigger_id = t.id and f.outcome <> 'started'))::bigint as executions,
          t.last_fired_at as last_executed_at, i.created_at
        from instructions i join triggers t on t.id = i.trigger_id
        where i.agent_id = %(agent_id)s order by i.id desc limit %(limit)s""",
        agent_id=agent_id,
        limit=limit,
    )


async def trigger_of(tx: Transaction, agent_id: UUID, id: UUID) -> UUID | None:
    return await tx.value(
        "select trigger_id from instructions where id = %(id)s and agent_id = %(agent_id)s", id=id, agent_id=agent_id
    )


@dataclass(frozen=True)
class Followed:
    runs: int
    last_at: datetime | None


async def followed(tx: Transaction, agent_id: UUID, since: datetime) -> Followed:
    """The agent's runs that began since then and were completed."""
    return await tx.one(
        Followed,
        """
        select count(*) as runs, max(finished_at) as last_at from runs
        where agent_id = %(agent_id)s and kind = 'agent' and status = 'completed' and created_at >= %(since)s""",
        agent_id=agent_id,
        since=since,
    )
