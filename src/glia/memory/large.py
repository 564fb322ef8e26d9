"""The legs of a search where a scope holds thousands of memories: what `search.py` does, without reading them all.

By words: memories that hold one of the question's rarest words are scored, the hundreds that fit these best get the
rest of their score. By meaning: through the index, which goes on until enough of what it finds is visible.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import LiteralString
from uuid import UUID

from glia.kit.db import Transaction
from glia.memory.queries import VISIBLE
from glia.memory.types import Scope

FROM_MEMORIES = 5_000
"""From how many active memories on a scope is searched this way."""

PARAMETERS: dict[str, object] = {"rare_hits": 3_000, "picked": 500}

_WIDTHS: dict[int, LiteralString] = {384: "384", 768: "768", 1024: "1024", 1536: "1536"}

_FITS: LiteralString = (
    VISIBLE
    + """
    and (%(bucket)s::text is null or m.bucket = %(bucket)s) and (%(tier)s::text is null or m.tier = %(tier)s)"""
)

# How many hold a word, and how many there are, only matters up to some thousands: behind that a word is common.
_BY_WORDS: LiteralString = (
    """
with scopes as materialized (
  select %(workspace_id)s::uuid as id
  union all select a.id from agents a where %(agent_id)s::uuid is null or a.id = %(agent_id)s
), size as (
  select count(*)::float8 as n, greatest(avg(length), 1)::float8 as mean from (
    select m.length from memories m join scopes s on s.id = m.scope_id where m.status = 'active' limit 5000
  ) first_ones
), question as (
  select lexeme from unnest(to_tsvector('english', %(query)s)) limit 500
), counted as materialized (
  select q.lexeme, (
    select count(*) from (
      select from memory_words w join scopes s on s.id = w.scope_id where w.lexeme = q.lexeme limit 5000
    ) first_ones) as df
  from question q
), weights as materialized (
  select c.lexeme, ln(1 + greatest(z.n - c.df, 0) / (c.df + 0.5) + 0.5 / (c.df + 0.5)) as idf,
    row_number() over by_rarity as place, sum(c.df) over by_rarity as hits
  from counted c, size z where c.df > 0 window by_rarity as (order by c.df, c.lexeme)
), rare as (
  select m.id, m.length, sum(w.idf * h.tf * 2.2 / (h.tf + 1.2 * (0.25 + 0.75 * m.length / z.mean))) as score
  from weights w cross join scopes s cross join size z
  join memory_words h on h.scope_id = s.id and h.lexeme = w.lexeme
  join memories m on m.id = h.memory_id
  where (w.place = 1 or w.hits <= %(rare_hits)s) and """
    + _FITS
    + """
  group by m.id, m.length
), picked as materialized (
  select id, length, score from rare order by score desc, id limit %(picked)s
), by_words as materialized (
  select p.id, (p.score + coalesce((
      select sum(w.idf * h.tf * 2.2 / (h.tf + 1.2 * (0.25 + 0.75 * p.length / z.mean)))
      from weights w join memory_words h on h.memory_id = p.id and h.lexeme = w.lexeme
      where w.place > 1 and w.hits > %(rare_hits)s), 0))::float8 as score
  from picked p cross join size z order by 2 desc, 1 limit %(depth)s
), by_meaning as materialized ("""
)
_NO_MEANING: LiteralString = """
  select null::uuid as id where false
), """
_BY_MEANING: LiteralString = (
    """
  select id from (
    select v.memory_id as id, v.embedding::halfvec(384) <#> %(vector)s::halfvec(384) as distance
    from memory_vectors v
    where vector_dims(v.embedding) = 384 and v.model = %(model)s and v.scope_id = any(array(select id from scopes))
      and exists (select from memories m where m.id = v.memory_id and """
    + _FITS
    + """)
    order by 2 limit %(depth)s
  ) nearest where distance <= -%(least)s
), """
)


@dataclass(frozen=True)
class Size:
    is_large: bool
    has_iterative_scan: bool


async def size_of(tx: Transaction, scope: Scope, workspace_id: UUID) -> Size:
    """has_iterative_scan: pgvector is 0.8 or newer; without it an index filters its first few finds and stops."""
    return await tx.one(
        Size,
        """
        with scopes as materialized (
          select %(workspace_id)s::uuid as id
          union all select a.id from agents a where %(agent_id)s::uuid is null or a.id = %(agent_id)s
        )
        select (select count(*) from (
            select from memories m join scopes s on s.id = m.scope_id where m.status = 'active' limit %(from)s) them
          ) >= %(from)s as is_large,
          exists (select from pg_extension where extname = 'vector'
            and string_to_array(extversion, '.')::int[] >= array[0, 8]) as has_iterative_scan""",
        workspace_id=workspace_id,
        agent_id=scope.agent_id,
        **{"from": FROM_MEMORIES},
    )


def legs(vector: str | None) -> LiteralString | None:
    """The statement up to both legs; None for vectors of a width that has no index."""
    if vector is None:
        return _BY_WORDS + _NO_MEANING
    width = _WIDTHS.get(vector.count(",") + 1)
    return None if width is None else _BY_WORDS + _BY_MEANING.replace("384", width)


async def prepare_index_scan(tx: Transaction) -> None:
    """Lets the index go on until enough of what it finds is visible."""
    await tx.execute(
        """
        select set_config('hnsw.iterative_scan', 'relaxed_order', true), set_config('hnsw.ef_search', '100', true),
          set_config('plan_cache_mode', 'force_custom_plan', true)"""
    )
