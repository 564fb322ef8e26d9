from uuid import UUID

import pytest
from tests.memory.conftest import Say
from tests.memory.test_upkeep import age

from glia.identity.types import Principal
from glia.kit.db import Database
from glia.kit.pages import Window
from glia.memory.answers import Answers, Recall, weight
from glia.memory.blocks import MemoryBlocks
from glia.memory.conversations import Conversations
from glia.memory.jobs import SleepTime
from glia.memory.promoting import Promoter
from glia.memory.service import Memories
from glia.memory.types import Draft, Filter, MemorySettings, MemoryStatus, Tier
from glia.memory.upkeep import Upkeep
from glia.usage.service import Usage


@pytest.fixture
def conversations(db: Database) -> Conversations:
    return Conversations(db)


@pytest.fixture
def answers(db: Database, memories: Memories, conversations: Conversations) -> Answers:
    return Answers(db, memories, conversations)


async def keep(db: Database, principal: Principal, agent: UUID, **settings: bool) -> None:
    await Upkeep(db, Memories(db)).set_settings(principal, agent, MemorySettings(keeps_answers=True, **settings))


async def kept(memories: Memories, principal: Principal, agent: UUID):
    return (await memories.list(principal, Window(), Filter(agent_id=agent))).items


async def test_each_answer_is_kept_once_for_an_hour_with_what_it_answers(
    db: Database, answers: Answers, memories: Memories, principal: Principal, agent: UUID, say: Say
) -> None:
    where = (principal.workspace_id, principal.project_id, agent)
    session = await say(agent, "Where is Ada?", "She is in Oslo.", user_name="bob")
    assert await answers.catch_up(*where) == 0  # nothing is kept unless it is wanted
    await keep(db, principal, agent)

    assert await answers.catch_up(*where) == 1
    assert await answers.catch_up(*where) == 0
    await say(agent, "And my password?", "Your password is hunter2-secret.", session=session)
    assert await answers.catch_up(*where) == 0
    await say(agent, "And Eve?", "In Rome.", session=session)
    assert await answers.catch_up(*where) == 1

    newest, oldest = await kept(memories, principal, agent)
    assert oldest.content == "Where is Ada?\nShe is in Oslo."
    assert newest.content == "And Eve?\nIn Rome."
    assert (oldest.tier, oldest.session_id, oldest.user_name) == (Tier.WORKING, session, "bob")
    assert oldest.expires_at is not None
    assert (oldest.expires_at - oldest.created_at).total_seconds() == pytest.approx(3600, abs=60)


async def test_the_sweep_keeps_answers_and_moves_memories_between_tiers(
    db: Database,
    answers: Answers,
    memories: Memories,
    conversations: Conversations,
    principal: Principal,
    agent: UUID,
    say: Say,
) -> None:
    await keep(db, principal, agent, shares_sessions=True)
    await say(agent, "Remember", "x" * 600 + " important decision")
    started: list[str] = []

    async def start_job(tx, *, workspace_id, project_id, kind, input):
        started.append(kind)
        return UUID(int=0)

    upkeep = Upkeep(db, memories)
    promoter = Promoter(db, upkeep, SleepTime(db, memories, conversations, upkeep, Usage(db), start_job))
    await answers.sweep()
    [memory] = await kept(memories, principal, agent)
    await age(db, principal, memory, 11 / 1440, accesses=3)
    stale = await memories.save(principal, Draft("Fades", agent, tier=Tier.WORKING))
    await age(db, principal, stale, 1)

    assert await promoter.sweep() >= 1
    assert await promoter.sweep() == 0

    assert (await memories.get(principal, memory.id)).tier is Tier.SHORT
    assert (await memories.get(principal, stale.id)).status is MemoryStatus.FORGOTTEN
    assert started.count("memory.tend") >= 1


async def test_a_run_is_told_what_fits_only_if_its_agent_recalls(
    db: Database, answers: Answers, memories: Memories, principal: Principal, agent: UUID, say: Say
) -> None:
    await memories.save(principal, Draft("The deploy key lives in the blue vault.", agent))
    await memories.save(principal, Draft("Bananas are yellow.", agent))
    session = await say(agent, "Where does the deploy key live?")

    def recall() -> Recall:
        return Recall(db, memories, MemoryBlocks(db), answers)

    assert (await recall().pinned(principal.workspace_id, agent, session)).text == ""
    await keep(db, principal, agent, recalls=True)
    text = (await recall().pinned(principal.workspace_id, agent, session)).text
    assert "blue vault" in text
    assert "Bananas" not in text


def test_weight_grows_with_length_tools_and_words_that_weigh() -> None:
    assert weight("Yes.", has_tools=False) == 0.5
    assert weight("A warning.", has_tools=True) == 0.8
    assert weight("x" * 600 + " important", has_tools=True) == 1.0
