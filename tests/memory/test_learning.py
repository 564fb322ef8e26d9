from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from uuid import UUID

import pytest

from glia.identity.types import Principal
from glia.kit.db import Database, Transaction
from glia.kit.errors import NotFound, UpstreamFailed
from glia.kit.ids import new_id
from glia.kit.pages import Window
from glia.memory.conversations import Conversations
from glia.memory.extraction import read_answer
from glia.memory.jobs import LEARN, TEND, SleepTime
from glia.memory.service import Memories
from glia.memory.types import By, MemorySettings, MemoryStatus, Scope, Tier
from glia.memory.upkeep import Upkeep
from glia.memory.upkeep_queries import Heard
from glia.models.types import FinishReason, ModelRequest, ModelResponse, TokenUsage
from glia.usage.service import Usage


class Jobs:
    """Keeps what was started, and can be told to run it."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.started: list[tuple[str, dict[str, object]]] = []

    async def __call__(self, tx: Transaction, *, workspace_id, project_id, kind, input) -> UUID:
        self.started.append((kind, input))
        return new_id()


class Job:
    def __init__(self, db: Database, principal: Principal, input: dict[str, object]) -> None:
        self.db, self.input, self.attempt, self.run_id = db, input, 1, new_id()
        self.workspace_id, self.project_id = principal.workspace_id, principal.project_id

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Transaction, None]:
        async with self.db.transaction(self.workspace_id) as tx:
            yield tx

    async def progress(self, phase: str, done: int, total: int) -> None: ...


@pytest.fixture
def jobs(db: Database) -> Jobs:
    return Jobs(db)


@pytest.fixture
def sleep_time(db: Database, memories: Memories, jobs: Jobs) -> SleepTime:
    return SleepTime(db, memories, Conversations(db), Upkeep(db, memories), Usage(db), jobs)


async def facts(memories: Memories, principal: Principal) -> list[str]:
    return sorted(memory.content for memory in (await memories.list(principal, Window())).items)


async def learn(sleep_time: SleepTime, db: Database, principal: Principal, session: UUID) -> None:
    await sleep_time.learn(Job(db, principal, {"session_id": str(session)}))


async def test_facts_are_learnt_with_the_event_they_come_from(
    sleep_time: SleepTime, memories: Memories, db: Database, principal: Principal, agent: UUID, say, jobs: Jobs
) -> None:
    session = await say(agent, "Hello!", "Hi.", "I live in Kyiv. My password is hunter2.", "I love Kyiv.")

    await learn(sleep_time, db, principal, session)

    (memory,) = (await memories.list(principal, Window())).items
    assert memory.content == "The user lives in Kyiv."
    assert (memory.session_id, memory.source_seq, memory.origin) == (session, 3, By.EXTRACTION)
    assert memory.metadata == {"extracted_by": "rules"}
    # Nothing was shared, so it stays in its session.
    assert memory.tier is Tier.WORKING
    elsewhere = await memories.search(principal, "Kyiv", Scope(agent, None, new_id(), is_narrow=True))
    assert elsewhere.memories == ()
    assert jobs.started == [(TEND, {"agent_id": str(agent)})]


async def test_learning_again_after_a_crash_adds_nothing(
    sleep_time: SleepTime, memories: Memories, db: Database, principal: Principal, agent: UUID, say
) -> None:
    session = await say(agent, "I live in Kyiv. I own a boat.")
    await learn(sleep_time, db, principal, session)
    for _ in range(2):  # as if the mark of how far it got had been lost
        async with db.transaction(principal.workspace_id) as tx:
            await tx.execute("update conversations set learnt_seq = 0")
        await learn(sleep_time, db, principal, session)
    assert await facts(memories, principal) == ["The user lives in Kyiv.", "The user owns a boat."]
    assert {memory.reinforced for memory in (await memories.list(principal, Window())).items} == {0}


async def test_what_changes_later_supersedes_and_what_is_repeated_is_reinforced(
    sleep_time: SleepTime, memories: Memories, db: Database, principal: Principal, agent: UUID, say
) -> None:
    await Upkeep(db, memories).set_settings(principal, agent, MemorySettings(shares_sessions=True))
    first = await say(agent, "I live in Kyiv. I own a boat.", user_name="Ada")
    await learn(sleep_time, db, principal, first)
    second = await say(agent, "I moved to Lviv. I own a boat.", user_name="Ada")
    await learn(sleep_time, db, principal, second)
    other = await say(agent, "I live in Odesa.", user_name="Bob")
    await learn(sleep_time, db, principal, other)

    assert await facts(memories, principal) == ["Ada moved to Lviv.", "Ada owns a boat.", "Bob lives in Odesa."]
    (conflict,) = (await memories.conflicts(principal, Window())).items
    assert (await memories.get(principal, conflict.older_id)).status is MemoryStatus.SUPERSEDED
    boat = (await memories.search(principal, "boat", Scope(agent, "Ada", second, is_narrow=True))).memories[0]
    assert (boat.reinforced, boat.tier) == (1, Tier.SHORT)


async def test_the_sweep_finds_quiet_sessions_of_learning_agents_once(
    sleep_time: SleepTime, memories: Memories, db: Database, principal: Principal, agent: UUID, say, jobs: Jobs
) -> None:
    session = await say(agent, "I live in Kyiv.")
    assert await sleep_time.sweep() == 0  # learning is opt-in
    upkeep = Upkeep(db, memories)
    await upkeep.set_settings(principal, agent, MemorySettings(is_learning=True, idle_seconds=3600))
    assert await sleep_time.sweep() == 0  # it was used a moment ago
    await upkeep.set_settings(principal, agent, MemorySettings(is_learning=True, idle_seconds=0))

    assert sum(await asyncio.gather(*(sleep_time.sweep() for _ in range(3)))) == 1
    assert jobs.started == [(LEARN, {"session_id": str(session)})]
    await learn(sleep_time, db, principal, session)
    assert await sleep_time.sweep() == 0

    await say(agent, "Hello.", "I own a boat.", session=session)
    assert await sleep_time.sweep() == 1


async def test_only_sessions_that_are_there_are_learnt_from(
    sleep_time: SleepTime, principal: Principal, stranger: Principal, agent: UUID, say, db: Database
) -> None:
    session = await say(agent, "I live in Kyiv.")
    for who, id in ((stranger, session), (principal, new_id())):
        with pytest.raises(NotFound):
            await sleep_time.ask_to_learn(who, id)
    await sleep_time.ask_to_learn(principal, session)
    await sleep_time.ask_to_learn(principal, session)
    await sleep_time.tend(Job(db, principal, {"agent_id": str(new_id())}))
    await sleep_time.ask_to_tend(principal, agent)


class FailingModels:
    async def resolve(self, name):
        raise UpstreamFailed("The provider is down.")


async def test_a_model_that_fails_leaves_the_rules(
    db: Database, memories: Memories, principal: Principal, agent: UUID, say, jobs: Jobs
) -> None:
    upkeep = Upkeep(db, memories)
    sleep_time = SleepTime(db, memories, Conversations(db), upkeep, Usage(db), jobs, FailingModels())
    await learn(sleep_time, db, principal, await say(agent, "I live in Kyiv."))
    assert await facts(memories, principal) == ["The user lives in Kyiv."]


def test_a_models_facts_need_a_turn_that_is_there(unknown_id: UUID) -> None:
    turns = [Heard(7, unknown_id, "user", None, "I fly to Rome in May 2027.")]
    answer = """Here you are:
    [{"fact": "Ada flies to Rome in May 2027.", "turn": 7, "importance": 3, "bucket": " Plans "},
     {"fact": "Ada has a dog.", "turn": 8}, {"fact": "The password is hunter2.", "turn": 7}, {"fact": "", "turn": 7}]"""
    (fact,) = read_answer(answer, turns, "p/m")
    assert (fact.content, fact.seq, fact.importance, fact.bucket, fact.how) == (
        "Ada flies to Rome in May 2027.",
        7,
        1.0,
        "plans",
        "p/m",
    )
    for nonsense in ("", "I cannot.", "[1, 2]", "[" * 5_000 + "]" * 5_000, '[{"fact": "x"}]', "] ["):
        assert read_answer(nonsense, turns, "p/m") == []


class ScriptedModels:
    """A configured model that says one thing."""

    is_embedded = False

    def __init__(self, text: str) -> None:
        self.text = text
        self.asked: list[ModelRequest] = []

    async def resolve(self, name: str | None) -> ScriptedModels:
        return self

    async def stream(self, name: str | None, request: ModelRequest):
        self.asked.append(request)
        yield ModelResponse(self.text, "", (), TokenUsage(100, 20), FinishReason.STOP, "p/m", 7, 1)


async def test_a_configured_model_extracts_and_its_tokens_are_counted(
    db: Database, memories: Memories, principal: Principal, agent: UUID, say, jobs: Jobs
) -> None:
    models = ScriptedModels('[{"fact": "Ada flies to Rome.", "turn": 1, "importance": 0.9, "bucket": "plans"}]')
    sleep_time = SleepTime(db, memories, Conversations(db), Upkeep(db, memories), Usage(db), jobs, models)

    await learn(sleep_time, db, principal, await say(agent, "Guess who is off to Rome!", "You?"))

    (memory,) = (await memories.list(principal, Window())).items
    assert (memory.content, memory.bucket, memory.source_seq) == ("Ada flies to Rome.", "plans", 1)
    assert memory.metadata == {"extracted_by": "p/m"}
    assert "[1] " in models.asked[0].messages[1].text
    (record,) = (await Usage(db).list(principal, Window())).items
    assert (record.input_tokens, record.agent_id, record.cost_micros) == (100, agent, 7)
