"""Measures the embedded embedder: quality on a retrieval set, speed and memory.

`python bench/embedding.py DATA MODELS`: DATA holds `corpus.jsonl`, `queries.jsonl` and `qrels.jsonl` as BEIR has them
(`id`, `title`, `text`; `qid`, `did`, `rel`), MODELS is the folder for the built model. Prints one JSON object.
"""

from __future__ import annotations

import asyncio
import json
import math
import resource
import sys
import time
from collections import defaultdict
from pathlib import Path

import numpy as np

from glia.knowledge.embedding.minilm import MiniLmEmbedder

Row = dict[str, str]


def main() -> None:
    data, models = Path(sys.argv[1]), Path(sys.argv[2])
    print(json.dumps(asyncio.run(measure(data, MiniLmEmbedder(models))), indent=1))


async def measure(data: Path, embedder: MiniLmEmbedder) -> dict[str, float]:
    documents, queries = rows(data, "corpus"), rows(data, "queries")
    started = time.perf_counter()
    await embedder.prepare()
    prepared = time.perf_counter()
    cpu = time.process_time()
    corpus = await embedder.embed([f"{row.get('title', '')} {row['text']}".strip() for row in documents])
    seconds, cpu_seconds = time.perf_counter() - prepared, time.process_time() - cpu
    rankings, milliseconds = await ask(embedder, queries, corpus, [row["id"] for row in documents])
    return {
        "ndcg_at_10": ndcg(rankings, rows(data, "qrels")),
        "prepare_seconds": round(prepared - started, 2),
        "texts_per_second": round(len(documents) / seconds, 1),
        "texts_per_cpu_second": round(len(documents) / cpu_seconds, 1),
        "query_p50_ms": round(milliseconds[len(milliseconds) // 2], 2),
        "query_p99_ms": round(milliseconds[len(milliseconds) * 99 // 100], 2),
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def rows(data: Path, part: str) -> list[Row]:
    with (data / f"{part}.jsonl").open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


async def ask(
    embedder: MiniLmEmbedder, queries: list[Row], corpus: np.ndarray, ids: list[str]
) -> tuple[dict[str, list[str]], list[float]]:
    """The ten best documents per query, and the sorted milliseconds that embedding each query took."""
    rankings: dict[str, list[str]] = {}
    milliseconds: list[float] = []
    for query in queries:
        started = time.perf_counter()
        vector = (await embedder.embed([query["text"]]))[0]
        milliseconds.append((time.perf_counter() - started) * 1000)
        rankings[query["id"]] = [ids[index] for index in np.argsort(-(corpus @ vector), kind="stable")[:10]]
    return rankings, sorted(milliseconds)


def ndcg(rankings: dict[str, list[str]], qrels: list[Row]) -> float:
    """Mean nDCG@10 with linear gain over the judged queries."""
    judged: dict[str, dict[str, float]] = defaultdict(dict)
    for row in qrels:
        judged[row["qid"]][row["did"]] = float(row["rel"])
    scores: list[float] = []
    for query, gains in judged.items():
        ideal = sum(gain / math.log2(rank + 2) for rank, gain in enumerate(sorted(gains.values(), reverse=True)[:10]))
        found = sum(gains.get(id, 0) / math.log2(rank + 2) for rank, id in enumerate(rankings.get(query, [])))
        scores.append(found / ideal)
    return round(sum(scores) / len(scores), 4)


if __name__ == "__main__":
    main()
