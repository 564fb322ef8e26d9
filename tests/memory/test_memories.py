import asyncio
from collections.abc import Sequence
from uuid import UUID, uuid4

import pytest

from glia.agents.service import Agents
from glia.agents.types import AgentSpec
from glia.identity.types import Principal
from glia.kit.db import Database
from glia.kit.errors import Forbidden, InvalidRequest, Unavailable
from glia.kit.ids import new_id
from glia.kit.pages import Window, read_cursor
from glia.memory.errors import MemoryNotFound, NothingToUndo, VersionConflict
from glia.memory.service import Memories
from glia.memory.tools import memory_tools
from glia.memory.types import Draft, Embedding, Filter, Memory, MemoryStatus, Origin, Scope, Tier, Use
from glia.sessions.service import Sessions
from glia.tools.errors import InvalidArguments
from glia.tools.types import Effect, ToolContext


async def make_agent(db: Database, principal: Principal, name: str = "Clerk") -> UUID:
    return (await Agents(db).create(principal, AgentSpec(name=name))).id


async def save(memories: Memories, principal: Principal, content: str, agent_id: UUID | None = None, **more) -> Memory:
    return await memories.save(principal, Draft(content, agent_id, **more))


async def find(memories: Memories, principal: Principal, query: str, agent_id: UUID | None = None, **more) -> list[str]:
    recall = await memories.search(principal, query, Scope(agent_id), **more)
    return [] if recall.is_fallback else [memory.content for memory in recall.memories]


async def test_a_memory_is_kept_changed_and_forgotten(memories: Memories, principal: Principal, db: Database) -> None:
    agent = await make_agent(db, principal)
    saved = await save(memories, principal, " Ada likes tea. ", agent, metadata={"kind": "taste"})

    assert await memories.get(principal, saved.id) == saved
    assert (saved.content, saved.metadata, saved.run_id) == ("Ada likes tea.", {"kind": "taste"}, None)
    changed = await memories.update(principal, saved.id, {"content": "Ada likes coffee."})
    assert (changed.content, changed.metadata) == ("Ada likes coffee.", {"kind": "taste"})
    assert (await memories.search(principal, "coffee", Scope(agent))).memories == (changed,)

    await memories.delete(principal, saved.id)
    with pytest.raises(MemoryNotFound):
        await memories.get(principal, saved.id)


async def test_another_workspace_sees_nothing(
    memories: Memories, principal: Principal, stranger: Principal, db: Database
) -> None:
    agent = await make_agent(db, principal)
    saved = await save(memories, principal, "Ada likes tea.", agent)

    with pytest.raises(MemoryNotFound):
        await memories.get(stranger, saved.id)
    with pytest.raises(MemoryNotFound):
        await memories.update(stranger, saved.id, {"content": "Mine."})
    with pytest.raises(MemoryNotFound):
        await memories.delete(stranger, saved.id)
    assert (await memories.search(stranger, "tea", Scope(agent))).memories == ()
    assert (await memories.list(stranger, Window())).items == []
    assert (await memories.get(principal, saved.id)).content == "Ada likes tea."


async def test_nobody_can_save_for_an_agent_of_another_workspace(
    memories: Memories, principal: Principal, stranger: Principal, db: Database, unknown_id: UUID
) -> None:
    agent = await make_agent(db, principal)
    for id in (agent, unknown_id):
        with pytest.raises(InvalidRequest, match="There is no agent"):
            await save(memories, stranger, "Ada likes tea.", id)
    assert (await memories.list(principal, Window())).items == []


async def test_search_finds_words_names_and_other_languages(memories: Memories, principal: Principal) -> None:
    for content in (
        "She prefers green teas.",
        "They meet on Mondays; meetings are short.",
        "Łukasz wohnt in Köln.",
        "用户喜欢的颜色是蓝色",
        "The newest one is here.",
    ):
        await save(memories, principal, content, None)
    for query, found in {
        "what tea does she prefer": "She prefers green teas.",
        "meeting": "They meet on Mondays; meetings are short.",
        "Łukasz": "Łukasz wohnt in Köln.",
        "köln": "Łukasz wohnt in Köln.",
        "我最喜欢的颜色是什么": "用户喜欢的颜色是蓝色",
        "a&b | c:* !d ' \\": None,
        "what does the": None,
        "": None,
        "\0": None,
    }.items():
        recall = await memories.search(principal, query, Scope(None))

        assert recall.is_fallback == (found is None), query
        assert recall.memories[0].content == (found or "The newest one is here."), query


async def test_more_shared_words_rank_higher(memories: Memories, principal: Principal) -> None:
    await save(memories, principal, "The blue car of Ada is fast.", None)
    await save(memories, principal, "The blue sky.", None)
    recall = await memories.search(principal, "Ada blue car", Scope(None))
    assert [memory.content for memory in recall.memories] == ["The blue car of Ada is fast.", "The blue sky."]


async def test_an_agent_finds_its_own_and_common_memories_only(
    memories: Memories, principal: Principal, db: Database
) -> None:
    first, second = await make_agent(db, principal), await make_agent(db, principal, "Other")
    await save(memories, principal, "tea for the first", first)
    await save(memories, principal, "tea for the second", second)
    await save(memories, principal, "tea for all", None)

    recall = await memories.search(principal, "tea", Scope(first))

    assert {memory.content for memory in recall.memories} == {"tea for the first", "tea for all"}
    assert len((await memories.list(principal, Window(), Filter(first))).items) == 1


async def test_a_list_is_paged_newest_first(memories: Memories, principal: Principal) -> None:
    for number in range(3):
        await save(memories, principal, f"fact {number}", None)
    first = await memories.list(principal, Window(limit=2))
    second = await memories.list(principal, Window(limit=2, after=read_cursor(first.next_cursor)))
    assert [memory.content for memory in first.items + second.items] == ["fact 2", "fact 1", "fact 0"]


async def test_content_has_bounds(memories: Memories, principal: Principal) -> None:
    for content in ("", " \0 ", "x" * 8_001):
        with pytest.raises(InvalidRequest) as error:
            await save(memories, principal, content, None)
        assert error.value.field == "content"


async def test_a_key_without_the_scope_is_refused(memories: Memories, principal: Principal) -> None:
    reader = Principal(principal.workspace_id, principal.project_id, frozenset({"memory:read"}))
    with pytest.raises(Forbidden, match="memory:write"):
        await save(memories, reader, "Ada likes tea.")
    assert (await memories.search(reader, "tea", Scope(None))).memories == ()


async def make_context(db: Database, principal: Principal, key: str) -> ToolContext:
    agent = await make_agent(db, principal)
    session = await Sessions(db).create(principal, agent_id=agent)
    run_id = new_id()
    async with db.transaction(principal.workspace_id) as tx:
        await tx.execute(
            "insert into runs (id, workspace_id, project_id, session_id, status, is_background, engine_abi,"
            " root_run_id) values (%(id)s, %(ws)s, %(project)s, %(session)s, 'running', false, 1, %(id)s)",
            id=run_id,
            ws=principal.workspace_id,
            project=principal.project_id,
            session=session.id,
        )
    return ToolContext(principal.workspace_id, principal.project_id, agent, session.id, run_id, key)


async def test_a_save_that_is_repeated_after_a_crash_keeps_one_memory(
    memories: Memories, principal: Principal, db: Database
) -> None:
    save_tool, search_tool, _ = memory_tools(memories)
    context = await make_context(db, principal, "run:call-1")
    arguments = '{"content": "Ada likes tea."}'

    answers = await asyncio.gather(*(save_tool.call(context, arguments) for _ in range(4)))

    assert save_tool.effect is Effect.IDEMPOTENT
    assert len({answer.text for answer in answers}) == 1
    (memory,) = (await memories.list(principal, Window())).items
    assert (memory.session_id, memory.run_id) == (context.session_id, context.run_id)
    assert memory.agent_id == context.agent_id
    assert "Ada likes tea." in (await search_tool.call(context, '{"query": "tea"}')).text
    # The control: without a key every try is kept.
    for _ in range(2):
        await memories.save(principal, Draft("Ada likes tea.", context.agent_id), Origin())
    assert len((await memories.list(principal, Window())).items) == 3


async def test_the_search_tool_says_when_nothing_matches(
    memories: Memories, principal: Principal, db: Database
) -> None:
    save_tool, search_tool, _ = memory_tools(memories)
    context = await make_context(db, principal, "k")
    assert "Nothing has been remembered" in (await search_tool.call(context, '{"query": "tea"}')).text
    await save_tool.call(context, '{"content": "Ada likes tea."}')
    assert "newest memories" in (await search_tool.call(context, '{"query": "zebra"}')).text
    with pytest.raises(InvalidArguments):
        await save_tool.call(context, '{"content": ""}')


async def test_every_change_is_a_version_and_can_be_undone(memories: Memories, principal: Principal) -> None:
    saved = await save(memories, principal, "The office is in Kyiv.")
    await memories.update(principal, saved.id, {"content": "The office is in Lviv.", "importance": 0.9})
    await memories.update(principal, saved.id, {"tier": Tier.SHORT})

    back = await memories.undo(principal, saved.id)
    assert (back.content, back.tier, back.version) == ("The office is in Lviv.", Tier.LONG, 4)
    first = await memories.undo(principal, saved.id)
    assert (first.content, first.importance, first.version) == ("The office is in Kyiv.", 0.5, 5)
    assert await find(memories, principal, "Kyiv") == ["The office is in Kyiv."]
    assert await find(memories, principal, "Lviv") == []

    with pytest.raises(NothingToUndo):
        await memories.undo(principal, saved.id)
    changes = [version.change for version in await memories.versions(principal, saved.id)]
    assert changes == ["undone", "undone", "updated", "updated", "created"]


async def test_a_change_of_an_older_version_is_refused(memories: Memories, principal: Principal) -> None:
    saved = await save(memories, principal, "The office is in Kyiv.")

    results = await asyncio.gather(
        *(memories.update(principal, saved.id, {"content": f"It is in {n}."}, version=1) for n in range(3)),
        return_exceptions=True,
    )

    assert sum(isinstance(result, VersionConflict) for result in results) == 2
    # The control: without a version the last one wins in silence.
    await asyncio.gather(*(memories.update(principal, saved.id, {"importance": n / 3}) for n in range(3)))
    assert (await memories.get(principal, saved.id)).version == 5


async def test_the_newest_of_two_that_contradict_each_other_is_found(memories: Memories, principal: Principal) -> None:
    old = await save(memories, principal, "Ada lives in Kyiv.")
    new = await save(memories, principal, "Ada now lives in Lviv.")
    await save(memories, principal, "Ada likes tea.")
    await save(memories, principal, "Ada likes coffee.")
    await save(memories, principal, "Ada's car is blue.")

    assert (await find(memories, principal, "where does Ada live"))[:1] == ["Ada now lives in Lviv."]
    superseded = await memories.get(principal, old.id)
    assert (superseded.status, superseded.superseded_by) == (MemoryStatus.SUPERSEDED, new.id)
    (conflict,) = (await memories.conflicts(principal, Window())).items
    assert (conflict.older_id, conflict.newer_id, conflict.kept) == (old.id, new.id, "newer")

    decided = await memories.resolve(principal, conflict.id, "older")
    assert decided.kept == "older"
    assert (await memories.get(principal, old.id)).status is MemoryStatus.ACTIVE
    assert (await memories.get(principal, new.id)).status is MemoryStatus.SUPERSEDED
    await memories.resolve(principal, conflict.id, "both")
    assert {(await memories.get(principal, id)).status for id in (old.id, new.id)} == {MemoryStatus.ACTIVE}


async def test_facts_of_different_users_do_not_contradict_each_other(memories: Memories, principal: Principal) -> None:
    await save(memories, principal, "My home town is Kyiv.", user_name="ada")
    await save(memories, principal, "My home town is Lviv.", user_name="bob")
    assert (await memories.conflicts(principal, Window())).items == []


async def test_an_agent_sees_neither_other_users_nor_other_sessions(
    memories: Memories, principal: Principal, db: Database
) -> None:
    agent = await make_agent(db, principal)
    mine, other = [
        (await Sessions(db).create(principal, agent_id=agent, metadata={"user_name": name})).id
        for name in ("ada", "bob")
    ]
    await save(memories, principal, "tea of Ada", agent, user_name="ada")
    await save(memories, principal, "tea of Bob", agent, user_name="bob")
    await save(memories, principal, "tea of all", agent)
    for session in (mine, other):
        await memories.save(principal, Draft(f"tea in {session}", agent, tier=Tier.WORKING), Origin(session))

    recall = await memories.search(principal, "tea", Scope(agent, "ada", mine, is_narrow=True))
    nobody = await memories.search(principal, "tea", Scope(agent, None, mine, is_narrow=True))

    assert {memory.content for memory in recall.memories} == {"tea of Ada", "tea of all", f"tea in {mine}"}
    assert {memory.content for memory in nobody.memories} == {"tea of all", f"tea in {mine}"}
    # The control: a person sees all of them.
    assert len(await find(memories, principal, "tea", agent)) == 5


async def test_the_tools_keep_to_the_user_of_the_session(
    memories: Memories, principal: Principal, db: Database
) -> None:
    save_tool, search_tool, forget_tool = memory_tools(memories)
    agent = await make_agent(db, principal)
    contexts = []
    for name in ("ada", "bob"):
        session = await Sessions(db).create(principal, agent_id=agent, metadata={"user_name": name})
        contexts.append(ToolContext(principal.workspace_id, principal.project_id, agent, session.id, None, name))
    ada, bob = contexts
    saved = await save_tool.call(ada, '{"content": "Likes tea."}')

    assert "Likes tea." in (await search_tool.call(ada, '{"query": "tea"}')).text
    assert "Likes tea." not in (await search_tool.call(bob, '{"query": "tea"}')).text
    id = saved.text.removeprefix("Remembered as ").rstrip(".")
    for _ in range(2):
        assert (await forget_tool.call(bob, '{"content": "Likes tea."}')).is_error
        assert not (await forget_tool.call(ada, '{"content": "likes tea."}')).is_error
    assert "Likes tea." not in (await search_tool.call(ada, '{"query": "tea"}')).text
    assert (await memories.undo(principal, UUID(id))).status is MemoryStatus.ACTIVE
    assert (await forget_tool.call(ada, '{"content": "none"}')).is_error


async def test_feedback_moves_importance_and_with_it_the_order(memories: Memories, principal: Principal) -> None:
    good = await save(memories, principal, "The printer is on floor two.")
    bad = await save(memories, principal, "The printer is on floor six.")

    for _ in range(3):
        good = await memories.feedback(principal, good.id, is_useful=True)
        bad = await memories.feedback(principal, bad.id, is_useful=False, comment="It moved.")

    assert good.importance > 0.7
    assert bad.importance < 0.2
    assert (await memories.get(principal, bad.id)).not_useful == 3
    assert (await find(memories, principal, "printer floor"))[0] == good.content
    once = [await memories.feedback(principal, good.id, is_useful=True, source_key="k") for _ in range(2)]
    assert once[0].importance == once[1].importance


async def test_values_out_of_range_are_refused(memories: Memories, principal: Principal) -> None:
    saved = await save(memories, principal, "A fact.")
    for changes, field in (
        ({"importance": 1.5}, "importance"),
        ({"bucket": ""}, "bucket"),
        ({"content": "x" * 9_000}, "content"),
        ({"metadata": {"a": "\0"}}, "metadata"),
        ({"status": MemoryStatus.SUPERSEDED}, "status"),
    ):
        with pytest.raises(InvalidRequest) as error:
            await memories.update(principal, saved.id, changes)
        assert error.value.field == field
    recall = await memories.search(principal, "fact " * 20_000, Scope())
    assert recall.memories == (saved,)


async def test_a_search_marks_what_an_agent_uses(memories: Memories, principal: Principal) -> None:
    saved = await save(memories, principal, "The key is under the mat.", tier=Tier.SHORT)
    await memories.search(principal, "key", Scope())
    assert (await memories.get(principal, saved.id)).accesses == 0
    await asyncio.gather(*(memories.search(principal, "key", Scope(), use=Use()) for _ in range(3)))
    used = await memories.get(principal, saved.id)
    assert used.accesses >= 1
    assert used.expires_at > saved.expires_at


async def test_each_find_is_told_and_a_call_that_is_made_again_counts_once(
    memories: Memories, principal: Principal, stranger: Principal
) -> None:
    saved = await save(memories, principal, "The key is under the mat.")
    run, session = uuid4(), uuid4()
    for call in ("call_1", "call_2", "call_2"):
        await memories.search(principal, "key", Scope(), use=Use(session, run, f"{run}:{call}"))

    finds = (await memories.finds(principal, saved.id, Window())).items

    assert [find.tool_call_id for find in finds] == ["call_2", "call_1"]
    assert {find.run_id for find in finds} == {run}
    assert (await memories.get(principal, saved.id)).accesses == len(finds)
    with pytest.raises(MemoryNotFound):
        await memories.finds(stranger, saved.id, Window())


class Vectors:
    """Two directions: what speaks of drinks, and everything else."""

    def __init__(self) -> None:
        self.is_down = False

    async def embed(self, texts: Sequence[str]) -> list[str]:
        if self.is_down:
            raise Unavailable("The embedder is down.")
        drinks = ("tea", "coffee", "beverage")
        return ["[1,0]" if any(word in text.lower() for word in drinks) else "[0,1]" for text in texts]


async def test_meaning_finds_what_words_do_not(db: Database, principal: Principal) -> None:
    vectors = Vectors()
    memories = Memories(db, Embedding("two", vectors.embed))
    await save(memories, principal, "Ada likes tea.")
    await save(memories, principal, "The sky is blue.")

    assert await find(memories, principal, "which beverage") == ["Ada likes tea."]
    # The control: by words alone there is nothing.
    assert await find(Memories(db), principal, "which beverage") == []


async def test_an_embedder_that_is_down_costs_only_the_meaning(db: Database, principal: Principal) -> None:
    vectors = Vectors()
    vectors.is_down = True
    memories = Memories(db, Embedding("two", vectors.embed))
    await save(memories, principal, "Ada likes tea.")

    assert await find(memories, principal, "tea") == ["Ada likes tea."]
    vectors.is_down = False
    assert await find(memories, principal, "which beverage") == []
