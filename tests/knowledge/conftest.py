"""A knowledge slice with a scripted reader and embedder, and jobs that run when the test says so."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.conftest import DatabaseUrls
from tests.failures.process import Process, free_port

from glia.files.service import Files
from glia.identity.types import Principal
from glia.kit.db import Database, Transaction
from glia.kit.errors import GliaError
from glia.kit.ids import new_id
from glia.kit.jobs import Job
from glia.knowledge.embedding.minilm import MiniLmEmbedder
from glia.knowledge.embedding.registry import EmbedderRegistry
from glia.knowledge.jobs import KIND, Ingest
from glia.knowledge.renewal import (
    FILL_KIND,
    PACK_KIND,
    REEMBED_KIND,
    REINDEX_KIND,
    Fill,
    Pack,
    Reembed,
    Reindex,
)
from glia.knowledge.service import Knowledge
from glia.knowledge.types import Document, KnowledgeBase, Reading


@dataclass
class HashEmbedder:
    """Texts with the same words are near each other. `synonyms` makes two words the same, as a model would."""

    model_id: str = "hash"
    dimensions: int = 384
    max_tokens: int = 256
    synonyms: dict[str, str] = field(default_factory=dict)
    failures: list[GliaError] = field(default_factory=list)
    embedded: list[str] = field(default_factory=list)

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        if self.failures:
            raise self.failures.pop(0)
        self.embedded += texts
        rows = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        for index, text in enumerate(texts):
            for word in re.findall(r"\w+", text.lower()):
                seed = hashlib.sha256(self.synonyms.get(word, word).encode()).digest()
                rows[index] += np.random.default_rng(list(seed)).standard_normal(self.dimensions)
        return rows

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def is_truncated(self, text: str) -> bool:
        return self.count_tokens(text) > self.max_tokens


@dataclass(frozen=True)
class Text:
    ordinal: int
    text: str
    page: int | None = None
    last_page: int | None = None
    heading: str = ""
    start_character: int = 0
    end_character: int = 0


async def read_paragraphs(path: Path, *, file_name: str, media_type: str) -> Reading:
    """One chunk per paragraph, on a page of its own; a first line that begins with `#` is its heading."""
    texts: list[Text] = []
    for ordinal, paragraph in enumerate(path.read_text().split("\n\n")):
        heading, text = paragraph.split("\n", 1) if paragraph.startswith("#") else ("", paragraph)
        texts.append(Text(ordinal, text, ordinal + 1, ordinal + 1, heading.strip("# ")))
    return Reading(pages=len(texts), passages=texts)


class Crash(BaseException):
    """The process dies here."""


@dataclass
class FakeJob:
    db: Database
    workspace_id: UUID
    project_id: UUID
    run_id: UUID
    input: dict[str, object]
    kind: str = KIND
    attempt: int = 1
    reports: list[tuple[str, int, int]] = field(default_factory=list)
    before_transaction: Callable[[int], None] = lambda _: None
    transactions: int = 0

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        self.transactions += 1
        self.before_transaction(self.transactions)
        async with self.db.transaction(self.workspace_id) as tx:
            yield tx

    async def progress(self, phase: str, done: int, total: int) -> None:
        self.reports.append((phase, done, total))


@dataclass
class House:
    """Everything a test needs: the service, the job function, and what was queued."""

    db: Database
    folder: Path
    principal: Principal
    embedder: HashEmbedder | None
    files: Files = field(init=False)
    knowledge: Knowledge = field(init=False)
    ingest: Ingest = field(init=False)
    embedders: EmbedderRegistry = field(init=False)
    queued: list[FakeJob] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.files = Files(self.db)
        self.use(self.embedder)

    def use(self, embedder: HashEmbedder | None, *others: HashEmbedder) -> None:
        """Restarts the house with these models."""
        self.embedder = embedder
        self.embedders = EmbedderRegistry(embedder, *others)
        self.knowledge = Knowledge(self.db, self.files, start_job=self.start_job, embedders=self.embedders)
        self.ingest = Ingest(self.files, read_paragraphs, self.embedders, self.start_job, retry_seconds=(0, 0))

    async def start_job(
        self, tx: Transaction, *, workspace_id: UUID, project_id: UUID, kind: str, input: dict[str, object]
    ) -> UUID:
        job = FakeJob(self.db, workspace_id, project_id, new_id(), input, kind)
        tx.after_commit.append(lambda: self.queued.append(job))
        return job.run_id

    async def base(self, name: str = "Handbook", principal: Principal | None = None) -> KnowledgeBase:
        return await self.knowledge.create(principal or self.principal, name, text_config="english")

    async def upload(
        self, base: KnowledgeBase, text: str, *, name: str = "doc.txt", principal: Principal | None = None
    ) -> Document:
        path = self.folder / "upload"
        path.write_text(text)
        return await self.knowledge.add(principal or self.principal, base.id, path, name=name, media_type="text/plain")

    async def work(self) -> None:
        """Runs every queued job to its end."""
        while self.queued:
            job = self.queued.pop(0)
            await self.job_of(job.kind)(job)

    def job_of(self, kind: str) -> Job:
        return {
            KIND: self.ingest,
            REINDEX_KIND: Reindex(self.files, read_paragraphs, self.embedders, retry_seconds=(0, 0)),
            REEMBED_KIND: Reembed(self.embedders, retry_seconds=(0, 0)),
            PACK_KIND: Pack(),
            FILL_KIND: Fill(self.ingest, waits_seconds=(0,)),
        }[kind]

    async def add(
        self, base: KnowledgeBase, text: str, *, name: str = "doc.txt", principal: Principal | None = None
    ) -> Document:
        document = await self.upload(base, text, name=name, principal=principal)
        await self.work()
        return await self.knowledge.document(principal or self.principal, base.id, document.id)

    async def find(self, *bases: KnowledgeBase, query: str, limit: int = 10) -> list[str]:
        hits = await self.knowledge.search(self.principal, [base.id for base in bases], query, limit=limit)
        return [hit.chunk.text for hit in hits]

    async def rows(self, principal: Principal | None = None) -> dict[str, int]:
        async with self.db.transaction((principal or self.principal).workspace_id) as tx:
            return {
                "files": await tx.value("select count(*) from files"),
                "documents": await tx.value("select count(*) from documents"),
                "chunks": await tx.value("select count(*) from chunks"),
                "postings": await tx.value("select count(*) from postings"),
                "embeddings": await tx.value("select count(*) from embeddings"),
                "counted chunks": await tx.value("select coalesce(sum(chunks), 0)::int from knowledge_bases"),
                "counted lexemes": await tx.value("select coalesce(sum(lexemes), 0)::int from knowledge_bases"),
            }


@pytest.fixture
def house(db: Database, principal: Principal, tmp_path: Path) -> House:
    return House(db, tmp_path, principal, HashEmbedder())


@pytest.fixture
def wordy_house(db: Database, principal: Principal, tmp_path: Path) -> House:
    """Without an embedder."""
    return House(db, tmp_path, principal, None)


@pytest.fixture
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that all test processes share, because building takes seconds."""
    base = tmp_path_factory.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "models"


@pytest.fixture
async def server(database_urls: DatabaseUrls, tmp_path: Path, models: Path) -> AsyncIterator[Process]:
    """A real `glia serve` with the built-in models."""
    embedder = MiniLmEmbedder(models)
    if reason := embedder.unavailable_reason():
        pytest.skip(reason)
    await embedder.build()  # once for all tests, instead of in each server's own folder
    folder = tmp_path / "server"
    folder.mkdir()
    (folder / "models").symlink_to(models)
    environment = {"GLIA_DATABASE_URL": database_urls.admin, "GLIA_MODEL_DISCOVERY": "off"}
    process = Process(folder, "serve", environment, port=free_port())
    try:
        yield await process.ready()
    finally:
        await process.stop()
