"""Durable work on what is indexed already: read a document again, change a base's model, pack its postings.

Until such work is whole nothing of it is seen: searches find what they found before, and then the new.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import structlog

from glia.files.service import Files
from glia.kit.errors import DatabaseUnavailable, GliaError, Unavailable
from glia.kit.jobs import JobContext
from glia.knowledge import contents, filling, packing, queries, reembedding
from glia.knowledge.embedding.types import Embedder
from glia.knowledge.jobs import FILL_KIND as FILL_KIND  # noqa: PLC0414
from glia.knowledge.jobs import PACK_KIND as PACK_KIND  # noqa: PLC0414  # all kinds are found here
from glia.knowledge.jobs import (
    Gone,
    Ingest,
    OutOfReach,
    Task,
    forget,
    index_passages,
    note_reading,
    read_document,
    retried,
)
from glia.knowledge.types import Embedders, Read, Reading
from glia.knowledge.words import embedded_text
from glia.usage.types import Payer

REINDEX_KIND = "knowledge.reindex"
REEMBED_KIND = "knowledge.reembed"
_AT_ONCE = 32
_INSERTED_AT_ONCE = 500

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True)
class Reindex:
    """The function of jobs of REINDEX_KIND; input is `{"document_id": ...}`.

    Reads and embeds first, then changes the chunks in one transaction. Keeps 4 bytes a dimension of each chunk in
    memory meanwhile: 150 MB for 100,000 chunks of the built-in model.
    """

    files: Files
    read: Read
    embedders: Embedders
    retry_seconds: Sequence[float] = (1, 4, 15, 60)

    async def __call__(self, job: JobContext) -> None:
        id = UUID(str(job.input["document_id"]))
        async with job.transaction() as tx:
            work = await queries.lock_work(tx, id)
            if work is None or work.run_id != job.run_id:
                return  # deleted, or asked for once more meanwhile
            await queries.set_progress(tx, id, "reading", 0, 0)
        try:
            reading = await read_document(self.files, self.read, job.workspace_id, work)
            model, made = await self._embedded(job, work, reading)
        except GliaError as error:
            async with job.transaction() as tx:
                await queries.end_reindex(tx, id, code=error.code, message=error.message)
            raise
        await self._exchange(job, id, reading, model, made)

    async def _embedded(
        self, job: JobContext, work: queries.Work, reading: Reading
    ) -> tuple[str | None, list[list[str]]]:
        embedder = None if work.embedding_model is None else await self.embedders.named(work.embedding_model)
        if embedder is None:
            return None, []
        texts = [embedded_text(reading.title, passage.heading, passage.text) for passage in reading.passages]
        made: list[list[str]] = []
        payer = Payer(job.workspace_id, job.project_id, job.run_id)
        for first in range(0, len(texts), _AT_ONCE):
            made.append(await retried(embedder, texts[first : first + _AT_ONCE], self.retry_seconds, payer))
            done = min(len(texts), first + _AT_ONCE)
            async with job.transaction() as tx:
                await queries.set_progress(tx, work.id, "embedding", done, len(texts))
            await job.progress("embedding", done, len(texts))
        return embedder.model_id, made

    async def _exchange(
        self, job: JobContext, id: UUID, reading: Reading, model: str | None, made: list[list[str]]
    ) -> None:
        async with job.transaction() as tx:
            work = await queries.lock_work(tx, id)
            if work is None or work.run_id != job.run_id:
                return
            await forget(tx, work)
            await note_reading(tx, work, reading)
            work = await queries.lock_work(tx, id)
            if work is None:
                return
            for first in range(0, len(reading.passages), _INSERTED_AT_ONCE):
                batch = reading.passages[first : first + _INSERTED_AT_ONCE]
                await index_passages(tx, work, batch, workspace_id=job.workspace_id)
            if model is not None and model == work.embedding_model:
                ids = await contents.chunk_ids(tx, id)
                for index, rows in enumerate(made):
                    await contents.insert_embeddings(
                        tx,
                        ids[index * _AT_ONCE : index * _AT_ONCE + len(rows)],
                        rows,
                        workspace_id=job.workspace_id,
                        set_id=work.embedding_set,
                    )
            await queries.set_indexed(tx, id, pages=reading.pages)
            await queries.end_reindex(tx, id, code=None, message=None)


@dataclass(frozen=True)
class Reembed:
    """The function of jobs of REEMBED_KIND; input is `{"knowledge_base_id": ...}`. Goes on where it stopped."""

    embedders: Embedders
    retry_seconds: Sequence[float] = (1, 4, 15, 60)

    async def __call__(self, job: JobContext) -> None:
        base_id = UUID(str(job.input["knowledge_base_id"]))
        async with job.transaction() as tx:
            sets = await reembedding.lock_sets(tx, base_id)
        if sets is None or sets.reembed_run_id != job.run_id or sets.next_embedding_set is None:
            return
        embedder = await self.embedders.named(sets.next_embedding_model or "")
        if embedder is None:
            raise Unavailable(
                f"The embedding model {sets.next_embedding_model!r} does not answer; the knowledge base keeps its old"
                " vectors. Check the model's configuration and change it again."
            )
        while True:
            await self._fill(job, base_id, sets.next_embedding_set, embedder, sets.chunks)
            if await self._change(job, base_id, sets.next_embedding_set):
                return

    async def _fill(self, job: JobContext, base_id: UUID, set_id: UUID, embedder: Embedder, total: int) -> None:
        after, payer = -1, Payer(job.workspace_id, job.project_id, job.run_id)
        async with job.transaction() as tx:
            done = await contents.count_set(tx, set_id)
        while True:
            async with job.transaction() as tx:
                batch = await contents.list_missing(tx, base_id, set_id=set_id, after=after, limit=_AT_ONCE)
            if not batch:
                return
            made = await retried(embedder, [chunk.input for chunk in batch], self.retry_seconds, payer)
            async with job.transaction() as tx:
                await contents.insert_embeddings(
                    tx, [chunk.id for chunk in batch], made, workspace_id=job.workspace_id, set_id=set_id
                )
            after = batch[-1].id
            done += len(batch)
            await job.progress("embedding", done, max(done, total))

    async def _change(self, job: JobContext, base_id: UUID, set_id: UUID) -> bool:
        """Lets the new vectors serve if none is missing; whoever writes chunks waits for the base meanwhile."""
        async with job.transaction() as tx:
            sets = await reembedding.lock_sets(tx, base_id)
            if sets is None or sets.next_embedding_set != set_id:
                return True  # deleted, or changed once more
            if await contents.list_missing(tx, base_id, set_id=set_id, after=-1, limit=1):
                return False
            await reembedding.complete(tx, base_id)
            await contents.delete_set(tx, sets.embedding_set)
            return True


@dataclass(frozen=True)
class Fill:
    """The function of jobs of FILL_KIND; input is `{"knowledge_base_id": ...}`.

    Waits until the base's embedding model answers, and makes the vectors of the documents that were left to it.
    waits_seconds: between tries; the last one is kept to. most_seconds: how long in a row a model may stay away.
    """

    ingest: Ingest
    waits_seconds: Sequence[float] = (5, 15, 30, 60)
    most_seconds: float = 86_400.0

    async def __call__(self, job: JobContext) -> None:
        base_id = UUID(str(job.input["knowledge_base_id"]))
        ingest = replace(self.ingest, retry_seconds=())
        away_since, tries = None, 0
        while True:
            async with job.transaction() as tx:
                document_id = await filling.next_waiting(tx, job.run_id)
                if document_id is None and await filling.end_if_done(tx, base_id, job.run_id):
                    return
            if document_id is None:
                continue
            try:
                await self._finish(Task(ingest, job, document_id))
                away_since, tries = None, 0
            except OutOfReach as away:
                away_since = away_since or time.monotonic()
                if time.monotonic() - away_since > self.most_seconds:
                    raise away.error from away
                if tries == 0:
                    await job.progress("waiting", 0, 0)
                await asyncio.sleep(self.waits_seconds[min(tries, len(self.waits_seconds) - 1)])
                tries += 1

    async def _finish(self, task: Task) -> None:
        """What is wrong with one document is noted on it and does not stop the others."""
        try:
            await task.finish()
        except Gone:
            log.info("document deleted while it waited", document=str(task.id))
        except DatabaseUnavailable:
            raise
        except GliaError as error:
            log.warning("document not embedded", document=str(task.id), code=error.code)


@dataclass(frozen=True)
class Pack:
    """The function of jobs of PACK_KIND; input is `{"knowledge_base_id": ...}`."""

    async def __call__(self, job: JobContext) -> None:
        base_id = UUID(str(job.input["knowledge_base_id"]))
        done = 0
        while True:
            async with job.transaction() as tx:
                packed = await packing.pack(tx, base_id)
            if not packed:
                break
            done += packed
            await job.progress("packing", done, done)
        async with job.transaction() as tx:
            await packing.bury(tx, base_id)
            await packing.set_run(tx, base_id, None)
