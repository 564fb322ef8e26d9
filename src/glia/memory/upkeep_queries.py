"""SQL for keeping memories in order: what is alike, worn out, due for another tier, or damaged."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString
from uuid import UUID

from glia.kit.db import Transaction
from glia.memory.queries import COLUMNS
from glia.memory.types import Forgotten, Issue, Memory, Policy, Tier


@dataclass(frozen=True)
class Pair:
    """Two active memories that say nearly the same. similarity: 0 to 1, of their words."""

    kept_id: UUID
    other_id: UUID
    similarity: float


async def near_duplicates(
    tx: Transaction, scope_id: UUID, *, tier: Tier | None, least: float, limit: int
) -> list[Pair]:
    """Pairs with the same owner, user and bucket whose words are alike, the one worth keeping first.

    What only one session finds is never merged with what others find, who would lose it or learn of it.
    Alike: the share of words they have in common (Jaccard), which one word in ten may change. Words with a digit must
    all be the same, and so must negations, which PostgreSQL drops as stop words: "is" and "is not" are no duplicates.
    """
    return await tx.many(
        Pair,
        """
        with candidates as materialized (
          select m.id, m.user_name, m.bucket, m.only_in, m.strength, m.words,
            array(select x from unnest(m.words) x where x ~ '[0-9]' order by 1) as figures,
            lower(m.content) ~ '\\y(not|no|never|without|cannot|nobody|nothing)\\y|n''t\\y' as is_negated
          from (
            select id, user_name, bucket, case when tier = 'working' then session_id end as only_in, content,
              memory_strength(importance, tier, used_at, accesses, now()) as strength,
              array(select w.lexeme from memory_words w where w.memory_id = memories.id order by 1) as words
            from memories
            where scope_id = %(scope_id)s and status = 'active' and (%(tier)s::text is null or tier = %(tier)s)
            order by id desc limit 5000
          ) m where cardinality(m.words) > 0
        ), shared as (
          select distinct a.memory_id as a, b.memory_id as b
          from memory_words a join memory_words b on b.scope_id = a.scope_id and b.lexeme = a.lexeme
            and b.memory_id > a.memory_id
          where a.scope_id = %(scope_id)s
            and a.lexeme in (select lexeme from memory_words where scope_id = %(scope_id)s
              group by lexeme having count(*) between 2 and 200)
        )
        select case when (a.strength, a.id) >= (b.strength, b.id) then a.id else b.id end as kept_id,
          case when (a.strength, a.id) >= (b.strength, b.id) then b.id else a.id end as other_id, o.similarity
        from shared s join candidates a on a.id = s.a join candidates b on b.id = s.b
        cross join lateral (
          select cardinality(array(select unnest(a.words) intersect select unnest(b.words)))::float8
            / cardinality(array(select unnest(a.words) union select unnest(b.words))) as similarity
        ) o
        where a.user_name is not distinct from b.user_name and a.bucket = b.bucket and a.figures = b.figures
          and a.is_negated = b.is_negated and a.only_in is not distinct from b.only_in
          and o.similarity >= %(least)s
        order by o.similarity desc, 1, 2 limit %(limit)s""",
        scope_id=scope_id,
        tier=tier,
        least=least,
        limit=limit,
    )


async def merge_counters(tx: Transaction, kept_id: UUID, other_id: UUID) -> None:
    await tx.execute(
        """
        update memories k set reinforced = k.reinforced + o.reinforced + 1, accesses = k.accesses + o.accesses,
          useful = k.useful + o.useful, not_useful = k.not_useful + o.not_useful,
          used_at = greatest(k.used_at, o.used_at)
        from memories o where k.id = %(kept_id)s and o.id = %(other_id)s""",
        kept_id=kept_id,
        other_id=other_id,
    )
    # Both were found by one call: that is two of the sum, so the key is dropped rather than the find.
    await tx.execute(
        """
        update memory_finds f set memory_id = %(kept_id)s,
          source_key = case when exists (select from memory_finds k where k.memory_id = %(kept_id)s
            and k.source_key = f.source_key) then null else f.source_key end
        where f.memory_id = %(other_id)s""",
        kept_id=kept_id,
        other_id=other_id,
    )


async def forget_finds(tx: Transaction, scope_id: UUID, *, most: int) -> None:
    """Keeps the newest finds of each memory; `accesses` still counts them all."""
    await tx.execute(
        """
        delete from memory_finds f using memories m
        where m.scope_id = %(scope_id)s and m.accesses > %(most)s and f.memory_id = m.id
          and f.id <= (
            select id from memory_finds x where x.memory_id = m.id order by id desc offset %(most)s limit 1)""",
        scope_id=scope_id,
        most=most,
    )


async def lock_many(tx: Transaction, ids: list[UUID]) -> list[Memory]:
    return await tx.many(
        Memory,
        "select" + COLUMNS + " from memories m where m.id = any(%(ids)s) order by m.id for update",
        ids=ids,
    )


async def due_for_promotion(tx: Transaction, scope_id: UUID, *, limit: int) -> list[Memory]:
    """Working memories that were used and count for something; short ones that have proven themselves for a day.

    What was learnt in a session leaves it only where the agent's sessions share what they learn.
    """
    return await tx.many(
        Memory,
        "select"
        + COLUMNS
        + """
        from memories m
        where m.scope_id = %(scope_id)s and m.status = 'active' and (
          (m.tier = 'working' and m.importance > 0.6 and m.accesses + m.reinforced > 2
            and m.created_at < now() - interval '10 minutes' and (m.session_id is null or exists (
              select from memory_settings s where s.agent_id = m.agent_id and s.shares_sessions)))
          or (m.tier = 'short' and m.created_at < now() - interval '1 day'
            and (m.reinforced >= 3 or (m.importance > 0.75 and m.accesses + m.reinforced >= 3))))
        order by m.id limit %(limit)s for update""",
        scope_id=scope_id,
        limit=limit,
    )


async def due_for_demotion(tx: Transaction, scope_id: UUID, *, limit: int) -> list[Memory]:
    """Long memories that were learnt by themselves, never used, and have faded below a twentieth."""
    return await tx.many(
        Memory,
        "select"
        + COLUMNS
        + """
        from memories m
        where m.scope_id = %(scope_id)s and m.status = 'active' and m.tier = 'long'
          and m.origin in ('extraction', 'consolidation') and m.accesses = 0
          and memory_strength(m.importance, m.tier, m.used_at, m.accesses, now()) < 0.05
        order by m.id limit %(limit)s for update""",
        scope_id=scope_id,
        limit=limit,
    )


async def expired(tx: Transaction, scope_id: UUID, *, limit: int) -> list[Memory]:
    return await tx.many(
        Memory,
        "select"
        + COLUMNS
        + """
        from memories m
        where m.scope_id = %(scope_id)s and m.status = 'active' and m.expires_at < now()
        order by m.id limit %(limit)s for update""",
        scope_id=scope_id,
        limit=limit,
    )


_FORGETTABLE: LiteralString = """
  with ranked as (
    select id, bucket, tier, content, used_at, memory_strength(importance, tier, used_at, accesses, now()) as strength,
      row_number() over (order by memory_strength(importance, tier, used_at, accesses, now()) desc, id desc) as place
    from memories
    where scope_id = %(scope_id)s and status = 'active' and bucket = %(bucket)s
      and (%(tier)s::text is null or tier = %(tier)s)
  )
  select id, bucket, tier, content,
    case when used_at < now() - make_interval(secs => %(max_age)s::float8) then 'age'
      when strength < %(min_strength)s::float8 then 'strength' else 'count' end as reason
  from ranked
  where used_at < now() - make_interval(secs => %(max_age)s::float8) or strength < %(min_strength)s::float8
    or place > %(max_count)s::int
  order by id limit %(limit)s"""


async def forgettable(
    tx: Transaction, scope_id: UUID, policy: Policy, *, tier: Tier | None, limit: int
) -> list[Forgotten]:
    """What a policy lets go. An absent bound compares with null, which is never true."""
    return await tx.many(
        Forgotten,
        _FORGETTABLE,
        scope_id=scope_id,
        bucket=policy.bucket,
        tier=tier,
        max_age=policy.max_age_seconds,
        min_strength=policy.min_strength,
        max_count=policy.max_count,
        limit=limit,
    )


async def buckets(tx: Transaction, scope_id: UUID) -> list[str]:
    return await tx.values(
        """
        select distinct bucket from memories
        where scope_id = %(scope_id)s and status = 'active' order by 1 limit 1000""",
        scope_id=scope_id,
    )


async def delete_many(tx: Transaction, ids: list[UUID]) -> int:
    return await tx.execute("delete from memories where id = any(%(ids)s)", ids=ids)


async def oldest(
    tx: Transaction, scope_id: UUID, user_name: str | None, *, limit: int, is_of_all: bool = False
) -> list[Memory]:
    """Without working memories, most of which belong to one session and are gone in an hour; unless is_of_all.

    Then they are those of one user, whoever's the oldest one is: nobody's memories are mixed with another's.
    """
    return await tx.many(
        Memory,
        "select"
        + COLUMNS
        + """
        from memories m
        where m.scope_id = %(scope_id)s and m.status = 'active' and (m.expires_at is null or m.expires_at > now())
          and m.user_name is not distinct from case when %(is_of_all)s then (
            select f.user_name from memories f
            where f.scope_id = %(scope_id)s and f.status = 'active' and not f.metadata @> '{"kind": "summary"}'
              and (f.expires_at is null or f.expires_at > now())
            order by f.id limit 1) else %(user_name)s end
          and (%(is_of_all)s or m.tier <> 'working') and not m.metadata @> '{"kind": "summary"}'
        order by m.id limit %(limit)s for update""",
        scope_id=scope_id,
        user_name=user_name,
        is_of_all=is_of_all,
        limit=limit,
    )


async def issues(tx: Transaction, scope_id: UUID, model: str | None, *, limit: int) -> list[Issue]:
    """What is damaged or odd. model: what vectors should be made with; None when there is no embedder."""
    return await tx.many(
        Issue,
        """
        select m.id as memory_id, m.tier, i.kind, i.severity, i.is_repairable
        from memories m
        left join memory_vectors v on v.memory_id = m.id
        left join lateral (select coalesce(sum(tf), 0) as length from memory_words w where w.memory_id = m.id) w on true
        cross join lateral (values
          ('words_missing', 'high', true, w.length <> m.length),
          ('vector_mismatch', 'medium', true, (v.model is distinct from m.embedding_model)
            or (m.embedding_model is not null and %(model)s::text is not null and m.embedding_model <> %(model)s)),
          ('vector_missing', 'low', true, m.embedding_model is null and %(model)s::text is not null),
          ('content_empty', 'critical', true, btrim(m.content) = ''),
          ('content_huge', 'medium', false, char_length(m.content) > 8000),
          ('metadata_huge', 'low', false, pg_column_size(m.metadata) > 32000),
          ('expired', 'low', true, m.expires_at < now()),
          ('version_missing', 'medium', true, not exists (select from memory_versions x
            where x.memory_id = m.id and x.version = m.version)),
          ('contradicted', 'medium', true, m.topic is not null and exists (select from memories o
            where o.scope_id = m.scope_id and o.topic = m.topic and o.status = 'active' and o.id > m.id
              and o.value is distinct from m.value and o.user_name is not distinct from m.user_name
              and case when o.tier = 'working' then o.session_id end
                is not distinct from case when m.tier = 'working' then m.session_id end
              and not exists (select from memory_conflicts c where c.kept = 'both'
                and c.older_id = m.id and c.newer_id = o.id)))
        ) i(kind, severity, is_repairable, is_so)
        where m.scope_id = %(scope_id)s and m.status = 'active' and i.is_so
        order by m.id, i.kind limit %(limit)s""",
        scope_id=scope_id,
        model=model,
        limit=limit,
    )


async def active(tx: Transaction, scope_id: UUID, *, after: UUID | None, limit: int) -> list[Memory]:
    return await tx.many(
        Memory,
        "select"
        + COLUMNS
        + """
        from memories m where m.scope_id = %(scope_id)s and m.status = 'active'
          and (%(after)s::uuid is null or m.id > %(after)s)
        order by m.id limit %(limit)s""",
        scope_id=scope_id,
        after=after,
        limit=limit,
    )


async def recent(tx: Transaction, scope_id: UUID, *, since: datetime | None, limit: int) -> list[Memory]:
    """Active ones that are new or changed since then, the newest first."""
    return await tx.many(
        Memory,
        "select"
        + COLUMNS
        + """
        from memories m where m.scope_id = %(scope_id)s and m.status = 'active'
          and (%(since)s::timestamptz is null or m.updated_at > %(since)s)
        order by m.id desc limit %(limit)s""",
        scope_id=scope_id,
        since=since,
        limit=limit,
    )


async def set_tended(tx: Transaction, agent_id: UUID, *, workspace_id: UUID) -> None:
    await tx.execute(
        """
        insert into memory_settings (agent_id, workspace_id, tended_at) values (%(agent_id)s, %(workspace_id)s, now())
        on conflict (agent_id) do update set tended_at = now()""",
        agent_id=agent_id,
        workspace_id=workspace_id,
    )


async def learning_workspaces(tx: Transaction) -> list[UUID]:
    """Those in which an agent learns. Sees all workspaces, so it needs a transaction across them."""
    return await tx.values("select distinct workspace_id from memory_settings where is_learning")


@dataclass(frozen=True)
class Due:
    """A session that facts should be learnt from."""

    project_id: UUID
    session_id: UUID


async def due(tx: Transaction, *, limit: int) -> list[Due]:
    """Sessions of the workspace's learning agents that have been quiet for long enough, longest first."""
    return await tx.many(
        Due,
        """
        select s.project_id, s.id as session_id
        from memory_settings g join sessions s on s.agent_id = g.agent_id
        left join conversations c on c.session_id = s.id
        where g.is_learning and s.deleted_at is null and s.last_seq > coalesce(c.learnt_seq, 0)
          and s.updated_at < now() - make_interval(secs => g.idle_seconds)
          and s.updated_at > now() - interval '30 days'
          and (c.asked_at is null or c.asked_at < s.updated_at)
        order by s.updated_at limit %(limit)s""",
        limit=limit,
    )


async def mark_asked(tx: Transaction, session_id: UUID) -> bool:
    """Whether this caller is the one to start learning from the session: another process may have been first."""
    return (
        await tx.execute(
            """
            update conversations c set asked_at = now() from sessions s
            where c.session_id = %(id)s and s.id = c.session_id
              and (c.asked_at is null or c.asked_at < s.updated_at)""",
            id=session_id,
        )
        == 1
    )


@dataclass(frozen=True)
class Heard:
    """A turn to learn from."""

    seq: int
    run_id: UUID | None
    role: str
    at: datetime
    text: str


async def to_learn(tx: Transaction, session_id: UUID, *, limit: int) -> list[Heard]:
    return await tx.many(
        Heard,
        """
        select t.seq, t.run_id, t.role, t.at, t.text from turns t join conversations c using (session_id)
        where t.session_id = %(id)s and t.seq > c.learnt_seq order by t.ordinal limit %(limit)s""",
        id=session_id,
        limit=limit,
    )


async def set_learnt(tx: Transaction, session_id: UUID, seq: int) -> None:
    await tx.execute(
        "update conversations set learnt_seq = greatest(learnt_seq, %(seq)s) where session_id = %(id)s",
        id=session_id,
        seq=seq,
    )


async def known(tx: Transaction, scope_id: UUID, content: str, user_name: str | None) -> Memory | None:
    """An active memory of the same owner and user that says the same, word for word."""
    return await tx.one_or_none(
        Memory,
        "select"
        + COLUMNS
        + """
        from memories m
        where m.scope_id = %(scope_id)s and m.status = 'active' and lower(m.content) = lower(%(content)s)
          and m.user_name is not distinct from %(user_name)s
        order by m.id limit 1 for update""",
        scope_id=scope_id,
        content=content,
        user_name=user_name,
    )
