"""Contradictions and summaries by a configured model, and by rules where there is none or it fails."""

from __future__ import annotations

from uuid import UUID

import pytest

from glia.identity.types import Principal
from glia.kit.db import Database
from glia.kit.errors import UpstreamFailed
from glia.kit.pages import Window
from glia.memory.judging import Judge
from glia.memory.service import Memories
from glia.memory.types import Draft, MemoryStatus
from glia.memory.upkeep import Upkeep
from glia.models.types import FinishReason, ModelRequest, ModelResponse, TokenUsage
from glia.usage.service import Usage

OLD = "Ada's flat has a view over the harbour of Odesa."
NEW = "Ada sold the flat and sleeps at her sister's in Lviv."


class ScriptedModels:
    """answer: what the model says; an exception is raised."""

    def __init__(self, answer: str | Exception, *, is_embedded: bool = False) -> None:
        self.answer = answer
        self.is_embedded = is_embedded
        self.asked: list[ModelRequest] = []

    async def resolve(self, name: str | None) -> ScriptedModels:
        return self

    async def stream(self, name: str | None, request: ModelRequest):
        self.asked.append(request)
        if isinstance(self.answer, Exception):
            raise self.answer
        yield ModelResponse(self.answer, "", (), TokenUsage(100, 20), FinishReason.STOP, "p/m", 7, 1)


def upkeep_with(db: Database, memories: Memories, models: ScriptedModels) -> Upkeep:
    return Upkeep(db, memories, judge=Judge(db, models, Usage(db)))


async def test_a_model_ends_contradictions_that_rules_do_not_see(
    db: Database, memories: Memories, principal: Principal, agent: UUID
) -> None:
    older = await memories.save(principal, Draft(OLD, agent))
    newer = await memories.save(principal, Draft(NEW, agent))
    assert await Upkeep(db, memories).resolve_conflicts(principal, agent) == 0
    models = ScriptedModels("The newer one wins: [1]")

    assert await upkeep_with(db, memories, models).resolve_conflicts(principal, agent) == 1

    ended = await memories.get(principal, older.id)
    assert (ended.status, ended.superseded_by) == (MemoryStatus.SUPERSEDED, newer.id)
    assert f"1. older: {OLD}\n   newer: {NEW}" in models.asked[0].messages[1].text
    (record,) = (await Usage(db).list(principal, Window())).items
    assert (record.input_tokens, record.agent_id) == (100, agent)
    # A person can take it back.
    assert (await memories.undo(principal, older.id)).status is MemoryStatus.ACTIVE


@pytest.mark.parametrize(
    "models",
    [
        ScriptedModels("[]"),
        ScriptedModels("[7]"),
        ScriptedModels("No."),
        ScriptedModels(UpstreamFailed("Down.")),
        ScriptedModels("[1]", is_embedded=True),
    ],
)
async def test_nothing_ends_when_the_model_names_nothing_or_fails(
    db: Database, memories: Memories, principal: Principal, agent: UUID, models: ScriptedModels
) -> None:
    for text in (OLD, NEW):
        await memories.save(principal, Draft(text, agent))

    assert await upkeep_with(db, memories, models).resolve_conflicts(principal, agent) == 0


async def test_memories_of_different_users_are_never_set_against_each_other(
    db: Database, memories: Memories, principal: Principal, agent: UUID
) -> None:
    await memories.save(principal, Draft(OLD, agent, "ada"))
    await memories.save(principal, Draft(NEW, agent, "bob"))
    models = ScriptedModels("[1]")

    assert await upkeep_with(db, memories, models).resolve_conflicts(principal, agent) == 0
    assert not models.asked


@pytest.mark.parametrize(
    ("answer", "content", "by"),
    [
        ("Ada left Odesa for her sister's in Lviv.", "Ada left Odesa for her sister's in Lviv.", "model"),
        (UpstreamFailed("Down."), f"{OLD}\n{NEW}", "rules"),
        ("x" * 5000, f"{OLD}\n{NEW}", "rules"),
    ],
)
async def test_a_summary_is_the_models_or_the_memories_themselves(
    db: Database,
    memories: Memories,
    principal: Principal,
    agent: UUID,
    answer: str | Exception,
    content: str,
    by: str,
) -> None:
    for text in (OLD, NEW):
        await memories.save(principal, Draft(text, agent))

    summary = await upkeep_with(db, memories, ScriptedModels(answer)).summarise(principal, agent)

    assert summary is not None
    assert (summary.content, summary.metadata["written_by"]) == (content, by)
