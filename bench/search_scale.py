"""How search, indexing and the disk grow with a knowledge base: 25,000, 50,000 and 100,000 chunks of one base.

    GLIA_TEST_DATABASE_URL=postgresql://... python bench/search_scale.py DATA --models MODELS --csv OUT

The texts are overlapping windows of 110 words over the corpora of DATA (`<set>/corpus.jsonl`), in random order, 50 to a
document: real prose, with its own spread of common and rare words. Every eighth window has the vector that the built-in
model gives it; the seven behind it have that vector with noise, at a cosine of .82, as the windows overlap. Questions
are those of the sets, with real vectors. Without --models, words alone.

Chunks go in by the SQL that indexes uploads, postings are packed as its job packs them, vectors go into the index one
batch at a time as at ingest. `rebuild_s` is what making the vector index anew costs. Searches run one after another,
under row-level security, as one statement; `cpu` is what PostgreSQL's process for the connection spent (its `schedstat`
when it is on this machine), which other work on the machine does not stretch. The database named in the URL is only
used to create one of its own, which is dropped at the end.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import psycopg
from numpy.typing import NDArray

from databases import fresh_database, write_csv
from glia.kit.db import Database
from glia.kit.ids import new_id
from glia.knowledge import contents, packing, queries, search, vectors
from glia.knowledge.embedding.minilm import MiniLmEmbedder
from glia.knowledge.jobs import index_passages
from glia.knowledge.search import Dense

_WORDS, _STRIDE, _REAL_EVERY, _COSINE = 110, 12, 8, 0.82
_CHUNKS_A_DOCUMENT = 50
_WARM_UP = 40
_SIZES = {
    "chunks_mb": "chunks",
    "postings_mb": "postings",
    "vectors_mb": "embeddings",
}
_COLUMNS = (
    "chunks",
    "leg",
    "wall_p50_ms",
    "wall_p99_ms",
    "cpu_p50_ms",
    "cpu_p99_ms",
    "indexed_per_s",
    "packed_per_s",
    "vectors_per_s",
    "rebuild_s",
    *_SIZES,
    "vector_index_mb",
)


@dataclass(frozen=True)
class Text:
    ordinal: int
    text: str
    page: int | None = None
    last_page: int | None = None
    heading: str = ""
    start_character: int = 0
    end_character: int = 0


@dataclass
class Base:
    workspace_id: UUID
    project_id: UUID
    id: UUID
    chunks: int = 0
    rates: dict[str, float] = field(default_factory=dict[str, float])


def rows(folder: Path, part: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / f"{part}.jsonl").open(encoding="utf-8")]


def windows(folders: Sequence[Path]) -> Iterator[str]:
    for folder in folders:
        for document in rows(folder, "corpus"):
            words = f"{document.get('title', '')} {document['text']}".split()
            for first in range(0, max(1, len(words) - _WORDS // 2), _STRIDE):
                yield " ".join(words[first : first + _WORDS])


def texts_of(folders: Sequence[Path], most: int) -> list[str]:
    """Runs of windows that overlap stay together, because they share a vector; the runs are shuffled."""
    found = list(windows(folders))
    runs = [found[first : first + _REAL_EVERY] for first in range(0, len(found), _REAL_EVERY)]
    random.Random(1).shuffle(runs)
    flat = [text for run in runs for text in run]
    if len(flat) < most:
        raise SystemExit(f"The corpora give {len(flat):,} windows; {most:,} were asked for.")
    return flat[:most]


async def vectors_of(embedder: MiniLmEmbedder, texts: Sequence[str], kept: Path | None) -> NDArray[np.float32]:
    if kept is not None and kept.is_file():
        real = np.load(kept)
    else:
        real = await embedder.embed([texts[i] for i in range(0, len(texts), _REAL_EVERY)])
        if kept is not None:
            np.save(kept, real)
    generator = np.random.default_rng(1)
    made = np.repeat(real, _REAL_EVERY, axis=0)[: len(texts)]
    noise = generator.standard_normal(made.shape, dtype=np.float32)
    noise -= (noise * made).sum(axis=1, keepdims=True) * made
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    blurred = _COSINE * made + np.sqrt(1 - _COSINE**2) * noise
    blurred[::_REAL_EVERY] = made[::_REAL_EVERY]
    return blurred.astype(np.float32)


async def make_base(db: Database, embedder: MiniLmEmbedder | None) -> Base:
    base = Base(new_id(), new_id(), new_id())
    async with db.across_workspaces() as tx:
        await tx.execute(
            "insert into workspaces (id, name, slug) values (%(id)s, 'Bench', %(slug)s)",
            id=base.workspace_id,
            slug=base.workspace_id.hex,
        )
    async with db.transaction(base.workspace_id) as tx:
        await tx.execute(
            "insert into projects (id, workspace_id, name, slug) values (%(id)s, %(ws)s, 'Bench', 'bench')",
            id=base.project_id,
            ws=base.workspace_id,
        )
        await queries.insert_base(
            tx,
            base.id,
            workspace_id=base.workspace_id,
            project_id=base.project_id,
            name="Scale",
            description="",
            text_config="english",
            embedding_model=embedder.model_id if embedder else None,
            dimensions=embedder.dimensions if embedder else None,
            dense_weight=1.5,
            lexical_weight=1,
        )
    return base


async def add_document(db: Database, base: Base, texts: Sequence[str]) -> UUID:
    id = new_id()
    async with db.transaction(base.workspace_id) as tx:
        await queries.insert_document(
            tx,
            id,
            base.id,
            name="windows",
            media_type="text/plain",
            size_bytes=0,
            sha256=id.hex,
            workspace_id=base.workspace_id,
            project_id=base.project_id,
        )
        await queries.set_read(tx, id, base.id, title="", text_config="english")
        work = await queries.lock_work(tx, id)
        assert work
        passages = [Text(ordinal, text) for ordinal, text in enumerate(texts)]
        await index_passages(tx, work, passages, workspace_id=base.workspace_id)
        await queries.set_indexed(tx, id, pages=None)
        await queries.set_ready(tx, id)
    return id


async def grow(db: Database, base: Base, texts: Sequence[str], made: NDArray[np.float32] | None, until: int) -> None:
    first, documents = base.chunks, list[tuple[UUID, int, int]]()
    begun = time.perf_counter()
    for start in range(first, until, _CHUNKS_A_DOCUMENT):
        stop = min(until, start + _CHUNKS_A_DOCUMENT)
        documents.append((await add_document(db, base, texts[start:stop]), start, stop))
    base.rates["indexed_per_s"] = (until - first) / (time.perf_counter() - begun)
    begun, packed = time.perf_counter(), 0
    while True:
        async with db.transaction(base.workspace_id) as tx:
            count = await packing.pack(tx, base.id)
        if not count:
            break
        packed += count
    base.rates["packed_per_s"] = packed / (time.perf_counter() - begun)
    if made is not None:
        begun = time.perf_counter()
        for document, start, stop in documents:
            literals = ["[" + ",".join(f"{value:.5g}" for value in row) + "]" for row in made[start:stop].tolist()]
            async with db.transaction(base.workspace_id) as tx:
                ids = await contents.chunk_ids(tx, document)
                await contents.insert_embeddings(tx, ids, literals, workspace_id=base.workspace_id, set_id=base.id)
        base.rates["vectors_per_s"] = (until - first) / (time.perf_counter() - begun)
    base.chunks = until


def cpu_ms(pid: int) -> float:
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e6
    except (FileNotFoundError, PermissionError):
        return float("nan")


async def ask(
    db: Database, base: Base, questions: Sequence[tuple[str, str | None]], dense: Dense
) -> tuple[list[float], list[float]]:
    """Milliseconds by the clock and of PostgreSQL's CPU for each question, in order of size."""
    walls: list[float] = []
    cpus: list[float] = []
    for number, (text, embedding) in enumerate(questions):
        async with db.transaction(base.workspace_id) as tx:
            pid: int = await tx.value("select pg_backend_pid()")
            spent, begun = cpu_ms(pid), time.perf_counter()
            hits = await search.search(
                tx,
                [base.id],
                text,
                limit=10,
                dense=dense,
                sets=[base.id],
                embedding=None if dense is Dense.NONE else embedding,
                chunks=base.chunks,
            )
            if number >= _WARM_UP:
                walls.append((time.perf_counter() - begun) * 1000)
                cpus.append(cpu_ms(pid) - spent)
            assert hits
    return sorted(walls), sorted(cpus)


def sizes(connection: psycopg.Connection) -> dict[str, float]:
    def megabytes(relation: str) -> float:
        row = connection.execute("select pg_total_relation_size(%s::regclass) / 1e6", (f"glia.{relation}",)).fetchone()
        return round(float(row[0]), 1) if row else 0.0

    found = {column: megabytes(table) for column, table in _SIZES.items()}
    return {**found, "vector_index_mb": megabytes("embeddings_384")}


def rebuild_seconds(connection: psycopg.Connection) -> float:
    begun = time.perf_counter()
    connection.execute("reindex index glia.embeddings_384")
    return time.perf_counter() - begun


async def measure(
    db: Database, base: Base, questions: Sequence[tuple[str, str | None]], connection: psycopg.Connection
) -> list[dict[str, object]]:
    connection.execute("vacuum (analyze) glia.chunks, glia.postings, glia.embeddings, glia.documents")
    found: dict[str, object] = {name: round(rate) for name, rate in base.rates.items()} | sizes(connection)
    has_vectors = questions[0][1] is not None
    legs = [("words", Dense.NONE), *([("words and vectors", Dense.INDEX)] if has_vectors else [])]
    measured: list[dict[str, object]] = []
    for leg, dense in legs:
        walls, cpus = await ask(db, base, questions, dense)
        row: dict[str, object] = {"chunks": base.chunks, "leg": leg, **found}
        for name, times in (("wall", walls), ("cpu", cpus)):
            row[f"{name}_p50_ms"] = round(times[len(times) // 2], 1)
            row[f"{name}_p99_ms"] = round(times[int(len(times) * 0.99)], 1)
        measured.append(row)
    if has_vectors:
        seconds = round(rebuild_seconds(connection), 1)
        for row in measured:
            row["rebuild_s"] = seconds
    for row in measured:
        print(*(f"{name}={row.get(name, '')}" for name in _COLUMNS), flush=True)
    return measured


async def run(url: str, options: argparse.Namespace) -> list[dict[str, object]]:
    folders = [options.data / name for name in options.sets]
    largest = max(options.chunks)
    texts = texts_of(folders, largest)
    embedder = MiniLmEmbedder(options.models) if options.models else None
    made = None if embedder is None else await vectors_of(embedder, texts, options.keep)
    asked = [row["text"] for folder in folders for row in rows(folder, "queries")]
    random.Random(2).shuffle(asked)
    asked = asked[: options.questions + _WARM_UP]
    embedded = [None] * len(asked) if embedder is None else await vectors.embed(embedder, asked)
    questions = list(zip(asked, embedded, strict=True))
    db = Database(url, largest_pool=1)
    await db.open()
    base = await make_base(db, embedder)
    measured: list[dict[str, object]] = []
    with psycopg.connect(url, autocommit=True) as connection:
        for until in sorted(options.chunks):
            await grow(db, base, texts, made, until)
            measured += await measure(db, base, questions, connection)
    await db.close()
    return measured


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="holds one folder per set")
    parser.add_argument("--sets", nargs="+", default=["scifact", "cranfield", "chunking_eval"])
    parser.add_argument("--models", type=Path, help="folder of built models; without it only words are compared")
    parser.add_argument("--chunks", nargs="+", type=int, default=[25_000, 50_000, 100_000])
    parser.add_argument("--questions", type=int, default=400)
    parser.add_argument("--keep", type=Path, help="an .npy file that keeps the real vectors for the next run")
    parser.add_argument("--leave", action="store_true", help="do not drop the database at the end; prints its name")
    parser.add_argument("--csv", type=Path, help="where to write the results")
    options = parser.parse_args()
    with fresh_database(os.environ["GLIA_TEST_DATABASE_URL"], is_left=options.leave) as url:
        measured = asyncio.run(run(url, options))
        if options.csv:
            write_csv(options.csv, _COLUMNS, measured, "python bench/search_scale.py DATA --models MODELS --csv OUT")


if __name__ == "__main__":
    main()
