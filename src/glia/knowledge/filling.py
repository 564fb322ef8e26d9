"""SQL for documents whose vectors are missing because the embedding model is out of reach: who waits, and for what."""

from __future__ import annotations

from uuid import UUID

from glia.kit.db import Transaction


async def waiter(tx: Transaction, base_id: UUID) -> UUID | None:
    """The run that waits for this base's model already. Holds the base until the transaction ends."""
    return await tx.value("select fill_run_id from knowledge_bases where id = %(id)s for update", id=base_id)


async def set_waiter(tx: Transaction, base_id: UUID, run_id: UUID) -> None:
    await tx.execute("update knowledge_bases set fill_run_id = %(run)s where id = %(id)s", id=base_id, run=run_id)


async def hand_over(tx: Transaction, document_id: UUID, run_id: UUID, *, code: str, message: str) -> None:
    """The document is found by its words; this run makes its vectors. Code and message say what it waits for."""
    await tx.execute(
        """
        update documents set run_id = %(run)s, phase = 'waiting', error_code = %(code)s, error_message = %(message)s,
          updated_at = now()
        where id = %(id)s and status = 'processing'""",
        id=document_id,
        run=run_id,
        code=code,
        message=message,
    )


async def next_waiting(tx: Transaction, run_id: UUID) -> UUID | None:
    return await tx.value(
        "select id from documents where run_id = %(run)s and status = 'processing' order by id limit 1", run=run_id
    )


async def end_if_done(tx: Transaction, base_id: UUID, run_id: UUID) -> bool:
    """Whether nothing is left for this run; then the base waits no more."""
    await waiter(tx, base_id)
    if await next_waiting(tx, run_id) is not None:
        return False
    await end(tx, run_id)
    return True


async def end(tx: Transaction, run_id: UUID) -> None:
    await tx.execute("update knowledge_bases set fill_run_id = null where fill_run_id = %(run)s", run=run_id)
