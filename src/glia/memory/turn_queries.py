"""SQL for finding past turns: reading them from sessions' logs, their words and vectors, and the search.

A turn is understood by what was said around it, so it is found by the words of its neighbours too: those of the turn
before count half, because an answer takes its subject from the question, those of the turn behind a quarter, and half
of that one turn further on. Its date is among its words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString
from uuid import UUID

from glia.kit.db import Transaction
from glia.memory.types import FoundTurn
from glia.memory.words import searchable

_MOST_SESSIONS = 2_000
_LEAST_SIMILARITY = 0.3
_DEPTH = 100
_DENSE_WEIGHT = 0.5


@dataclass(frozen=True)
class Said:
    """An event that holds a turn, its payload still as JSON text."""

    seq: int
    type: str
    at: datetime
    run_id: UUID | None
    data: str


@dataclass(frozen=True)
class Turn:
    seq: int
    run_id: UUID | None
    role: str
    at: datetime
    text: str


@dataclass(frozen=True)
class Reading:
    """How far a session has been read."""

    session_id: UUID
    agent_id: UUID
    read_seq: int
    turns: int
    last_seq: int


async def behind(tx: Transaction, *, agent_id: UUID | None, session_id: UUID | None, limit: int) -> list[UUID]:
    """Sessions whose log goes on behind what has been read of it, newest first.

    An imported session is read only when it is named: it is evidence of what happened elsewhere, no active memory.
    """
    return await tx.values(
        """
        select s.id from sessions s left join conversations c on c.session_id = s.id
        where s.agent_id is not null and s.deleted_at is null and s.last_seq > coalesce(c.read_seq, 0)
          and (%(agent_id)s::uuid is null or s.agent_id = %(agent_id)s)
          and (s.origin = 'live' or %(session_id)s::uuid is not null)
          and (%(session_id)s::uuid is null or s.id = %(session_id)s)
        order by s.id desc limit %(limit)s""",
        agent_id=agent_id,
        session_id=session_id,
        limit=limit,
    )


async def lock_reading(tx: Transaction, session_id: UUID) -> Reading | None:
    """Makes sure that one reader at a time goes on; None for a session that is not there."""
    await tx.execute(
        """
        insert into conversations (session_id, workspace_id, agent_id, user_name)
        select id, workspace_id, agent_id, nullif(left(metadata ->> 'user_name', 200), '')
        from sessions where id = %(id)s and agent_id is not null
        on conflict (session_id) do nothing""",
        id=session_id,
    )
    return await tx.one_or_none(
        Reading,
        """
        select c.session_id, c.agent_id, c.read_seq, c.turns, s.last_seq
        from conversations c join sessions s on s.id = c.session_id
        where c.session_id = %(id)s and s.deleted_at is null for update of c""",
        id=session_id,
    )


async def read_log(tx: Transaction, session_id: UUID, *, after: int, until: int, limit: int) -> list[Said]:
    """Events behind `after` up to `until`, as text: PostgreSQL cannot look into JSON that holds a NUL character.

    A model may write one.
    """
    return await tx.many(
        Said,
        """
        select seq, type, at, run_id, data::text as data from events
        where session_id = %(id)s and seq > %(after)s and seq <= %(until)s
          and type in ('message.received', 'run.completed', 'run.failed', 'run.cancelled')
        order by seq limit %(limit)s""",
        id=session_id,
        after=after,
        until=until,
        limit=limit,
    )


async def read_changes(tx: Transaction, session_id: UUID, *, after: int, until: int) -> list[Said]:
    """Events behind `after` up to `until` by which messages were edited or deleted, oldest first."""
    return await tx.many(
        Said,
        """
        select seq, type, at, run_id, data::text as data from events
        where session_id = %(id)s and seq > %(after)s and seq <= %(until)s
          and type in ('message.edited', 'message.deleted') order by seq""",
        id=session_id,
        after=after,
        until=until,
    )


async def forget_turns(tx: Transaction, session_id: UUID) -> None:
    """So that the session is read from its beginning; vectors go with their turns."""
    await tx.execute("delete from turn_words where session_id = %(id)s", id=session_id)
    await tx.execute("delete from turns where session_id = %(id)s", id=session_id)
    await tx.execute("update conversations set read_seq = 0, turns = 0 where session_id = %(id)s", id=session_id)


async def last_received(tx: Transaction, session_id: UUID, *, limit: int) -> list[Said]:
    """The newest messages to a session, newest first, out of its last 2,000 events."""
    return await tx.many(
        Said,
        """
        select e.seq, e.type, e.at, e.run_id, e.data::text as data
        from sessions s join events e on e.session_id = s.id and e.seq > s.last_seq - 2000
        where s.id = %(id)s and s.deleted_at is null and e.type = 'message.received'
        order by e.seq desc limit %(limit)s""",
        id=session_id,
        limit=limit,
    )


async def add_turns(tx: Transaction, reading: Reading, turns: Sequence[Turn]) -> None:
    await tx.execute(
        """
        with added as (
          insert into turns (session_id, ordinal, workspace_id, agent_id, seq, run_id, role, at, text)
          select c.session_id, c.turns + t.number, c.workspace_id, c.agent_id, t.seq, t.run_id, t.role, t.at, t.text
          from conversations c, rows from (unnest(%(seqs)s::bigint[], %(run_ids)s::uuid[], %(roles)s::text[],
            %(ats)s::timestamptz[], %(texts)s::text[])) with ordinality as t(seq, run_id, role, at, text, number)
          where c.session_id = %(session_id)s
          returning ordinal
        )
        update conversations set turns = turns + (select count(*) from added) where session_id = %(session_id)s""",
        session_id=reading.session_id,
        seqs=[turn.seq for turn in turns],
        run_ids=[turn.run_id for turn in turns],
        roles=[turn.role for turn in turns],
        ats=[turn.at for turn in turns],
        texts=[turn.text for turn in turns],
    )
    await _add_words(tx, reading, turns)


async def _add_words(tx: Transaction, reading: Reading, turns: Sequence[Turn]) -> None:
    await tx.execute(
        """
        with said as (
          select %(first)s + t.number as ordinal, t.text
          from rows from (unnest(%(texts)s::text[])) with ordinality as t(text, number)
        ), words as materialized (
          select s.ordinal, w.lexeme, coalesce(cardinality(w.positions), 1) as tf
          from said s, unnest(to_tsvector('english', s.text)) w
        ), written as (
          insert into turn_words (session_id, lexeme, first, workspace_id, agent_id, ordinals, tfs)
          select c.session_id, w.lexeme, %(first)s + 1, c.workspace_id, c.agent_id,
            array_agg(w.ordinal order by w.ordinal), array_agg(w.tf order by w.ordinal)
          from words w, conversations c where c.session_id = %(session_id)s
          group by c.session_id, c.workspace_id, c.agent_id, w.lexeme
        )
        update turns t set length = l.length
        from (select ordinal, sum(tf) as length from words group by ordinal) l
        where t.session_id = %(session_id)s and t.ordinal = l.ordinal""",
        session_id=reading.session_id,
        first=reading.turns,
        texts=[searchable(f"{date_of(turn.at)} {turn.text}") for turn in turns],
    )


def date_of(at: datetime) -> str:
    return f"{at:%A} {at.day} {at:%B} {at.year}"


async def set_read(tx: Transaction, session_id: UUID, seq: int) -> None:
    await tx.execute("update conversations set read_seq = %(seq)s where session_id = %(id)s", id=session_id, seq=seq)


_SEARCH: LiteralString = """
with wanted as materialized (
  select c.session_id from conversations c join sessions s on s.id = c.session_id
  where s.deleted_at is null and c.agent_id = %(agent_id)s
    and (%(session_id)s::uuid is null or c.session_id = %(session_id)s)
    and (%(is_any_user)s or c.user_name is not distinct from %(user_name)s)
  order by c.session_id desc limit %(most)s
), windows as materialized (
  select t.session_id, t.ordinal, t.length + 0.5 * coalesce(lag(t.length) over w, 0)
    + 0.25 * coalesce(lag(t.length, 2) over w, 0) + 0.25 * coalesce(lead(t.length) over w, 0)
    + 0.125 * coalesce(lead(t.length, 2) over w, 0) as length
  from turns t join wanted using (session_id) where t.agent_id = %(agent_id)s
  window w as (partition by t.session_id order by t.ordinal)
), size as (
  select count(*)::float8 as n, greatest(avg(length), 1)::float8 as mean from windows
), question as (
  select lexeme from unnest(to_tsvector('english', %(query)s)) limit 500
), hits as materialized (
  select w.session_id, w.lexeme, x.ordinal, x.tf
  from question q join turn_words w on w.agent_id = %(agent_id)s and w.lexeme = q.lexeme
  join wanted using (session_id), unnest(w.ordinals, w.tfs) x(ordinal, tf)
), weights as (
  select lexeme, ln(1 + (z.n - count(*) + 0.5) / (count(*) + 0.5)) as idf from hits, size z group by lexeme, z.n
), spread as (
  select h.session_id, h.ordinal + o.step as ordinal, h.lexeme, sum(h.tf * o.share) as tf
  from hits h cross join (values (0, 1.0), (1, 0.5), (2, 0.25), (-1, 0.25), (-2, 0.125)) o(step, share)
  group by 1, 2, 3
), by_words as (
  select s.session_id, s.ordinal,
    sum(w.idf * s.tf * 2.2 / (s.tf + 1.2 * (0.25 + 0.75 * v.length / z.mean)))::float8 as score
  from spread s join windows v using (session_id, ordinal) join weights w using (lexeme) cross join size z
  group by 1, 2 order by 3 desc, 1 desc, 2 desc limit %(depth)s
), by_meaning as (
  select session_id, ordinal from (
    select v.session_id, v.ordinal, v.embedding <#> %(vector)s::halfvec as distance
    from turn_vectors v join wanted using (session_id) where v.agent_id = %(agent_id)s and v.model = %(model)s
    order by 3, 1, 2 limit %(depth)s
  ) nearest where distance <= -%(least)s
), found as (
  select session_id, ordinal from by_words union select session_id, ordinal from by_meaning
), ranked as (
  select f.session_id, f.ordinal, l.score as lexical, -(v.embedding <#> %(vector)s::halfvec) as dense,
    (coalesce(l.score * %(lexical_weight)s / (select max(score) from by_words), 0)
      + coalesce(%(dense_weight)s * greatest(-(v.embedding <#> %(vector)s::halfvec), 0), 0))::float8 as score
  from found f left join by_words l on l.session_id = f.session_id and l.ordinal = f.ordinal
  left join turn_vectors v on v.session_id = f.session_id and v.ordinal = f.ordinal and v.model = %(model)s
  order by score desc, session_id desc, ordinal desc limit %(limit)s
)
select t.session_id, t.ordinal, t.seq, t.run_id, t.role, t.at, t.text, r.lexical, r.dense, r.score,
  coalesce((select b.role || ': ' || left(b.text, 500) from turns b
    where b.session_id = t.session_id and b.ordinal = t.ordinal - 1), '') as before,
  coalesce((select b.role || ': ' || left(b.text, 500) from turns b
    where b.session_id = t.session_id and b.ordinal = t.ordinal + 1), '') as after
from ranked r join turns t using (session_id, ordinal)
order by r.score desc, t.session_id desc, t.ordinal desc"""


@dataclass(frozen=True)
class Where:
    """Which turns are looked through. session_id: None for all of the agent's. is_any_user: whoever they are with."""

    agent_id: UUID
    session_id: UUID | None = None
    user_name: str | None = None
    is_any_user: bool = False


async def search(
    tx: Transaction,
    where: Where,
    query: str,
    *,
    limit: int,
    vector: str | None = None,
    model: str | None = None,
    lexical_weight: float = 1.0,
    dense_weight: float = _DENSE_WEIGHT,
) -> list[FoundTurn]:
    """Best first, in the agent's newest 2,000 sessions. Scores are added, as in search.py."""
    return await tx.many(
        FoundTurn,
        _SEARCH,
        agent_id=where.agent_id,
        session_id=where.session_id,
        user_name=where.user_name,
        is_any_user=where.is_any_user,
        query=searchable(query),
        vector=vector,
        model=model if vector else None,
        least=_LEAST_SIMILARITY,
        lexical_weight=lexical_weight,
        dense_weight=dense_weight,
        depth=max(_DEPTH, limit),
        limit=limit,
        most=_MOST_SESSIONS,
    )


@dataclass(frozen=True)
class TurnToEmbed:
    session_id: UUID
    ordinal: int
    at: datetime
    text: str
    before: str
    after: str


async def list_without_vector(tx: Transaction, agent_id: UUID, model: str, *, limit: int) -> list[TurnToEmbed]:
    """A session's last turn waits until it has been answered: what comes behind it is a part of its vector."""
    return await tx.many(
        TurnToEmbed,
        """
        select t.session_id, t.ordinal, t.at, left(t.text, 2000) as text, coalesce(left(b.text, 1000), '') as before,
          coalesce(left(a.text, 1000), '') as after
        from turns t join conversations c using (session_id)
        left join turns b on b.session_id = t.session_id and b.ordinal = t.ordinal - 1
        left join turns a on a.session_id = t.session_id and a.ordinal = t.ordinal + 1
        where t.agent_id = %(agent_id)s and (t.ordinal < c.turns or t.role <> 'user')
          and not exists (select from turn_vectors v
            where v.session_id = t.session_id and v.ordinal = t.ordinal and v.model = %(model)s)
        order by t.session_id, t.ordinal limit %(limit)s""",
        agent_id=agent_id,
        model=model,
        limit=limit,
    )


async def set_vectors(
    tx: Transaction, turns: Sequence[TurnToEmbed], vectors: Sequence[str], *, agent_id: UUID, model: str
) -> None:
    await tx.execute(
        """
        insert into turn_vectors (session_id, ordinal, workspace_id, agent_id, model, embedding)
        select t.session_id, t.ordinal, t.workspace_id, t.agent_id, %(model)s, v.vector::halfvec
        from unnest(%(sessions)s::uuid[], %(ordinals)s::int[], %(vectors)s::text[]) v(session_id, ordinal, vector)
        join turns t using (session_id, ordinal) where t.agent_id = %(agent_id)s
        on conflict (session_id, ordinal) do update set model = excluded.model, embedding = excluded.embedding""",
        agent_id=agent_id,
        model=model,
        sessions=[turn.session_id for turn in turns],
        ordinals=[turn.ordinal for turn in turns],
        vectors=list(vectors),
    )
