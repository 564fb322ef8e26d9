"""SQL for keeping answers, and for what a run is about to answer."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from glia.kit.db import Transaction


@dataclass(frozen=True)
class Answered:
    """An answer with the message before it. has_tools: its run called one."""

    seq: int
    run_id: UUID | None
    text: str
    asked: str
    has_tools: bool


@dataclass(frozen=True)
class Keeping:
    """An agent whose answers are kept."""

    agent_id: UUID
    project_id: UUID


async def keeping_workspaces(tx: Transaction) -> list[UUID]:
    """Sees all workspaces, so it needs a transaction across them."""
    return await tx.values("select distinct workspace_id from memory_settings where keeps_answers")


async def keeping_agents(tx: Transaction) -> list[Keeping]:
    """Those of the workspace that have said something since the last time."""
    return await tx.many(
        Keeping,
        """
        select g.agent_id, a.project_id from memory_settings g join agents a on a.id = g.agent_id
        where g.keeps_answers and a.deleted_at is null and exists (
          select from sessions s left join conversations c on c.session_id = s.id
          where s.agent_id = g.agent_id and s.deleted_at is null and s.origin = 'live'
            and s.updated_at > now() - interval '2 hours' and s.last_seq > coalesce(c.kept_seq, 0))
        limit 1000""",
    )


async def behind(tx: Transaction, agent_id: UUID, *, limit: int) -> list[UUID]:
    """Sessions in which the agent has answered since the last time."""
    return await tx.values(
        """
        select c.session_id from conversations c join sessions s on s.id = c.session_id
        where c.agent_id = %(agent_id)s and s.origin = 'live' and s.deleted_at is null and c.read_seq > c.kept_seq
          and exists (select from turns t where t.session_id = c.session_id and t.seq > c.kept_seq
            and t.role = 'assistant')
        order by c.session_id desc limit %(limit)s""",
        agent_id=agent_id,
        limit=limit,
    )


async def lock_kept(tx: Transaction, session_id: UUID) -> int | None:
    """The event up to which answers were kept, held until the end of tx."""
    return await tx.value("select kept_seq from conversations where session_id = %(id)s for update", id=session_id)


async def answers(tx: Transaction, session_id: UUID, *, after: int, limit: int) -> list[Answered]:
    return await tx.many(
        Answered,
        """
        select t.seq, t.run_id, t.text, coalesce((
            select u.text from turns u where u.session_id = t.session_id and u.ordinal < t.ordinal and u.role = 'user'
            order by u.ordinal desc limit 1), '') as asked,
          exists (select from runs r where r.id = t.run_id and r.tool_calls > 0) as has_tools
        from turns t where t.session_id = %(id)s and t.seq > %(after)s and t.role = 'assistant'
        order by t.seq limit %(limit)s""",
        id=session_id,
        after=after,
        limit=limit,
    )


async def set_kept(tx: Transaction, session_id: UUID, seq: int) -> None:
    await tx.execute("update conversations set kept_seq = %(seq)s where session_id = %(id)s", id=session_id, seq=seq)


async def last_asked(tx: Transaction, session_id: UUID) -> str:
    """The newest message to a session. As text of the JSON: what cannot be read there is not searched for."""
    found = await tx.value(
        """
        select e.data -> 'content' from sessions s join events e on e.session_id = s.id and e.seq > s.last_seq - 50
        where s.id = %(id)s and e.type = 'message.received' order by e.seq desc limit 1""",
        id=session_id,
    )
    return found if isinstance(found, str) else ""


@dataclass(frozen=True)
class Aging:
    """An agent with memories that may be due for another tier. is_tending_due: also for the hourly upkeep."""

    agent_id: UUID
    project_id: UUID
    is_tending_due: bool


async def agents_to_age(tx: Transaction) -> list[Aging]:
    return await tx.many(
        Aging,
        """
        select g.agent_id, a.project_id, coalesce(g.tended_at < now() - interval '1 hour', true) and exists (
            select from memories m where m.scope_id = g.agent_id and m.updated_at > coalesce(g.tended_at, '-infinity')
          ) as is_tending_due
        from memory_settings g join agents a on a.id = g.agent_id
        where g.keeps_answers and a.deleted_at is null
          and exists (select from memories m where m.scope_id = g.agent_id and m.status = 'active')
        limit 1000""",
    )
