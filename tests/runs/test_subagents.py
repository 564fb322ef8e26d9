"""Agents that give tasks to other agents."""

import asyncio
from dataclasses import dataclass
from uuid import UUID

import pytest

from glia.agents.types import AgentSpec, Limits, Permissions
from glia.identity.types import Principal
from glia.kit.db import Database
from glia.kit.errors import InvalidRequest
from glia.kit.pages import Window
from glia.models.types import ModelRequest, SystemMessage, ToolMessage
from glia.runs.events import ChildStarted, RunCompleted, RunWaiting
from glia.runs.types import RunStatus
from glia.tools.types import Permission, ToolContext, ToolResult
from tests.conftest import DatabaseUrls
from tests.runs.rig import Rig, Say, ScriptedModel, make_tool, rig


@dataclass
class Cast(ScriptedModel):
    """A model that plays each agent from a script of its own, chosen by the agent's instructions."""

    def __init__(self, **scripts: list[Say]) -> None:
        super().__init__()
        self.scripts = scripts

    async def stream(self, request: ModelRequest):  # type: ignore[no-untyped-def,override]
        system = next(m.text for m in request.messages if isinstance(m, SystemMessage))
        self.script = self.scripts[system]
        async for event in super().stream(request):
            yield event


async def agent(house: Rig, who: Principal, name: str, **spec: object) -> UUID:
    made = await house.agents.create(who, AgentSpec(name=name, instructions=name, tools=(), **spec))  # type: ignore[arg-type]
    return made.id


def ask(name: str, task: str = "Find it") -> Say:
    return Say(calls=((f"delegate_{name}", {"task": task}),))


async def test_a_task_is_a_run_of_its_own_and_its_answer_the_result(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    model = Cast(boss=[ask("clerk"), Say("It is 42")], clerk=[Say("42")])
    async with rig(db, database_urls.app, model) as house:
        clerk = await agent(house, principal, "clerk")
        boss = await agent(house, principal, "boss", subagents=(clerk,))
        accepted = await house.start(principal, boss, "Ask the clerk")

        last = await house.finish(principal, accepted)

        assert isinstance(last.payload, RunCompleted)
        [result] = [m.text for m in model.requests[-1].messages if isinstance(m, ToolMessage)]
        assert result.strip() == "42"
        events = await house.events(principal, accepted.session_id)
        [child] = [event.payload for event in events if isinstance(event.payload, ChildStarted)]
        tree = (await house.runs.list(principal, Window(10), root_run_id=accepted.run_id)).items
        assert {run.id for run in tree} == {accepted.run_id, child.run_id}
        run = await house.runs.get(principal, child.run_id)
        assert (run.parent_run_id, run.root_run_id, run.depth) == (accepted.run_id, accepted.run_id, 1)


async def test_two_tasks_at_once_are_both_waited_for(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    both = Say(calls=(("delegate_clerk", {"task": "One"}), ("delegate_clerk", {"task": "Two"})))
    model = Cast(boss=[both, Say("Done")], clerk=[Say("A", pause_seconds=0.2), Say("B")])
    async with rig(db, database_urls.app, model) as house:
        clerk = await agent(house, principal, "clerk")
        boss = await agent(house, principal, "boss", subagents=(clerk,))

        last = await house.finish(principal, await house.start(principal, boss, "Go"))

        assert isinstance(last.payload, RunCompleted)
        results = {m.text.strip() for m in model.requests[-1].messages if isinstance(m, ToolMessage)}
        assert results == {"A", "B"}


async def test_a_run_that_waits_for_another_agent_is_finished_by_the_next_process(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    slow = Say(" ".join(["word"] * 9999), pause_seconds=0.05)
    async with rig(db, database_urls.app, Cast(boss=[ask("clerk")], clerk=[slow])) as house:
        clerk = await agent(house, principal, "clerk")
        boss = await agent(house, principal, "boss", subagents=(clerk,))
        accepted = await house.start(principal, boss, "Go")
        async with asyncio.timeout(60):
            while (await house.runs.get(principal, accepted.run_id)).status is not RunStatus.WAITING:
                await asyncio.sleep(0.01)

    model = Cast(boss=[Say("Done")], clerk=[Say("Found")])
    async with rig(db, database_urls.app, model) as house:
        last = await house.finish(principal, accepted)

        assert isinstance(last.payload, RunCompleted)
        events = await house.events(principal, accepted.session_id)
        assert sum(isinstance(event.payload, ChildStarted) for event in events) == 1
        assert len((await house.runs.list(principal, Window(10), root_run_id=accepted.run_id)).items) == 2


async def test_cancelling_a_run_cancels_the_tasks_it_gave(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    slow = Say(" ".join(["word"] * 9999), pause_seconds=0.05)
    async with rig(db, database_urls.app, Cast(boss=[ask("clerk")], clerk=[slow])) as house:
        clerk = await agent(house, principal, "clerk")
        boss = await agent(house, principal, "boss", subagents=(clerk,))
        accepted = await house.start(principal, boss, "Go")
        async with asyncio.timeout(60):
            while (await house.runs.get(principal, accepted.run_id)).status is not RunStatus.WAITING:
                await asyncio.sleep(0.01)

        await house.runs.cancel(principal, accepted.run_id)

        async with asyncio.timeout(60):
            while True:
                tree = (await house.runs.list(principal, Window(10), root_run_id=accepted.run_id)).items
                if {run.status for run in tree} == {RunStatus.CANCELLED}:
                    break
                await asyncio.sleep(0.01)


async def test_a_task_that_fails_is_told_to_the_agent_that_gave_it(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    model = Cast(boss=[ask("clerk"), Say("It did not work")], clerk=[Say(calls=(("none", {}),))])
    async with rig(db, database_urls.app, model) as house:
        clerk = await agent(house, principal, "clerk", limits=Limits(max_iterations=1))
        boss = await agent(house, principal, "boss", subagents=(clerk,))

        last = await house.finish(principal, await house.start(principal, boss, "Go"))

        assert isinstance(last.payload, RunCompleted)
        [result] = [m.text for m in model.requests[-1].messages if isinstance(m, ToolMessage)]
        assert "clerk failed" in result


async def test_tasks_do_not_lie_deeper_than_the_limit(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    model = Cast(boss=[ask("clerk"), Say("Hm")], clerk=[ask("intern"), Say("I did it myself")], intern=[])
    async with rig(db, database_urls.app, model) as house:
        intern = await agent(house, principal, "intern")
        clerk = await agent(house, principal, "clerk", subagents=(intern,), limits=Limits(max_depth=1))
        boss = await agent(house, principal, "boss", subagents=(clerk,))
        accepted = await house.start(principal, boss, "Go")

        assert isinstance((await house.finish(principal, accepted)).payload, RunCompleted)

        assert len((await house.runs.list(principal, Window(10), root_run_id=accepted.run_id)).items) == 2


async def test_agents_in_a_circle_are_refused(db: Database, database_urls: DatabaseUrls, principal: Principal) -> None:
    async with rig(db, database_urls.app, ScriptedModel()) as house:
        a = await agent(house, principal, "a")
        b = await agent(house, principal, "b", subagents=(a,))

        with pytest.raises(InvalidRequest) as refused:
            await house.agents.update(principal, a, {"subagents": (b,)})
        with pytest.raises(InvalidRequest):
            await house.agents.update(principal, a, {"subagents": (a,)})

        assert refused.value.field == "subagents"


async def test_a_request_is_told_when_a_task_below_waits_for_a_person(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    async def pay(_context: ToolContext, _arguments: str) -> ToolResult:
        return ToolResult("paid")

    model = Cast(boss=[ask("clerk"), Say("Done")], clerk=[Say(calls=(("pay", {}),)), Say("Paid")])
    async with rig(db, database_urls.app, model, [make_tool("pay", pay)]) as house:
        clerk = await house.agents.create(
            principal,
            AgentSpec(
                name="clerk", instructions="clerk", tools=("pay",), permissions=Permissions(default=Permission.ASK)
            ),
        )
        boss = await agent(house, principal, "boss", subagents=(clerk.id,))
        accepted = await house.start(principal, boss)

        async with asyncio.timeout(60):
            told = await house.runs.outcome(principal, accepted, or_need=True)

        assert isinstance(told.payload, RunWaiting)
        [approval] = (await house.approvals.list(principal, Window(10))).items
        await house.approvals.decide(principal, approval.id, "approved")
        assert isinstance((await house.finish(principal, accepted)).payload, RunCompleted)


async def test_a_request_goes_on_waiting_while_a_task_below_is_at_work(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    slow = Say(" ".join(["word"] * 60), pause_seconds=0.05)
    async with rig(db, database_urls.app, Cast(boss=[ask("clerk"), Say("Done")], clerk=[slow])) as house:
        clerk = await agent(house, principal, "clerk")
        boss = await agent(house, principal, "boss", subagents=(clerk,))
        accepted = await house.start(principal, boss)

        async with asyncio.timeout(60):
            last = await house.runs.outcome(principal, accepted, or_need=True)

        assert isinstance(last.payload, RunCompleted)


async def test_the_runs_of_a_session_that_is_deleted_leave_nobody_waiting(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    slow = Say(" ".join(["word"] * 9999), pause_seconds=0.05)
    async with rig(db, database_urls.app, Cast(boss=[ask("clerk"), Say("Alone")], clerk=[slow])) as house:
        clerk = await agent(house, principal, "clerk")
        boss = await agent(house, principal, "boss", subagents=(clerk,))
        accepted = await house.start(principal, boss)
        async with asyncio.timeout(60):
            while len(tree := (await house.runs.list(principal, Window(10), root_run_id=accepted.run_id)).items) < 2:
                await asyncio.sleep(0.01)
        child = next(run for run in tree if run.id != accepted.run_id)

        await house.runs.cancel_session(principal, child.session_id)

        last = await house.finish(principal, accepted)
        assert isinstance(last.payload, RunCompleted)
        assert (await house.runs.get(principal, child.id)).status is RunStatus.CANCELLED
