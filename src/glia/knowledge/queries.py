"""SQL for knowledge bases and documents. What is inside a document is in `contents.py`, the search in `search.py`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import LiteralString
from uuid import UUID

from glia.kit.db import Transaction, json
from glia.kit.pages import Window
from glia.knowledge.types import EVERYTHING, Document, DocumentStatus, Filter, Folder, KnowledgeBase

_BASE: LiteralString = """
  b.id, b.project_id, b.name, b.description, b.embedding_model, b.dimensions, b.next_embedding_model, b.reembed_run_id,
  b.text_config, b.dense_weight,
  b.lexical_weight, (select count(*) from documents d where d.knowledge_base_id = b.id) as documents, b.chunks,
  b.created_at, b.updated_at"""
DOCUMENT_COLUMNS: LiteralString = """
  id, knowledge_base_id, name, media_type, size_bytes, sha256, status, error_code, error_message, phase, progress_done,
  progress_total, chunks, pages, file_id, run_id, created_at, updated_at, path, title, metadata, source_url,
  text_config"""


async def insert_base(
    tx: Transaction,
    id: UUID,
    *,
    workspace_id: UUID,
    project_id: UUID,
    name: str,
    description: str,
    text_config: str,
    embedding_model: str | None,
    dimensions: int | None,
    dense_weight: float,
    lexical_weight: float,
) -> None:
    await tx.execute(
        """
        insert into knowledge_bases (id, workspace_id, project_id, name, description, text_config, embedding_model,
          dimensions, embedding_set, dense_weight, lexical_weight)
        values (%(id)s, %(workspace_id)s, %(project_id)s, %(name)s, %(description)s, %(text_config)s,
          %(embedding_model)s, %(dimensions)s, %(id)s, %(dense_weight)s, %(lexical_weight)s)""",
        id=id,
        workspace_id=workspace_id,
        project_id=project_id,
        name=name,
        description=description,
        text_config=text_config,
        embedding_model=embedding_model,
        dimensions=dimensions,
        dense_weight=dense_weight,
        lexical_weight=lexical_weight,
    )


async def get_base(tx: Transaction, id: UUID) -> KnowledgeBase | None:
    return await tx.one_or_none(KnowledgeBase, "select" + _BASE + " from knowledge_bases b where b.id = %(id)s", id=id)


async def list_bases(tx: Transaction, window: Window) -> list[KnowledgeBase]:
    return await tx.many(
        KnowledgeBase,
        "select"
        + _BASE
        + """
        from knowledge_bases b where %(after)s::uuid is null or b.id < %(after)s
        order by b.id desc limit %(rows)s""",
        after=window.after,
        rows=window.limit + 1,
    )


async def find_bases(tx: Transaction, ids: Sequence[UUID]) -> set[UUID]:
    return set(await tx.values("select id from knowledge_bases where id = any(%(ids)s)", ids=list(ids)))


async def update_base(
    tx: Transaction, id: UUID, *, name: str, description: str, dense_weight: float, lexical_weight: float
) -> None:
    await tx.execute(
        """
        update knowledge_bases set name = %(name)s, description = %(description)s, dense_weight = %(dense_weight)s,
          lexical_weight = %(lexical_weight)s, updated_at = now()
        where id = %(id)s""",
        id=id,
        name=name,
        description=description,
        dense_weight=dense_weight,
        lexical_weight=lexical_weight,
    )


async def lock_documents(tx: Transaction, base_id: UUID) -> list[UUID]:
    """The files of all documents of a base. Locks documents before the base, in the order that indexing does."""
    await tx.execute(
        "select from documents where knowledge_base_id = %(base_id)s order by id for update", base_id=base_id
    )
    return await tx.values(
        "select file_id from documents where knowledge_base_id = %(base_id)s and file_id is not null", base_id=base_id
    )


async def delete_base(tx: Transaction, id: UUID) -> bool:
    return await tx.execute("delete from knowledge_bases where id = %(id)s", id=id) == 1


async def has_text_config(tx: Transaction, name: str) -> bool:
    return await tx.value("select exists (select from pg_ts_config where cfgname = %(name)s)", name=name)


async def text_configs(tx: Transaction) -> list[str]:
    return await tx.values("select distinct cfgname::text from pg_ts_config order by 1")


async def insert_document(
    tx: Transaction,
    id: UUID,
    base_id: UUID,
    *,
    workspace_id: UUID,
    project_id: UUID,
    name: str,
    media_type: str,
    size_bytes: int,
    sha256: str,
    path: str = "",
    metadata: Mapping[str, object] | None = None,
    source_url: str | None = None,
) -> bool:
    """False when the base has this content already. Waits for another transaction that is adding it right now."""
    count = await tx.execute(
        """
        insert into documents (id, workspace_id, project_id, knowledge_base_id, name, media_type, size_bytes, sha256,
          path, metadata, source_url)
        values (%(id)s, %(workspace_id)s, %(project_id)s, %(base_id)s, %(name)s, %(media_type)s, %(size_bytes)s,
          %(sha256)s, %(path)s, %(metadata)s, %(source_url)s)
        on conflict (knowledge_base_id, sha256) where status <> 'failed' do nothing""",
        id=id,
        base_id=base_id,
        workspace_id=workspace_id,
        project_id=project_id,
        name=name,
        media_type=media_type,
        size_bytes=size_bytes,
        sha256=sha256,
        path=path,
        metadata=json(dict(metadata or {})),
        source_url=source_url,
    )
    return count == 1


async def set_source(tx: Transaction, id: UUID, *, file_id: UUID, run_id: UUID) -> None:
    await tx.execute(
        "update documents set file_id = %(file_id)s, run_id = %(run_id)s where id = %(id)s",
        id=id,
        file_id=file_id,
        run_id=run_id,
    )


async def get_document(tx: Transaction, base_id: UUID, id: UUID) -> Document | None:
    return await tx.one_or_none(
        Document,
        "select" + DOCUMENT_COLUMNS + " from documents where id = %(id)s and knowledge_base_id = %(base_id)s",
        id=id,
        base_id=base_id,
    )


async def find_content(tx: Transaction, base_id: UUID, sha256: str) -> Document | None:
    return await tx.one_or_none(
        Document,
        "select"
        + DOCUMENT_COLUMNS
        + """
        from documents where knowledge_base_id = %(base_id)s and sha256 = %(sha256)s and status <> 'failed'""",
        base_id=base_id,
        sha256=sha256,
    )


async def list_documents(tx: Transaction, base_id: UUID, window: Window, where: Filter = EVERYTHING) -> list[Document]:
    return await tx.many(
        Document,
        "select"
        + DOCUMENT_COLUMNS
        + """
        from documents where knowledge_base_id = %(base_id)s and (%(after)s::uuid is null or id < %(after)s)
          and (%(path)s::text is null or path = %(path)s or starts_with(path, %(path)s || '/'))
          and (%(metadata)s::jsonb is null or metadata @> %(metadata)s)
        order by id desc limit %(rows)s""",
        base_id=base_id,
        path=where.path or None,
        metadata=json(dict(where.metadata)) if where.metadata else None,
        after=window.after,
        rows=window.limit + 1,
    )


async def update_document(tx: Transaction, id: UUID, *, name: str, path: str, metadata: Mapping[str, object]) -> None:
    await tx.execute(
        """
        update documents set name = %(name)s, path = %(path)s, metadata = %(metadata)s, updated_at = now()
        where id = %(id)s""",
        id=id,
        name=name,
        path=path,
        metadata=json(dict(metadata)),
    )


async def folders(tx: Transaction, base_id: UUID) -> list[Folder]:
    return await tx.many(
        Folder,
        """
        select path, count(*)::int as documents from documents where knowledge_base_id = %(base_id)s
        group by path order by path limit 10000""",
        base_id=base_id,
    )


async def list_of_source(tx: Transaction, base_id: UUID, source_url: str, *, but: UUID) -> list[UUID]:
    return await tx.values(
        """
        select id from documents
        where knowledge_base_id = %(base_id)s and source_url = %(source_url)s and id <> %(but)s""",
        base_id=base_id,
        source_url=source_url,
        but=but,
    )


async def lock_older_of_source(tx: Transaction, id: UUID) -> list[UUID]:
    """What was fetched earlier from where this document came from, held until the transaction ends.

    To be called before the document itself is locked: documents are locked in the order of their ids.
    """
    return await tx.values(
        """
        select o.id from documents d
        join documents o on o.knowledge_base_id = d.knowledge_base_id and o.source_url = d.source_url and o.id < d.id
        where d.id = %(id)s order by o.id for update of o""",
        id=id,
    )


@dataclass(frozen=True)
class Deleted:
    file_id: UUID | None
    chunks: int
    lexemes: int


async def delete_document(tx: Transaction, base_id: UUID, id: UUID) -> Deleted | None:
    return await tx.one_or_none(
        Deleted,
        """
        delete from documents where id = %(id)s and knowledge_base_id = %(base_id)s
        returning file_id, chunks, lexemes""",
        id=id,
        base_id=base_id,
    )


async def add_to_base(tx: Transaction, base_id: UUID, *, chunks: int, lexemes: int) -> None:
    """Counts what became searchable, or with negative numbers what is no longer."""
    await tx.execute(
        """
        update knowledge_bases set chunks = chunks + %(chunks)s, lexemes = lexemes + %(lexemes)s
        where id = %(base_id)s""",
        base_id=base_id,
        chunks=chunks,
        lexemes=lexemes,
    )


@dataclass(frozen=True)
class Work:
    """A document as its job sees it, with what it needs to know about the base."""

    id: UUID
    knowledge_base_id: UUID
    name: str
    media_type: str
    status: DocumentStatus
    error_code: str | None
    error_message: str | None
    file_id: UUID | None
    is_indexed: bool
    chunks: int
    lexemes: int
    text_config: str
    base_text_config: str
    title: str
    embedding_model: str | None
    dimensions: int | None
    embedding_set: UUID
    run_id: UUID | None


async def lock_work(tx: Transaction, id: UUID) -> Work | None:
    """The document, held until the transaction ends; None when it was deleted."""
    return await tx.one_or_none(
        Work,
        """
        select d.id, d.knowledge_base_id, d.name, d.media_type, d.status, d.error_code, d.error_message, d.file_id,
          d.is_indexed, d.chunks, d.lexemes, coalesce(d.text_config, b.text_config) as text_config,
          b.text_config as base_text_config, d.title, b.embedding_model, b.dimensions, b.embedding_set,
          d.run_id
        from documents d join knowledge_bases b on b.id = d.knowledge_base_id
        where d.id = %(id)s for update of d""",
        id=id,
    )


async def adopt_embedder(tx: Transaction, base_id: UUID, *, model: str, dimensions: int) -> str:
    """Gives a base without a model this one, and says which it has."""
    await tx.execute(
        """
        update knowledge_bases set embedding_model = %(model)s, dimensions = %(dimensions)s
        where id = %(base_id)s and embedding_model is null""",
        base_id=base_id,
        model=model,
        dimensions=dimensions,
    )
    return await tx.value("select embedding_model from knowledge_bases where id = %(base_id)s", base_id=base_id)


async def set_progress(tx: Transaction, id: UUID, phase: str, done: int, total: int) -> None:
    await tx.execute(
        """
        update documents set phase = %(phase)s, progress_done = %(done)s, progress_total = %(total)s, updated_at = now()
        where id = %(id)s""",
        id=id,
        phase=phase,
        done=done,
        total=total,
    )


async def count_indexed(tx: Transaction, id: UUID, *, chunks: int, lexemes: int) -> None:
    await tx.execute(
        "update documents set chunks = chunks + %(chunks)s, lexemes = lexemes + %(lexemes)s where id = %(id)s",
        id=id,
        chunks=chunks,
        lexemes=lexemes,
    )


async def reset_indexed(tx: Transaction, id: UUID) -> None:
    await tx.execute(
        "update documents set chunks = 0, lexemes = 0, is_indexed = false, is_packed = false where id = %(id)s", id=id
    )


async def set_read(tx: Transaction, id: UUID, base_id: UUID, *, title: str, text_config: str) -> None:
    """Notes what the document calls itself and how its words are cut, for the document and for questions."""
    await tx.execute(
        "update documents set title = %(title)s, text_config = %(config)s where id = %(id)s",
        id=id,
        title=title,
        config=text_config,
    )
    await tx.execute(
        """
        update knowledge_bases set text_configs = text_configs || %(config)s::text
        where id = %(base_id)s and not %(config)s = any(text_configs)""",
        base_id=base_id,
        config=text_config,
    )


async def set_indexed(tx: Transaction, id: UUID, *, pages: int | None) -> None:
    await tx.execute("update documents set is_indexed = true, pages = %(pages)s where id = %(id)s", id=id, pages=pages)


async def retry(tx: Transaction, id: UUID) -> bool:
    """Lets a failed document be processed again; False when its content was added otherwise meanwhile."""
    return (
        await tx.execute(
            """
            update documents d set status = 'processing' where d.id = %(id)s and d.status = 'failed' and not exists (
              select from documents o
              where o.knowledge_base_id = d.knowledge_base_id and o.sha256 = d.sha256 and o.status <> 'failed')""",
            id=id,
        )
        == 1
    )


async def start_reindex(tx: Transaction, id: UUID, *, run_id: UUID) -> None:
    await tx.execute(
        """
        update documents set run_id = %(run_id)s, phase = 'queued', progress_done = 0, progress_total = 0,
          error_code = null, error_message = null, updated_at = now()
        where id = %(id)s""",
        id=id,
        run_id=run_id,
    )


async def end_reindex(tx: Transaction, id: UUID, *, code: str | None, message: str | None) -> None:
    """The document is as it was, or renewed; code and message say why it is as it was."""
    await tx.execute(
        """
        update documents set phase = 'done', progress_done = chunks, progress_total = chunks, error_code = %(code)s,
          error_message = %(message)s, updated_at = now()
        where id = %(id)s and status = 'ready'""",
        id=id,
        code=code,
        message=message,
    )


async def set_ready(tx: Transaction, id: UUID) -> None:
    await tx.execute(
        """
        update documents set status = 'ready', phase = 'done', progress_done = chunks, progress_total = chunks,
          error_code = null, error_message = null, updated_at = now()
        where id = %(id)s""",
        id=id,
    )


async def set_failed(tx: Transaction, id: UUID, *, code: str, message: str) -> None:
    await tx.execute(
        """
        update documents set status = 'failed', error_code = %(code)s, error_message = %(message)s, updated_at = now()
        where id = %(id)s and status = 'processing'""",
        id=id,
        code=code,
        message=message,
    )


async def lock_processing(tx: Transaction, run_id: UUID) -> list[UUID]:
    """The documents that this run was to make ready."""
    return await tx.values(
        "select id from documents where run_id = %(run)s and status = 'processing' order by id for update", run=run_id
    )


async def fail_run(tx: Transaction, run_id: UUID, *, code: str, message: str) -> None:
    await tx.execute(
        """
        update documents set phase = 'done', error_code = %(code)s, error_message = %(message)s, updated_at = now()
        where run_id = %(run_id)s and status = 'ready' and phase <> 'done'""",
        run_id=run_id,
        code=code,
        message=message,
    )
    await tx.execute(
        """
        update documents set status = 'failed', error_code = %(code)s, error_message = %(message)s, updated_at = now()
        where run_id = %(run_id)s and status = 'processing'""",
        run_id=run_id,
        code=code,
        message=message,
    )
