"""Which agents and inference tools a run is offered, and the rules that stand beside its instructions."""

from __future__ import annotations

from glia.agents.types import AgentSpec, StandingInstruction, ToolChoice
from glia.identity.types import Principal
from glia.kit.clock import now
from glia.kit.db import Database
from glia.kit.ids import new_id
from glia.runs.choosing import fitting
from glia.tools.types import ToolContext, ToolResult
from tests.conftest import DatabaseUrls
from tests.runs.rig import Say, ScriptedModel, make_tool, rig


async def nothing(_context: ToolContext, _arguments: str) -> ToolResult:
    return ToolResult("")


TOOLS = [
    make_tool(name, nothing)
    for name in ("inference__image", "inference__speech", "inference__video", "inference__Kokoro_82M_speech")
]


def offered(asked: str) -> list[str]:
    return [tool.name for tool in fitting(asked, TOOLS)]


def test_the_words_of_a_question_choose_the_tools() -> None:
    assert offered("Please draw me a fox") == ["inference__image"]
    assert offered("Read this text aloud") == ["inference__speech", "inference__Kokoro_82M_speech"]
    assert offered("Say hello with Kokoro") == ["inference__Kokoro_82M_speech"]
    assert offered("a picture, and a film of it") == ["inference__image", "inference__video"]
    assert offered("How many legs has a spider?") == []


def test_a_few_tools_are_all_offered_when_no_word_tells() -> None:
    assert [tool.name for tool in fitting("Wie viele Beine hat eine Spinne?", TOOLS[:2])] == [
        "inference__image",
        "inference__speech",
    ]


async def test_a_run_is_offered_what_fits_and_all_else_that_it_has(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    model = ScriptedModel(Say("Done."), Say("Done."))
    own = make_tool("weather", nothing)
    async with rig(db, database_urls.app, model, [*TOOLS, own]) as house:
        for name, description in (("Tax", "Knows taxes and invoices."), ("Cook", "Knows recipes and cooking.")):
            await house.agents.create(
                principal, AgentSpec(name=name, description="-", tool_choice=ToolChoice(offered_as=description))
            )
        names = tuple(tool.name for tool in (*TOOLS, own))
        choice = ToolChoice(all_agents=True, is_automatic=True)
        session = await house.session(principal, tools=names, tool_choice=choice)
        await house.finish(principal, await house.send(principal, session, "Draw the recipe of a cake."))
        everything = await house.session(principal, tools=names, tool_choice=ToolChoice(all_agents=True))
        await house.finish(principal, await house.send(principal, everything, "Draw the recipe of a cake."))

    first, second = ([tool.name for tool in request.tools] for request in model.requests)
    assert sorted(first) == ["delegate_cook", "inference__image", "weather"]
    # The two clerks may ask one another too.
    assert {"delegate_cook", "delegate_tax", "weather", *(tool.name for tool in TOOLS)} < set(second)


async def test_standing_instructions_are_part_of_every_request(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    model = ScriptedModel(Say("Hola."))
    rules = tuple(StandingInstruction(new_id(), text, now()) for text in ("Answer in Spanish.", "Cite pages."))
    async with rig(db, database_urls.app, model) as house:
        session = await house.session(principal, instructions="Help.", standing_instructions=rules)
        await house.finish(principal, await house.send(principal, session))

    assert model.requests[0].messages[0].text == (
        "Help.\n\nAlways follow these rules:\n- Answer in Spanish.\n- Cite pages."
    )
