"""What is wanted of one run alone, also after a crash, and a text that is for one run alone."""

from glia.agents.types import AgentSettings, Limits
from glia.identity.types import Principal
from glia.kit.db import Database
from glia.models.types import UserMessage
from glia.runs.events import RunCompleted, RunFailed
from glia.runs.service import Override, RunOptions
from glia.tools.types import ToolContext, ToolResult
from tests.conftest import DatabaseUrls
from tests.runs.rig import Rig, Say, ScriptedModel, make_tool, rig

SECRET = "The vault opens at 7:43."
OPTIONS = RunOptions(override=Override(tools=["look"]))


async def look(context: ToolContext, arguments: str) -> ToolResult:
    return ToolResult(f"depth {context.search_depth}")


def told(model: ScriptedModel, number: int = -1) -> str:
    return next(one.text for one in reversed(model.requests[number].messages) if isinstance(one, UserMessage))


def names(model: ScriptedModel, number: int = -1) -> list[str]:
    return [tool.name for tool in model.requests[number].tools]


async def dump(db: Database, principal: Principal) -> str:
    """Everything about the workspace's runs that the database holds."""
    async with db.transaction(principal.workspace_id) as tx:
        rows = await tx.values(
            "select to_jsonb(r)::text from runs r union all select to_jsonb(e)::text from events e"
            " union all select to_jsonb(c)::text from model_contexts c"
        )
    return "\n".join(rows)


async def test_one_run_has_other_tools_and_a_depth_of_its_own(
    db: Database, principal: Principal, database_urls: DatabaseUrls
):
    model = ScriptedModel(Say("", (("look", {}),)), Say("One."), Say("Two."))
    tools = [make_tool("look", look), make_tool("other", look)]
    async with rig(db, database_urls.app, model, tools) as r:
        session = await r.session(principal, tools=("other",))
        override = Override(tools=["look"], search_depth=3)

        await r.finish(principal, await r.send(principal, session, options=RunOptions(override=override)))
        await r.finish(principal, await r.send(principal, session))

        assert names(model, 0) == ["look"]
        assert model.requests[1].messages[-1].text == "depth 3"
        assert names(model, 2) == ["other"]


async def test_another_worker_goes_on_with_the_options(db: Database, principal: Principal, database_urls: DatabaseUrls):
    model = ScriptedModel(Say("Done."))
    tools = [make_tool("look", look)]
    async with rig(db, database_urls.app, ScriptedModel(), tools, is_working=False) as idle:
        session = await idle.session(principal, tools=())
        accepted = await idle.send(principal, session, options=OPTIONS, document=SECRET)
    async with rig(db, database_urls.app, model, tools) as r:
        await r.finish(principal, accepted)

    assert names(model) == ["look"]
    assert SECRET in told(model)


async def test_a_document_is_for_one_run_and_leaves_nothing(
    db: Database, principal: Principal, database_urls: DatabaseUrls
):
    model = ScriptedModel(Say("One."), Say("Two."))
    async with rig(db, database_urls.app, model) as r:
        session = await r.session(principal)

        await r.finish(principal, await r.send(principal, session, "When?", document=SECRET))
        after_one = await dump(db, principal)
        await r.finish(principal, await r.send(principal, session, "And now?"))

    assert told(model, 0) == f"<context>\n{SECRET}\n</context>\n\nWhen?"
    assert SECRET not in "".join(message.text for message in model.requests[1].messages)
    assert SECRET not in after_one
    assert "sealed_document" not in after_one


async def test_a_document_goes_with_a_run_that_fails_or_is_cancelled(
    db: Database, principal: Principal, database_urls: DatabaseUrls
):
    async with rig(db, database_urls.app, ScriptedModel(), is_working=False) as r:
        cancelled = await r.send(principal, await r.session(principal), document=SECRET)
        kept = await dump(db, principal)
        await r.runs.cancel(principal, cancelled.run_id)
        assert "sealed_document" in kept  # else the next line would prove nothing
        assert "sealed_document" not in await dump(db, principal)
    async with rig(db, database_urls.app, ScriptedModel(Say("", (("gone", {}),)))) as r:
        session = await r.session(principal, limits=Limits(max_iterations=1))
        last = await r.finish(principal, await r.send(principal, session, document=SECRET))

        assert isinstance(last.payload, RunFailed)
        assert "sealed_document" not in await dump(db, principal)


async def answers_at_the_limit(r: Rig, principal: Principal, *, ends_with_answer: bool) -> object:
    limits = Limits(max_iterations=2, ends_with_answer=ends_with_answer)
    session = await r.session(principal, limits=limits, tools=("look",))
    return (await r.finish(principal, await r.send(principal, session))).payload


async def test_the_last_call_that_a_limit_allows_has_no_tools(
    db: Database, principal: Principal, database_urls: DatabaseUrls
):
    calls = Say("", (("look", {}),))
    model = ScriptedModel(calls, Say("As far as I know."), calls, calls)
    async with rig(db, database_urls.app, model, [make_tool("look", look)]) as r:
        answered = await answers_at_the_limit(r, principal, ends_with_answer=True)
        failed = await answers_at_the_limit(r, principal, ends_with_answer=False)

    assert isinstance(answered, RunCompleted)
    assert (names(model, 0), names(model, 1)) == (["look"], [])
    assert isinstance(failed, RunFailed)


async def test_the_default_model_answers_for_one_that_nobody_has(
    db: Database, principal: Principal, database_urls: DatabaseUrls
):
    model = ScriptedModel(Say("Here."))
    async with rig(db, database_urls.app, model) as r:
        strict = await r.session(principal, model="deepseek-ai/DeepSeek-V3.2")
        loose = await r.session(
            principal, model="deepseek-ai/DeepSeek-V3.2", settings=AgentSettings(default_if_unknown=True)
        )

        refused = (await r.finish(principal, await r.send(principal, strict))).payload
        answered = (await r.finish(principal, await r.send(principal, loose))).payload

    assert isinstance(refused, RunFailed)
    assert refused.error.code == "model_not_found"
    assert isinstance(answered, RunCompleted)


async def test_default_among_the_tools_stands_for_the_usual_ones(
    db: Database, principal: Principal, database_urls: DatabaseUrls
):
    model = ScriptedModel(Say("Here."))
    usual, special = make_tool("usual", look), make_tool("special", look)
    async with rig(db, database_urls.app, model, [usual, special]) as r:
        session = await r.session(principal, tools=("special", "default"))
        await r.finish(principal, await r.send(principal, session))

    assert names(model) == ["special", "usual"]
