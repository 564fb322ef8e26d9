"""How long searching memories takes when one agent has very many: 5,000 and 50,000 in one scope.

    GLIA_TEST_DATABASE_URL=postgresql://... python bench/memory_scale.py DATA --models MODELS --csv OUT

The memories are sentences of the corpora in DATA (`<set>/corpus.jsonl`). Every eighth has the vector that the built-in
model gives it, the others that of a neighbour with noise, at a cosine of .7. Questions are those of the sets, with real
vectors. `cpu` is what PostgreSQL's process for the connection spent. The database named in the URL is only used to
create one of its own, which is dropped at the end.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import re
import time
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

import numpy as np
import psycopg

from databases import fresh_database, write_csv
from glia.agents.service import Agents
from glia.agents.types import AgentSpec
from glia.identity.types import Principal
from glia.kit.db import Database
from glia.kit.ids import new_id
from glia.knowledge import vectors
from glia.knowledge.embedding.minilm import MiniLmEmbedder
from glia.memory import search
from glia.memory.types import Scope
from glia.memory.words import searchable
from search_scale import cpu_ms, rows

_REAL_EVERY, _COSINE, _AT_ONCE, _WARM_UP = 8, 0.7, 1000, 10
_SENTENCE = re.compile(r"[^.!?\n]{40,300}[.!?]")
_COLUMNS = ("memories", "leg", "wall_p50_ms", "wall_p99_ms", "cpu_p50_ms", "cpu_p99_ms", "saved_per_s")


def sentences(folders: Sequence[Path], most: int) -> list[str]:
    found = [
        " ".join(match.group().split())
        for folder in folders
        for document in rows(folder, "corpus")
        for match in _SENTENCE.finditer(document["text"])
    ]
    random.Random(1).shuffle(found)
    if len(found) < most:
        found = [f"{found[i % len(found)]} {found[(i * 7 + 3) % len(found)]}" for i in range(most)]
    return found[:most]


async def vectors_of(embedder: MiniLmEmbedder, texts: Sequence[str], kept: Path | None) -> list[str]:
    if kept is not None and kept.is_file():
        real = np.load(kept)
    else:
        real = await embedder.embed([texts[i] for i in range(0, len(texts), _REAL_EVERY)])
        if kept is not None:
            np.save(kept, real)
    made = np.repeat(real, _REAL_EVERY, axis=0)[: len(texts)]
    noise = np.random.default_rng(1).standard_normal(made.shape, dtype=np.float32)
    noise -= (noise * made).sum(axis=1, keepdims=True) * made
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    blurred = _COSINE * made + np.sqrt(1 - _COSINE**2) * noise
    blurred[::_REAL_EVERY] = made[::_REAL_EVERY]
    return ["[" + ",".join(f"{value:.5g}" for value in row) + "]" for row in blurred.tolist()]


async def workspace(db: Database) -> Principal:
    workspace_id, project_id = new_id(), new_id()
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
    return Principal(workspace_id, project_id, frozenset({"*"}))


async def save(
    db: Database, principal: Principal, agent: UUID, texts: Sequence[str], made: Sequence[str], model: str
) -> float:
    """As `Memories.save` writes them, many at once. Returns how many a second."""
    begun = time.perf_counter()
    for first in range(0, len(texts), _AT_ONCE):
        batch = texts[first : first + _AT_ONCE]
        async with db.transaction(principal.workspace_id) as tx:
            await tx.execute(
                """
                with given as (
                  select * from unnest(%(ids)s::uuid[], %(texts)s::text[], %(vectors)s::text[]) g(id, text, vector)
                ), words as materialized (
                  select g.id, w.lexeme, coalesce(cardinality(w.positions), 1) as tf
                  from given g, unnest(to_tsvector('english', g.text)) w
                ), kept as (
                  insert into memories (id, workspace_id, project_id, agent_id, tier, bucket, content, metadata,
                    importance, origin, length, embedding_model)
                  select g.id, %(workspace)s, %(project)s, %(agent)s, 'long', 'general', g.text, '{}', 0.5, 'person',
                    (select coalesce(sum(tf), 0) from words w where w.id = g.id), %(model)s
                  from given g returning id, scope_id
                ), indexed as (
                  insert into memory_words (memory_id, workspace_id, scope_id, lexeme, tf)
                  select k.id, %(workspace)s, k.scope_id, w.lexeme, w.tf from kept k join words w using (id)
                )
                insert into memory_vectors (memory_id, workspace_id, scope_id, model, embedding)
                select k.id, %(workspace)s, k.scope_id, %(model)s, g.vector::halfvec from kept k join given g using (id)
                """,
                ids=[new_id() for _ in batch],
                texts=[searchable(text) for text in batch],
                vectors=list(made[first : first + _AT_ONCE]),
                workspace=principal.workspace_id,
                project=principal.project_id,
                agent=agent,
                model=model,
            )
    return len(texts) / (time.perf_counter() - begun)


async def ask(
    db: Database, principal: Principal, agent: UUID, questions: Sequence[tuple[str, str | None]], model: str
) -> dict[str, float]:
    walls: list[float] = []
    cpus: list[float] = []
    for number, (text, vector) in enumerate(questions):
        async with db.transaction(principal.workspace_id) as tx:
            pid: int = await tx.value("select pg_backend_pid()")
            spent, begun = cpu_ms(pid), time.perf_counter()
            found = await search.search(
                tx, Scope(agent), text, workspace_id=principal.workspace_id, limit=10, vector=vector, model=model
            )
            if number >= _WARM_UP:
                walls.append((time.perf_counter() - begun) * 1000)
                cpus.append(cpu_ms(pid) - spent)
            assert found
    shown: dict[str, float] = {}
    for name, times in (("wall", sorted(walls)), ("cpu", sorted(cpus))):
        shown[f"{name}_p50_ms"] = round(times[len(times) // 2], 1)
        shown[f"{name}_p99_ms"] = round(times[int(len(times) * 0.99)], 1)
    return shown


async def run(url: str, options: argparse.Namespace) -> list[dict[str, object]]:
    folders = [options.data / name for name in options.sets]
    texts = sentences(folders, max(options.memories))
    embedder = MiniLmEmbedder(options.models)
    made = await vectors_of(embedder, texts, options.keep)
    asked = [row["text"] for folder in folders for row in rows(folder, "queries")]
    random.Random(2).shuffle(asked)
    asked = asked[: options.questions + _WARM_UP]
    embedded = await vectors.embed(embedder, asked)
    db = Database(url, largest_pool=1)
    await db.open()
    principal = await workspace(db)
    measured: list[dict[str, object]] = []
    with psycopg.connect(url, autocommit=True) as connection:
        for count in sorted(options.memories):
            agent = (await Agents(db).create(principal, AgentSpec(name=f"Agent {count}"))).id
            rate = await save(db, principal, agent, texts[:count], made[:count], embedder.model_id)
            connection.execute("vacuum (analyze) glia.memories, glia.memory_words, glia.memory_vectors")
            for leg, given in (("words", [None] * len(asked)), ("words and vectors", embedded)):
                times = await ask(db, principal, agent, list(zip(asked, given, strict=True)), embedder.model_id)
                measured.append({"memories": count, "leg": leg, "saved_per_s": round(rate), **times})
                print(*(f"{name}={measured[-1][name]}" for name in _COLUMNS), flush=True)
    await db.close()
    return measured


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="holds one folder per set")
    parser.add_argument("--sets", nargs="+", default=["scifact", "cranfield", "chunking_eval"])
    parser.add_argument("--models", type=Path, required=True, help="folder of built models")
    parser.add_argument("--memories", nargs="+", type=int, default=[5_000, 50_000])
    parser.add_argument("--questions", type=int, default=200)
    parser.add_argument("--keep", type=Path, help="an .npy file that keeps the real vectors for the next run")
    parser.add_argument("--csv", type=Path, help="where to write the results")
    options = parser.parse_args()
    with fresh_database(os.environ["GLIA_TEST_DATABASE_URL"]) as url:
        measured = asyncio.run(run(url, options))
    if options.csv:
        write_csv(options.csv, _COLUMNS, measured, "python bench/memory_scale.py DATA --models MODELS --csv OUT")


if __name__ == "__main__":
    main()
