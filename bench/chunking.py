"""How well passages of several sizes hold the answer: recall, precision and IoU of characters, of the best five.

    GLIA_TEST_DATABASE_URL=postgresql://... python bench/chunking.py DATA/chunking_eval --csv bench/results/chunking.csv

DATA/chunking_eval holds `corpus.jsonl` (id, text) and `queries.jsonl` (text, corpus_id, refs with start_index and
end_index). The texts are cut as an upload is, indexed by the SQL that indexes uploads, and searched by words through
the statement that answers agents. For each question R are the characters of its references, G those of the passages
found; T counts G with overlaps. recall = |R∩G| / |R|, precision = |R∩G| / T, IoU = |R∩G| / (|R| + T - |R∩G|). The
database named in the URL is only used to create one of its own, which is dropped at the end.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from databases import fresh_database, write_csv
from glia.kit.db import Database
from glia.knowledge import search
from glia.knowledge.chunking import ChunkText, chunk
from glia.knowledge.parsing.text import read_text
from glia.knowledge.parsing.types import Format, Page, ParsedDocument
from search_scale import Base, add_document, make_base, rows

_BEST = 5
_COLUMNS = ("target_characters", "passages", "mean_characters", "recall_at_5", "precision", "iou")


def cut(text: str, target: int) -> list[ChunkText]:
    """The passages with their places in the text as it came; white space between blocks counts in neither."""
    document = ParsedDocument("", (Page(None, tuple(read_text(text.encode(), file_name="a.txt"))),), Format.TEXT)
    return chunk(document, target_characters=target)


def places(text: str, passages: Sequence[ChunkText]) -> list[tuple[int, int]]:
    """Where each passage stands in the original text: its characters in order, white space aside."""
    where = [index for index, character in enumerate(text) if not character.isspace()]
    found: list[tuple[int, int]] = []
    at = 0
    for passage in passages:
        letters = sum(not character.isspace() for character in passage.text)
        found.append((where[min(at, len(where) - 1)], where[min(at + letters, len(where)) - 1] + 1))
        at += letters
    return found


def score(refs: Sequence[dict[str, Any]], spans: Sequence[tuple[int, int]], total: int) -> tuple[float, float, float]:
    """spans: of passages in the question's own text. total: characters of all five, of other texts too."""
    wanted = {index for ref in refs for index in range(ref["start_index"], ref["end_index"])}
    got = {index for first, last in spans for index in range(first, last)}
    both = len(wanted & got)
    return both / len(wanted), both / total if total else 0.0, both / (len(wanted) + total - both)


async def measure(db: Database, folder: Path, target: int) -> dict[str, object]:
    base: Base = await make_base(db, None)
    documents: dict[object, tuple[str, list[tuple[int, int]]]] = {}
    lengths: list[int] = []
    for row in rows(folder, "corpus"):
        passages = cut(row["text"], target)
        id = await add_document(db, base, [passage.text for passage in passages])
        documents[id] = row["id"], places(row["text"], passages)
        lengths += [len(passage.text) for passage in passages]
    scores: list[tuple[float, float, float]] = []
    for question in rows(folder, "queries"):
        async with db.transaction(base.workspace_id) as tx:
            hits = await search.search(tx, [base.id], question["text"], limit=_BEST)
        found = [(documents[hit.chunk.document_id], hit.chunk.ordinal) for hit in hits]
        spans = [spans[ordinal] for (name, spans), ordinal in found if name == question["corpus_id"]]
        total = sum(spans[ordinal][1] - spans[ordinal][0] for (_, spans), ordinal in found)
        scores.append(score(question["refs"], spans, total))
    means = [round(sum(values) / len(scores), 4) for values in zip(*scores, strict=True)]
    values = (target, len(lengths), round(sum(lengths) / len(lengths)), *means)
    print(*values, sep="\t", flush=True)
    return dict(zip(_COLUMNS, values, strict=True))


async def run(url: str, options: argparse.Namespace) -> list[dict[str, object]]:
    db = Database(url)
    await db.open()
    measured = [await measure(db, options.data, target) for target in options.characters]
    await db.close()
    return measured


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="the folder with corpus.jsonl and queries.jsonl")
    parser.add_argument("--characters", nargs="+", type=int, default=[400, 800, 1600])
    parser.add_argument("--csv", type=Path, help="where to write the results")
    options = parser.parse_args()
    with fresh_database(os.environ["GLIA_TEST_DATABASE_URL"]) as url:
        measured = asyncio.run(run(url, options))
    if options.csv:
        write_csv(options.csv, _COLUMNS, measured, "python bench/chunking.py DATA/chunking_eval --csv OUT")


if __name__ == "__main__":
    main()
