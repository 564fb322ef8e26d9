"""How well past turns are found: recall@5, recall@10 and nDCG@10 over long conversations, per kind of question.

    GLIA_TEST_DATABASE_URL=postgresql://... python bench/memory.py DATA_DIR/locomo --models ~/.glia/models \
        --csv bench/results/memory.csv

DATA_DIR/locomo holds `corpus.jsonl` (id, conv, session, date, speaker, text), `queries.jsonl` (id, conv, text,
category) and `qrels.jsonl` (qid, did). Each conversation becomes an agent, each of its sessions a session whose log
holds the turns; they are read, indexed and searched by the same code that answers `conversation_search`, as the app
role, and a question only searches its own conversation. The database named in the URL is only used to create one of
its own, which is dropped at the end. Without --models only words are compared.
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
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from uuid import UUID

from databases import fresh_database
from glia.agents.service import Agents
from glia.agents.types import AgentSpec
from glia.identity.types import Principal
from glia.kit.db import Database
from glia.kit.ids import new_id
from glia.knowledge.embedding.minilm import MiniLmEmbedder
from glia.knowledge.vectors import embed
from glia.memory import turn_queries
from glia.memory.conversations import Conversations
from glia.memory.turn_queries import Where
from glia.memory.types import Embedding
from glia.sessions.service import Sessions

Row = dict[str, str]


@dataclass
class Loaded:
    """names: session and ordinal of a turn to its id in the data. agents: by conversation."""

    principal: Principal
    agents: dict[str, UUID]
    names: dict[tuple[UUID, int], str]


def rows(folder: Path, part: str) -> list[Row]:
    return [json.loads(line) for line in (folder / f"{part}.jsonl").open(encoding="utf-8")]


async def load(db: Database, turns: list[Row]) -> Loaded:
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
    loaded = Loaded(Principal(workspace_id, project_id, frozenset({"*"})), {}, {})
    sessions: dict[tuple[str, str], list[Row]] = collections.defaultdict(list)
    for turn in turns:
        sessions[turn["conv"], turn["session"]].append(turn)
    for (conversation, _), said in sessions.items():
        if conversation not in loaded.agents:
            agent = await Agents(db).create(loaded.principal, AgentSpec(name=conversation))
            loaded.agents[conversation] = agent.id
        await write_log(db, loaded, conversation, said)
    return loaded


async def write_log(db: Database, loaded: Loaded, conversation: str, said: list[Row]) -> None:
    session = await Sessions(db).create(loaded.principal, agent_id=loaded.agents[conversation])
    begun = datetime.strptime(said[0]["date"], "%I:%M %p on %d %B, %Y").replace(tzinfo=UTC)
    async with db.transaction(loaded.principal.workspace_id) as tx:
        await tx.execute_many(
            """
            insert into events (session_id, seq, workspace_id, type, at, data)
            values (%(session)s, %(seq)s, %(ws)s, 'message.received', %(at)s, %(data)s)""",
            [
                {
                    "session": session.id,
                    "seq": number,
                    "ws": loaded.principal.workspace_id,
                    "at": begun + timedelta(seconds=number),
                    "data": json.dumps(
                        {"message_id": str(number), "role": "user", "content": f"{turn['speaker']}: {turn['text']}"}
                    ),
                }
                for number, turn in enumerate(said, 1)
            ],
        )
        await tx.execute("update sessions set last_seq = %(n)s where id = %(id)s", n=len(said), id=session.id)
    loaded.names |= {(session.id, number): turn["id"] for number, turn in enumerate(said, 1)}


async def index(db: Database, loaded: Loaded, embedding: Embedding | None) -> None:
    conversations = Conversations(db, embedding)
    workspace_id = loaded.principal.workspace_id
    begun = time.perf_counter()
    while await conversations.catch_up(workspace_id, agent_id=None):
        pass
    print(f"{len(loaded.names)} turns read and indexed in {time.perf_counter() - begun:.1f} s", flush=True)
    if embedding is None:
        return
    begun = time.perf_counter()
    for agent_id in loaded.agents.values():
        while await conversations.embed_some(workspace_id, agent_id):
            pass
    print(f"vectors made in {time.perf_counter() - begun:.1f} s", flush=True)


async def ask(
    db: Database, loaded: Loaded, questions: list[Row], vectors: dict[str, str], model: str | None, leg: str
) -> tuple[dict[str, list[str]], list[float]]:
    """The first ten turns for each question, and how many milliseconds each search took without the embedding."""
    weights = {"lexical": (1.0, 0.0), "dense": (0.0, 1.0), "fused": (1.0, None)}
    lexical_weight, dense_weight = weights[leg]
    options = {} if dense_weight is None else {"dense_weight": dense_weight}
    found: dict[str, list[str]] = {}
    times: list[float] = []
    for question in questions:
        begun = time.perf_counter()
        async with db.transaction(loaded.principal.workspace_id) as tx:
            turns = await turn_queries.search(
                tx,
                Where(loaded.agents[question["conv"]], is_any_user=True),
                question["text"],
                limit=10,
                vector=None if leg == "lexical" else vectors[question["id"]],
                model=model,
                lexical_weight=lexical_weight,
                **options,
            )
        times.append((time.perf_counter() - begun) * 1000)
        found[question["id"]] = [loaded.names[turn.session_id, turn.ordinal] for turn in turns]
    return found, sorted(times)


def evaluate(found: dict[str, list[str]], judged: dict[str, set[str]], ids: list[str]) -> tuple[float, float, float]:
    """recall@5, recall@10 and nDCG@10 with equal gains; means over the questions."""
    at5, at10, gains = [], [], []
    for id in ids:
        top, wanted = found[id], judged[id]
        at5.append(len(wanted & set(top[:5])) / len(wanted))
        at10.append(len(wanted & set(top[:10])) / len(wanted))
        ideal = sum(1 / math.log2(i + 2) for i in range(min(10, len(wanted))))
        gains.append(sum(1 / math.log2(i + 2) for i, name in enumerate(top[:10]) if name in wanted) / ideal)
    return sum(at5) / len(ids), sum(at10) / len(ids), sum(gains) / len(ids)


async def measure(db: Database, folder: Path, embedder: MiniLmEmbedder | None) -> list[dict[str, object]]:
    questions = rows(folder, "queries")
    judged: dict[str, set[str]] = collections.defaultdict(set)
    for row in rows(folder, "qrels"):
        judged[row["qid"]].add(row["did"])
    loaded = await load(db, rows(folder, "corpus"))
    embedding = Embedding(embedder.model_id, partial(embed, embedder)) if embedder else None
    await index(db, loaded, embedding)
    vectors: dict[str, str] = {}
    if embedding is not None:
        made = await embedding.embed([question["text"] for question in questions])
        vectors = dict(zip([question["id"] for question in questions], made, strict=True))
    categories: dict[str, list[str]] = {"all": [question["id"] for question in questions]}
    for question in questions:
        categories.setdefault(question["category"], []).append(question["id"])
    results: list[dict[str, object]] = []
    for leg in ("lexical", "dense", "fused") if embedding else ("lexical",):
        model = embedding.model if embedding else None
        found, times = await ask(db, loaded, questions, vectors, model, leg)
        p50, p99 = times[len(times) // 2], times[int(len(times) * 0.99)]
        for category, ids in categories.items():
            r5, r10, ndcg = evaluate(found, judged, ids)
            results.append(
                {
                    "leg": leg,
                    "category": category,
                    "questions": len(ids),
                    "recall_at_5": f"{r5:.4f}",
                    "recall_at_10": f"{r10:.4f}",
                    "ndcg_at_10": f"{ndcg:.4f}",
                    "p50_ms": f"{p50:.1f}" if category == "all" else "",
                    "p99_ms": f"{p99:.1f}" if category == "all" else "",
                }
            )
            print(" ", *results[-1].values(), flush=True)
    return results


def write_csv(path: Path, results: list[dict[str, object]], *, has_models: bool) -> None:
    """The command is written without this machine's paths."""
    with path.open("w", newline="", encoding="utf-8") as file:
        file.write(f"# python bench/memory.py DATA_DIR/locomo{' --models MODELS' if has_models else ''}\n")
        writer = csv.DictWriter(file, fieldnames=list(results[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(results)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--models", type=Path, help="folder of built models; without it only words are compared")
    parser.add_argument("--csv", type=Path)
    options = parser.parse_args()
    with fresh_database(os.environ["GLIA_TEST_DATABASE_URL"]) as url:
        db = Database(url)
        await db.open()
        results = await measure(db, options.data, MiniLmEmbedder(options.models) if options.models else None)
        await db.close()
    if options.csv:
        write_csv(options.csv, results, has_models=options.models is not None)


if __name__ == "__main__":
    asyncio.run(main())
