from uuid import UUID, uuid4

import pytest

from glia.identity.types import Principal
from glia.kit.db import Database
from glia.kit.errors import InvalidRequest, Unavailable
from glia.memory.errors import MemoryNotFound
from glia.memory.quality import quality_of
from glia.memory.service import Memories
from glia.memory.types import By, Draft, Embedding, Memory, MemorySettings, MemoryStatus, Origin, Policy, Scope, Tier
from glia.memory.upkeep import Upkeep


@pytest.fixture
def upkeep(db: Database, memories: Memories) -> Upkeep:
    return Upkeep(db, memories)


@pytest.fixture
def save(memories: Memories, principal: Principal, agent: UUID):
    async def save(content: str, origin: Origin | None = None, **more) -> Memory:
        return await memories.save(principal, Draft(content, agent, **more), origin)

    return save


async def age(db: Database, principal: Principal, memory: Memory, days: float, **values: object) -> None:
    async with db.transaction(principal.workspace_id) as tx:
        await tx.execute(
            """
            update memories set used_at = now() - make_interval(secs => %(s)s), created_at = now() -
              make_interval(secs => %(s)s), expires_at = expires_at - make_interval(secs => %(s)s),
              accesses = coalesce(%(accesses)s, accesses), reinforced = coalesce(%(reinforced)s, reinforced)
            where id = %(id)s""",
            id=memory.id,
            s=days * 86400,
            accesses=values.get("accesses"),
            reinforced=values.get("reinforced"),
        )


async def test_memories_that_say_nearly_the_same_become_one(
    upkeep: Upkeep, memories: Memories, principal: Principal, agent: UUID, save
) -> None:
    weak = await save("Ada drinks green tea every single morning at home.", importance=0.3, tier=Tier.LONG)
    strong = await save("Ada drinks green tea every morning at home.", importance=0.7, tier=Tier.SHORT)
    for other in (
        "Ada never drinks green tea every morning at home.",
        "Ada drinks green tea every morning at work in Lviv with Bob.",
        "The gate code is 1234 on every single day of the week.",
        "The gate code is 1235 on every single day of the week.",
    ):
        await save(other)
    await save("Ada drinks green tea every morning at home.", user_name="ada")

    assert await upkeep.consolidate(principal, agent, alike=0.8) == 1

    gone, kept = await memories.get(principal, weak.id), await memories.get(principal, strong.id)
    assert (gone.status, gone.superseded_by) == (MemoryStatus.SUPERSEDED, kept.id)
    assert (kept.tier, kept.importance, kept.reinforced) == (Tier.LONG, pytest.approx(0.7), 1)
    assert await upkeep.consolidate(principal, agent, alike=0.8) == 0
    assert (await memories.undo(principal, weak.id)).status is MemoryStatus.ACTIVE
    with pytest.raises(InvalidRequest, match="similarity_threshold"):
        await upkeep.consolidate(principal, agent, alike=0.1)


async def test_memories_that_prove_themselves_rise_and_the_others_run_out(
    upkeep: Upkeep, memories: Memories, principal: Principal, agent: UUID, save, db: Database
) -> None:
    used = await save("One.", tier=Tier.WORKING, importance=0.7)
    await age(db, principal, used, 0.02, accesses=3)
    learnt = await save("Two.", tier=Tier.SHORT)
    await age(db, principal, learnt, 2, reinforced=3)
    fresh = await save("Three.", tier=Tier.WORKING, importance=0.9)
    over = await save("Four.", tier=Tier.SHORT)
    await age(db, principal, over, 8)
    faded = await save("Five.", Origin(by=By.EXTRACTION), importance=0.2)
    await age(db, principal, faded, 400)
    kept = await save("Six.", importance=0.2)
    await age(db, principal, kept, 400)

    done = await upkeep.tend(principal, agent)

    assert (done.promoted, done.demoted, done.expired) == (2, 1, 1)
    tiers = {id: (await memories.get(principal, id)).tier for id in (used.id, learnt.id, fresh.id, faded.id, kept.id)}
    assert tiers == {
        used.id: Tier.SHORT,
        learnt.id: Tier.LONG,
        fresh.id: Tier.WORKING,
        faded.id: Tier.SHORT,
        kept.id: Tier.LONG,
    }
    assert (await memories.get(principal, over.id)).status is MemoryStatus.FORGOTTEN
    assert (await upkeep.settings(principal, agent)).tended_at is not None


async def test_what_one_session_learnt_stays_there_however_memories_are_kept_in_order(
    upkeep: Upkeep, memories: Memories, principal: Principal, agent: UUID, save, db: Database, say
) -> None:
    session = await say(agent, "I live in Lviv.")
    learnt = Origin(session_id=session, by=By.EXTRACTION)
    lasting = await save("Ada lives in Kyiv.")
    note = await save("Ada drinks green tea every single morning at home.")
    await save("Ada lives in Lviv.", learnt, tier=Tier.WORKING)
    await save("Ada drinks green tea every single morning at home now.", learnt, tier=Tier.WORKING, importance=0.9)
    private = await save("Ada looks for another job.", learnt, tier=Tier.WORKING, importance=0.8)
    await age(db, principal, private, 0.02, accesses=5)

    await upkeep.tend(principal, agent)
    await upkeep.consolidate(principal, agent, alike=0.8)
    summary = await upkeep.summarise(principal, agent, most=10)

    assert summary is not None
    assert summary.content == f"{lasting.content}\n{note.content}"
    assert not (await upkeep.check(principal, agent)).issues
    elsewhere = await memories.search(principal, "Ada", Scope(agent, is_narrow=True, session_id=uuid4()))
    assert [memory.id for memory in elsewhere.memories] == [summary.id]
    assert (await memories.get(principal, private.id)).tier is Tier.WORKING
    await upkeep.set_settings(principal, agent, MemorySettings(shares_sessions=True))
    assert (await upkeep.tend(principal, agent)).promoted == 1
    assert (await memories.get(principal, private.id)).tier is Tier.SHORT


async def test_strength_halves_with_time_and_use_slows_that(
    memories: Memories, principal: Principal, save, db: Database
) -> None:
    short = await save("One.", tier=Tier.SHORT, importance=0.8)
    long = await save("Two.", importance=0.8)
    used = await save("Three.", tier=Tier.SHORT, importance=0.8)
    for memory, accesses in ((short, 0), (long, 0), (used, 10)):
        await age(db, principal, memory, 7, accesses=accesses)
    strengths = [(await memories.get(principal, memory.id)).strength for memory in (short, long, used)]
    assert strengths[0] == pytest.approx(0.4, abs=0.01)
    assert strengths[1] == pytest.approx(0.76, abs=0.01)
    assert 0.6 < strengths[2] < 0.8


async def test_a_policy_says_what_goes_before_it_goes(
    upkeep: Upkeep, memories: Memories, principal: Principal, agent: UUID, save, db: Database
) -> None:
    old = await save("Old.", bucket="news")
    await age(db, principal, old, 40)
    weak = await save("Weak.", bucket="news", importance=0.1)
    rest = [await save(f"Item {n}.", bucket="news", importance=0.5 + n / 10) for n in range(4)]
    other = await save("Other.", bucket="else", importance=0.0)
    policy = Policy("news", max_age_seconds=30 * 86400, max_count=3, min_strength=0.2)
    await upkeep.set_policy(principal, agent, policy)

    foreseen = await upkeep.forget(principal, agent, is_dry_run=True)
    assert {one.id: one.reason for one in foreseen} == {old.id: "age", weak.id: "strength", rest[0].id: "count"}
    assert (await memories.get(principal, old.id)).status is MemoryStatus.ACTIVE

    assert {one.id for one in await upkeep.forget(principal, agent)} == {one.id for one in foreseen}
    assert (await memories.get(principal, old.id)).status is MemoryStatus.FORGOTTEN
    assert (await memories.get(principal, other.id)).status is MemoryStatus.ACTIVE
    assert (await memories.undo(principal, weak.id)).status is MemoryStatus.ACTIVE
    assert await upkeep.buckets(principal, agent) == ["else", "news"]

    assert await upkeep.policies(principal, agent) == [policy]
    await upkeep.delete_policy(principal, agent, "news")
    with pytest.raises(MemoryNotFound):
        await upkeep.delete_policy(principal, agent, "news")
    for wrong in (Policy("news"), Policy("news", max_count=-1), Policy("", max_count=1), Policy("a", min_strength=2)):
        with pytest.raises(InvalidRequest):
            await upkeep.set_policy(principal, agent, wrong)


async def test_a_policy_that_does_not_archive_deletes(
    upkeep: Upkeep, memories: Memories, principal: Principal, agent: UUID, save
) -> None:
    saved = await save("Gone.", bucket="news")
    await upkeep.forget(principal, agent, Policy("news", max_count=0, is_archiving=False))
    with pytest.raises(MemoryNotFound):
        await memories.get(principal, saved.id)


async def test_the_oldest_memories_become_a_summary(
    upkeep: Upkeep, memories: Memories, principal: Principal, agent: UUID, save
) -> None:
    parts = [await save(f"Fact number {n}.") for n in range(4)]
    summary = await upkeep.summarise(principal, agent, most=3)
    assert summary is not None
    assert summary.content == "Fact number 0.\nFact number 1.\nFact number 2."
    assert summary.importance == pytest.approx(0.8)
    assert (await memories.get(principal, parts[0].id)).superseded_by == summary.id
    assert (await memories.get(principal, parts[3].id)).status is MemoryStatus.ACTIVE
    assert await upkeep.summarise(principal, agent, most=2) is None
    assert (await memories.undo(principal, parts[0].id)).status is MemoryStatus.ACTIVE


async def test_damage_is_found_and_mended(
    upkeep: Upkeep, memories: Memories, principal: Principal, agent: UUID, save, db: Database
) -> None:
    lost = await save("The key is under the mat.")
    old = await save("Ada lives in Kyiv.")
    new = await save("Ada lives in Lviv.")
    async with db.transaction(principal.workspace_id) as tx:
        await tx.execute("delete from memory_words where memory_id = %(id)s", id=lost.id)
        await tx.execute("delete from memory_conflicts")
        await tx.execute("update memories set status = 'active', superseded_by = null where id = %(id)s", id=old.id)

    found = await upkeep.check(principal, agent)
    assert {(issue.memory_id, issue.kind) for issue in found.issues} == {
        (lost.id, "words_missing"),
        (old.id, "contradicted"),
    }
    assert found.repaired == 0
    assert (await memories.search(principal, "key mat", Scope(agent))).is_fallback

    assert (await upkeep.check(principal, agent, is_repairing=True)).repaired == 2
    assert (await upkeep.check(principal, agent)).issues == ()
    assert (await memories.search(principal, "key mat", Scope(agent))).memories[0].id == lost.id
    assert (await memories.get(principal, old.id)).superseded_by == new.id


async def test_vectors_that_are_missing_are_made_when_the_embedder_is_back(
    db: Database, principal: Principal, agent: UUID
) -> None:
    is_down = True

    async def embed(texts):
        if is_down:
            raise Unavailable("down")
        return ["[1,0]"] * len(texts)

    embedding = Embedding("two", embed)
    memories = Memories(db, embedding)
    upkeep = Upkeep(db, memories, embedding)
    await memories.save(principal, Draft("Ada likes tea.", agent))
    assert (await upkeep.tend(principal, agent)).embedded == 0
    assert [issue.kind for issue in (await upkeep.check(principal, agent)).issues] == ["vector_missing"]
    is_down = False
    assert (await upkeep.tend(principal, agent)).embedded == 1
    assert (await upkeep.check(principal, agent)).issues == ()


async def test_contradictions_among_old_memories_are_ended(
    upkeep: Upkeep, memories: Memories, principal: Principal, agent: UUID, save, db: Database
) -> None:
    ids = [(await save(f"Ada lives in {city}.")).id for city in ("Kyiv", "Lviv", "Odesa")]
    async with db.transaction(principal.workspace_id) as tx:
        await tx.execute("update memories set status = 'active'")
    assert await upkeep.resolve_conflicts(principal, agent) == 2
    assert [(await memories.get(principal, id)).status for id in ids] == [
        MemoryStatus.SUPERSEDED,
        MemoryStatus.SUPERSEDED,
        MemoryStatus.ACTIVE,
    ]


async def test_quality_ranks_the_worst_first(
    upkeep: Upkeep, memories: Memories, principal: Principal, agent, save
) -> None:
    good = await save("Ada drinks green tea every morning.", importance=0.9)
    bad = await save("it was", Origin(by=By.EXTRACTION), importance=0.1)
    for _ in range(3):
        await memories.feedback(principal, bad.id, is_useful=False)
    rated = await upkeep.qualities(principal, agent)
    assert [one.memory.id for one in rated] == [bad.id, good.id]
    assert rated[0].quality.accuracy < 0.5 < rated[1].quality.accuracy
    assert (await upkeep.quality(principal, good.id)).quality.overall > 0.8
    assert quality_of(good, good.used_at).freshness == 1


async def test_agents_of_others_are_unknown(upkeep: Upkeep, stranger: Principal, agent: UUID) -> None:
    for call in (upkeep.tend, upkeep.consolidate, upkeep.policies, upkeep.settings, upkeep.check, upkeep.qualities):
        with pytest.raises(InvalidRequest, match="no agent"):
            await call(stranger, agent)
