"""Instructions with runs that are really executed by a scripted model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest

from glia.agents.service import Agents
from glia.agents.types import AgentSpec
from glia.identity.types import Principal
from glia.instructions.errors import InstructionNotFound
from glia.instructions.service import Instructions
from glia.instructions.types import Instruction, InstructionSpec
from glia.kit.db import Database
from glia.kit.errors import InvalidRequest, NotFound
from glia.kit.ids import new_id
from glia.kit.outbound import Outbound, OutboundPolicy
from glia.kit.pages import Window
from glia.models.service import Models, read_configuration
from glia.runs.types import Run
from glia.runs.work import JobKind
from glia.triggers.firings import Firings
from glia.triggers.judging import JUDGE, ConditionJudge
from glia.triggers.service import Triggers
from glia.triggers.ticker import Ticker
from glia.usage.service import Spending, Usage
from tests.conftest import DatabaseUrls, opened
from tests.runs.rig import NoSecrets, Rig, Say, ScriptedModel, rig

EVENTS = frozenset({"run.failed", "run.completed", "tool.called"})


class Talkative(ScriptedModel):
    async def stream(self, request: Any) -> Any:
        self.script.append(Say("Refunds take 30 days."))
        async for event in super().stream(request):
            yield event


@dataclass
class Place:
    house: Rig
    principal: Principal
    agent: UUID
    instructions: Instructions
    triggers: Triggers
    ticker: Ticker
    model: Talkative

    async def add(self, kind: str, action: str = "Write a report.", **more: Any) -> Instruction:
        return await self.instructions.create(self.principal, self.agent, InstructionSpec(kind, action, **more))

    async def ask(self, text: str) -> None:
        await self.house.finish(self.principal, await self.house.start(self.principal, self.agent, text))

    async def runs(self, kind: str = "agent") -> list[Run]:
        found = (await self.house.runs.list(self.principal, Window(200))).items
        return [run for run in found[::-1] if run.kind == kind]

    async def until_executed(self, instruction: Instruction, times: int = 1) -> Instruction:
        async with asyncio.timeout(60):
            while True:
                await self.ticker.round()
                found = await self.instructions.get(self.principal, self.agent, instruction.id)
                runs = await self.runs()
                if found.executions >= times and all(run.status.is_final for run in runs):
                    return found
                await asyncio.sleep(0.02)

    async def is_quiet(self) -> bool:
        found = await self.house.runs.list(self.principal, Window(200))
        return all(run.status.is_final for run in found.items)

    async def settle(self) -> None:
        """Until every run has ended and every event was looked at."""
        async with asyncio.timeout(60):
            for _ in range(5):
                await self.ticker.round()
                while not await self.is_quiet():
                    await asyncio.sleep(0.02)

    async def execute(self, sql: Any, **parameters: object) -> None:
        async with self.house.db.transaction(self.principal.workspace_id) as tx:
            await tx.execute(sql, **parameters)


@pytest.fixture
async def db(database_urls: DatabaseUrls) -> AsyncIterator[Database]:
    async with opened(database_urls) as database:
        yield database


@pytest.fixture
async def place(db: Database, database_urls: DatabaseUrls, principal: Principal) -> AsyncIterator[Place]:
    model = Talkative()
    configuration = read_configuration({"GLIA_MODEL_DISCOVERY": "off"})
    models = Models(Outbound(OutboundPolicy()), configuration, embedded=model)
    judge = ConditionJudge(db, Agents(db), models, Usage(db), Spending(db))
    jobs = {JUDGE: JobKind(judge.work, judge.ended)}
    async with rig(db, database_urls.app, model, jobs=jobs, models=models) as house:
        firings = judge.firings = Firings(db, house.runs, house.workflows.start)
        triggers = Triggers(db, firings, NoSecrets(), event_types=EVENTS)
        agent = (await house.agents.create(principal, AgentSpec(name="Clerk", instructions="Help."))).id
        instructions = Instructions(db, house.agents, triggers)
        yield Place(house, principal, agent, instructions, triggers, Ticker(db, firings), model)


async def test_a_standing_instruction_is_followed_from_the_next_run_on(place: Place) -> None:
    await place.ask("Before")
    made = await place.add("standing", "Answer in Spanish.")
    await place.ask("After")
    (found,) = await place.instructions.list(place.principal, place.agent)
    await place.instructions.delete(place.principal, place.agent, made.id)
    await place.ask("Later")

    systems = [request.messages[0].text for request in place.model.requests]
    assert ["Spanish" in system for system in systems] == [False, True, False]
    assert (found.id, found.kind, found.executions, found.is_active) == (made.id, "standing", 1, True)
    assert found.last_executed_at is not None
    assert await place.instructions.list(place.principal, place.agent) == []


async def test_two_standing_instructions_at_once_are_both_kept(place: Place) -> None:
    await asyncio.gather(*(place.add("standing", f"Rule {number}.") for number in range(5)))

    found = await place.instructions.list(place.principal, place.agent)

    assert sorted(one.action for one in found) == [f"Rule {number}." for number in range(5)]


async def test_a_scheduled_instruction_starts_runs_and_missed_times_start_one(place: Place) -> None:
    made = await place.add("scheduled", "Report {{ this }}.", schedule="0 9 * * *", timezone="Europe/Berlin")
    await place.execute("update triggers set next_at = clock_timestamp() - interval '3 days'")

    found = await place.until_executed(made)
    (run,) = await place.runs()

    assert (found.executions, found.schedule, found.timezone) == (1, "0 9 * * *", "Europe/Berlin")
    assert found.last_executed_at is not None
    (message, _answer) = await place.house.runs.messages(place.principal, run.session_id)
    assert message.content == "Report { { this }}."


async def test_an_error_rate_in_words_fires_when_runs_fail(place: Place) -> None:
    made = await place.add("conditional", "Tell the operator.", condition="error rate exceeds 5%")
    await place.ask("Hello")
    await place.ticker.round()
    assert (await place.instructions.get(place.principal, place.agent, made.id)).executions == 0
    await place.execute("update runs set status = 'failed' where kind = 'agent'")
    await place.execute("update triggers set next_at = clock_timestamp()")

    found = await place.until_executed(made)
    newest = (await place.runs())[-1]

    assert (found.condition, found.executions) == ("error rate exceeds 5%", 1)
    message = (await place.house.runs.messages(place.principal, newest.session_id))[0].content
    assert message.startswith(
        "Tell the operator.\n\nThis condition came true: error rate exceeds 5%: error_rate is 100"
    )


async def test_a_condition_in_words_is_judged_after_each_run(place: Place) -> None:
    made = await place.add("conditional", "Tell the shop.", condition="The user asks about refunds")
    await place.ask("What is the weather?")
    await place.settle()

    found = await place.instructions.get(place.principal, place.agent, made.id)
    judged = await place.runs(JUDGE)

    # The scripted answer speaks of refunds, so even this run fits by its words.
    assert len(judged) == 1
    found = await place.until_executed(made)
    await place.settle()
    assert found.executions == 1
    assert len(await place.runs(JUDGE)) == 1, "the run that it began is not judged again"
    newest = (await place.runs())[-1]
    message = (await place.house.runs.messages(place.principal, newest.session_id))[0].content
    assert message.startswith("Tell the shop.\n\nThis condition came true: The user asks about refunds")


async def test_a_condition_that_does_not_hold_begins_nothing(place: Place) -> None:
    made = await place.add("conditional", "Tell the zoo.", condition="The user asks about elephants")
    await place.ask("Where is my parcel?")
    await place.settle()

    assert len(await place.runs(JUDGE)) == 1
    assert (await place.instructions.get(place.principal, place.agent, made.id)).executions == 0


async def test_a_deleted_trigger_takes_its_instruction_along(place: Place) -> None:
    made = await place.add("scheduled", frequency="daily")
    assert made.trigger_id is not None
    await place.triggers.delete(place.principal, made.trigger_id)
    with pytest.raises(InstructionNotFound):
        await place.instructions.get(place.principal, place.agent, made.id)

    other = await place.add("scheduled", frequency="daily")
    assert other.trigger_id is not None
    await place.instructions.delete(place.principal, place.agent, other.id)
    with pytest.raises(NotFound):
        await place.triggers.get(place.principal, other.trigger_id)


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        (InstructionSpec("sometimes", "Go."), "kind"),
        (InstructionSpec("standing", " "), "action"),
        (InstructionSpec("standing", "x" * 10_001), "action"),
        (InstructionSpec("conditional", "Go."), "trigger"),
        (InstructionSpec("scheduled", "Go."), "schedule"),
        (InstructionSpec("scheduled", "Go.", schedule="61 * * * *"), "schedule"),
        (InstructionSpec("scheduled", "Go.", schedule="every day"), "schedule"),
        (InstructionSpec("scheduled", "Go.", frequency="now and then"), "frequency"),
        (InstructionSpec("scheduled", "Go.", frequency="daily", timezone="Mars/Base"), "timezone"),
    ],
)
async def test_what_cannot_be_an_instruction_names_its_field(place: Place, spec: InstructionSpec, field: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await place.instructions.create(place.principal, place.agent, spec)

    assert refused.value.field == field
    assert await place.instructions.list(place.principal, place.agent) == []


async def test_instructions_of_another_workspace_are_not_there(place: Place, stranger: Principal) -> None:
    made = await place.add("standing", "Rule.")

    for call in (
        place.instructions.list(stranger, place.agent),
        place.instructions.delete(stranger, place.agent, made.id),
        place.instructions.create(stranger, place.agent, InstructionSpec("standing", "Mine.")),
    ):
        with pytest.raises(NotFound):
            await call
    with pytest.raises(InstructionNotFound):
        await place.instructions.delete(place.principal, place.agent, new_id())
