"""How well search finds: nDCG@10 and recall@10 over a folder of `<set>/{corpus,queries,qrels}.jsonl`.

    GLIA_TEST_DATABASE_URL=postgresql://... python bench/retrieval.py DATA_DIR --sets scifact cranfield

Documents go in whole, one chunk each, by the same SQL that indexes uploads; questions go through the same statement
that answers agents. The database named in the URL is only used to create one of its own, which is dropped at the end.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import json
import math
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import psycopg

from glia.kit.db import Database
from glia.kit.ids import new_id
from glia.kit.migrate import migrate
from glia.knowledge import contents, queries, search, vectors
from glia.knowledge.embedding.minilm import MiniLmEmbedder
from glia.knowledge.search import Dense

_BATCH = 500


@dataclass(frozen=True)
class Text:
    ordinal: int
    text: str
    page: int | None = None
    last_page: int | None = None
    heading: str = ""
    start_character: int = 0
    end_character: int = 0


@dataclass(frozen=True)
class Base:
    workspace_id: UUID
    id: UUID
    names: list[str]


def rows(folder: Path, part: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in (folder / f"{part}.jsonl").open(encoding="utf-8")]


async def fill(db: Database, folder: Path, embedder: MiniLmEmbedder | None) -> Base:
    documents = rows(folder, "corpus")
    texts = [Text(i, f"{row.get('title', '')} {row['text']}".strip()) for i, row in enumerate(documents)]
    workspace_id, project_id, base_id, document_id = new_id(), new_id(), new_id(), new_id()
    async with db.across_workspaces() as tx:
        await tx.execute(
            "insert into workspaces (id, name, slug) values (%(id)s, 'Bench', %(slug)s)",
            id=workspace_id,
            slug=workspace_id.hex,
        )
    async with db.transaction(workspace_id) as tx:
        await tx.execute(
            "insert into projects (id, workspace_id, name, slug) values (%(id)s, %(ws)s, 'Bench', 'bench')",
            id=project_id,
            ws=workspace_id,
        )
        where = {"workspace_id": workspace_id, "project_id": project_id}
        await queries.insert_base(
            tx,
            base_id,
            name=folder.name,
            description="",
            text_config="english",
            embedding_model=embedder.model_id if embedder else None,
            dimensions=embedder.dimensions if embedder else None,
            dense_weight=1,
            lexical_weight=1,
            **where,
        )
        await queries.insert_document(
            tx, document_id, base_id, name="corpus", media_type="", size_bytes=0, sha256="0" * 64, **where
        )
    for first in range(0, len(texts), _BATCH):
        await index(db, texts[first : first + _BATCH], Base(workspace_id, base_id, []), document_id)
    if embedder is not None:
        await embed(db, embedder, Base(workspace_id, base_id, []), document_id)
    return Base(workspace_id, base_id, [row["id"] for row in documents])


async def index(db: Database, batch: Sequence[Text], base: Base, document_id: UUID) -> None:
    where = {"workspace_id": base.workspace_id, "base_id": base.id, "document_id": document_id}
    async with db.transaction(base.workspace_id) as tx:
        await contents.insert_chunks(tx, batch, **where)
        lexemes = await contents.insert_postings(
            tx, first=batch[0].ordinal, last=batch[-1].ordinal, config="english", **where
        )
        await queries.add_to_base(tx, base.id, chunks=len(batch), lexemes=lexemes)


async def embed(db: Database, embedder: MiniLmEmbedder, base: Base, document_id: UUID) -> None:
    after = -1
    while True:
        async with db.transaction(base.workspace_id) as tx:
            batch = await contents.list_without_embedding(tx, document_id, after=after, limit=256)
        if not batch:
            return
        made = await vectors.embed(embedder, [chunk.text for chunk in batch])
        async with db.transaction(base.workspace_id) as tx:
            await contents.insert_embeddings(
                tx,
                [chunk.id for chunk in batch],
                made,
                workspace_id=base.workspace_id,
                base_id=base.id,
                document_id=document_id,
            )
        after = batch[-1].ordinal


async def ask(
    db: Database, base: Base, questions: dict[str, str], embedded: dict[str, str], dense: Dense
) -> tuple[dict[str, list[str]], list[float]]:
    """What was found for each question, and how many milliseconds the search took, embedding not counted."""
    found: dict[str, list[str]] = {}
    times: list[float] = []
    for id, text in questions.items():
        begun = time.perf_counter()
        async with db.transaction(base.workspace_id) as tx:
            hits = await search.search(
                tx,
                [base.id],
                text,
                limit=10,
                dense=dense,
                dense_ids=[base.id],
                embedding=embedded.get(id),
                chunks=len(base.names),
            )
        times.append((time.perf_counter() - begun) * 1000)
        found[id] = [base.names[hit.chunk.ordinal] for hit in hits]
    return found, sorted(times)


def evaluate(found: dict[str, list[str]], judged: dict[str, dict[str, int]]) -> tuple[float, float]:
    """nDCG@10 with linear gain, and recall@10; means over the questions."""
    gains: list[float] = []
    recalls: list[float] = []
    for question, relevance in judged.items():
        top = found.get(question, [])[:10]
        positive = {document for document, grade in relevance.items() if grade > 0}
        ideal = sum(g / math.log2(i + 2) for i, g in enumerate(sorted(relevance.values(), reverse=True)[:10]))
        gains.append(sum(relevance.get(d, 0) / math.log2(i + 2) for i, d in enumerate(top)) / ideal)
        recalls.append(len(positive & set(top)) / len(positive))
    return sum(gains) / len(gains), sum(recalls) / len(recalls)


async def measure(db: Database, folder: Path, embedder: MiniLmEmbedder | None) -> None:
    begun = time.perf_counter()
    base = await fill(db, folder, embedder)
    print(f"{folder.name}: {len(base.names)} documents indexed in {time.perf_counter() - begun:.1f} s")
    questions = {row["id"]: row["text"] for row in rows(folder, "queries")}
    judged: dict[str, dict[str, int]] = collections.defaultdict(dict)
    for row in rows(folder, "qrels"):
        judged[row["qid"]][row["did"]] = int(row["rel"])
    embedded: dict[str, str] = {}
    if embedder is not None:
        made = await vectors.embed(embedder, list(questions.values()))
        embedded = dict(zip(questions, made, strict=True))
    legs = [("lexical", Dense.NONE, 1.0)]
    if embedder is not None:
        legs += [("dense", Dense.EXACT, 0.0), ("fused, exact", Dense.EXACT, 1.0), ("fused, index", Dense.INDEX, 1.0)]
    for name, dense, lexical_weight in legs:
        async with db.transaction(base.workspace_id) as tx:
            await queries.update_base(
                tx, base.id, name=name, description="", dense_weight=1, lexical_weight=lexical_weight
            )
        found, times = await ask(db, base, questions, embedded, dense)
        ndcg, recall = evaluate(found, judged)
        p50, p99 = times[len(times) // 2], times[int(len(times) * 0.99)]
        print(f"  {name:13} nDCG@10 {ndcg:.4f}  R@10 {recall:.4f}  p50 {p50:.1f} ms  p99 {p99:.1f} ms", flush=True)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="holds one folder per set")
    parser.add_argument("--sets", nargs="+", default=["scifact", "cranfield"])
    parser.add_argument("--models", type=Path, help="folder of built models; without it only words are compared")
    options = parser.parse_args()
    admin_url, name = os.environ["GLIA_TEST_DATABASE_URL"], f"bench_{new_id().hex}"
    with psycopg.connect(admin_url, autocommit=True) as admin:
        admin.execute(f"create database {name}".encode())
        url = psycopg.conninfo.make_conninfo(admin_url, dbname=name)
        try:
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute("create extension if not exists vector")
            migrate(url)
            embedder = MiniLmEmbedder(options.models) if options.models else None
            db = Database(url)
            await db.open()
            for folder in options.sets:
                await measure(db, options.data / folder, embedder)
            await db.close()
        finally:
            admin.execute(f"drop database {name} with (force)".encode())


if __name__ == "__main__":
    asyncio.run(main())
