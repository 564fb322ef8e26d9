"""Knowledge: make bases, add documents, search them. Processing a document is the job in `jobs.py`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
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
from glia.knowledge import contents, packing, queries, reembedding, vectors
from glia.knowledge import search as searching
from glia.knowledge.checks import check_base, check_document, check_import, check_limit, check_search, clean_folder
from glia.knowledge.errors import DocumentNotFound, FileNotKept, KnowledgeBaseNotFound
from glia.knowledge.jobs import IMPORT_KIND, KIND
from glia.knowledge.renewal import REEMBED_KIND, REINDEX_KIND
from glia.knowledge.reranking import reranked
from glia.knowledge.rewriting import followed_up
from glia.knowledge.types import (
    EVERYTHING,
    Chunk,
    Document,
    DocumentStatus,
    Embedder,
    Embedders,
    Filter,
    Folder,
    Hit,
    KnowledgeBase,
    Reranker,
    Rewrite,
)
from glia.knowledge.words import AUTO, segmented

_NOTHING: Mapping[str, object] = {}
_RERANKED = 50  # candidates that a reranking model reads for one search

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True)
class Download:
    """A document's file; `parts` are at most 1 MiB each."""

    file: FileRef
    parts: AsyncGenerator[bytes]


class Knowledge:
    def __init__(
        self,
        db: Database,
        files: Files,
        *,
        start_job: StartJob,
        embedders: Embedders,
        reranker: Reranker | None = None,
        rewrite: Rewrite | None = None,
    ) -> None:
        """reranker: orders the best hits anew when a search asks for it.

        rewrite: makes a follow-up question whole by a model; None does it by rules.
        """
        self._db = db
        self._files = files
        self._start_job = start_job
        self._embedders = embedders
        self._reranker = reranker
        self._rewrite = rewrite

    async def create(
        self,
        principal: Principal,
        name: str,
        *,
        description: str = "",
        text_config: str = AUTO,
        embedding_model: str | None = None,
        dense_weight: float = 1.5,
        lexical_weight: float = 1.0,
    ) -> KnowledgeBase:
        """text_config: how words are cut and stemmed, one of PostgreSQL's configurations, or `auto`: by document.

        embedding_model: one that is configured; None takes the server's own.
        """
        principal.require("knowledge:write")
        check_base(name, description, dense_weight, lexical_weight)
        id = new_id()
        embedder = self._embedders.default if embedding_model is None else await self._named(embedding_model)
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
        embedding_model: str | None = None,
    ) -> KnowledgeBase:
        """Changes what is given; the rest stays.

        embedding_model: makes all vectors anew in the background; searches use the old ones until that is done.
        """
        principal.require("knowledge:write")
        embedder = None if embedding_model is None else await self._named(embedding_model)
        given = {
            "name": name,
            "description": description,
            "dense_weight": dense_weight,
            "lexical_weight": lexical_weight,
        }
        async with self._db.transaction(principal.workspace_id) as tx:
            base = replace(await _base(tx, id), **{key: value for key, value in given.items() if value is not None})
            check_base(base.name, base.description, base.dense_weight, base.lexical_weight)
            await queries.update_base(
                tx,
                id,
                name=base.name,
                description=base.description,
                dense_weight=base.dense_weight,
                lexical_weight=base.lexical_weight,
            )
            if embedder is not None:
                await self._change_model(tx, principal, id, model=embedder.model_id, dimensions=embedder.dimensions)
            return await _base(tx, id)

    async def _named(self, model: str) -> Embedder:
        embedder = await self._embedders.named(model)
        if embedder is None:
            raise InvalidRequest(
                f"The embedding model {model!r} is not configured here, or does not answer; see `GET /v1/models`.",
                field="embedding_model",
            )
        return embedder

    async def _change_model(
        self, tx: Transaction, principal: Principal, id: UUID, *, model: str, dimensions: int
    ) -> None:
        sets = await reembedding.lock_sets(tx, id)
        if sets is None:
            raise _no_base(id)
        if sets.next_embedding_set is not None:
            if sets.next_embedding_model == model:
                return
            raise Conflict(
                f"The knowledge base is being re-embedded with {sets.next_embedding_model!r}; wait until it is done, or"
                f" cancel the run {sets.reembed_run_id}."
            )
        if sets.embedding_model == model:
            return
        if not sets.chunks:
            await reembedding.adopt(tx, id, model=model, dimensions=dimensions)
            return
        run_id = await self._start_job(
            tx,
            workspace_id=principal.workspace_id,
            project_id=principal.project_id,
            kind=REEMBED_KIND,
            input={"knowledge_base_id": str(id)},
        )
        await reembedding.begin(tx, id, model=model, dimensions=dimensions, set_id=new_id(), run_id=run_id)

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

    async def add(
        self,
        principal: Principal,
        base_id: UUID,
        path: Path,
        *,
        name: str,
        media_type: str,
        folder: str = "",
        metadata: Mapping[str, object] = _NOTHING,
        source_url: str | None = None,
    ) -> Document:
        """Keeps the file at `path` and starts processing it, in one transaction. The caller deletes `path`.

        folder: where it lies in the base, as `handbook/travel`. metadata: a JSON object to filter by.

        A base that already has this content, processed or in processing, gives that document. Raises
        KnowledgeBaseNotFound, StorageFull.
        """
        principal.require("knowledge:write")
        folder = check_document(name, folder, metadata)
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
                path=folder,
                metadata=metadata,
                source_url=source_url,
                **where,
            )
            if not is_new:
                return await _same_content(tx, base_id, fingerprint.sha256, name=name)
            file = await self._files.write(tx, path, name=name, media_type=media_type, fingerprint=fingerprint, **where)
            run_id = await self._start_job(tx, kind=KIND, input={"document_id": str(id)}, **where)
            await queries.set_source(tx, id, file_id=file.id, run_id=run_id)
            return await _document(tx, base_id, id)

    async def start_import(
        self, principal: Principal, base_id: UUID, url: str, *, is_sitemap: bool, folder: str, most_pages: int
    ) -> UUID:
        """Starts fetching a page, or all pages of a sitemap, and returns the run that does it."""
        principal.require("knowledge:write")
        check_import(url, most_pages)
        async with self._db.transaction(principal.workspace_id) as tx:
            await _base(tx, base_id)
            return await self._start_job(
                tx,
                workspace_id=principal.workspace_id,
                project_id=principal.project_id,
                kind=IMPORT_KIND,
                input={
                    "knowledge_base_id": str(base_id),
                    "url": url,
                    "is_sitemap": is_sitemap,
                    "path": clean_folder(folder),
                    "most_pages": most_pages,
                },
            )

    async def document(self, principal: Principal, base_id: UUID, id: UUID) -> Document:
        principal.require("knowledge:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            return await _document(tx, base_id, id)

    async def documents(
        self, principal: Principal, base_id: UUID, window: Window, where: Filter = EVERYTHING
    ) -> Page[Document]:
        """Newest first. Of the filter, path and metadata count."""
        principal.require("knowledge:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            await _base(tx, base_id)
            rows = await queries.list_documents(tx, base_id, window, where)
        return page_of(rows, window, lambda document: document.id)

    async def folders(self, principal: Principal, base_id: UUID) -> Sequence[Folder]:
        """The paths that documents lie in, by name; at most 10,000."""
        principal.require("knowledge:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            await _base(tx, base_id)
            return await queries.folders(tx, base_id)

    async def update_document(
        self,
        principal: Principal,
        base_id: UUID,
        id: UUID,
        *,
        name: str | None = None,
        path: str | None = None,
        metadata: Mapping[str, object] | None = None,
    ) -> Document:
        """Changes what is given. metadata: replaces what there was."""
        principal.require("knowledge:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            if await queries.lock_work(tx, id) is None:
                raise _no_document(id)
            old = await _document(tx, base_id, id)
            name = old.name if name is None else name
            metadata = old.metadata if metadata is None else metadata
            path = check_document(name, old.path if path is None else path, metadata)
            await queries.update_document(tx, id, name=name, path=path, metadata=metadata)
            return await _document(tx, base_id, id)

    async def reindex(self, principal: Principal, base_id: UUID, id: UUID) -> Document:
        """Reads the document again; what was indexed before is found until the new is whole. Raises FileNotKept."""
        principal.require("knowledge:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            if await queries.lock_work(tx, id) is None:
                raise _no_document(id)
            document = await _document(tx, base_id, id)
            if document.status is DocumentStatus.PROCESSING:
                raise Conflict(f"{document.name!r} is being processed already; wait until that is done.")
            if document.file_id is None:
                raise FileNotKept(f"The file of {document.name!r} is gone; upload the document again.")
            if document.status is DocumentStatus.FAILED and not await queries.retry(tx, id):
                raise Conflict(f"Another document with the content of {document.name!r} is there; delete this one.")
            run_id = await self._start_job(
                tx,
                workspace_id=principal.workspace_id,
                project_id=principal.project_id,
                kind=KIND if document.status is DocumentStatus.FAILED else REINDEX_KIND,
                input={"document_id": str(id)},
            )
            await queries.start_reindex(tx, id, run_id=run_id)
            return await _document(tx, base_id, id)

    async def replace_source(self, principal: Principal, base_id: UUID, document: Document) -> None:
        """Deletes what was fetched earlier from where this document came from."""
        if document.source_url is None:
            return
        async with self._db.transaction(principal.workspace_id) as tx:
            older = await queries.list_of_source(tx, base_id, document.source_url, but=document.id)
        for id in older:
            await self.delete_document(principal, base_id, id)

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
        check_limit(limit, LARGEST_LIMIT)
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
        where: Filter = EVERYTHING,
        previous: Sequence[str] = (),
        is_reranked: bool = True,
        is_missing_ok: bool = False,
    ) -> Sequence[Hit]:
        """The best chunks of these bases together, best first.

        previous: the questions before this one, oldest first; a follow-up is made whole by them.
        is_reranked: lets the reranking model order the best hits, where one is configured.
        is_missing_ok: skips bases that are not there (any more) instead of raising KnowledgeBaseNotFound.
        A model that cannot be reached does not fail the search: it goes by words alone, or without reranking.
        """
        principal.require("knowledge:read")
        check_search(base_ids, query, limit)
        query = await followed_up(query, previous, self._rewrite)
        reranker = self._reranker if is_reranked else None
        async with self._db.transaction(principal.workspace_id) as tx:
            scopes = await searching.scopes(tx, base_ids, where)
        missing = set(base_ids) - {scope.id for scope in scopes}
        if missing and not is_missing_ok:
            raise _no_base(min(missing))
        embedded, embedding = await self._embedded(scopes, query)
        async with self._db.transaction(principal.workspace_id) as tx:
            hits = await searching.search(
                tx,
                [scope.id for scope in scopes],
                segmented(query),
                limit=limit if reranker is None else max(limit, _RERANKED),
                dense=searching.Dense.NONE if embedding is None else searching.choose(embedded),
                sets=[scope.embedding_set for scope in embedded],
                embedding=embedding,
                dimensions=(embedded[0].dimensions or 0) if embedded else 0,
                chunks=sum(scope.chunks for scope in scopes),
                where=where,
                has_dead=any(scope.has_dead for scope in scopes),
            )
        return hits if reranker is None else (await reranked(reranker, query, hits))[:limit]

    async def _embedded(
        self, scopes: Sequence[searching.Scope], query: str
    ) -> tuple[Sequence[searching.Scope], str | None]:
        """Those bases whose vectors can be compared with the query's, and its vector.

        Bases of several models: the vectors of the model that most chunks have are compared, the others' words.
        """
        chunks: dict[str, int] = {}
        for scope in scopes:
            if scope.embedding_model is not None and scope.chunks:
                chunks[scope.embedding_model] = chunks.get(scope.embedding_model, 0) + scope.chunks
        if not chunks:
            return [], None
        model = max(chunks, key=lambda name: (chunks[name], name))
        embedder = await self._embedders.named(model)
        if embedder is None:
            return [], None
        try:
            embedding = (await vectors.embed(embedder, [query]))[0]
        except GliaError as error:
            log.warning("query not embedded, searching by words", model=model, code=error.code)
            return [], None
        same = [s for s in scopes if s.embedding_model == model and s.dimensions == embedder.dimensions]
        return same, embedding if same else None

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
        await packing.end_run(tx, run_id)
        set_id = await reembedding.abandon(tx, run_id)
        if set_id is not None:
            await contents.delete_set(tx, set_id)


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
    if name != AUTO and not await queries.has_text_config(tx, name):
        known = ", ".join([AUTO, *await queries.text_configs(tx)])
        raise InvalidRequest(f"`text_config` is {name!r}; it must be one of {known}.", field="text_config")
