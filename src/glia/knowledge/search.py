"""The search: one statement ranks by words (BM25) and by meaning (vectors), and fuses both rankings.

Both scores of every candidate are brought to 0 ... 1 over all candidates and added by the base's weights: a convex
combination, which keeps how far apart two passages are, as ranks do not (Bruch, Gai and Ingber, TOIS 2023). Words are
compared as OR over the question's lexemes: an AND finds nothing for most questions. A word that the question says twice
counts twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import LiteralString
from uuid import UUID

from glia.kit.db import Transaction, json, like_escaped
from glia.knowledge.types import EVERYTHING, Chunk, DocumentId, Filter, Hit, KnowledgeBaseId, Scores

_WIDTHS: dict[int, LiteralString] = {
    384: "384",
    512: "512",
    768: "768",
    1024: "1024",
    1536: "1536",
    3072: "3072",
}
INDEXED_DIMENSIONS = frozenset(_WIDTHS)
"""The widths of vectors that have an HNSW index."""

# Comparing every vector costs about 3.5 µs a chunk: under this many it is faster than the index, and never misses.
_EXACT_UNTIL_CHUNKS = 4000
# An index scan gives up after hnsw.max_scan_tuples. In a base with a small share of the table it would give up too
# early, so such a base is compared exactly as long as that stays under about 0.2 s. A filter makes a share small too.
_SMALL_SHARE, _EXACT_AT_SMALL_SHARE = 0.02, 60_000
# From so many chunks on not every posting of a question's words is added up, which costs about 0.3 µs each.
_LARGE_FROM_CHUNKS = 20_000
_LARGE: dict[str, object] = {"prune": 0.25, "rare_postings": 6000, "picked": 1000, "most_postings": 50_000}
_FEEDBACK = 2


class Dense(StrEnum):
    """How vectors are compared: not at all, all of them, or through the index."""

    NONE = "none"
    EXACT = "exact"
    INDEX = "index"


# Which chunks a filter lets through; its rows are hashed once and probed by both legs.
_ALLOWED: LiteralString = """
with allowed as materialized (
  select c.id from documents d join chunks c on c.document_id = d.id
  where d.knowledge_base_id = any(%(ids)s)
    and case when %(base_ids)s::uuid[] is null
      then (%(document_ids)s::uuid[] is null or d.id = any(%(document_ids)s))
        and (%(path)s::text is null or d.path = %(path)s or d.path like %(below)s)
      else d.knowledge_base_id = any(%(base_ids)s) or d.id = any(%(document_ids)s)
        or d.path = %(path)s or d.path like %(below)s end
    and (%(metadata)s::jsonb is null or d.metadata @> %(metadata)s)
), bases as materialized ("""

# `questions` holds the question as it is to be cut for each text configuration: scripts without spaces are spread.
_LEXICAL: LiteralString = """
  select id, text_configs, chunks, dense_weight, lexical_weight, embedding_set
  from knowledge_bases where id = any(%(ids)s)
), question as (
  select b.id, w.lexeme, max(coalesce(cardinality(w.positions), 1)) as times
  from bases b, unnest(b.text_configs) config, unnest(to_tsvector(config::regconfig, %(query)s)) w
  group by b.id, w.lexeme
), found as materialized (
  select p.lexeme, q.times, p.df, p.ids, p.impacts
  from question q join postings p on p.knowledge_base_id = q.id and p.lexeme = q.lexeme
), weights as materialized (
  select lexeme, max(times) as times, sum(df) as df,
    ln(1 + (greatest((select sum(chunks) from bases) - sum(df), 0) + 0.5) / (sum(df) + 0.5))::float8 as idf
  from found group by lexeme
), """
# Two arrays are unnested side by side in the select list: as a join it would take twice as long.
_ALL_WORDS: LiteralString = """by_words as (
  select x.id, sum(x.weight * x.impact) as score from (
    select w.idf * w.times as weight, unnest(f.ids) as id, unnest(f.impacts) as impact
    from weights w join found f using (lexeme)
  ) x where true"""
# In large bases adding up every posting of every word would take most of the time. So the rarest words, up to so many
# postings together, pick the passages; of the others those follow that are not too common, for the picked ones only.
# Words much less telling than the best one are left away.
_RARE_WORDS: LiteralString = """telling as materialized (
  select lexeme, idf * times as weight, row_number() over by_rarity as place, sum(df) over by_rarity as postings
  from weights where idf >= %(prune)s * (select max(idf) from weights) window by_rarity as (order by idf desc, lexeme)
), rare as (
  select x.id, sum(x.weight * x.impact) as score from (
    select t.weight, unnest(f.ids) as id, unnest(f.impacts) as impact
    from telling t join found f using (lexeme) where t.place = 1 or t.postings <= %(rare_postings)s
  ) x where true"""
_PICKED: LiteralString = """
  group by x.id
), picked as materialized (
  select id, score from rare order by score desc, id limit %(picked)s
), by_words as (
  select x.id, sum(x.score) as score from (
    select id, score from picked
    union all select id, weight * impact from (
      select t.weight, unnest(f.ids) as id, unnest(f.impacts) as impact
      from telling t join found f using (lexeme)
      where t.place > 1 and t.postings > %(rare_postings)s and t.postings <= %(most_postings)s
    ) common where id in (select id from picked)
  ) x"""
_NOT_DEAD: LiteralString = """
    and x.id not in (select chunk_id from dead_chunks where knowledge_base_id = any(%(ids)s))"""
_IS_ALLOWED: LiteralString = """
    and x.id in (select id from allowed)"""
_BEST_WORDS: LiteralString = """
  group by x.id
), lexical as materialized (
  select id, score, row_number() over (order by score desc, id) as rank
  from (select id, score from by_words order by score desc, id limit %(depth)s) best
), """

# MATERIALIZED keeps the planner from using the index here.
_EXACT: LiteralString = """vectors as materialized (
  select chunk_id, embedding from embeddings where set_id = any(%(sets)s)
), by_meaning as (
  select chunk_id as id, embedding <#> %(embedding)s::halfvec as distance from vectors order by 2, 1 limit %(depth)s
), """

_EXACT_ALLOWED: LiteralString = """vectors as materialized (
  select e.chunk_id, e.embedding from allowed a join embeddings e on e.chunk_id = a.id where e.set_id = any(%(sets)s)
), by_meaning as (
  select chunk_id as id, embedding <#> %(embedding)s::halfvec as distance from vectors order by 2, 1 limit %(depth)s
), """

_INDEX: LiteralString = """by_meaning as materialized (
  select chunk_id as id, embedding::halfvec(384) <#> %(embedding)s::halfvec(384) as distance
  from embeddings where set_id = any(%(sets)s) and vector_dims(embedding) = 384
  order by 2 limit %(depth)s
), """

_INDEX_ALLOWED: LiteralString = """by_meaning as materialized (
  select chunk_id as id, embedding::halfvec(384) <#> %(embedding)s::halfvec(384) as distance
  from embeddings
  where set_id = any(%(sets)s) and vector_dims(embedding) = 384 and chunk_id in (select id from allowed)
  order by 2 limit %(depth)s
), """

# Candidates are MATERIALIZED for row-level security: PostgreSQL looks a chunk up by its index only if the comparison
# cannot leak other tenants' rows, and it holds a function, which joining both legs makes of the id, for one that might.
_CANDIDATES: LiteralString = """candidates as materialized (
  select id, max(dense_rank) as dense_rank, max(lexical_rank) as lexical_rank from (
    select id, row_number() over (order by distance, id) as dense_rank, null::bigint as lexical_rank from by_meaning
    union all select id, null, rank from lexical
  ) legs group by id
), measured as materialized (
  select f.id, f.dense_rank, f.lexical_rank, b.lexical_weight, w.score as lexical, e.embedding,
    case when b.embedding_set = any(%(sets)s) then b.dense_weight else 0 end as dense_weight,
    -(e.embedding <#> %(embedding)s::halfvec) as dense
  from candidates f
  join chunks c on c.id = f.id
  join bases b on b.id = c.knowledge_base_id
  left join embeddings e on e.chunk_id = f.id and e.set_id = any(%(sets)s)
  left join """
# Every candidate gets both scores, also from the leg that did not bring it. In large bases a word score behind the
# first `depth` counts as none, which saves keeping tens of thousands of them.
_ANY_SCORE: LiteralString = "by_words w on w.id = f.id"
_FIRST_SCORES: LiteralString = "lexical w on w.id = f.id"

# confidence: how far words can be trusted for this question. Where the best passage says less than a third of what the
# question says (weighed by how rare its words are), a stray word would otherwise count as much as a perfect match.
#
# The best two passages speak for the question a second time (Rocchio's feedback, on vectors): their mean is added to
# the question's vector and the candidates are measured again. Scale does not matter to shares.
_FUSED: LiteralString = """
), said as materialized (
  select least(1, 3 * (select max(score) from lexical) / nullif(sum(q.times * coalesce(w.idf,
    ln(1 + ((select sum(chunks) from bases) + 0.5) / 0.5))), 0)) as confidence
  from (select lexeme, max(times) as times from question group by lexeme) q left join weights w using (lexeme)
), first as (
  select embedding from (
    select embedding, (lexical_weight * coalesce((select confidence from said), 0) * case
        when max(lexical) over () > min(coalesce(lexical, 0)) over ()
        then (coalesce(lexical, 0) - min(coalesce(lexical, 0)) over ())
          / (max(lexical) over () - min(coalesce(lexical, 0)) over ()) else (coalesce(lexical, 0) > 0)::int end
      + dense_weight * case when max(dense) over () > min(dense) over ()
        then (dense - min(dense) over ()) / (max(dense) over () - min(dense) over ()) else 1 end)
      / greatest(dense_weight + lexical_weight, 1e-9) as fused, id
    from measured where dense is not null
  ) m order by fused desc, id limit %(feedback)s
), asked as materialized (
  select %(embedding)s::halfvec + avg(embedding) as embedding from first having count(*) > 0
), again as (
  select m.*, coalesce(m.lexical, 0) as words, -(m.embedding <#> a.embedding) as meaning
  from measured m left join asked a on true
), shares as (
  select id, dense, dense_rank, lexical, lexical_rank, (dense_weight * case
        when meaning is null then 0
        when max(meaning) over () > min(meaning) over ()
        then (meaning - min(meaning) over ()) / (max(meaning) over () - min(meaning) over ()) else 1 end
      + lexical_weight * coalesce((select confidence from said), 0) * case when max(words) over () > min(words) over ()
        then (words - min(words) over ()) / (max(words) over () - min(words) over ()) else (words > 0)::int end)
      / greatest(dense_weight + lexical_weight, 1e-9) as fused
  from again
), best as materialized (
  select * from shares order by fused desc, id limit %(limit)s
)"""

_BY_WORDS_ALONE: LiteralString = """best as materialized (
  select id, null::float8 as dense, null::bigint as dense_rank, score as lexical, rank as lexical_rank,
    score / max(score) over () as fused
  from lexical order by score desc, id limit %(limit)s
)"""

_PASSAGES: LiteralString = """
select c.knowledge_base_id, c.document_id, c.ordinal, c.page, c.last_page, c.heading, c.start_character,
  c.end_character, c.text, doc.name as document_name, doc.title as document_title, doc.path as document_path,
  f.dense, f.dense_rank, f.lexical, f.lexical_rank, f.fused::float8 as fused
from best f
join chunks c on c.id = f.id
join documents doc on doc.id = c.document_id
order by f.fused desc, c.id"""


def statement(
    dense: Dense, *, dimensions: int = 384, is_filtered: bool = False, has_dead: bool = False, is_large: bool = False
) -> LiteralString:
    """The whole search as one statement. dimensions: of the vectors, one of INDEXED_DIMENSIONS for Dense.INDEX."""
    scores = _FIRST_SCORES if is_large else _ANY_SCORE
    match dense:
        case Dense.NONE:
            ranked = _BY_WORDS_ALONE
        case Dense.EXACT:
            ranked = (_EXACT_ALLOWED if is_filtered else _EXACT) + _CANDIDATES + scores + _FUSED
        case Dense.INDEX:
            index = (_INDEX_ALLOWED if is_filtered else _INDEX).replace("384", _WIDTHS[dimensions])
            ranked = index + _CANDIDATES + scores + _FUSED
    return (
        (_ALLOWED if is_filtered else "with bases as materialized (")
        + _LEXICAL
        + (_RARE_WORDS if is_large else _ALL_WORDS)
        + (_NOT_DEAD if has_dead else "")
        + (_IS_ALLOWED if is_filtered else "")
        + (_PICKED if is_large else "")
        + _BEST_WORDS
        + ranked
        + _PASSAGES
    )


@dataclass(frozen=True)
class Scope:
    """What there is to search. chunks: after the filter. has_iterative_scan: pgvector is 0.8 or newer."""

    id: UUID
    chunks: int
    embedding_model: str | None
    dimensions: int | None
    embedding_set: UUID
    all_embeddings: int
    has_iterative_scan: bool
    has_dead: bool = False


async def scopes(tx: Transaction, base_ids: Sequence[UUID], where: Filter = EVERYTHING) -> list[Scope]:
    """all_embeddings is the planner's estimate over all tenants; it decides how to search, not what is found."""
    return await tx.many(
        Scope,
        """
        select b.id, b.embedding_model, b.dimensions, b.embedding_set,
          case when not %(is_filtered)s then b.chunks else (
            select coalesce(sum(d.chunks), 0) from documents d where d.knowledge_base_id = b.id
              and case when %(base_ids)s::uuid[] is null
                then (%(document_ids)s::uuid[] is null or d.id = any(%(document_ids)s))
                  and (%(path)s::text is null or d.path = %(path)s or d.path like %(below)s)
                else d.knowledge_base_id = any(%(base_ids)s) or d.id = any(%(document_ids)s)
                  or d.path = %(path)s or d.path like %(below)s end
              and (%(metadata)s::jsonb is null or d.metadata @> %(metadata)s)) end as chunks,
          (select greatest(reltuples, 0)::bigint from pg_class where oid = 'glia.embeddings'::regclass)
            as all_embeddings,
          exists (select from pg_extension where extname = 'vector'
            and string_to_array(extversion, '.')::int[] >= array[0, 8]) as has_iterative_scan,
          exists (select from dead_chunks d where d.knowledge_base_id = b.id) as has_dead
        from knowledge_bases b where b.id = any(%(ids)s)""",
        ids=list(base_ids),
        is_filtered=where != EVERYTHING,
        **_parameters(where),
    )


def _parameters(where: Filter) -> dict[str, object]:
    path = where.path
    return {
        "document_ids": None if where.document_ids is None else list(where.document_ids),
        "base_ids": None if where.base_ids is None else list(where.base_ids),
        "path": path or None,
        "below": None if not path else like_escaped(path) + "/%",
        "metadata": json(dict(where.metadata)) if where.metadata else None,
    }


def choose(scopes: Sequence[Scope]) -> Dense:
    """How to compare the vectors of these bases, which all share one embedding model."""
    if not scopes:
        return Dense.NONE
    chunks = sum(scope.chunks for scope in scopes)
    if chunks < _EXACT_UNTIL_CHUNKS or scopes[0].dimensions not in INDEXED_DIMENSIONS:
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
    document_title: str
    document_path: str
    dense: float | None
    dense_rank: int | None
    lexical: float | None
    lexical_rank: int | None
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
        scores = Scores(self.dense, self.lexical, self.fused, self.dense_rank, self.lexical_rank)
        return Hit(chunk, self.document_name, scores, self.document_title, self.document_path)


async def search(
    tx: Transaction,
    base_ids: Sequence[UUID],
    query: str,
    *,
    limit: int,
    dense: Dense = Dense.NONE,
    sets: Sequence[UUID] = (),
    embedding: str | None = None,
    dimensions: int = 384,
    chunks: int = 0,
    where: Filter = EVERYTHING,
    has_dead: bool = False,
    depth: int = 100,
) -> list[Hit]:
    """The best chunks of these bases, best first.

    query: spread by `segmented`. sets: the vectors, of `dimensions`, that `embedding` may be compared with.
    chunks: how many the bases have together. has_dead: some of them hold deleted chunks in packed postings.
    depth: how many chunks each leg brings to the fusion; 100 find a little better than 50.
    """
    if dense is Dense.INDEX:
        await prepare_index_scan(tx)
    is_filtered, is_large = where != EVERYTHING, chunks >= _LARGE_FROM_CHUNKS
    rows = await tx.many(
        _Row,
        statement(dense, dimensions=dimensions, is_filtered=is_filtered, has_dead=has_dead, is_large=is_large),
        ids=list(base_ids),
        query=query,
        depth=max(depth, limit),
        limit=limit,
        **(_LARGE if is_large else {}),
        **({} if dense is Dense.NONE else {"sets": list(sets), "embedding": embedding, "feedback": _FEEDBACK}),
        **(_parameters(where) if is_filtered else {}),
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


async def newest_bases(tx: Transaction, most: int) -> list[UUID]:
    """Those that hold something."""
    return await tx.values("select id from knowledge_bases where chunks > 0 order by id desc limit %(most)s", most=most)


async def holding_all(tx: Transaction, chunks: Sequence[Chunk], query: str) -> dict[tuple[UUID, int], datetime]:
    """Document and place of those chunks that hold each lexeme of the query, counting their heading and the document's
    name; all of them for an empty query. With when the document was added."""
    rows = await tx.many(
        _Place,
        """
        select c.document_id, c.ordinal, d.created_at
        from unnest(%(documents)s::uuid[], %(ordinals)s::int[]) wanted(document_id, ordinal)
        join chunks c on c.document_id = wanted.document_id and c.ordinal = wanted.ordinal
        join documents d on d.id = c.document_id
        join knowledge_bases b on b.id = d.knowledge_base_id
        cross join lateral (select coalesce(d.text_config, b.text_config)::regconfig as name) config
        where %(query)s = '' or to_tsvector(config.name, concat_ws(' ', d.name, d.title, c.heading, c.text))
          @@ plainto_tsquery(config.name, %(query)s)""",
        documents=[chunk.document_id for chunk in chunks],
        ordinals=[chunk.ordinal for chunk in chunks],
        query=query,
    )
    return {(row.document_id, row.ordinal): row.created_at for row in rows}


@dataclass(frozen=True)
class _Place:
    document_id: UUID
    ordinal: int
    created_at: datetime
