"""Endpoints that are opened when they answer, and whose calls are recorded for whoever asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from glia.kit.errors import InvalidRequest, Unavailable
from glia.kit.ids import new_id
from glia.knowledge import vectors
from glia.knowledge.embedding import registry
from glia.knowledge.embedding.opening import Endpoints
from glia.knowledge.embedding.registry import EmbedderRegistry
from glia.knowledge.errors import EmbeddingUnusable
from glia.models.errors import ModelFailed
from glia.models.types import TokenUsage
from glia.usage.types import Payer, UsageRecord


@dataclass
class Resolved:
    id: str

    def cost_micros(self, usage: TokenUsage) -> int:
        return usage.input_tokens * 2


@dataclass
class ScriptedModels:
    dimensions: int = 3
    error: Exception | None = None

    async def resolve(self, name: str) -> Resolved:
        return Resolved(f"acme/{name}")

    async def embed(self, name: str, texts: Sequence[str]) -> tuple[list[list[float]], TokenUsage]:
        if self.error is not None:
            raise self.error
        return [[1.0] * self.dimensions for _ in texts], TokenUsage(input_tokens=5 * len(texts))


@dataclass
class Records:
    """In place of the meter."""

    kept: list[UsageRecord] = field(default_factory=list)

    def add(self, record: UsageRecord) -> None:
        self.kept.append(record)


DOWN = ModelFailed("Nobody listens at acme.", kind="connect", provider="acme")


async def test_what_a_call_takes_is_recorded_for_its_payer_and_the_probe_for_nobody() -> None:
    records = Records()
    embedder = await Endpoints(ScriptedModels(), records).open("small")
    assert embedder is not None
    payer = Payer(new_id(), new_id(), new_id())

    await vectors.embed(embedder, ["a", "b"], payer)
    await vectors.embed(embedder, ["a"])

    (record,) = records.kept
    assert (record.workspace_id, record.project_id, record.run_id) == (
        payer.workspace_id,
        payer.project_id,
        payer.run_id,
    )
    assert (record.operation, record.model, record.input_tokens, record.cost_micros) == (
        "embeddings",
        "acme/small",
        10,
        20,
    )


async def test_a_model_that_is_down_is_told_from_one_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_TRY_AGAIN_SECONDS", 0.0)
    models = ScriptedModels(error=DOWN)
    endpoints = Endpoints(models, Records())
    embedders = EmbedderRegistry(None, open_endpoint=endpoints.open, default_endpoint="small")

    assert await embedders.named("endpoint:small") is None
    for asked in (embedders.required("endpoint:small"), embedders.default()):
        with pytest.raises(Unavailable, match="'small' does not answer: Nobody listens"):
            await asked
    models.error = InvalidRequest("It makes no embeddings.")
    assert await embedders.required("small") is None
    models.error = None
    opened = await embedders.default()  # once it answers, it is what new bases use
    assert opened is not None
    assert (opened.model_id, opened.dimensions) == ("endpoint:small", 3)


async def test_a_model_that_was_changed_is_noticed_and_can_be_asked_anew() -> None:
    models = ScriptedModels()
    embedders = EmbedderRegistry(None, open_endpoint=Endpoints(models, Records()).open)
    old = await embedders.named("small")
    assert old is not None
    models.dimensions = 4

    with pytest.raises(EmbeddingUnusable, match=r"gave 4 dimensions where 3 were expected"):
        await vectors.embed(old, ["a"])
    same = await embedders.named("small")
    fresh = await embedders.named("small", is_fresh=True)

    assert same is old
    assert fresh is not None
    assert fresh.dimensions == 4
    assert await embedders.named("endpoint:small") is fresh
