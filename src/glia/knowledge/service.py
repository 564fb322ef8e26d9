"""Knowledge: make bases, add documents, search them. Processing a document is the job in `jobs.py`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

import structlog

from glia.files.service import Files, fingerprint_of
from glia.files.types import FileRef
from glia.identity.types import Principal
from glia.kit.db import Database, Transaction
from glia.kit.errors import Conflict, GliaError, InvalidRequest
from glia.kit.ids import new_id
from glia.kit.jobs import StartJob
from glia.kit.pages import LARGEST_LIMIT, Page, Window, page_of
from glia.knowledge import contents, queries, vectors
from glia.knowledge import search as searching
from glia.knowledge.embedding.types import Embedder
from glia.knowledge.errors import DocumentNotFound, FileNotKept, KnowledgeBaseNotFound
from glia.knowledge.jobs import KIND
from glia.knowledge.types import Chunk, Document, Hit, KnowledgeBase

LONGEST_NAME = 200
LONGEST_DESCRIPTION = 10_000
LONGEST_QUERY = 4000
MOST_HITS = 100
MOST_BASES = 100

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True)
class Download:
    """A document's file; `parts` are at most 1 MiB each."""

    file: FileRef
    parts: AsyncGenerator[bytes]


class Knowledge:
    def __init__(self, db: Database, files: Files, *, start_job: StartJob, embedder: Embedder | None) -> None:
        """embedder: what new bases use and questions are embedded with; None compares words only."""
        self._db = db
        self._files = files
        self._start_job = start_job
        self._embedder = embedder

    async def create(
        self,
        principal: Principal,
        name: str,
        *,
        description: str = "",
        text_config: str = "english",
        dense_weight: float = 1.0,
        lexical_weight: float = 1.0,
    ) -> KnowledgeBase:
        """text_config: how words are cut and stemmed, one of PostgreSQL's configurations."""
        principal.require("knowledge:write")
        _check(name, description, dense_weight, lexical_weight)
        id, embedder = new_id(), self._embedder
        async with self._db.transaction(principal.workspace_id) as tx:
            await _check_text_config(tx, text_config)
            await queries.insert_base(
                tx,
                id,
                workspace_id=principal.workspace_id,
                project_id=principal.project_id,
                name=name,
                description=description,
                text_config=text_config,
                embedding_model=None if embedder is None else embedder.model_id,
                dimensions=None if embedder is None else embedder.dimensions,
                dense_weight=dense_weight,
                lexical_weight=lexical_weight,
            )
            return await _base(tx, id)

    async def get(self, principal: Principal, id: UUID) -> KnowledgeBase:
        principal.require("knowledge:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            return await _base(tx, id)

    async def list(self, principal: Principal, window: Window) -> Page[KnowledgeBase]:
        principal.require("knowledge:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            rows = await queries.list_bases(tx, window)
        return page_of(rows, window, lambda base: base.id)

    async def update(
        self,
        principal: Principal,
        id: UUID,
        *,
        name: str | None = None,
        description: str | None = None,
        dense_weight: float | None = None,
        lexical_weight: float | None = None,
    ) -> KnowledgeBase:
        """Changes what is given; the rest stays."""
        principal.require("knowledge:write")
        given = {
            "name": name,
            "description": description,
            "dense_weight": dense_weight,
            "lexical_weight": lexical_weight,
        }
        async with self._db.transaction(principal.workspace_id) as tx:
            base = replace(await _base(tx, id), **{key: value for key, value in given.items() if value is not None})
            _check(base.name, base.description, base.dense_weight, base.lexical_weight)
            await queries.update_base(
                tx,
                id,
                name=base.name,
                description=base.description,
                dense_weight=base.dense_weight,
                lexical_weight=base.lexical_weight,
            )
            return await _base(tx, id)

    async def delete(self, principal: Principal, id: UUID) -> None:
        """Deletes the base with all its documents and their files."""
        principal.require("knowledge:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            files = await queries.lock_documents(tx, id)
            if not await queries.delete_base(tx, id):
                raise _no_base(id)
            for file in files:
                await self._files.delete(tx, file)

    async def require_bases(self, tx: Transaction, ids: Sequence[UUID]) -> None:
        """Raises InvalidRequest when one of these is not a base of the workspace: a check for an agent's spec."""
        missing = set(ids) - await queries.find_bases(tx, ids)
        if missing:
            raise InvalidRequest(
                f"There is no knowledge base '{min(missing)}' in this workspace; create it first, or leave it away.",
                field="knowledge_base_ids",
            )

    async def add(self, principal: Principal, base_id: UUID, path: Path, *, name: str, media_type: str) -> Document:
        """Keeps the file at `path` and starts processing it, in one transaction. The caller deletes `path`.

        A base that already has this content, processed or in processing, gives that document. Raises
        KnowledgeBaseNotFound, StorageFull.
        """
        principal.require("knowledge:write")
        _check_document_name(name)
        fingerprint = await fingerprint_of(path)
        where = {"workspace_id": principal.workspace_id, "project_id": principal.project_id}
        media_type = media_type[:200] or "application/octet-stream"
        id = new_id()
        async with self._db.transaction(principal.workspace_id) as tx:
            await _base(tx, base_id)
            is_new = await queries.insert_document(
                tx,
                id,
                base_id,
                name=name,
                media_type=media_type,
                size_bytes=fingerprint.size_bytes,
                sha256=fingerprint.sha256,
                **where,
            )
            if not is_new:
                return await _same_content(tx, base_id, fingerprint.sha256, name=name)
            file = await self._files.write(tx, path, name=name, media_type=media_type, fingerprint=fingerprint, **where)
            run_id = await self._start_job(tx, kind=KIND, input={"document_id": str(id)}, **where)
            await queries.set_source(tx, id, file_id=file.id, run_id=run_id)
            return await _document(tx, base_id, id)

    async def document(self, principal: Principal, base_id: UUID, id: UUID) -> Document:
        principal.require("knowledge:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            return await _document(tx, base_id, id)

    async def documents(self, principal: Principal, base_id: UUID, window: Window) -> Page[Document]:
        """Newest first."""
        principal.require("knowledge:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            await _base(tx, base_id)
            rows = await queries.list_documents(tx, base_id, window)
        return page_of(rows, window, lambda document: document.id)

    async def delete_document(self, principal: Principal, base_id: UUID, id: UUID) -> None:
        """Deletes the document, its chunks and its file. A run that processes it ends quietly."""
        principal.require("knowledge:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            if await queries.lock_work(tx, id) is None:
                raise _no_document(id)
            await _document(tx, base_id, id)
            await contents.delete_contents(tx, id)
            deleted = await queries.delete_document(tx, base_id, id)
            if deleted is None:
                raise _no_document(id)
            await queries.add_to_base(tx, base_id, chunks=-deleted.chunks, lexemes=-deleted.lexemes)
            if deleted.file_id is not None:
                await self._files.delete(tx, deleted.file_id)

    async def chunks(
        self, principal: Principal, base_id: UUID, document_id: UUID, *, after: int = -1, limit: int = 100
    ) -> Sequence[Chunk]:
        """The document's chunks in order, behind the ordinal `after`."""
        principal.require("knowledge:read")
        _check_limit(limit, LARGEST_LIMIT)
        async with self._db.transaction(principal.workspace_id) as tx:
            await _document(tx, base_id, document_id)
            return await contents.list_chunks(tx, document_id, after=after, limit=limit)

    async def download(self, principal: Principal, base_id: UUID, document_id: UUID) -> Download:
        """The file as it was uploaded."""
        document = await self.document(principal, base_id, document_id)
        if document.file_id is None:
            raise FileNotKept(f"The file of {document.name!r} is gone; upload the document again.")
        file = await self._files.get(principal.workspace_id, document.file_id)
        return Download(file, self._files.stream(principal.workspace_id, file.id))

    async def search(
        self,
        principal: Principal,
        base_ids: Sequence[UUID],
        query: str,
        *,
        limit: int = 10,
        is_missing_ok: bool = False,
    ) -> Sequence[Hit]:
        """The best chunks of these bases together, best first.

        is_missing_ok: skips bases that are not there (any more) instead of raising KnowledgeBaseNotFound.
        An embedding model that cannot be reached does not fail the search: it goes by words alone.
        """
        principal.require("knowledge:read")
        _check_search(base_ids, query, limit)
        async with self._db.transaction(principal.workspace_id) as tx:
            scopes = await searching.scopes(tx, base_ids)
        missing = set(base_ids) - {scope.id for scope in scopes}
        if missing and not is_missing_ok:
            raise _no_base(min(missing))
        embedder = self._embedder
        embedded = [scope for scope in scopes if embedder is not None and scope.embedding_model == embedder.model_id]
        embedding = await self._embedded(query) if any(scope.chunks for scope in embedded) else None
        async with self._db.transaction(principal.workspace_id) as tx:
            return await searching.search(
                tx,
                [scope.id for scope in scopes],
                query,
                limit=limit,
                dense=searching.Dense.NONE if embedding is None else searching.choose(embedded),
                dense_ids=[scope.id for scope in embedded],
                embedding=embedding,
                chunks=sum(scope.chunks for scope in scopes),
            )

    async def neighbours(
        self, principal: Principal, places: Sequence[tuple[UUID, int]], *, reach: int = 1
    ) -> Sequence[Chunk]:
        """The chunks at these (document, ordinal) places with up to `reach` before and behind, each once, in order."""
        principal.require("knowledge:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            return await contents.list_around(tx, places, reach=reach)

    async def run_ended(self, tx: Transaction, run_id: UUID, *, code: str, message: str) -> None:
        """For the engine, when it ends a job as failed or cancelled: fails the document the run was processing.

        In the same transaction, so that no document is left processing with nobody at work on it.
        """
        await queries.fail_run(tx, run_id, code=code, message=message)

    async def _embedded(self, query: str) -> str | None:
        if self._embedder is None:
            return None
        try:
            return (await vectors.embed(self._embedder, [query]))[0]
        except GliaError as error:
            log.warning("query not embedded, searching by words", model=self._embedder.model_id, code=error.code)
            return None


async def _base(tx: Transaction, id: UUID) -> KnowledgeBase:
    base = await queries.get_base(tx, id)
    if base is None:
        raise _no_base(id)
    return base


async def _document(tx: Transaction, base_id: UUID, id: UUID) -> Document:
    document = await queries.get_document(tx, base_id, id)
    if document is None:
        raise _no_document(id)
    return document


async def _same_content(tx: Transaction, base_id: UUID, sha256: str, *, name: str) -> Document:
    document = await queries.find_content(tx, base_id, sha256)
    if document is None:
        raise Conflict(f"A document with the content of {name!r} was removed in this moment; upload it again.")
    return document


def _no_base(id: UUID) -> KnowledgeBaseNotFound:
    return KnowledgeBaseNotFound(f"There is no knowledge base '{id}' in this workspace.", knowledge_base_id=str(id))


def _no_document(id: UUID) -> DocumentNotFound:
    return DocumentNotFound(f"There is no document '{id}' in this knowledge base.", document_id=str(id))


async def _check_text_config(tx: Transaction, name: str) -> None:
    if not await queries.has_text_config(tx, name):
        known = ", ".join(await queries.text_configs(tx))
        raise InvalidRequest(f"`text_config` is {name!r}; it must be one of {known}.", field="text_config")


def _check(name: str, description: str, dense_weight: float, lexical_weight: float) -> None:
    if not name.strip():
        raise InvalidRequest("`name` is empty; give the knowledge base a name.", field="name")
    for field, value, longest in (("name", name, LONGEST_NAME), ("description", description, LONGEST_DESCRIPTION)):
        if len(value) > longest:
            raise InvalidRequest(f"`{field}` has {len(value)} characters; the most is {longest}.", field=field)
        if "\0" in value:
            raise InvalidRequest(f"`{field}` holds a NUL character; leave it away.", field=field)
    for field, weight in (("dense_weight", dense_weight), ("lexical_weight", lexical_weight)):
        if not 0 <= weight <= 100:
            raise InvalidRequest(f"`{field}` is {weight}; it must be between 0 and 100.", field=field)


def _check_document_name(name: str) -> None:
    if not name.strip() or len(name) > 500 or "\0" in name:
        raise InvalidRequest(
            f"The file name {name[:50]!r} is empty, longer than 500 characters or holds a NUL; rename the file.",
            field="file",
        )


def _check_limit(limit: int, most: int) -> None:
    if not 1 <= limit <= most:
        raise InvalidRequest(f"`limit` is {limit}; it must be between 1 and {most}.", field="limit")


def _check_search(base_ids: Sequence[UUID], query: str, limit: int) -> None:
    _check_limit(limit, MOST_HITS)
    if not query.strip() or "\0" in query:
        raise InvalidRequest("`query` is empty or holds a NUL character; ask something.", field="query")
    if len(query) > LONGEST_QUERY:
        raise InvalidRequest(f"`query` has {len(query)} characters; the most is {LONGEST_QUERY}.", field="query")
    if len(base_ids) > MOST_BASES:
        raise InvalidRequest(
            f"{len(base_ids)} knowledge bases are too many for one search; the most is {MOST_BASES}.",
            field="knowledge_base_ids",
        )
