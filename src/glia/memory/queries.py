"""SQL for memories as such: rows, versions, conflicts, feedback, policies, settings. Finding them is in search.py."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import LiteralString
from uuid import UUID

from glia.kit.db import Transaction, json
from glia.kit.pages import Window
from glia.memory.types import (
    Conflict,
    Draft,
    Filter,
    Find,
    Kept,
    Memory,
    MemorySettings,
    MemoryVersion,
    Origin,
    Policy,
    Scope,
    Use,
)

COLUMNS: LiteralString = """
  m.id, m.number, m.agent_id, m.user_name, m.tier, m.bucket, m.content, m.metadata, m.importance,
  round(memory_strength(m.importance, m.tier, m.used_at, m.accesses, now())::numeric, 3)::float8 as strength,
  m.status, m.superseded_by, m.topic, m.value, m.origin, m.session_id, m.source_seq, m.run_id, m.source_key, m.version,
  m.reinforced, m.accesses, m.useful, m.not_useful, m.used_at, m.expires_at, m.created_at, m.updated_at"""

# What a scope shows. Whoever asks as an agent in a session sees nothing that belongs to other users or sessions.
VISIBLE: LiteralString = """
  m.status = 'active' and (m.expires_at is null or m.expires_at > now())
  and (%(agent_id)s::uuid is null or m.agent_id = %(agent_id)s or m.agent_id is null)
  and (not %(is_narrow)s or m.user_name is null or m.user_name = %(user_name)s)
  and (not %(is_narrow)s or m.tier <> 'working' or m.session_id is null or m.session_id = %(session_id)s
    or %(is_sharing)s)"""


def scope_values(scope: Scope) -> dict[str, object]:
    return {
        "agent_id": scope.agent_id,
        "user_name": scope.user_name,
        "session_id": scope.session_id,
        "is_narrow": scope.is_narrow,
        "is_sharing": scope.is_sharing,
    }


async def insert(
    tx: Transaction, id: UUID, draft: Draft, origin: Origin, *, workspace_id: UUID, project_id: UUID
) -> Memory | None:
    """None when the agent is not in this workspace, or the source key has been saved before.

    The foreign key alone would accept another workspace's agent: it looks past row-level security.
    """
    return await tx.one_or_none(
        Memory,
        """
        insert into memories as m (id, workspace_id, project_id, agent_id, user_name, tier, bucket, content, metadata,
          importance, topic, value, origin, expires_at, session_id, run_id, source_key, source_seq)
        select %(id)s, %(workspace_id)s, %(project_id)s, %(agent_id)s, %(user_name)s, %(tier)s, %(bucket)s,
          %(content)s, %(metadata)s, %(importance)s, %(topic)s, %(value)s, %(origin)s, %(expires_at)s,
          %(session_id)s, %(run_id)s, %(source_key)s, %(source_seq)s
        where %(agent_id)s::uuid is null
          or exists (select from agents where id = %(agent_id)s and workspace_id = %(workspace_id)s)
        on conflict (workspace_id, source_key) do nothing
        returning"""
        + COLUMNS,
        id=id,
        workspace_id=workspace_id,
        project_id=project_id,
        agent_id=draft.agent_id,
        user_name=draft.user_name,
        tier=draft.tier,
        bucket=draft.bucket,
        content=draft.content,
        metadata=json(draft.metadata),
        importance=draft.importance,
        topic=draft.topic,
        value=draft.value,
        origin=origin.by,
        expires_at=draft.expires_at,
        session_id=origin.session_id,
        run_id=origin.run_id,
        source_key=origin.source_key,
        source_seq=origin.source_seq,
    )


async def by_source(tx: Transaction, source_key: str) -> Memory | None:
    return await tx.one_or_none(
        Memory, "select" + COLUMNS + " from memories m where m.source_key = %(key)s", key=source_key
    )


async def get(tx: Transaction, id: UUID) -> Memory | None:
    return await tx.one_or_none(Memory, "select" + COLUMNS + " from memories m where m.id = %(id)s", id=id)


async def numbered(tx: Transaction, number: int) -> Memory | None:
    return await tx.one_or_none(
        Memory, "select" + COLUMNS + " from memories m where m.number = %(number)s", number=number
    )


async def lock(tx: Transaction, id: UUID) -> Memory | None:
    return await tx.one_or_none(Memory, "select" + COLUMNS + " from memories m where m.id = %(id)s for update", id=id)


async def list_page(tx: Transaction, window: Window, wanted: Filter) -> list[Memory]:
    return await tx.many(
        Memory,
        "select"
        + COLUMNS
        + """
        from memories m
        where (%(agent_id)s::uuid is null or m.agent_id = %(agent_id)s)
          and (%(user_name)s::text is null or m.user_name = %(user_name)s)
          and (%(bucket)s::text is null or m.bucket = %(bucket)s)
          and (%(tier)s::text is null or m.tier = %(tier)s)
          and (%(status)s::text is null or m.status = %(status)s)
          and (%(session_id)s::uuid is null or m.session_id = %(session_id)s)
          and (%(after)s::uuid is null or m.id < %(after)s)
        order by m.id desc limit %(rows)s""",
        agent_id=wanted.agent_id,
        user_name=wanted.user_name,
        bucket=wanted.bucket,
        tier=wanted.tier,
        status=wanted.status,
        session_id=wanted.session_id,
        after=window.after,
        rows=window.limit + 1,
    )


async def newest(tx: Transaction, scope: Scope, *, bucket: str | None, tier: str | None, limit: int) -> list[Memory]:
    return await tx.many(
        Memory,
        "select"
        + COLUMNS
        + " from memories m where"
        + VISIBLE
        + """
          and (%(bucket)s::text is null or m.bucket = %(bucket)s) and (%(tier)s::text is null or m.tier = %(tier)s)
        order by m.id desc limit %(limit)s""",
        **scope_values(scope),
        bucket=bucket,
        tier=tier,
        limit=limit,
    )


async def write(tx: Transaction, memory: Memory) -> Memory:
    """Stores the parts of a memory that its versions keep, as its next version."""
    return await tx.one(
        Memory,
        """
        update memories m set content = %(content)s, metadata = %(metadata)s, tier = %(tier)s, bucket = %(bucket)s,
          importance = %(importance)s, status = %(status)s, superseded_by = %(superseded_by)s, topic = %(topic)s,
          value = %(value)s, expires_at = %(expires_at)s, version = version + 1, updated_at = now()
        where m.id = %(id)s
        returning"""
        + COLUMNS,
        id=memory.id,
        content=memory.content,
        metadata=json(memory.metadata),
        tier=memory.tier,
        bucket=memory.bucket,
        importance=memory.importance,
        status=memory.status,
        superseded_by=memory.superseded_by,
        topic=memory.topic,
        value=memory.value,
        expires_at=memory.expires_at,
    )


async def record(
    tx: Transaction, memory: Memory, change: str, *, by: str, workspace_id: UUID, restores: int | None = None
) -> None:
    """Keeps the memory's present state as a version."""
    await tx.execute(
        """
        insert into memory_versions (memory_id, version, workspace_id, content, metadata, tier, bucket, importance,
          status, superseded_by, change, restores, changed_by)
        values (%(id)s, %(version)s, %(workspace_id)s, %(content)s, %(metadata)s, %(tier)s, %(bucket)s,
          %(importance)s, %(status)s, %(superseded_by)s, %(change)s, %(restores)s, %(by)s)""",
        id=memory.id,
        version=memory.version,
        workspace_id=workspace_id,
        content=memory.content,
        metadata=json(memory.metadata),
        tier=memory.tier,
        bucket=memory.bucket,
        importance=memory.importance,
        status=memory.status,
        superseded_by=memory.superseded_by,
        change=change,
        restores=restores,
        by=by,
    )


async def list_versions(tx: Transaction, id: UUID) -> list[MemoryVersion]:
    return await tx.many(
        MemoryVersion,
        """
        select version, content, metadata, tier, bucket, importance, status, superseded_by, change, restores,
          changed_by, created_at
        from memory_versions where memory_id = %(id)s order by version desc limit 1000""",
        id=id,
    )


async def get_version(tx: Transaction, id: UUID, version: int) -> MemoryVersion | None:
    return await tx.one_or_none(
        MemoryVersion,
        """
        select version, content, metadata, tier, bucket, importance, status, superseded_by, change, restores,
          changed_by, created_at
        from memory_versions where memory_id = %(id)s and version = %(version)s""",
        id=id,
        version=version,
    )


async def delete(tx: Transaction, id: UUID) -> bool:
    return await tx.execute("delete from memories where id = %(id)s", id=id) == 1


async def reinforce(tx: Transaction, id: UUID, expires_at: datetime | None) -> None:
    """It was learnt once more."""
    await tx.execute(
        """
        update memories set reinforced = reinforced + 1, used_at = now(),
          expires_at = greatest(expires_at, %(expires_at)s)
        where id = %(id)s""",
        id=id,
        expires_at=expires_at,
    )


async def touch(tx: Transaction, ids: Sequence[UUID], use: Use, *, workspace_id: UUID) -> None:
    """They were found, once for each call. What somebody else is writing right now is left out, not waited for."""
    await tx.execute(
        """
        with free as (
          select id from memories where id = any(%(ids)s) order by id for update skip locked
        ), found as (
          insert into memory_finds (id, workspace_id, memory_id, session_id, run_id, source_key)
          select glia.time_ordered_id(), %(workspace_id)s, id, %(session_id)s, %(run_id)s, %(source_key)s from free
          on conflict do nothing
          returning memory_id
        )
        update memories m set accesses = accesses + 1, used_at = now(),
          expires_at = case when expires_at is null then null else
            greatest(expires_at, now() + case tier when 'working' then interval '1 hour' else interval '7 days' end) end
        from found where m.id = found.memory_id""",
        ids=list(ids),
        workspace_id=workspace_id,
        session_id=use.session_id,
        run_id=use.run_id,
        source_key=use.source_key,
    )


async def finds(tx: Transaction, id: UUID, window: Window) -> list[Find]:
    return await tx.many(
        Find,
        """
        select id, at, session_id, run_id, source_key from memory_finds
        where memory_id = %(id)s and (%(after)s::uuid is null or id < %(after)s)
        order by id desc limit %(rows)s""",
        id=id,
        after=window.after,
        rows=window.limit + 1,
    )


async def count_feedback(tx: Transaction, id: UUID, *, is_useful: bool) -> None:
    await tx.execute(
        """
        update memories set useful = useful + %(is_useful)s::bool::int,
          not_useful = not_useful + (not %(is_useful)s)::int
        where id = %(id)s""",
        id=id,
        is_useful=is_useful,
    )


async def insert_feedback(
    tx: Transaction,
    id: UUID,
    memory_id: UUID,
    *,
    workspace_id: UUID,
    is_useful: bool | None,
    comment: str,
    by: str,
    source_key: str | None,
) -> bool:
    """False when this source key has been counted before."""
    return (
        await tx.execute(
            """
            insert into memory_feedback (id, memory_id, workspace_id, is_useful, comment, given_by, source_key)
            values (%(id)s, %(memory_id)s, %(workspace_id)s, %(is_useful)s, %(comment)s, %(by)s, %(source_key)s)
            on conflict (workspace_id, source_key) do nothing""",
            id=id,
            memory_id=memory_id,
            workspace_id=workspace_id,
            is_useful=is_useful,
            comment=comment,
            by=by,
            source_key=source_key,
        )
        == 1
    )


async def contradicting(tx: Transaction, memory: Memory) -> list[Memory]:
    """Active memories of the same owner and user on the same topic with another value, locked.

    What only one session finds contradicts nothing outside it: others would lose what they know and not see why.
    """
    return await tx.many(
        Memory,
        "select"
        + COLUMNS
        + """
        from memories m
        where m.scope_id = (select scope_id from memories where id = %(id)s) and m.topic = %(topic)s
          and m.status = 'active' and m.id <> %(id)s and m.value is distinct from %(value)s
          and m.user_name is not distinct from %(user_name)s
          and case when m.tier = 'working' then m.session_id end is not distinct from %(only_in)s::uuid
          and not exists (select from memory_conflicts c where c.kept = 'both'
            and (c.older_id, c.newer_id) in ((m.id, %(id)s), (%(id)s, m.id)))
        order by m.id limit 100 for update""",
        id=memory.id,
        topic=memory.topic,
        value=memory.value,
        user_name=memory.user_name,
        only_in=memory.only_in,
    )


async def insert_conflict(
    tx: Transaction, id: UUID, *, workspace_id: UUID, topic: str, older_id: UUID, newer_id: UUID, kept: Kept, by: str
) -> None:
    await tx.execute(
        """
        insert into memory_conflicts (id, workspace_id, scope_id, topic, older_id, newer_id, kept, resolved_by)
        select %(id)s, %(workspace_id)s, scope_id, %(topic)s, %(older_id)s, %(newer_id)s, %(kept)s, %(by)s
        from memories where id = %(newer_id)s
        on conflict (older_id, newer_id) do update set kept = excluded.kept, resolved_by = excluded.resolved_by""",
        id=id,
        workspace_id=workspace_id,
        topic=topic,
        older_id=older_id,
        newer_id=newer_id,
        kept=kept,
        by=by,
    )


_CONFLICT: LiteralString = """
  select c.id, c.topic, c.older_id, o.content as older_content, c.newer_id, n.content as newer_content, c.kept,
    c.resolved_by, c.created_at
  from memory_conflicts c join memories o on o.id = c.older_id join memories n on n.id = c.newer_id"""


async def list_conflicts(tx: Transaction, window: Window, scope_id: UUID | None) -> list[Conflict]:
    return await tx.many(
        Conflict,
        _CONFLICT
        + """
        where (%(scope_id)s::uuid is null or c.scope_id = %(scope_id)s)
          and (%(after)s::uuid is null or c.id < %(after)s)
        order by c.id desc limit %(rows)s""",
        scope_id=scope_id,
        after=window.after,
        rows=window.limit + 1,
    )


async def get_conflict(tx: Transaction, id: UUID) -> Conflict | None:
    return await tx.one_or_none(Conflict, _CONFLICT + " where c.id = %(id)s for update of c", id=id)


async def set_kept(tx: Transaction, id: UUID, kept: Kept, by: str) -> None:
    await tx.execute(
        "update memory_conflicts set kept = %(kept)s, resolved_by = %(by)s where id = %(id)s", id=id, kept=kept, by=by
    )


async def has_agent(tx: Transaction, agent_id: UUID) -> bool:
    return await tx.value("select true from agents where id = %(id)s and deleted_at is null", id=agent_id) is True


async def settings(tx: Transaction, agent_id: UUID) -> MemorySettings:
    found = await tx.one_or_none(
        MemorySettings,
        """
        select shares_sessions, is_learning, idle_seconds, model, tended_at, keeps_answers, recalls
        from memory_settings where agent_id = %(agent_id)s""",
        agent_id=agent_id,
    )
    return found or MemorySettings()


async def set_settings(tx: Transaction, agent_id: UUID, settings: MemorySettings, *, workspace_id: UUID) -> None:
    await tx.execute(
        """
        insert into memory_settings (agent_id, workspace_id, shares_sessions, is_learning, idle_seconds, model,
          keeps_answers, recalls)
        values (%(agent_id)s, %(workspace_id)s, %(shares)s, %(is_learning)s, %(idle_seconds)s, %(model)s,
          %(keeps_answers)s, %(recalls)s)
        on conflict (agent_id) do update set shares_sessions = excluded.shares_sessions,
          is_learning = excluded.is_learning, idle_seconds = excluded.idle_seconds, model = excluded.model,
          keeps_answers = excluded.keeps_answers, recalls = excluded.recalls,
          updated_at = now()""",
        agent_id=agent_id,
        workspace_id=workspace_id,
        shares=settings.shares_sessions,
        is_learning=settings.is_learning,
        idle_seconds=settings.idle_seconds,
        model=settings.model,
        keeps_answers=settings.keeps_answers,
        recalls=settings.recalls,
    )


async def list_policies(tx: Transaction, scope_id: UUID) -> list[Policy]:
    return await tx.many(
        Policy,
        """
        select bucket, max_age_seconds, max_count, min_strength, is_archiving
        from memory_policies where scope_id = %(scope_id)s order by bucket""",
        scope_id=scope_id,
    )


async def set_policy(tx: Transaction, scope_id: UUID, policy: Policy, *, workspace_id: UUID) -> None:
    await tx.execute(
        """
        insert into memory_policies (workspace_id, scope_id, bucket, max_age_seconds, max_count, min_strength,
          is_archiving)
        values (%(workspace_id)s, %(scope_id)s, %(bucket)s, %(max_age)s, %(max_count)s, %(min_strength)s,
          %(is_archiving)s)
        on conflict (scope_id, bucket) do update set max_age_seconds = excluded.max_age_seconds,
          max_count = excluded.max_count, min_strength = excluded.min_strength, is_archiving = excluded.is_archiving,
          updated_at = now()""",
        workspace_id=workspace_id,
        scope_id=scope_id,
        bucket=policy.bucket,
        max_age=policy.max_age_seconds,
        max_count=policy.max_count,
        min_strength=policy.min_strength,
        is_archiving=policy.is_archiving,
    )


async def delete_policy(tx: Transaction, scope_id: UUID, bucket: str) -> bool:
    return (
        await tx.execute(
            "delete from memory_policies where scope_id = %(scope_id)s and bucket = %(bucket)s",
            scope_id=scope_id,
            bucket=bucket,
        )
        == 1
    )


async def saying(tx: Transaction, scope: Scope, content: str) -> Memory | None:
    """What the scope shows with exactly these words, locked; else one it showed before that was forgotten."""
    return await tx.one_or_none(
        Memory,
        "select"
        + COLUMNS
        + " from memories m where lower(m.content) = lower(%(content)s) and (("
        + VISIBLE
        + """) or (m.status = 'forgotten' and m.agent_id is not distinct from %(agent_id)s
            and m.user_name is not distinct from %(user_name)s))
        order by m.status, m.id desc limit 1 for update of m""",
        **scope_values(scope),
        content=content,
    )


async def user_of(tx: Transaction, session_id: UUID) -> str | None:
    return await tx.value(
        "select nullif(left(metadata ->> 'user_name', 200), '') from sessions where id = %(id)s", id=session_id
    )
