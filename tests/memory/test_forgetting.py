from uuid import UUID

import pytest
from tests.memory.test_upkeep import age

from glia.identity.types import Principal
from glia.kit.db import Database
from glia.kit.errors import InvalidRequest
from glia.kit.pages import Window
from glia.memory.forgetting import Forgetting
from glia.memory.service import Memories
from glia.memory.types import By, Draft, Filter, ForgetOrder, Memory, MemoryStatus, Origin, Preference, Strategy, Tier


@pytest.fixture
def forgetting(db: Database, memories: Memories) -> Forgetting:
    return Forgetting(db, memories)


@pytest.fixture
def save(memories: Memories, principal: Principal, agent: UUID):
    async def save(content: str, by: By = By.PERSON, **more) -> Memory:
        return await memories.save(principal, Draft(content, agent, **more), Origin(by=by))

    return save


@pytest.mark.parametrize(
    ("strategy", "goes"),
    [
        (Strategy.TIME, {"old and dear", "old and dull"}),
        (Strategy.IMPORTANCE, {"old and dull"}),
        (Strategy.RELEVANCE, {"old and dull"}),
        (Strategy.HYBRID, {"old and dull"}),
        (Strategy.CONFLICT, {"My dog is called Rex."}),
    ],
)
async def test_each_strategy_forgets_what_it_is_for(
    db: Database, forgetting: Forgetting, principal: Principal, agent: UUID, save, strategy: Strategy, goes: set[str]
) -> None:
    for content, days, importance in (
        ("old and dear", 40, 0.9),
        ("old and dull", 40, 0.1),
        ("new and dull", 1, 0.1),
        ("My dog is called Rex.", 20, 0.9),
        ("My dog is called Fido.", 10, 0.9),
    ):
        await age(db, principal, await save(content, importance=importance), days)

    gone = await forgetting.forget(principal, agent, ForgetOrder(strategy))

    assert {one.content for one in gone} == goes


async def test_what_is_forgotten_is_archived_unless_it_is_to_be_deleted(
    db: Database, forgetting: Forgetting, memories: Memories, principal: Principal, agent: UUID, save
) -> None:
    for number in range(4):
        await age(db, principal, await save(f"Fact {number}", importance=0.1 * (number + 1)), 8)

    seen = await forgetting.forget(principal, agent, ForgetOrder(max_count=3, min_strength=0.0), is_dry_run=True)
    archived = await forgetting.forget(principal, agent, ForgetOrder(max_count=3, min_strength=0.0))
    deleted = await forgetting.forget(
        principal, agent, ForgetOrder(max_count=2, min_strength=0.0, is_archiving=False, tiers=(Tier.LONG,))
    )

    assert seen == archived
    assert [one.content for one in archived + deleted] == ["Fact 0", "Fact 1"]
    assert {one.reason for one in archived} == {"count"}
    page = await memories.list(principal, Window(), Filter(agent_id=agent, status=None))
    assert {one.content: one.status for one in page.items} == {
        "Fact 0": MemoryStatus.FORGOTTEN,
        "Fact 2": MemoryStatus.ACTIVE,
        "Fact 3": MemoryStatus.ACTIVE,
    }
    with pytest.raises(InvalidRequest):
        await forgetting.forget(principal, agent, ForgetOrder(min_importance=2))


@pytest.mark.parametrize(
    ("prefer", "kept", "found"),
    [
        (Preference.NEWEST, "newer", "My dog is called Fido."),
        (Preference.MODEL, "newer", "My dog is called Fido."),
        (Preference.CONFIDENCE, "older", "My dog is called Rex."),
        (Preference.SOURCE, "older", "My dog is called Rex."),
        (Preference.MERGE, "merged", "My dog is called Fido. (Earlier: My dog is called Rex.)"),
    ],
)
async def test_conflicts_are_decided_as_asked(
    forgetting: Forgetting,
    memories: Memories,
    principal: Principal,
    agent: UUID,
    save,
    prefer: Preference,
    kept: str,
    found: str,
) -> None:
    await save("My dog is called Rex.", importance=0.9)
    await save("My dog is called Fido.", By.EXTRACTION, importance=0.4)

    [decision] = await forgetting.decide(principal, agent, prefer)
    again = await forgetting.decide(principal, agent, prefer)

    assert (decision.kept, decision.error) == (kept, None)
    assert again == []
    active = await memories.list(principal, Window(), Filter(agent_id=agent))
    assert [one.content for one in active.items] == [found]


async def test_memories_are_counted(memories: Memories, principal: Principal, agent: UUID, save) -> None:
    first, second = await save("One thing"), await save("Another thing")

    assert second.number > first.number
    assert await memories.numbered(principal, second.number) == second
