"""How well search finds: nDCG@10 and recall@10 over folders of `<set>/{corpus,queries,qrels}.jsonl`.

    GLIA_TEST_DATABASE_URL=postgresql://... python bench/retrieval.py DATA --models MODELS --csv OUT

Documents go in by the same SQL that indexes uploads, and questions through the same statement that answers agents.
`whole` makes one passage of a document, `cut` the passages that an upload is cut into. The title stands above each.
A document's place is that of its best passage. The database named in the URL is only used to create one of its own,
which is dropped at the end.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import csv
import json
import math
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from databases import fresh_database
from glia.kit.db import Database
from glia.kit.ids import new_id
from glia.knowledge import contents, queries, search, vectors
from glia.knowledge.chunking import chunk
from glia.knowledge.embedding.minilm import MiniLmEmbedder
from glia.knowledge.jobs import index_passages
from glia.knowledge.parsing.types import Block, Format, Page, ParsedDocument
from glia.knowledge.search import Dense
from glia.knowledge.types import Passage

_BATCH = 500
_COLUMNS = (
    "set",
    "passages",
    "leg",
    "ndcg_at_10",
    "recall_at_10",
    "p50_ms",
    "p99_ms",
    "indexed_per_s",
    "embedded_per_s",
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
    """names: the document of each passage."""

    workspace_id: UUID
    id: UUID
    names: list[str]
    indexed_per_s: float = 0
    embedded_per_s: float = 0


def rows(folder: Path, part: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in (folder / f"{part}.jsonl").open(encoding="utf-8")]


def passages(document: dict[str, str], cut: str, first: int) -> list[Passage]:
    title, text = document.get("title", ""), document["text"]
    if cut == "whole":
        return [Text(first, text, heading=title)] if text or title else []
    block = Block("paragraph", text)
    pieces = chunk(ParsedDocument(title, (Page(None, (block,)),), Format.TEXT)) if text.strip() else []
    return [Text(first + i, piece.text, heading=title) for i, piece in enumerate(pieces)]


async def fill(db: Database, folder: Path, cut: str, embedder: MiniLmEmbedder | None) -> Base:
    workspace_id, project_id, base_id, document_id = new_id(), new_id(), new_id(), new_id()
    async with db.across_workspaces() as tx:
        await tx.execute(
            "insert into workspaces (id, name, slug) values (%(id)s, 'Bench', %(slug)s)",
            id=workspace_id,
            slug=workspace_id.hex,
        )
    base = Base(workspace_id, base_id, [])
    texts: list[Passage] = []
    for document in rows(folder, "corpus"):
        cuts = passages(document, cut, len(texts))
        texts += cuts
        base.names += [document["id"]] * len(cuts)
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
            dense_weight=1.5,
            lexical_weight=1,
            **where,
        )
        await queries.insert_document(
            tx, document_id, base_id, name="corpus", media_type="", size_bytes=0, sha256="0" * 64, **where
        )
        await queries.set_read(tx, document_id, base_id, title="", text_config="english")
    begun = time.perf_counter()
    for first in range(0, len(texts), _BATCH):
        async with db.transaction(workspace_id) as tx:
            work = await queries.lock_work(tx, document_id)
            assert work
            await index_passages(tx, work, texts[first : first + _BATCH], workspace_id=workspace_id)
    base.indexed_per_s = len(texts) / (time.perf_counter() - begun)
    if embedder is not None:
        begun = time.perf_counter()
        await embed(db, embedder, base, document_id)
        base.embedded_per_s = len(texts) / (time.perf_counter() - begun)
    return base


async def embed(db: Database, embedder: MiniLmEmbedder, base: Base, document_id: UUID) -> None:
    after = -1
    while True:
        async with db.transaction(base.workspace_id) as tx:
            batch = await contents.list_without_embedding(tx, document_id, set_id=base.id, after=after, limit=256)
        if not batch:
            return
        made = await vectors.embed(embedder, [passage.input for passage in batch])
        async with db.transaction(base.workspace_id) as tx:
            ids = [passage.id for passage in batch]
            await contents.insert_embeddings(tx, ids, made, workspace_id=base.workspace_id, set_id=base.id)
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
                limit=40,
                dense=dense,
                sets=[base.id],
                embedding=embedded.get(id),
                chunks=len(base.names),
            )
        times.append((time.perf_counter() - begun) * 1000)
        found[id] = list(dict.fromkeys(base.names[hit.chunk.ordinal] for hit in hits))[:10]
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


async def measure(db: Database, folder: Path, cut: str, embedder: MiniLmEmbedder | None) -> list[dict[str, object]]:
    base = await fill(db, folder, cut, embedder)
    questions = {row["id"]: row["text"] for row in rows(folder, "queries")}
    judged: dict[str, dict[str, int]] = collections.defaultdict(dict)
    for row in rows(folder, "qrels"):
        judged[row["qid"]][row["did"]] = int(row["rel"])
    embedded: dict[str, str] = {}
    if embedder is not None:
        made = await vectors.embed(embedder, list(questions.values()))
        embedded = dict(zip(questions, made, strict=True))
    legs = [("lexical", Dense.NONE)]
    if embedder is not None:
        legs += [("hybrid, exact", Dense.EXACT), ("hybrid, index", Dense.INDEX), ("dense with feedback", Dense.EXACT)]
    measured: list[dict[str, object]] = []
    for name, dense in legs:
        weight = 0 if name.startswith("dense") else 1
        async with db.transaction(base.workspace_id) as tx:
            await queries.update_base(tx, base.id, name=name, description="", dense_weight=1.5, lexical_weight=weight)
        found, times = await ask(db, base, questions, embedded, dense)
        ndcg, recall = evaluate(found, judged)
        p50, p99 = times[len(times) // 2], times[int(len(times) * 0.99)]
        rates = round(base.indexed_per_s), round(base.embedded_per_s)
        values = (folder.name, cut, name, round(ndcg, 4), round(recall, 4), round(p50, 1), round(p99, 1), *rates)
        print(*values, sep="\t", flush=True)
        measured.append(dict(zip(_COLUMNS, values, strict=True)))
    return measured


def write(path: Path, measured: Sequence[dict[str, object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, _COLUMNS)
        writer.writeheader()
        writer.writerows(measured)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="holds one folder per set")
    parser.add_argument("--sets", nargs="+", default=["scifact", "cranfield"])
    parser.add_argument("--models", type=Path, help="folder of built models; without it only words are compared")
    parser.add_argument("--cut", nargs="+", default=["whole", "cut"], choices=["whole", "cut"])
    parser.add_argument("--csv", type=Path, help="where to write the results")
    options = parser.parse_args()
    with fresh_database(os.environ["GLIA_TEST_DATABASE_URL"]) as url:
        embedder = MiniLmEmbedder(options.models) if options.models else None
        db = Database(url)
        await db.open()
        measured: list[dict[str, object]] = []
        for folder in options.sets:
            for cut in options.cut:
                measured += await measure(db, options.data / folder, cut, embedder)
        if options.csv:
            write(options.csv, measured)
        await db.close()


if __name__ == "__main__":
    asyncio.run(main())
