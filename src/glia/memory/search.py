"""Finding memories: BM25 over their words and, where there is an embedder, the nearest vectors, in one statement.

Scores are added, not ranks: a memory that fits the words far better than the next stays far ahead of it. Words weigh
more, because memories are short and the names and numbers in them tell more than their gist. How much a memory counts
now decides between those that fit about as well.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import LiteralString
from uuid import UUID

from glia.kit.db import Transaction
from glia.memory import large
from glia.memory.queries import COLUMNS, VISIBLE, scope_values
from glia.memory.types import Found, Memory, Scope
from glia.memory.words import searchable

# A text that is less alike than this shares at most its tone with the question.
_LEAST_SIMILARITY = 0.3
_DEPTH = 100
_DENSE_WEIGHT = 0.5
"""What a similarity of 1 adds to the score; the best fit by words has 1."""

_LEXICAL: LiteralString = """
with scopes as materialized (
  select %(workspace_id)s::uuid as id
  union all select a.id from agents a where %(agent_id)s::uuid is null or a.id = %(agent_id)s
), visible as materialized (
  select m.id, m.length from memories m join scopes s on s.id = m.scope_id
  where """

_LEGS: LiteralString = """
    and (%(bucket)s::text is null or m.bucket = %(bucket)s) and (%(tier)s::text is null or m.tier = %(tier)s)
), size as (
  select count(*)::float8 as n, greatest(avg(length), 1)::float8 as mean from visible
), question as (
  select lexeme from unnest(to_tsvector('english', %(query)s)) limit 500
), hits as materialized (
  select w.lexeme, v.id, w.tf, v.length
  from scopes s cross join question q
  join memory_words w on w.scope_id = s.id and w.lexeme = q.lexeme
  join visible v on v.id = w.memory_id
), weights as (
  select lexeme, ln(1 + (z.n - count(*) + 0.5) / (count(*) + 0.5)) as idf from hits, size z group by lexeme, z.n
), by_words as (
  select h.id, sum(w.idf * h.tf * 2.2 / (h.tf + 1.2 * (0.25 + 0.75 * h.length / z.mean)))::float8 as score
  from hits h join weights w using (lexeme) cross join size z group by h.id order by 2 desc, 1 limit %(depth)s
), by_meaning as (
  select id from (
    select v.memory_id as id, v.embedding <#> %(vector)s::halfvec as distance
    from memory_vectors v join scopes s on s.id = v.scope_id join visible on visible.id = v.memory_id
    where v.model = %(model)s order by 2, 1 limit %(depth)s
  ) nearest where distance <= -%(least)s
), """

_FUSED: LiteralString = """found as (
  select id from by_words union select id from by_meaning
), fused as (
  select f.id, l.score as lexical, -(v.embedding <#> %(vector)s::halfvec) as dense,
    coalesce(l.score / (select max(score) from by_words), 0)
      + coalesce(%(dense_weight)s * greatest(-(v.embedding <#> %(vector)s::halfvec), 0), 0) as fused
  from found f left join by_words l on l.id = f.id
  left join memory_vectors v on v.memory_id = f.id and v.model = %(model)s
)
select"""

_RANKED: LiteralString = """,
  f.lexical as lexical_score, f.dense as dense_score,
  (f.fused * (0.9 + 0.1 * memory_strength(m.importance, m.tier, m.used_at, m.accesses, now())))::float8 as score
from fused f join memories m on m.id = f.id
order by score desc, m.id desc limit %(limit)s"""


@dataclass(frozen=True)
class _Row(Memory):
    lexical_score: float | None = None
    dense_score: float | None = None
    score: float = 0.0

    def found(self) -> Found:
        memory = Memory(**{field.name: getattr(self, field.name) for field in fields(Memory)})
        return Found(memory, self.lexical_score, self.dense_score, self.score)


async def search(
    tx: Transaction,
    scope: Scope,
    query: str,
    *,
    workspace_id: UUID,
    limit: int,
    bucket: str | None = None,
    tier: str | None = None,
    vector: str | None = None,
    model: str | None = None,
    dense_weight: float = _DENSE_WEIGHT,
) -> list[Found]:
    """Best first. vector: the question's, by `model`; None compares words only."""
    size = await large.size_of(tx, scope, workspace_id)
    short_way = large.legs(vector) if size.is_large and (vector is None or size.has_iterative_scan) else None
    if short_way is not None:
        await large.prepare_index_scan(tx)
    rows = await tx.many(
        _Row,
        (short_way or _LEXICAL + VISIBLE + _LEGS) + _FUSED + COLUMNS + _RANKED,
        **scope_values(scope),
        workspace_id=workspace_id,
        query=searchable(query),
        bucket=bucket,
        tier=tier,
        vector=vector,
        model=model if vector else None,
        least=_LEAST_SIMILARITY,
        dense_weight=dense_weight,
        depth=max(_DEPTH, limit),
        limit=limit,
        **(large.PARAMETERS if short_way is not None else {}),
    )
    return [row.found() for row in rows]


async def index(tx: Transaction, id: UUID, content: str, *, workspace_id: UUID) -> None:
    """Makes a memory findable by the words of its content, in place of those it had, and takes its vector away."""
    await tx.execute("delete from memory_words where memory_id = %(id)s", id=id)
    await tx.execute("delete from memory_vectors where memory_id = %(id)s", id=id)
    await tx.execute(
        """
        with words as (
          select lexeme, coalesce(cardinality(positions), 1) as tf from unnest(to_tsvector('english', %(text)s))
        ), written as (
          insert into memory_words (memory_id, workspace_id, scope_id, lexeme, tf)
          select m.id, m.workspace_id, m.scope_id, w.lexeme, w.tf from memories m, words w where m.id = %(id)s
        )
        update memories set length = (select coalesce(sum(tf), 0) from words), embedding_model = null
        where id = %(id)s""",
        id=id,
        text=searchable(content),
    )


async def set_vector(tx: Transaction, id: UUID, content: str, vector: str, model: str) -> None:
    """Keeps a memory's vector, unless its content has changed since the vector was asked for."""
    await tx.execute(
        """
        with fresh as (
          update memories set embedding_model = %(model)s where id = %(id)s and content = %(content)s
          returning id, workspace_id, scope_id
        )
        insert into memory_vectors (memory_id, workspace_id, scope_id, model, embedding)
        select id, workspace_id, scope_id, %(model)s, %(vector)s::halfvec from fresh
        on conflict (memory_id) do update set model = excluded.model, embedding = excluded.embedding""",
        id=id,
        content=content,
        vector=vector,
        model=model,
    )


@dataclass(frozen=True)
class ToEmbed:
    id: UUID
    content: str


async def list_without_vector(tx: Transaction, scope_id: UUID, model: str, *, limit: int) -> list[ToEmbed]:
    return await tx.many(
        ToEmbed,
        """
        select id, content from memories
        where scope_id = %(scope_id)s and status = 'active' and embedding_model is distinct from %(model)s
        order by id limit %(limit)s""",
        scope_id=scope_id,
        model=model,
        limit=limit,
    )
