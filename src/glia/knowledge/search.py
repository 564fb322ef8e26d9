"""The search: one statement ranks by words (BM25) and by meaning (vectors), and fuses both rankings.

Ranks are fused by reciprocal rank, 1 / (60 + rank), as in Cormack, Clarke and Büttcher (SIGIR 2009); a base may weigh
the two legs differently. Words are compared as OR over the question's lexemes: an AND finds nothing for most questions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import LiteralString
from uuid import UUID

from glia.kit.db import Transaction
from glia.knowledge.types import Chunk, DocumentId, Hit, KnowledgeBaseId, Scores

INDEXED_DIMENSIONS = 384
"""The width of vectors that has an HNSW index."""

# Comparing every vector costs about 3.5 µs a chunk: under this many it is faster than the index, and never misses.
_EXACT_UNTIL_CHUNKS = 4000
# An index scan gives up after hnsw.max_scan_tuples. In a base with a small share of the table it would give up too
# early, so such a base is compared exactly as long as that stays under about 0.2 s.
_SMALL_SHARE, _EXACT_AT_SMALL_SHARE = 0.02, 60_000
# Words this much less telling than the question's best one are skipped in large bases: 40 % faster, same first hits.
_PRUNE_FROM_CHUNKS, _PRUNE = 20_000, 0.25


class Dense(StrEnum):
    """How vectors are compared: not at all, all of them, or through the index."""

    NONE = "none"
    EXACT = "exact"
    INDEX = "index"


_LEXICAL: LiteralString = """
with bases as materialized (
  select id, text_config::regconfig as config, chunks, dense_weight, lexical_weight
  from knowledge_bases where id = any(%(ids)s)
), question as (
  select b.id, w.lexeme from bases b, unnest(to_tsvector(b.config, %(query)s)) w
), found as materialized (
  select p.lexeme, p.df, p.ids, p.impacts
  from question q join postings p on p.knowledge_base_id = q.id and p.lexeme = q.lexeme
), weights as materialized (
  select lexeme, ln(1 + (greatest((select sum(chunks) from bases) - sum(df), 0) + 0.5) / (sum(df) + 0.5)) as idf
  from found group by lexeme
), by_words as (
  select x.id, sum(w.idf * x.impact)::float8 as score
  from weights w join found f using (lexeme), unnest(f.ids, f.impacts) x(id, impact)
  where w.idf >= %(prune)s * (select max(idf) from weights)
  group by x.id order by 2 desc, 1 limit %(depth)s
), lexical as (
  select id, score, row_number() over (order by score desc, id) as rank from by_words
), """

# MATERIALIZED keeps the planner from using the index here.
_EXACT: LiteralString = """vectors as materialized (
  select chunk_id, embedding from embeddings where knowledge_base_id = any(%(dense_ids)s)
), by_meaning as (
  select chunk_id as id, embedding <#> %(embedding)s::halfvec as distance from vectors order by 2, 1 limit %(depth)s
), """

_INDEX: LiteralString = """by_meaning as materialized (
  select chunk_id as id, embedding::halfvec(384) <#> %(embedding)s::halfvec(384) as distance
  from embeddings where knowledge_base_id = any(%(dense_ids)s) and vector_dims(embedding) = 384
  order by 2 limit %(depth)s
), """

_NONE: LiteralString = """by_meaning as (
  select null::bigint as id, null::float8 as distance where false
), """

# Candidates are MATERIALIZED for row-level security: PostgreSQL looks a chunk up by its index only if the comparison
# cannot leak other tenants' rows, and it holds a COALESCE, which the full join makes of the id, for one that might.
_FUSED: LiteralString = """dense as (
  select id, distance, row_number() over (order by distance, id) as rank from by_meaning
), candidates as materialized (
  select id, d.rank as dense_rank, -d.distance as dense, l.rank as lexical_rank, l.score as lexical
  from dense d full join lexical l using (id)
)
select c.knowledge_base_id, c.document_id, c.ordinal, c.page, c.last_page, c.heading, c.start_character,
  c.end_character, c.text, doc.name as document_name, f.dense, f.lexical,
  (coalesce(b.dense_weight / (60 + f.dense_rank), 0) + coalesce(b.lexical_weight / (60 + f.lexical_rank), 0))::float8
    as fused
from candidates f
join chunks c on c.id = f.id
join bases b on b.id = c.knowledge_base_id
join documents doc on doc.id = c.document_id
order by fused desc, c.id limit %(limit)s"""

STATEMENTS: dict[Dense, LiteralString] = {
    Dense.NONE: _LEXICAL + _NONE + _FUSED,
    Dense.EXACT: _LEXICAL + _EXACT + _FUSED,
    Dense.INDEX: _LEXICAL + _INDEX + _FUSED,
}


@dataclass(frozen=True)
class Scope:
    """What there is to search. has_iterative_scan: pgvector is 0.8 or newer."""

    id: UUID
    chunks: int
    embedding_model: str | None
    dimensions: int | None
    all_embeddings: int
    has_iterative_scan: bool


async def scopes(tx: Transaction, base_ids: Sequence[UUID]) -> list[Scope]:
    """all_embeddings is the planner's estimate over all tenants; it decides how to search, not what is found."""
    return await tx.many(
        Scope,
        """
        select b.id, b.chunks, b.embedding_model, b.dimensions,
          (select greatest(reltuples, 0)::bigint from pg_class where oid = 'glia.embeddings'::regclass)
            as all_embeddings,
          exists (select from pg_extension where extname = 'vector'
            and string_to_array(extversion, '.')::int[] >= array[0, 8]) as has_iterative_scan
        from knowledge_bases b where b.id = any(%(ids)s)""",
        ids=list(base_ids),
    )


def choose(scopes: Sequence[Scope]) -> Dense:
    """How to compare the vectors of these bases, which all share one embedding model."""
    if not scopes:
        return Dense.NONE
    chunks = sum(scope.chunks for scope in scopes)
    if chunks < _EXACT_UNTIL_CHUNKS or scopes[0].dimensions != INDEXED_DIMENSIONS:
        return Dense.EXACT
    if not scopes[0].has_iterative_scan:
        return Dense.EXACT
    is_small_share = chunks < _SMALL_SHARE * scopes[0].all_embeddings
    return Dense.EXACT if is_small_share and chunks < _EXACT_AT_SMALL_SHARE else Dense.INDEX


@dataclass(frozen=True)
class _Row:
    knowledge_base_id: KnowledgeBaseId
    document_id: DocumentId
    ordinal: int
    page: int | None
    last_page: int | None
    heading: str
    start_character: int
    end_character: int
    text: str
    document_name: str
    dense: float | None
    lexical: float | None
    fused: float

    def hit(self) -> Hit:
        chunk = Chunk(
            knowledge_base_id=self.knowledge_base_id,
            document_id=self.document_id,
            ordinal=self.ordinal,
            page=self.page,
            last_page=self.last_page,
            heading=self.heading,
            start_character=self.start_character,
            end_character=self.end_character,
            text=self.text,
        )
        return Hit(chunk, self.document_name, Scores(self.dense, self.lexical, self.fused))


async def search(
    tx: Transaction,
    base_ids: Sequence[UUID],
    query: str,
    *,
    limit: int,
    dense: Dense = Dense.NONE,
    dense_ids: Sequence[UUID] = (),
    embedding: str | None = None,
    chunks: int = 0,
    depth: int = 100,
) -> list[Hit]:
    """The best chunks of these bases, best first.

    dense_ids: the bases whose vectors `embedding` may be compared with. chunks: how many the bases have together.
    depth: how many chunks each leg brings to the fusion; 100 find a little better than 50, on two judged sets.
    """
    if dense is Dense.INDEX:
        await prepare_index_scan(tx)
    rows = await tx.many(
        _Row,
        STATEMENTS[dense],
        ids=list(base_ids),
        query=query,
        prune=_PRUNE if chunks >= _PRUNE_FROM_CHUNKS else 0.0,
        depth=max(depth, limit),
        limit=limit,
        **({} if dense is Dense.NONE else {"dense_ids": list(dense_ids), "embedding": embedding}),
    )
    return [row.hit() for row in rows]


async def prepare_index_scan(tx: Transaction) -> None:
    """Lets the scan go on until enough rows are of these bases; without it HNSW filters its first few and stops.

    Row-level security is such a filter too: a small tenant beside a large one would lose most of its results.
    """
    await tx.execute(
        """
        select set_config('hnsw.iterative_scan', 'relaxed_order', true), set_config('hnsw.ef_search', '100', true),
          set_config('plan_cache_mode', 'force_custom_plan', true)"""
    )
