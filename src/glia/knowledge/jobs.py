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
from glia.kit.jobs import JobContext, StartJob
from glia.knowledge import contents, filling, packing, queries, vectors
from glia.knowledge.embedding.types import Embedder
from glia.knowledge.errors import DocumentFailed, EmbeddingUnusable, FileNotKept
from glia.knowledge.removal import remove
from glia.knowledge.types import DocumentStatus, Embedders, Passage, Read, Reading
from glia.knowledge.words import AUTO, detected_config
from glia.models.errors import ModelFailed
from glia.usage.types import Payer

KIND = "knowledge.ingest"
PACK_KIND = "knowledge.pack"
IMPORT_KIND = "knowledge.import"
FILL_KIND = "knowledge.fill"
_CHUNKS_AT_ONCE = 500
_EMBEDDED_AT_ONCE = 32
_SECONDS_BETWEEN_PROGRESS = 0.3

log = structlog.stdlib.get_logger(__name__)


class Gone(Exception):
    """The document was deleted while it was being processed: nothing is left to do."""


class OutOfReach(Exception):
    """The embedding model does not answer; everything else is done."""

    def __init__(self, error: GliaError) -> None:
        super().__init__(error.message)
        self.error = error


@dataclass(frozen=True)
class Ingest:
    """The function of jobs of KIND; input is `{"document_id": ...}`.

    embedders: without one for the base, its documents are found by their words alone.
    start_job: queues the packing of a base's postings when enough lies loose; None never packs.
    retry_seconds: how long to wait before each further try of an embedding call that failed. A model that stays away
    is waited for by a job of FILL_KIND, one for each base; without `start_job` its documents fail.
    """

    files: Files
    read: Read
    embedders: Embedders
    start_job: StartJob | None = None
    retry_seconds: Sequence[float] = (1, 4, 15, 60)

    async def __call__(self, job: JobContext) -> None:
        task = Task(self, job, UUID(str(job.input["document_id"])))
        try:
            await task.run()
        except Gone:
            log.info("document deleted while being processed", document=str(task.id), run=str(job.run_id))


class Task:
    """The work on one document."""

    def __init__(self, ingest: Ingest, job: JobContext, id: UUID) -> None:
        self._ingest = ingest
        self._job = job
        self.id = id
        self._reported_at = 0.0
        self._payer = Payer(job.workspace_id, job.project_id, job.run_id)

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
        except DatabaseUnavailable:
            raise  # nothing is wrong with the document; the run is begun again once the database answers
        except GliaError as error:
            await self._fail(error)
            raise
        try:
            await self.finish()
        except OutOfReach as away:
            await self._wait_for_model(away.error)

    async def finish(self) -> None:
        """Makes the vectors that are missing and calls the document ready. Raises OutOfReach, and what fails it."""
        try:
            await self._embed()
        except DatabaseUnavailable:
            raise
        except GliaError as error:
            if may_come_back(error):
                raise OutOfReach(error) from error
            await self._fail(error)
            raise
        async with self._job.transaction() as tx:
            older = await queries.lock_older_of_source(tx, self.id)
            work = await self._lock(tx)
            await queries.set_ready(tx, self.id)
            for id in older:
                await remove(tx, self._ingest.files, work.knowledge_base_id, id)
        await self._pack(work.knowledge_base_id)

    async def _wait_for_model(self, error: GliaError) -> None:
        """Leaves the document to the job that waits for the base's model, so that this one holds nobody up."""
        start_job = self._ingest.start_job
        if start_job is None:
            await self._fail(error)
            raise error
        async with self._job.transaction() as tx:
            work = await self._lock(tx)
            run_id = await filling.waiter(tx, work.knowledge_base_id)
            if run_id is None:
                run_id = await start_job(
                    tx,
                    workspace_id=self._job.workspace_id,
                    project_id=self._job.project_id,
                    kind=FILL_KIND,
                    input={"knowledge_base_id": str(work.knowledge_base_id)},
                )
                await filling.set_waiter(tx, work.knowledge_base_id, run_id)
            message = f"{error.message} It is found by its words meanwhile, and embedded once the model answers."
            await filling.hand_over(tx, self.id, run_id, code=error.code, message=message)
        log.warning("embedding waits for its model", document=str(self.id), base=str(work.knowledge_base_id))

    async def _pack(self, base_id: UUID) -> None:
        if self._ingest.start_job is None:
            return
        async with self._job.transaction() as tx:
            if await packing.wants_packing(tx, base_id):
                run_id = await self._ingest.start_job(
                    tx,
                    workspace_id=self._job.workspace_id,
                    project_id=self._job.project_id,
                    kind=PACK_KIND,
                    input={"knowledge_base_id": str(base_id)},
                )
                await packing.set_run(tx, base_id, run_id)

    async def _fail(self, error: GliaError) -> None:
        """What was indexed is taken back: the same content may come again, and would be found twice."""
        async with self._job.transaction() as tx:
            await forget(tx, await self._lock(tx))
            await queries.set_failed(tx, self.id, code=error.code, message=error.message)

    async def _lock(self, tx: Transaction) -> queries.Work:
        work = await queries.lock_work(tx, self.id)
        if work is None:
            raise Gone
        return work

    async def _index(self, work: queries.Work) -> None:
        await self._report("reading", 0, 0)
        reading = await read_document(self._ingest.files, self._ingest.read, self._job.workspace_id, work)
        async with self._job.transaction() as tx:
            work = await self._lock(tx)
            await forget(tx, work)
            await note_reading(tx, work, reading)
        total = len(reading.passages)
        for first in range(0, total, _CHUNKS_AT_ONCE):
            batch = reading.passages[first : first + _CHUNKS_AT_ONCE]
            done = first + len(batch)
            async with self._job.transaction() as tx:
                await self._index_batch(tx, batch, done, total)
                if done == total:
                    await queries.set_indexed(tx, self.id, pages=reading.pages)
            await self._report("indexing", done, total)

    async def _index_batch(self, tx: Transaction, batch: Sequence[Passage], done: int, total: int) -> None:
        work = await self._lock(tx)
        await index_passages(tx, work, batch, workspace_id=self._job.workspace_id)
        await queries.set_progress(tx, self.id, "indexing", done, total)

    async def _embed(self) -> None:
        """Batch by batch in whichever model the base has by then: it may get another one meanwhile."""
        after, set_id = -1, self.id  # no set has a document's id
        while True:
            async with self._job.transaction() as tx:
                work = await self._lock(tx)
            embedder = await self._embedder(work)
            if embedder is None:
                return
            if set_id != work.embedding_set:
                after, set_id = -1, work.embedding_set
            async with self._job.transaction() as tx:
                batch = await contents.list_without_embedding(
                    tx, self.id, set_id=set_id, after=after, limit=_EMBEDDED_AT_ONCE
                )
            if not batch:
                return
            made = await retried(embedder, [chunk.input for chunk in batch], self._ingest.retry_seconds, self._payer)
            async with self._job.transaction() as tx:
                work = await self._lock(tx)
                if work.embedding_set != set_id:
                    continue
                await contents.insert_embeddings(
                    tx, [chunk.id for chunk in batch], made, workspace_id=self._job.workspace_id, set_id=set_id
                )
                done = await contents.count_embeddings(tx, self.id, set_id=set_id)
                await queries.set_progress(tx, self.id, "embedding", done, work.chunks)
            await self._report("embedding", done, work.chunks)
            after = batch[-1].ordinal

    async def _embedder(self, work: queries.Work) -> Embedder | None:
        """None leaves the document to be found by its words: vectors of two models cannot be compared."""
        model = work.embedding_model
        if model is None and (default := await self._ingest.embedders.default()) is not None:
            async with self._job.transaction() as tx:
                model = await queries.adopt_embedder(
                    tx, work.knowledge_base_id, model=default.model_id, dimensions=default.dimensions
                )
        embedder = None if model is None else await self._required(model)
        if model is not None and embedder is None:
            log.warning("document not embedded", document=str(self.id), base_model=model)
        if embedder is not None and work.dimensions not in (None, embedder.dimensions):
            raise EmbeddingUnusable(
                f"The knowledge base has vectors of {work.dimensions} dimensions, and its model {model!r} gives"
                f" {embedder.dimensions} now. Bring the old model back, or set the knowledge base's `embedding_model`"
                " again, which makes all vectors anew."
            )
        return embedder

    async def _required(self, model: str) -> Embedder | None:
        for wait_seconds in self._ingest.retry_seconds:
            try:
                return await self._ingest.embedders.required(model)
            except Unavailable:
                await asyncio.sleep(wait_seconds)
        return await self._ingest.embedders.required(model)

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


async def read_document(files: Files, read: Read, workspace_id: UUID, work: queries.Work) -> Reading:
    """The document's file, read and cut. Raises a GliaError that says what is wrong with it."""
    if work.file_id is None:
        raise FileNotKept(f"The file of {work.name!r} is gone; upload the document again.")
    with tempfile.TemporaryDirectory(prefix="glia-") as folder:
        path = Path(folder) / "document"
        await files.copy_to(workspace_id, work.file_id, path)
        reading = await read(path, file_name=work.name, media_type=work.media_type)
    if not reading.passages:
        raise DocumentFailed("document_empty", f"{work.name!r} holds no text; upload a document with text in it.")
    return reading


async def note_reading(tx: Transaction, work: queries.Work, reading: Reading) -> None:
    config = work.base_text_config
    if config == AUTO:
        config = detected_config([passage.text for passage in reading.passages[:40]])
    await queries.set_read(tx, work.id, work.knowledge_base_id, title=reading.title, text_config=config)


async def index_passages(
    tx: Transaction, work: queries.Work, passages: Sequence[Passage], *, workspace_id: UUID
) -> None:
    """Writes chunks and postings, and counts them."""
    where = {"workspace_id": workspace_id, "base_id": work.knowledge_base_id, "document_id": work.id}
    await contents.insert_chunks(tx, passages, **where)
    lexemes = await contents.insert_postings(tx, passages, title=work.title, config=work.text_config, **where)
    await queries.count_indexed(tx, work.id, chunks=len(passages), lexemes=lexemes)
    await queries.add_to_base(tx, work.knowledge_base_id, chunks=len(passages), lexemes=lexemes)


async def retried(embedder: Embedder, texts: Sequence[str], retry_seconds: Sequence[float], payer: Payer) -> list[str]:
    """The vectors, asked for again while the model is out of reach, and raising when it stays so."""
    for wait_seconds in retry_seconds:
        try:
            return await vectors.embed(embedder, texts, payer)
        except (UpstreamFailed, Unavailable, RateLimited) as error:
            if not may_come_back(error):
                raise
            log.warning("embedding failed, trying again", model=embedder.model_id, code=error.code, wait=wait_seconds)
            await asyncio.sleep(wait_seconds)
    return await vectors.embed(embedder, texts, payer)


def may_come_back(error: GliaError) -> bool:
    """Whether a model that failed like this may answer later, with nothing changed by anybody."""
    if isinstance(error, ModelFailed):
        return error.is_retryable
    return isinstance(error, (UpstreamFailed, Unavailable, RateLimited)) and not isinstance(error, EmbeddingUnusable)
