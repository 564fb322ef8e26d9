"""Builds what finds and remembers: knowledge, and what goes with it."""

from __future__ import annotations

from dataclasses import dataclass, field

from glia.agents.service import Agents
from glia.knowledge.embedding.opening import Endpoints
from glia.knowledge.embedding.registry import EmbedderRegistry
from glia.knowledge.embedding.types import Embedder
from glia.knowledge.rewriter import Rewriter
from glia.knowledge.service import Knowledge
from glia.memory.jobs import SleepTime
from glia.wiring.ground import Ground
from glia.wiring.remembering import Remembering, remembering
from glia.wiring.searching import (
    embedders_of,
    embedding_of,
    model_of,
    open_embedder,
    reranker_of,
)


@dataclass
class Knowing:
    """agents: set once they are built; a follow-up question is rewritten by the asking agent's model."""

    embedder: Embedder | None
    embedders: EmbedderRegistry
    memory: Remembering
    knowledge: Knowledge
    sleep_time: SleepTime
    agents: Agents = field(init=False)


async def knowing_of(ground: Ground) -> Knowing:
    settings, db, models = ground.settings, ground.db, ground.models
    endpoints = Endpoints(models, ground.meter)
    embedder = await open_embedder(settings, endpoints, ground.data_dir)
    memory = remembering(db, embedding_of(embedder), models, ground.usage)
    embedders = embedders_of(settings, endpoints, embedder, ground.data_dir)
    found: Knowing
    knowledge = Knowledge(
        db,
        ground.files,
        start_job=ground.jobs,
        embedders=embedders,
        reranker=reranker_of(settings, ground.outbound),
        rewrite=Rewriter(db, models, ground.usage, lambda follow_up: model_of(found.agents, follow_up)),
    )
    sleep_time = SleepTime(
        db, memory.memories, memory.conversations, memory.upkeep, ground.usage, ground.jobs, models, ground.spending
    )
    found = Knowing(embedder, embedders, memory, knowledge, sleep_time)
    return found
