"""SQL that packs the postings of many small documents: a search then reads one row for a word, not hundreds."""

from __future__ import annotations

from uuid import UUID

from glia.kit.db import Transaction

CHUNKS_A_PACK = 2048
"""About how many chunks are packed together; larger documents stay on their own."""

FEWEST_TO_PACK = 2 * CHUNKS_A_PACK
"""From how many loose chunks on a base is packed."""


async def wants_packing(tx: Transaction, base_id: UUID) -> bool:
    """Whether enough lies loose, or is dead, for the work to pay. Locks nothing."""
    return await tx.value(
        """
        select b.compact_run_id is null and (
          (select coalesce(sum(d.chunks), 0) from documents d where d.knowledge_base_id = b.id and d.status = 'ready'
            and not d.is_packed and d.chunks <= %(largest)s / 2) >= %(fewest)s
          or (select count(*) from dead_chunks d where d.knowledge_base_id = b.id) > greatest(1000, b.chunks / 5))
        from knowledge_bases b where b.id = %(id)s""",
        id=base_id,
        fewest=FEWEST_TO_PACK,
        largest=CHUNKS_A_PACK,
    )


async def set_run(tx: Transaction, base_id: UUID, run_id: UUID | None) -> None:
    await tx.execute("update knowledge_bases set compact_run_id = %(run)s where id = %(id)s", id=base_id, run=run_id)


async def end_run(tx: Transaction, run_id: UUID) -> None:
    await tx.execute("update knowledge_bases set compact_run_id = null where compact_run_id = %(run)s", run=run_id)


async def pack(tx: Transaction, base_id: UUID) -> int:
    """Packs the oldest loose documents that make one pack; returns how many chunks, 0 when there are too few."""
    documents = await tx.values(
        """
        select id from (
          select id, sum(chunks) over (order by id) as together from documents
          where knowledge_base_id = %(id)s and status = 'ready' and not is_packed
            and chunks between 1 and %(largest)s / 2
        ) d where together <= %(largest)s + 256""",
        id=base_id,
        largest=CHUNKS_A_PACK,
    )
    # Locked in the order of ids, as everyone does, and read again: one may have been deleted or renewed meanwhile.
    locked = await tx.values(
        """
        select id from documents where id = any(%(ids)s) and status = 'ready' and not is_packed
        order by id for update""",
        ids=documents,
    )
    packed: int = await tx.value(
        "select coalesce(sum(chunks), 0)::int from documents where id = any(%(ids)s)", ids=locked
    )
    if packed < CHUNKS_A_PACK / 2:
        return 0
    await tx.execute(
        """
        with taken as (
          delete from postings where document_id = any(%(ids)s)
          returning workspace_id, knowledge_base_id, lexeme, ids, impacts
        )
        insert into postings (workspace_id, knowledge_base_id, document_id, lexeme, df, ids, impacts)
        select t.workspace_id, t.knowledge_base_id, null, t.lexeme, count(*), array_agg(x.id order by x.id),
          array_agg(x.impact order by x.id)
        from taken t, unnest(t.ids, t.impacts) x(id, impact) group by 1, 2, 4""",
        ids=locked,
    )
    await tx.execute("update documents set is_packed = true where id = any(%(ids)s)", ids=locked)
    return packed


async def bury(tx: Transaction, base_id: UUID) -> int:
    """Takes dead chunks out of the packed postings; returns how many there were."""
    dead: int = await tx.value("select count(*) from dead_chunks where knowledge_base_id = %(id)s", id=base_id)
    if not dead:
        return 0
    await tx.execute(
        """
        with gone as materialized (
          select chunk_id from dead_chunks where knowledge_base_id = %(id)s
        ), taken as (
          delete from postings where knowledge_base_id = %(id)s and document_id is null
            and ids && (select array_agg(chunk_id) from gone)
          returning workspace_id, knowledge_base_id, lexeme, ids, impacts
        )
        insert into postings (workspace_id, knowledge_base_id, document_id, lexeme, df, ids, impacts)
        select t.workspace_id, t.knowledge_base_id, null, t.lexeme, count(*), array_agg(x.id order by x.id),
          array_agg(x.impact order by x.id)
        from taken t, unnest(t.ids, t.impacts) x(id, impact)
        where x.id not in (select chunk_id from gone) group by 1, 2, 4""",
        id=base_id,
    )
    await tx.execute("delete from dead_chunks where knowledge_base_id = %(id)s", id=base_id)
    return dead
