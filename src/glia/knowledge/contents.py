"""SQL for what is inside documents: chunks, the postings that find them by words, their vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import LiteralString
from uuid import UUID

from glia.kit.db import Transaction
from glia.knowledge.types import Chunk, Passage
from glia.knowledge.words import embedded_text, header, segmented

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
    tx: Transaction,
    passages: Sequence[Passage],
    *,
    title: str,
    config: str,
    workspace_id: UUID,
    base_id: UUID,
    document_id: UUID,
) -> int:
    """Makes these chunks findable by their words; returns how many lexemes they have.

    BM25 with k1 = 1.2 and b = 0.75. What a passage stands under (title, headings) counts as if it were said twice. The
    mean length is that of the base as it is with these chunks: it drifts a little as a base grows, which matters less
    than rewriting every posting would cost.
    """
    return await tx.value(
        """
        with words as materialized (
          select c.id, w.lexeme,
            coalesce(cardinality(w.positions) + cardinality(array_positions(w.weights, 'A')), 1) as tf
          from unnest(%(ordinals)s::int[], %(headers)s::text[], %(texts)s::text[]) p(ordinal, header, text)
          join chunks c on c.document_id = %(document_id)s and c.ordinal = p.ordinal,
          unnest(setweight(to_tsvector(%(config)s::text::regconfig, p.header), 'A')
            || to_tsvector(%(config)s::text::regconfig, p.text)) w
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
        ordinals=[passage.ordinal for passage in passages],
        headers=[segmented(header(title, passage.heading)) for passage in passages],
        texts=[segmented(passage.text) for passage in passages],
        count=len(passages),
        config=config,
    )


async def delete_contents(tx: Transaction, document_id: UUID) -> None:
    """In single statements rather than by cascade, which would go chunk by chunk.

    What lies in packed postings cannot be taken out at once; it is kept out of searches.
    """
    await tx.execute(
        """
        insert into dead_chunks (chunk_id, workspace_id, knowledge_base_id)
        select c.id, c.workspace_id, c.knowledge_base_id
        from documents d join chunks c on c.document_id = d.id where d.id = %(id)s and d.is_packed""",
        id=document_id,
    )
    await tx.execute("delete from embeddings where document_id = %(id)s", id=document_id)
    await tx.execute("delete from postings where document_id = %(id)s", id=document_id)
    await tx.execute("delete from chunks where document_id = %(id)s", id=document_id)


@dataclass(frozen=True)
class ToEmbed:
    id: int
    ordinal: int
    title: str
    heading: str
    text: str

    @property
    def input(self) -> str:
        return embedded_text(self.title, self.heading, self.text)


async def list_without_embedding(
    tx: Transaction, document_id: UUID, *, set_id: UUID, after: int, limit: int
) -> list[ToEmbed]:
    """The next chunks behind the ordinal `after` that have no vector in this set."""
    return await tx.many(
        ToEmbed,
        """
        select c.id, c.ordinal, d.title, c.heading, c.text
        from chunks c join documents d on d.id = c.document_id
        where c.document_id = %(document_id)s and c.ordinal > %(after)s
          and not exists (select from embeddings e where e.chunk_id = c.id and e.set_id = %(set_id)s)
        order by c.ordinal limit %(limit)s""",
        document_id=document_id,
        set_id=set_id,
        after=after,
        limit=limit,
    )


async def list_missing(tx: Transaction, base_id: UUID, *, set_id: UUID, after: int, limit: int) -> list[ToEmbed]:
    """The next chunks of the whole base, behind the chunk id `after`, that have no vector in this set."""
    return await tx.many(
        ToEmbed,
        """
        select c.id, c.ordinal, d.title, c.heading, c.text
        from documents d join chunks c on c.document_id = d.id
        where d.knowledge_base_id = %(base_id)s and c.id > %(after)s
          and not exists (select from embeddings e where e.chunk_id = c.id and e.set_id = %(set_id)s)
        order by c.id limit %(limit)s""",
        base_id=base_id,
        set_id=set_id,
        after=after,
        limit=limit,
    )


async def insert_embeddings(
    tx: Transaction, ids: Sequence[int], vectors: Sequence[str], *, workspace_id: UUID, set_id: UUID
) -> None:
    """Chunks that were deleted meanwhile are left away."""
    await tx.execute(
        """
        insert into embeddings (chunk_id, workspace_id, set_id, document_id, embedding)
        select c.id, %(workspace_id)s, %(set_id)s, c.document_id, v.vector::halfvec
        from unnest(%(ids)s::bigint[], %(vectors)s::text[]) v(id, vector) join chunks c on c.id = v.id
        on conflict (chunk_id, set_id) do nothing""",
        ids=list(ids),
        vectors=list(vectors),
        workspace_id=workspace_id,
        set_id=set_id,
    )


async def count_embeddings(tx: Transaction, document_id: UUID, *, set_id: UUID) -> int:
    return await tx.value(
        "select count(*) from embeddings where document_id = %(id)s and set_id = %(set_id)s",
        id=document_id,
        set_id=set_id,
    )


async def count_set(tx: Transaction, set_id: UUID) -> int:
    return await tx.value("select count(*) from embeddings where set_id = %(set_id)s", set_id=set_id)


async def delete_set(tx: Transaction, set_id: UUID) -> None:
    await tx.execute("delete from embeddings where set_id = %(set_id)s", set_id=set_id)


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


async def chunk_ids(tx: Transaction, document_id: UUID) -> list[int]:
    """In the order of the document."""
    return await tx.values("select id from chunks where document_id = %(id)s order by ordinal", id=document_id)


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
