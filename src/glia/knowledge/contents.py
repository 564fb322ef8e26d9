"""SQL for what is inside documents: chunks, the postings that find them by words, their vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import LiteralString
from uuid import UUID

from glia.kit.db import Transaction
from glia.knowledge.types import Chunk, Passage

_CHUNK: LiteralString = """
  c.knowledge_base_id, c.document_id, c.ordinal, c.page, c.last_page, c.heading, c.start_character, c.end_character,
  c.text"""


async def insert_chunks(
    tx: Transaction, passages: Sequence[Passage], *, workspace_id: UUID, base_id: UUID, document_id: UUID
) -> None:
    # COPY would be faster, but PostgreSQL refuses it on tables with row-level security.
    await tx.execute(
        """
        insert into chunks (workspace_id, knowledge_base_id, document_id, ordinal, page, last_page, heading,
          start_character, end_character, text)
        select %(workspace_id)s, %(base_id)s, %(document_id)s, p.*
        from unnest(%(ordinals)s::int[], %(pages)s::int[], %(last_pages)s::int[], %(headings)s::text[],
          %(starts)s::int[], %(ends)s::int[], %(texts)s::text[]) p""",
        workspace_id=workspace_id,
        base_id=base_id,
        document_id=document_id,
        ordinals=[passage.ordinal for passage in passages],
        pages=[passage.page for passage in passages],
        last_pages=[passage.last_page for passage in passages],
        headings=[passage.heading for passage in passages],
        starts=[passage.start_character for passage in passages],
        ends=[passage.end_character for passage in passages],
        texts=[passage.text for passage in passages],
    )


async def insert_postings(
    tx: Transaction, *, workspace_id: UUID, base_id: UUID, document_id: UUID, first: int, last: int, config: str
) -> int:
    """Makes the chunks with ordinals `first` to `last` findable by their words; returns how many lexemes they have.

    BM25 with k1 = 1.2 and b = 0.75. The mean length is that of the base as it is with these chunks: it drifts a little
    as a base grows, which matters less than rewriting every posting would cost.
    """
    return await tx.value(
        """
        with words as materialized (
          select c.id, w.lexeme, coalesce(cardinality(w.positions), 1) as tf
          from chunks c, unnest(to_tsvector(%(config)s::text::regconfig, c.heading || ' ' || c.text)) w
          where c.document_id = %(document_id)s and c.ordinal between %(first)s and %(last)s
        ), lengths as materialized (
          select id, sum(tf) as length from words group by id
        ), mean as (
          select greatest(1, (b.lexemes + coalesce((select sum(length) from lengths), 0))::float8
            / (b.chunks + %(count)s)) as length
          from knowledge_bases b where b.id = %(base_id)s
        ), scored as (
          select w.id, w.lexeme,
            (w.tf * 2.2 / (w.tf + 1.2 * (0.25 + 0.75 * l.length / mean.length)))::real as impact
          from words w join lengths l using (id) cross join mean
        ), written as (
          insert into postings (workspace_id, knowledge_base_id, document_id, lexeme, df, ids, impacts)
          select %(workspace_id)s, %(base_id)s, %(document_id)s, lexeme, count(*), array_agg(id order by id),
            array_agg(impact order by id)
          from scored group by lexeme
        )
        select coalesce(sum(length), 0)::bigint from lengths""",
        workspace_id=workspace_id,
        base_id=base_id,
        document_id=document_id,
        first=first,
        last=last,
        count=last - first + 1,
        config=config,
    )


async def delete_contents(tx: Transaction, document_id: UUID) -> None:
    """In three statements rather than by cascade, which would go chunk by chunk."""
    await tx.execute("delete from embeddings where document_id = %(id)s", id=document_id)
    await tx.execute("delete from postings where document_id = %(id)s", id=document_id)
    await tx.execute("delete from chunks where document_id = %(id)s", id=document_id)


@dataclass(frozen=True)
class ToEmbed:
    id: int
    ordinal: int
    text: str


async def list_without_embedding(tx: Transaction, document_id: UUID, *, after: int, limit: int) -> list[ToEmbed]:
    """The next chunks behind the ordinal `after` that have no vector, with the heading they stand under."""
    return await tx.many(
        ToEmbed,
        """
        select c.id, c.ordinal, case when c.heading = '' then c.text else c.heading || E'\\n' || c.text end as text
        from chunks c
        where c.document_id = %(document_id)s and c.ordinal > %(after)s
          and not exists (select from embeddings e where e.chunk_id = c.id)
        order by c.ordinal limit %(limit)s""",
        document_id=document_id,
        after=after,
        limit=limit,
    )


async def insert_embeddings(
    tx: Transaction, ids: Sequence[int], vectors: Sequence[str], *, workspace_id: UUID, base_id: UUID, document_id: UUID
) -> None:
    await tx.execute(
        """
        insert into embeddings (chunk_id, workspace_id, knowledge_base_id, document_id, embedding)
        select v.id, %(workspace_id)s, %(base_id)s, %(document_id)s, v.vector::halfvec
        from unnest(%(ids)s::bigint[], %(vectors)s::text[]) v(id, vector)
        on conflict (chunk_id) do nothing""",
        ids=list(ids),
        vectors=list(vectors),
        workspace_id=workspace_id,
        base_id=base_id,
        document_id=document_id,
    )


async def count_embeddings(tx: Transaction, document_id: UUID) -> int:
    return await tx.value("select count(*) from embeddings where document_id = %(id)s", id=document_id)


async def list_chunks(tx: Transaction, document_id: UUID, *, after: int, limit: int) -> list[Chunk]:
    """In the order of the document, behind the ordinal `after`."""
    return await tx.many(
        Chunk,
        "select"
        + _CHUNK
        + """
        from chunks c where c.document_id = %(document_id)s and c.ordinal > %(after)s
        order by c.ordinal limit %(limit)s""",
        document_id=document_id,
        after=after,
        limit=limit,
    )


async def list_around(tx: Transaction, places: Sequence[tuple[UUID, int]], *, reach: int) -> list[Chunk]:
    """The chunks at these (document, ordinal) places and up to `reach` before and behind each, every one once."""
    return await tx.many(
        Chunk,
        "select distinct"
        + _CHUNK
        + """
        from unnest(%(documents)s::uuid[], %(ordinals)s::int[]) p(document_id, ordinal)
        join chunks c on c.document_id = p.document_id
          and c.ordinal between p.ordinal - %(reach)s and p.ordinal + %(reach)s
        order by c.document_id, c.ordinal""",
        documents=[document for document, _ in places],
        ordinals=[ordinal for _, ordinal in places],
        reach=reach,
    )
