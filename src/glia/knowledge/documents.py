"""Documents of knowledge bases: add, import, list, move, read again, delete. Processing one is the job in `jobs.py`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from glia.files.service import fingerprint_of
from glia.files.types import FileRef
from glia.identity.types import Principal
from glia.kit.db import Transaction
from glia.kit.errors import Conflict
from glia.kit.ids import new_id
from glia.kit.pages import LARGEST_LIMIT, Page, Window, page_of
from glia.knowledge import contents, queries
from glia.knowledge.bases import Bases, base_of
from glia.knowledge.checks import check_document, check_import, check_limit, clean_filter, clean_folder
from glia.knowledge.errors import DocumentNotFound, FileNotKept
from glia.knowledge.jobs import IMPORT_KIND, KIND
from glia.knowledge.removal import remove
from glia.knowledge.renewal import REINDEX_KIND
from glia.knowledge.types import EVERYTHING, Chunk, Document, DocumentStatus, Filter, Folder

_NOTHING: Mapping[str, object] = {}


@dataclass(frozen=True)
class Download:
    """A document's file; `parts` are at most 1 MiB each."""

    file: FileRef
    parts: AsyncGenerator[bytes]


class Documents(Bases):
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
            await base_of(tx, base_id)
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
            file = await self._files.write(
                tx,
                path,
                workspace_id=principal.workspace_id,
                project_id=principal.project_id,
                name=name,
                media_type=media_type,
                fingerprint=fingerprint,
            )
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
            await base_of(tx, base_id)
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
        where = clean_filter(where)
        async with self._db.transaction(principal.workspace_id) as tx:
            await base_of(tx, base_id)
            rows = await queries.list_documents(tx, base_id, window, where)
        return page_of(rows, window, lambda document: document.id)

    async def folders(self, principal: Principal, base_id: UUID) -> Sequence[Folder]:
        """The paths that documents lie in, by name; at most 10,000."""
        principal.require("knowledge:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            await base_of(tx, base_id)
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

    async def replace_source(self, principal: Principal, base_id: UUID, document: Document, url: str) -> None:
        """Deletes what was fetched from `url` before this document, whose content lies there now.

        One that is still being processed does that itself once it is ready, so that the old is found until then.
        """
        if document.status is not DocumentStatus.READY:
            return
        async with self._db.transaction(principal.workspace_id) as tx:
            others = await queries.list_of_source(tx, base_id, url, but=document.id)
        for id in others:
            with suppress(DocumentNotFound):  # deleted by somebody else meanwhile
                await self.delete_document(principal, base_id, id)

    async def delete_document(self, principal: Principal, base_id: UUID, id: UUID) -> None:
        """Deletes the document, its chunks and its file. A run that processes it ends quietly."""
        principal.require("knowledge:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            if await queries.lock_work(tx, id) is None:
                raise _no_document(id)
            await _document(tx, base_id, id)
            if not await remove(tx, self._files, base_id, id):
                raise _no_document(id)

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


def _no_document(id: UUID) -> DocumentNotFound:
    return DocumentNotFound(f"There is no document '{id}' in this knowledge base.", document_id=str(id))
