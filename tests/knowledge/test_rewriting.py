"""Follow-ups: by a configured model, by rules beside the built-in one, and what happens when the model does not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

import pytest

from glia.identity.types import Principal
from glia.kit.db import Database
from glia.kit.errors import UpstreamFailed
from glia.kit.ids import new_id
from glia.knowledge.rewriter import Rewriter
from glia.knowledge.service import Knowledge
from glia.knowledge.tools import knowledge_search
from glia.knowledge.types import FollowUp
from glia.models.types import FinishReason, ModelRequest, ModelResponse, TokenUsage
from glia.tools.types import ToolContext
from glia.usage.service import Usage

from .conftest import House

FEES = "Dogs cost twenty euros a night.\n\nCats cost eleven euros a night.\n\nThe pool closes at nine."


@dataclass(frozen=True)
class Resolved:
    is_embedded: bool


@dataclass
class ScriptedModels:
    """answer: what the model says; an exception is raised, None never comes."""

    answer: str | Exception | None
    is_embedded: bool = False
    asked: list[ModelRequest] = field(default_factory=list)
    names: list[str | None] = field(default_factory=list)

    async def resolve(self, name: str | None) -> Resolved:
        self.names.append(name)
        return Resolved(self.is_embedded)

    async def stream(self, _model: Resolved, request: ModelRequest) -> AsyncGenerator[ModelResponse, None]:
        self.asked.append(request)
        if isinstance(self.answer, Exception):
            raise self.answer
        if self.answer is None:
            await asyncio.sleep(3600)
        usage = TokenUsage(input_tokens=70, output_tokens=9)
        yield ModelResponse(str(self.answer), "", (), usage, FinishReason.STOP, "acme/large", 3, 12)


def with_model(house: House, models: ScriptedModels, *, timeout_seconds: float = 5.0) -> Knowledge:
    async def model_of(follow_up: FollowUp) -> str | None:
        return None if follow_up.agent_id is None else "acme/large"

    rewrite = Rewriter(house.db, models, Usage(house.db), model_of, timeout_seconds=timeout_seconds)
    return Knowledge(house.db, house.files, start_job=house.start_job, embedders=house.embedders, rewrite=rewrite)


async def test_a_configured_model_makes_a_follow_up_whole(house: House, principal: Principal, db: Database) -> None:
    base = await house.base()
    await house.add(base, FEES)
    models = ScriptedModels('"How much do cats cost a night?"\n')
    knowledge = with_model(house, models)

    found = await knowledge.find(
        principal, [base.id], "And for them?", limit=1, previous=["Do you take dogs?", "What about cats?"]
    )

    assert found.hits[0].chunk.text.startswith("Cats")
    assert (found.rewriting.by, found.rewriting.problem) == ("model", None)
    assert found.rewriting.query == "How much do cats cost a night?"
    assert "What about cats?" in models.asked[0].messages[1].text
    async with db.transaction(principal.workspace_id) as tx:
        kept = await tx.value("select input_tokens from usage_records where model = 'acme/large'")
    assert kept == 70


async def test_the_model_of_the_asking_agent_is_asked(house: House, principal: Principal) -> None:
    base = await house.base()
    models = ScriptedModels("x")

    await with_model(house, models).find(principal, [base.id], "And?", previous=["Dogs?"], agent_id=new_id())
    await with_model(house, models).find(principal, [base.id], "And?", previous=["Dogs?"])

    assert models.names == ["acme/large", None]


async def test_beside_the_built_in_model_the_rules_do_it(house: House, principal: Principal) -> None:
    base = await house.base()
    await house.add(base, FEES)
    models = ScriptedModels("never", is_embedded=True)

    found = await with_model(house, models).find(principal, [base.id], "and for cats?", previous=["What do dogs cost?"])

    assert not models.asked
    assert (found.rewriting.by, found.rewriting.problem) == ("rules", None)
    assert found.rewriting.query == "and for cats? dogs cost"


@pytest.mark.parametrize("answer", [UpstreamFailed("The model is down."), None])
async def test_a_model_that_does_not_answer_costs_the_search_nothing_but_says_so(
    house: House, principal: Principal, answer: Exception | None
) -> None:
    base = await house.base()
    await house.add(base, FEES)
    knowledge = with_model(house, ScriptedModels(answer), timeout_seconds=0.2)

    found = await knowledge.find(principal, [base.id], "Which animals may stay overnight?", previous=["Is it far?"])

    assert found.hits
    assert found.rewriting.query == "Which animals may stay overnight?"
    assert found.rewriting.by == "nothing"
    assert "down" in (found.rewriting.problem or "") or "0.2 seconds" in (found.rewriting.problem or "")


async def test_an_agents_search_is_made_whole_by_what_was_asked_before(house: House, principal: Principal) -> None:
    base = await house.base()
    await house.add(base, FEES)
    looked_up: list[ToolContext] = []

    async def asked_before(context: ToolContext) -> list[str]:
        looked_up.append(context)
        return ["What do cats cost?", "and for dogs?"]

    tool = knowledge_search(house.knowledge, asked_before)
    context = ToolContext(
        principal.workspace_id, principal.project_id, None, new_id(), new_id(), "k", knowledge_base_ids=(base.id,)
    )

    whole = json.loads((await tool.call(context, '{"query": "Until when is the pool open?", "limit": 1}')).text)
    assert not looked_up  # a question that stands alone costs no look into the conversation
    followed = json.loads((await tool.call(context, '{"query": "and for dogs?", "limit": 1}')).text)

    assert whole["results"][0]["text"].startswith("The pool")
    assert followed["results"][0]["text"].startswith("Dogs")
    assert len(looked_up) == 1
