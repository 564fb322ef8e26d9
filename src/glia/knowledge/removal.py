"""Taking a document away with all that it left behind: chunks, postings, vectors, its file."""

from __future__ import annotations

from uuid import UUID

from glia.files.service import Files
from glia.kit.db import Transaction
from glia.knowledge import contents, queries


async def remove(tx: Transaction, files: Files, base_id: UUID, id: UUID) -> bool:
    """Whether it was there. The caller holds the document (`queries.lock_work`)."""
    await contents.delete_contents(tx, id)
    deleted = await queries.delete_document(tx, base_id, id)
    if deleted is None:
        return False
    await queries.add_to_base(tx, base_id, chunks=-deleted.chunks, lexemes=-deleted.lexemes)
    if deleted.file_id is not None:
        await files.delete(tx, deleted.file_id)
    return True
