"""What a model is sent of a long conversation, and the calls beside it."""

from dataclasses import replace
from typing import Any

import orjson
import pytest

from glia.agents.types import ContextSettings, Deliberation, Limits
from glia.identity.types import Principal
from glia.kit.db import Database
from glia.models.errors import ModelFailed
from glia.models.service import ResolvedModel
from glia.models.types import AssistantMessage, ModelRequest, SystemMessage, ToolMessage, UserMessage
from glia.runs.asides import Aside, Asides, free
from glia.runs.events import ContextCompacted, PlanMade, ReflectionMade, RunCompleted
from glia.tools.types import ToolContext, ToolResult
from tests.conftest import DatabaseUrls
from tests.runs.rig import Rig, Say, ScriptedModel, make_tool, rig

SMALL = ContextSettings(max_tokens=1000, compact_at=0.5, keep=0.2)


async def payloads(house: Rig, who: Principal, session: Any, type: type[Any]) -> list[Any]:
    return [event.payload for event in await house.events(who, session) if isinstance(event.payload, type)]


def spoken(request: ModelRequest) -> str:
    return "\n".join(message.text for message in request.messages)


async def test_a_long_conversation_is_compacted_and_goes_on(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    model = ScriptedModel(*[Say(f"Answer {n} " + "word " * 60) for n in range(8)])
    async with rig(db, database_urls.app, model) as house:
        session = await house.session(principal, context=SMALL)
        for n in range(8):
            await house.finish(principal, await house.send(principal, session, f"Question {n}?"))

        compacted = await payloads(house, principal, session, ContextCompacted)

        assert compacted
        assert all(event.tokens_after < event.tokens_before for event in compacted)
        last = model.requests[-1].messages
        assert "Question 7?" in last[-1].text
        assert isinstance(last[1], SystemMessage)
        assert "Question 0?" in last[1].text or "Question 1?" in last[1].text
        assert sum(len(message.text) for message in last) < 4 * 1000
        shown = await house.runs.messages(principal, session)
        assert len(shown) == 16  # what people see is whole


async def test_another_process_sends_the_same_after_a_compaction(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    model = ScriptedModel(*[Say(f"Answer {n} " + "word " * 60) for n in range(9)])
    async with rig(db, database_urls.app, model) as house:
        session = await house.session(principal, context=SMALL)
        for n in range(9):
            await house.finish(principal, await house.send(principal, session, f"Question {n}?"))
        compacted = await payloads(house, principal, session, ContextCompacted)
    assert compacted

    async with rig(db, database_urls.app, ScriptedModel(Say("Fresh"))) as house:
        await house.finish(principal, await house.send(principal, session, "More?"))

        sent = spoken(house.model.requests[0])
        assert sent.count("This is a summary") == 1
        answers = [line.split()[1] for line in sent.split("\n") if line.startswith("Answer")]
        assert answers == sorted(set(answers))
        assert sent.endswith("More?")


async def test_a_long_run_of_tools_is_compacted_in_the_middle_and_no_result_loses_its_call(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    async def look(_context: ToolContext, _arguments: str) -> ToolResult:
        return ToolResult("finding " * 60)

    model = ScriptedModel(*[Say(calls=(("look", {"n": n}),)) for n in range(8)], Say("Done"))
    async with rig(db, database_urls.app, model, [make_tool("look", look)]) as house:
        session = await house.session(principal, tools=("look",), context=SMALL)

        last = await house.finish(principal, await house.send(principal, session, "Find the key"))

        assert isinstance(last.payload, RunCompleted)
        assert await payloads(house, principal, session, ContextCompacted)
        assert "Find the key" in spoken(model.requests[-1])
        for request in model.requests:
            called = [
                call.provider_id for m in request.messages if isinstance(m, AssistantMessage) for call in m.tool_calls
            ]
            returned = [m for m in request.messages if isinstance(m, ToolMessage)]
            assert len(called) == len(returned)


async def test_a_model_that_says_the_context_is_too_long_gets_a_shorter_one(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    async def too_long() -> None:
        raise ModelFailed("too many tokens", kind="context_too_long", provider="glia")

    model = ScriptedModel(Say("One " + "word " * 50), Say("Two"), Say("x", before=too_long), Say("Three"))
    async with rig(db, database_urls.app, model) as house:
        session = await house.session(principal)
        await house.finish(principal, await house.send(principal, session, "First"))
        await house.finish(principal, await house.send(principal, session, "Second"))

        last = await house.finish(principal, await house.send(principal, session, "Third"))

        assert isinstance(last.payload, RunCompleted)
        assert "This is a summary" in spoken(model.requests[-1])


async def test_compaction_can_be_switched_off(db: Database, database_urls: DatabaseUrls, principal: Principal) -> None:
    off = ContextSettings(max_tokens=200, is_compacted=False)
    async with rig(db, database_urls.app, ScriptedModel(*[Say("word " * 100)] * 4)) as house:
        session = await house.session(principal, context=off)
        for _ in range(4):
            await house.finish(principal, await house.send(principal, session))

        assert not await payloads(house, principal, session, ContextCompacted)


async def test_an_agent_that_plans_stores_its_plan_before_it_acts(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    async with rig(db, database_urls.app, ScriptedModel(Say("Done"))) as house:
        session = await house.session(principal, deliberation=Deliberation(plans=True))

        await house.finish(principal, await house.send(principal, session, "Book a train"))

        [plan] = await payloads(house, principal, session, PlanMade)
        assert plan.task == "Book a train"
        assert plan.steps
        assert "Your plan" in house.model.requests[-1].messages[0].text
        types = await house.types(principal, session)
        assert types.index("plan.made") < types.index("model.responded")


async def test_an_answer_that_is_judged_poor_is_given_once_more(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    async with rig(db, database_urls.app, ScriptedModel(Say("Bad"), Say("Better"))) as house:
        strict = Deliberation(reflects=True, revise_below=0.9)
        session = await house.session(principal, deliberation=strict)

        last = await house.finish(principal, await house.send(principal, session, "Say it well"))

        assert isinstance(last.payload, RunCompleted)
        assert last.payload.message is not None
        assert last.payload.message.content.strip() == "Better"
        [reflection] = await payloads(house, principal, session, ReflectionMade)
        assert reflection.is_revised
        assert isinstance(house.model.requests[-1].messages[-1], UserMessage)
        said = [message.content.strip() for message in await house.runs.messages(principal, session)]
        assert said == ["Say it well", "Better"]


async def test_an_answer_is_revised_once_however_it_is_judged(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    async with rig(db, database_urls.app, ScriptedModel(Say("Fine"), Say("Finer"), Say("Finest"))) as house:
        strict = Deliberation(reflects=True, revise_below=1.0)
        session = await house.session(principal, deliberation=strict, limits=Limits(max_iterations=5))

        last = await house.finish(principal, await house.send(principal, session))

        assert isinstance(last.payload, RunCompleted)
        assert len(house.model.requests) == 2


async def test_an_answer_stands_when_the_run_may_not_ask_again(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    async with rig(db, database_urls.app, ScriptedModel(Say("Fine"))) as house:
        strict = Deliberation(reflects=True, revise_below=1.0)
        session = await house.session(principal, deliberation=strict, limits=Limits(max_iterations=1))

        last = await house.finish(principal, await house.send(principal, session))

        assert isinstance(last.payload, RunCompleted)


async def test_what_was_sent_is_stored_once_for_an_agent_that_does_not_change(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    async with rig(db, database_urls.app, ScriptedModel(Say("One"), Say("Two"))) as house:
        session = await house.session(principal, instructions="Be brief.")
        for _ in range(2):
            await house.finish(principal, await house.send(principal, session))

        async with db.transaction(principal.workspace_id) as tx:
            bodies = await tx.values("select body::text from model_contexts")
        assert len(bodies) == 1
        assert orjson.loads(bodies[0])["instructions"] == "Be brief."


@pytest.mark.parametrize("says", ["", "   ", None])
async def test_a_summary_that_no_model_writes_is_made_by_rules(
    db: Database, database_urls: DatabaseUrls, principal: Principal, says: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def ask(_self: Asides, _number: int, model: ResolvedModel, *_rest: object, **_named: object) -> Aside:
        if says is None:
            raise ModelFailed("It is down.", kind="server", provider="openai")
        return free(says, model.id)

    monkeypatch.setattr(Asides, "ask", ask)
    monkeypatch.setattr(ResolvedModel, "is_embedded", property(lambda _self: False))
    model = ScriptedModel(*[Say(f"Answer {n} " + "word " * 60) for n in range(8)])
    async with rig(db, database_urls.app, model) as house:
        session = await house.session(principal, context=SMALL)
        for n in range(8):
            last = await house.finish(principal, await house.send(principal, session, f"Question {n}?"))
            assert isinstance(last.payload, RunCompleted)

        compacted = await payloads(house, principal, session, ContextCompacted)
        assert compacted
        assert all("Question" in event.summary for event in compacted)


async def test_a_summary_model_that_is_not_there_costs_no_run_its_life(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    model = ScriptedModel(*[Say(f"Answer {n} " + "word " * 60) for n in range(8)])
    async with rig(db, database_urls.app, model) as house:
        session = await house.session(principal, context=replace(SMALL, summary_model="nowhere/gone"))
        for n in range(8):
            last = await house.finish(principal, await house.send(principal, session, f"Question {n}?"))
            assert isinstance(last.payload, RunCompleted)

        assert await payloads(house, principal, session, ContextCompacted)
