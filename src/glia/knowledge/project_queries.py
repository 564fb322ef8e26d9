"""SQL about the documents of all bases of a project together."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from glia.kit.db import Transaction
from glia.knowledge.queries import DOCUMENT_COLUMNS
from glia.knowledge.types import Document, Folder


async def bases(tx: Transaction, project_id: UUID) -> list[UUID]:
    """The oldest first."""
    return await tx.values(
        "select id from knowledge_bases where project_id = %(project_id)s order by id limit 100", project_id=project_id
    )


async def named_base(tx: Transaction, project_id: UUID, name: str) -> UUID | None:
    return await tx.value(
        "select id from knowledge_bases where project_id = %(project_id)s and name = %(name)s order by id limit 1",
        project_id=project_id,
        name=name,
    )


async def hold_project(tx: Transaction, project_id: UUID) -> None:
    """Until the transaction ends, nobody else who asks for this goes on."""
    await tx.execute("select pg_advisory_xact_lock(hashtext('vault'), hashtext(%(id)s::text))", id=project_id)


async def bases_of_documents(tx: Transaction, ids: Sequence[UUID]) -> list[UUID]:
    return await tx.values("select distinct knowledge_base_id from documents where id = any(%(ids)s)", ids=list(ids))


async def known_documents(tx: Transaction, ids: Sequence[UUID]) -> list[UUID]:
    return await tx.values("select id from documents where id = any(%(ids)s)", ids=list(ids))


async def documents(
    tx: Transaction, project_id: UUID, *, path: str, text: str, limit: int, offset: int
) -> list[Document]:
    return await tx.many(
        Document,
        "select"
        + DOCUMENT_COLUMNS
        + """
        from documents
        where knowledge_base_id in (select id from knowledge_bases where project_id = %(project_id)s)
          and (%(path)s = '' or path = %(path)s or starts_with(path, %(path)s || '/'))
          and (%(text)s = '' or strpos(lower(name || ' ' || title), lower(%(text)s)) > 0)
        order by id desc limit %(limit)s offset %(offset)s""",
        project_id=project_id,
        path=path,
        text=text,
        limit=limit,
        offset=offset,
    )


async def count(tx: Transaction, project_id: UUID, *, path: str, text: str) -> int:
    return await tx.value(
        """
        select count(*) from documents
        where knowledge_base_id in (select id from knowledge_bases where project_id = %(project_id)s)
          and (%(path)s = '' or path = %(path)s or starts_with(path, %(path)s || '/'))
          and (%(text)s = '' or strpos(lower(name || ' ' || title), lower(%(text)s)) > 0)""",
        project_id=project_id,
        path=path,
        text=text,
    )


async def document(tx: Transaction, id: UUID) -> Document | None:
    """Whichever base it is in."""
    return await tx.one_or_none(Document, "select" + DOCUMENT_COLUMNS + " from documents where id = %(id)s", id=id)


async def folders(tx: Transaction, project_id: UUID) -> list[Folder]:
    return await tx.many(
        Folder,
        """
        select path, count(*) as documents from documents
        where knowledge_base_id in (select id from knowledge_bases where project_id = %(project_id)s)
        group by path order by path limit 10000""",
        project_id=project_id,
    )
