"""The durable work behind an upload: read the file, index its chunks by words, then embed them.

Every step is a fenced transaction that finds out itself what is already there, so a run that is taken over by another
worker goes on where it stopped. From the first batch of chunks on a document is found by its words.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import structlog

from glia.files.service import Files
from glia.kit.db import Transaction
from glia.kit.errors import DatabaseUnavailable, GliaError, RateLimited, Unavailable, UpstreamFailed
from glia.kit.jobs import JobContext
from glia.knowledge import contents, queries, vectors
from glia.knowledge.embedding.types import Embedder
from glia.knowledge.errors import DocumentFailed, FileNotKept
from glia.knowledge.types import DocumentStatus, Passage, Read, Reading

KIND = "knowledge.ingest"
_CHUNKS_AT_ONCE = 500
_EMBEDDED_AT_ONCE = 32
_SECONDS_BETWEEN_PROGRESS = 0.3

log = structlog.stdlib.get_logger(__name__)


class _Gone(Exception):
    """The document was deleted while it was being processed: nothing is left to do."""


@dataclass(frozen=True)
class Ingest:
    """The function of jobs of KIND; input is `{"document_id": ...}`.

    embedder: None leaves documents to be found by their words alone.
    retry_seconds: how long to wait before each further try of an embedding call that failed.
    """

    files: Files
    read: Read
    embedder: Embedder | None
    retry_seconds: Sequence[float] = (1, 4, 15, 60)

    async def __call__(self, job: JobContext) -> None:
        task = _Task(self, job, UUID(str(job.input["document_id"])))
        try:
            await task.run()
        except _Gone:
            log.info("document deleted while being processed", document=str(task.id), run=str(job.run_id))


class _Task:
    def __init__(self, ingest: Ingest, job: JobContext, id: UUID) -> None:
        self._ingest = ingest
        self._job = job
        self.id = id
        self._reported_at = 0.0

    async def run(self) -> None:
        async with self._job.transaction() as tx:
            work = await self._lock(tx)
            if work.status is DocumentStatus.PROCESSING and not work.is_indexed:
                await queries.set_progress(tx, self.id, "reading", 0, 0)
        if work.status is DocumentStatus.READY:
            return
        if work.status is DocumentStatus.FAILED:
            raise DocumentFailed(work.error_code or "internal_error", work.error_message or "")
        try:
            if not work.is_indexed:
                await self._index(work)
            await self._embed()
        except DatabaseUnavailable:
            raise  # nothing is wrong with the document; the run is begun again once the database answers
        except GliaError as error:
            await self._fail(error)
            raise
        async with self._job.transaction() as tx:
            await self._lock(tx)
            await queries.set_ready(tx, self.id)

    async def _fail(self, error: GliaError) -> None:
        async with self._job.transaction() as tx:
            await self._lock(tx)
            await queries.set_failed(tx, self.id, code=error.code, message=error.message)

    async def _lock(self, tx: Transaction) -> queries.Work:
        work = await queries.lock_work(tx, self.id)
        if work is None:
            raise _Gone
        return work

    async def _index(self, work: queries.Work) -> None:
        await self._report("reading", 0, 0)
        reading = await self._read(work)
        async with self._job.transaction() as tx:
            await forget(tx, await self._lock(tx))
        total = len(reading.passages)
        for first in range(0, total, _CHUNKS_AT_ONCE):
            batch = reading.passages[first : first + _CHUNKS_AT_ONCE]
            done = first + len(batch)
            async with self._job.transaction() as tx:
                await self._index_batch(tx, batch, done, total)
                if done == total:
                    await queries.set_indexed(tx, self.id, pages=reading.pages)
            await self._report("indexing", done, total)

    async def _read(self, work: queries.Work) -> Reading:
        if work.file_id is None:
            raise FileNotKept(f"The file of {work.name!r} is gone; upload the document again.")
        with tempfile.TemporaryDirectory(prefix="glia-") as folder:
            path = Path(folder) / "document"
            await self._ingest.files.copy_to(self._job.workspace_id, work.file_id, path)
            reading = await self._ingest.read(path, file_name=work.name, media_type=work.media_type)
        if not reading.passages:
            raise DocumentFailed("document_empty", f"{work.name!r} holds no text; upload a document with text in it.")
        return reading

    async def _index_batch(self, tx: Transaction, batch: Sequence[Passage], done: int, total: int) -> None:
        work = await self._lock(tx)
        where = {
            "workspace_id": self._job.workspace_id,
            "base_id": work.knowledge_base_id,
            "document_id": self.id,
        }
        await contents.insert_chunks(tx, batch, **where)
        lexemes = await contents.insert_postings(
            tx, first=batch[0].ordinal, last=batch[-1].ordinal, config=work.text_config, **where
        )
        await queries.count_indexed(tx, self.id, chunks=len(batch), lexemes=lexemes)
        await queries.set_progress(tx, self.id, "indexing", done, total)
        await queries.add_to_base(tx, work.knowledge_base_id, chunks=len(batch), lexemes=lexemes)

    async def _embed(self) -> None:
        embedder = self._ingest.embedder
        if embedder is None:
            return
        async with self._job.transaction() as tx:
            work = await self._lock(tx)
            model = await queries.adopt_embedder(
                tx, work.knowledge_base_id, model=embedder.model_id, dimensions=embedder.dimensions
            )
            done = await contents.count_embeddings(tx, self.id)
        if model != embedder.model_id:
            # Vectors of two models cannot be compared, so this document is found by its words until the base changes.
            log.warning("document not embedded", document=str(self.id), base_model=model, model=embedder.model_id)
            return
        after = -1
        while done < work.chunks:
            async with self._job.transaction() as tx:
                batch = await contents.list_without_embedding(tx, self.id, after=after, limit=_EMBEDDED_AT_ONCE)
            if not batch:
                return
            await self._embed_batch(embedder, batch, done + len(batch), work.chunks)
            after = batch[-1].ordinal
            done += len(batch)

    async def _embed_batch(self, embedder: Embedder, batch: Sequence[contents.ToEmbed], done: int, total: int) -> None:
        made = await self._retried(embedder, [chunk.text for chunk in batch])
        async with self._job.transaction() as tx:
            work = await self._lock(tx)
            await contents.insert_embeddings(
                tx,
                [chunk.id for chunk in batch],
                made,
                workspace_id=self._job.workspace_id,
                base_id=work.knowledge_base_id,
                document_id=self.id,
            )
            await queries.set_progress(tx, self.id, "embedding", done, total)
        await self._report("embedding", done, total)

    async def _retried(self, embedder: Embedder, texts: Sequence[str]) -> list[str]:
        for wait_seconds in self._ingest.retry_seconds:
            try:
                return await vectors.embed(embedder, texts)
            except (UpstreamFailed, Unavailable, RateLimited) as error:
                log.warning("embedding failed, trying again", document=str(self.id), code=error.code, wait=wait_seconds)
                await asyncio.sleep(wait_seconds)
        return await vectors.embed(embedder, texts)

    async def _report(self, phase: str, done: int, total: int) -> None:
        """A few times a second at most; the end of a phase is always told."""
        now = time.monotonic()
        if done == total or now - self._reported_at >= _SECONDS_BETWEEN_PROGRESS:
            self._reported_at = now
            await self._job.progress(phase, done, total)


async def forget(tx: Transaction, work: queries.Work) -> None:
    """Takes back what an earlier, interrupted attempt has indexed of this document."""
    await contents.delete_contents(tx, work.id)
    await queries.reset_indexed(tx, work.id)
    await queries.add_to_base(tx, work.knowledge_base_id, chunks=-work.chunks, lexemes=-work.lexemes)
