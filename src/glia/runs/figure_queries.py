"""SQL of figures."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from glia.kit.db import Transaction

_MOST_CALLS = 100_000


@dataclass(frozen=True)
class Overview:
    """messages: what was said and answered in conversations that are still there."""

    agents: int
    sessions: int
    messages: int
    runs: int
    memories: int


async def overview(tx: Transaction) -> Overview:
    return await tx.one(
        Overview,
        """
        select (select count(*) from agents where deleted_at is null) as agents,
          (select count(*) from sessions where deleted_at is null and agent_id is not null) as sessions,
          (select count(*) from events e join sessions s on s.id = e.session_id
           where s.deleted_at is null and s.agent_id is not null
             and e.type in ('message.received', 'run.completed')) as messages,
          (select count(*) from runs where kind = 'agent') as runs,
          (select count(*) from memories where status = 'active') as memories""",
    )


@dataclass(frozen=True)
class AgentFigures:
    """milliseconds: the mean of finished runs, without what they waited; None when none is finished."""

    agent_id: UUID
    runs: int
    completed: int
    failed: int
    milliseconds: float | None


async def agents(tx: Transaction, since: datetime) -> list[AgentFigures]:
    return await tx.many(
        AgentFigures,
        """
        select r.agent_id, count(*) as runs, count(*) filter (where r.status = 'completed') as completed,
          count(*) filter (where r.status = 'failed') as failed,
          (avg(extract(epoch from r.finished_at - r.started_at) - r.waited_seconds)
            filter (where r.finished_at is not null and r.started_at is not null) * 1000)::float8 as milliseconds
        from runs r join agents a on a.id = r.agent_id
        where r.kind = 'agent' and a.deleted_at is null and r.created_at >= %(since)s
        group by r.agent_id order by 2 desc, 1 limit 1000""",
        since=since,
    )


@dataclass(frozen=True)
class MemoryGrowth:
    agent_id: UUID
    memories: int
    new: int


async def memories(tx: Transaction, since: datetime) -> list[MemoryGrowth]:
    return await tx.many(
        MemoryGrowth,
        """
        select m.agent_id, count(*) as memories, count(*) filter (where m.created_at >= %(since)s) as new
        from memories m join agents a on a.id = m.agent_id
        where m.status = 'active' and a.deleted_at is null
        group by m.agent_id order by 2 desc, 1 limit 1000""",
        since=since,
    )


@dataclass(frozen=True)
class Counted:
    reason: str
    count: int


async def denials(tx: Transaction, since: datetime) -> list[Counted]:
    return await tx.many(
        Counted,
        """
        select 'approval_' || status as reason, count(*) as count from approvals
        where status in ('denied', 'expired') and created_at >= %(since)s group by status
        union all
        select 'budget_exceeded', count(*) from events
        where type = 'budget.exceeded' and at >= %(since)s having count(*) > 0""",
        since=since,
    )


async def denied_tools(tx: Transaction, since: datetime, agent_id: UUID | None) -> list[Counted]:
    return await tx.many(
        Counted,
        """
        select tool as reason, count(*) as count from approvals
        where status = 'denied' and created_at >= %(since)s
          and (%(agent_id)s::uuid is null or agent_id = %(agent_id)s)
        group by tool""",
        since=since,
        agent_id=agent_id,
    )


async def returned(tx: Transaction, since: datetime, agent_id: UUID | None) -> list[str]:
    """The newest calls that came back, as JSON texts."""
    return await tx.values(
        """
        select e.data::text from sessions s join events e on e.session_id = s.id
        where e.type = 'tool.returned' and e.at >= %(since)s and s.updated_at >= %(since)s
          and (%(agent_id)s::uuid is null or s.agent_id = %(agent_id)s)
        order by e.at desc limit %(limit)s""",
        since=since,
        agent_id=agent_id,
        limit=_MOST_CALLS,
    )


@dataclass(frozen=True)
class Counts:
    """Of a span of time."""

    runs: int
    failed_runs: int
    tool_calls: int
    refused_tool_calls: int
    approvals: int
    denied_approvals: int
    exceeded_budgets: int
    sessions: int
    deleted_sessions: int


async def counts(tx: Transaction, since: datetime, until: datetime) -> Counts:
    return await tx.one(
        Counts,
        """
        with happened as (
          select type, data->>'status' as status from events
          where type in ('tool.called', 'tool.returned', 'budget.exceeded')
            and at >= %(since)s and at < %(until)s
        )
        select (select count(*) from runs where created_at >= %(since)s and created_at < %(until)s) as runs,
          (select count(*) from runs where status = 'failed' and finished_at >= %(since)s
             and finished_at < %(until)s) as failed_runs,
          (select count(*) from happened where type = 'tool.called') as tool_calls,
          (select count(*) from happened where type = 'tool.returned' and status = 'denied')
            as refused_tool_calls,
          (select count(*) from approvals where created_at >= %(since)s and created_at < %(until)s)
            as approvals,
          (select count(*) from approvals where status = 'denied' and created_at >= %(since)s
             and created_at < %(until)s) as denied_approvals,
          (select count(*) from happened where type = 'budget.exceeded') as exceeded_budgets,
          (select count(*) from sessions where created_at >= %(since)s and created_at < %(until)s) as sessions,
          (select count(*) from audit_log where action = 'session.deleted' and at >= %(since)s
             and at < %(until)s) as deleted_sessions""",
        since=since,
        until=until,
    )
