"""Plans and reflections through their services, with a real engine and the built-in model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

import pytest

from glia.agents.types import AgentSpec, Deliberation
from glia.identity.types import Principal
from glia.kit.db import Database
from glia.kit.errors import Conflict, InvalidRequest, NotFound
from glia.kit.pages import Window
from glia.plans.asking import Thinkers
from glia.plans.service import PlanNotebook, Plans, Reflections
from glia.plans.types import Judgeable, Plan, PlanFilter, PlanStatus
from glia.runs.events import PlanMade
from glia.runs.model_events import PlanStep, StepUsage
from glia.runs.plain_thoughts import plain_judgement, plain_plan
from glia.tools.service import Tools
from glia.tools.types import ToolContext, ToolResult
from glia.usage.service import Usage
from tests.conftest import DatabaseUrls, make_principal, opened
from tests.runs.rig import Rig, Say, ScriptedModel, make_tool, rig


@pytest.fixture
async def db(database_urls: DatabaseUrls) -> AsyncIterator[Database]:
    async with opened(database_urls) as database:
        yield database


async def look(context: ToolContext, arguments: str) -> ToolResult:
    return ToolResult("found")


@dataclass
class Desk:
    rig: Rig
    plans: Plans
    reflections: Reflections

    async def ended(self, principal: Principal, id: UUID) -> Plan:
        async with asyncio.timeout(60):
            while not (plan := await self.plans.get(principal, id)).status.is_final:
                await asyncio.sleep(0.02)
        return plan


@asynccontextmanager
async def desk(db: Database, url: str, *script: Say) -> AsyncIterator[Desk]:
    tools = [make_tool("weather_lookup", look), make_tool("send_mail", look)]
    async with rig(db, url, ScriptedModel(*script), tools, notebook=PlanNotebook()) as built:
        toolset = Tools(db, built_in=tools, outbound=None, secrets=None)  # type: ignore[arg-type]
        thinkers = Thinkers(built.agents, toolset, built.models, built.spending, Usage(db))
        yield Desk(built, Plans(db, thinkers, built.runs), Reflections(db, thinkers))


async def make_agent(house: Desk, principal: Principal, **spec: object) -> UUID:
    return (await house.rig.agents.create(principal, AgentSpec(name="Clerk", **spec))).id  # type: ignore[arg-type]


async def test_a_plan_has_the_parts_of_the_task_with_the_tools_that_fit(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    async with desk(db, database_urls.app) as house:
        agent = await make_agent(house, principal)

        plan = await house.plans.make(principal, agent, "Look up the weather in Oslo, then send a mail to Ada.")

        assert [step.tool for step in plan.steps] == ["weather_lookup", "send_mail"]
        assert plan.steps[1].depends_on == [1]
        assert plan.status is PlanStatus.CREATED
        [listed] = (await house.plans.list(principal, Window(), PlanFilter(agent_id=agent))).items
        assert listed == plan


async def test_a_plan_that_is_carried_out_ends_as_its_run_does(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    async with desk(db, database_urls.app, Say("All done")) as house:
        plan = await house.plans.make(principal, await make_agent(house, principal), "Greet Ada. Greet Bob.")

        begun = await house.plans.execute(principal, plan.id)
        ended = await house.ended(principal, plan.id)

        assert begun.run_id is not None
        assert ended.status is PlanStatus.COMPLETED
        assert ended.result["answer"].strip() == "All done"
        assert ended.completed_at is not None
        assert "2. Greet Bob" in house.rig.model.requests[-1].messages[-1].text
        assert [one.id for one in (await house.plans.list(principal, Window(), PlanFilter(status=ended.status))).items]


async def test_cancelling_a_plan_stops_its_run(db: Database, database_urls: DatabaseUrls, principal: Principal) -> None:
    async with desk(db, database_urls.app, Say("word " * 9999, pause_seconds=0.05)) as house:
        plan = await house.plans.make(principal, await make_agent(house, principal), "Write a novel")
        begun = await house.plans.execute(principal, plan.id)
        with pytest.raises(Conflict):
            await house.plans.execute(principal, plan.id)

        cancelled = await house.plans.update(principal, plan.id, PlanStatus.CANCELLED, {"why": "enough"})

        assert cancelled.status is PlanStatus.CANCELLED
        assert cancelled.result == {"why": "enough"}
        assert begun.run_id is not None
        async with asyncio.timeout(60):
            while (await house.rig.runs.get(principal, begun.run_id)).status != "cancelled":
                await asyncio.sleep(0.02)


async def test_what_runs_think_is_listed_beside_what_was_asked_for(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    async with desk(db, database_urls.app, Say("Ada is well, thank you.")) as house:
        thoughtful = Deliberation(plans=True, reflects=True)
        agent = await make_agent(house, principal, deliberation=thoughtful)
        session = (await house.rig.sessions.create(principal, agent_id=agent)).id

        accepted = await house.rig.send(principal, session, "How is Ada?")
        await house.rig.finish(principal, accepted)

        [plan] = (await house.plans.list(principal, Window(), PlanFilter(run_id=accepted.run_id))).items
        assert plan.status is PlanStatus.COMPLETED
        assert plan.session_id == session
        [reflection] = (await house.reflections.list(principal, Window(), session_id=session)).items
        assert reflection.task == "How is Ada?"
        assert reflection.answer.strip() == "Ada is well, thank you."
        assert await house.reflections.numbered(principal, reflection.number) == reflection


async def test_plans_of_others_are_kept_and_checked(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    async with desk(db, database_urls.app) as house:
        made = PlanMade("Bake", [PlanStep("Mix"), PlanStep("Heat", depends_on=[1])], "", "", StepUsage(0, 0), None)

        plan = await house.plans.create(principal, made)

        assert [step.action for step in plan.steps] == ["Mix", "Heat"]
        with pytest.raises(Conflict):
            await house.plans.execute(principal, plan.id)
        with pytest.raises(InvalidRequest):
            await house.plans.make(principal, await make_agent(house, principal), "  ")
        stranger = await make_principal(db)
        with pytest.raises(NotFound):
            await house.plans.get(stranger, plan.id)
        await house.plans.delete(principal, plan.id)
        with pytest.raises(NotFound):
            await house.plans.get(principal, plan.id)


async def test_a_judgement_is_kept_and_belongs_to_one_workspace(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    async with desk(db, database_urls.app) as house:
        agent = await make_agent(house, principal)

        good = await house.reflections.make(principal, agent, Judgeable("What is 2+2?", "2+2 is 4."))
        empty = await house.reflections.make(principal, agent, Judgeable("What is 2+2?", " "))

        assert 0 < good.quality <= 1
        assert (empty.quality, empty.accuracy, empty.completeness, empty.clarity, empty.relevance) == (0, 0, 0, 0, 0)
        assert len(empty.issues) == 1
        assert empty.number > good.number
        with pytest.raises(NotFound):
            await house.reflections.numbered(await make_principal(db), good.number)


def test_an_answer_that_meets_the_question_is_judged_better_than_one_that_does_not() -> None:
    task, found = "Which city is the capital of Norway?", "Oslo is the capital city of Norway."

    good = plain_judgement(task, "The capital city of Norway is Oslo.", found)
    bad = plain_judgement(task, "Bananas.", found)

    assert good.quality > bad.quality + 0.3
    assert bad.issues
    assert not good.issues


def test_a_task_of_one_part_is_one_step_without_a_tool() -> None:
    assert plain_plan("Sing", []) == [PlanStep("Sing")]
