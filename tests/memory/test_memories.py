import asyncio
from uuid import UUID

import pytest

from glia.agents.service import Agents
from glia.agents.types import AgentSpec
from glia.identity.types import Principal
from glia.kit.db import Database
from glia.kit.errors import Forbidden, InvalidRequest
from glia.kit.ids import new_id
from glia.kit.pages import Window, read_cursor
from glia.memory.errors import MemoryNotFound
from glia.memory.service import Memories, terms_of
from glia.memory.tools import memory_tools
from glia.memory.types import Origin
from glia.sessions.service import Sessions
from glia.tools.errors import InvalidArguments
from glia.tools.types import Effect, ToolContext


@pytest.fixture
def memories(db: Database) -> Memories:
    return Memories(db)


async def make_agent(db: Database, principal: Principal, name: str = "Clerk") -> UUID:
    return (await Agents(db).create(principal, AgentSpec(name=name))).id


async def test_a_memory_is_kept_changed_and_forgotten(memories: Memories, principal: Principal, db: Database) -> None:
    agent = await make_agent(db, principal)
    saved = await memories.save(principal, " Ada likes tea. ", agent_id=agent, metadata={"kind": "taste"})

    assert await memories.get(principal, saved.id) == saved
    assert (saved.content, saved.metadata, saved.run_id) == ("Ada likes tea.", {"kind": "taste"}, None)
    changed = await memories.update(principal, saved.id, content="Ada likes coffee.")
    assert (changed.content, changed.metadata) == ("Ada likes coffee.", {"kind": "taste"})
    assert (await memories.search(principal, "coffee", agent_id=agent)).memories == (changed,)

    await memories.delete(principal, saved.id)
    with pytest.raises(MemoryNotFound):
        await memories.get(principal, saved.id)


async def test_another_workspace_sees_nothing(
    memories: Memories, principal: Principal, stranger: Principal, db: Database
) -> None:
    agent = await make_agent(db, principal)
    saved = await memories.save(principal, "Ada likes tea.", agent_id=agent)

    with pytest.raises(MemoryNotFound):
        await memories.get(stranger, saved.id)
    with pytest.raises(MemoryNotFound):
        await memories.update(stranger, saved.id, content="Mine.")
    with pytest.raises(MemoryNotFound):
        await memories.delete(stranger, saved.id)
    assert (await memories.search(stranger, "tea", agent_id=agent)).memories == ()
    assert (await memories.list(stranger, Window())).items == []
    assert (await memories.get(principal, saved.id)).content == "Ada likes tea."


async def test_nobody_can_save_for_an_agent_of_another_workspace(
    memories: Memories, principal: Principal, stranger: Principal, db: Database, unknown_id: UUID
) -> None:
    agent = await make_agent(db, principal)
    for id in (agent, unknown_id):
        with pytest.raises(InvalidRequest, match="There is no agent"):
            await memories.save(stranger, "Ada likes tea.", agent_id=id)
    assert (await memories.list(principal, Window())).items == []


async def test_search_finds_words_names_and_other_languages(memories: Memories, principal: Principal) -> None:
    for content in (
        "She prefers green teas.",
        "They meet on Mondays; meetings are short.",
        "Łukasz wohnt in Köln.",
        "用户喜欢的颜色是蓝色",
        "The newest one is here.",
    ):
        await memories.save(principal, content, agent_id=None)
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
        recall = await memories.search(principal, query, agent_id=None)

        assert recall.is_fallback == (found is None), query
        assert recall.memories[0].content == (found or "The newest one is here."), query


async def test_more_shared_words_rank_higher(memories: Memories, principal: Principal) -> None:
    await memories.save(principal, "The blue car of Ada is fast.", agent_id=None)
    await memories.save(principal, "The blue sky.", agent_id=None)
    recall = await memories.search(principal, "Ada blue car", agent_id=None)
    assert [memory.content for memory in recall.memories] == ["The blue car of Ada is fast.", "The blue sky."]


async def test_an_agent_finds_its_own_and_common_memories_only(
    memories: Memories, principal: Principal, db: Database
) -> None:
    first, second = await make_agent(db, principal), await make_agent(db, principal, "Other")
    await memories.save(principal, "tea for the first", agent_id=first)
    await memories.save(principal, "tea for the second", agent_id=second)
    await memories.save(principal, "tea for all", agent_id=None)

    recall = await memories.search(principal, "tea", agent_id=first)

    assert {memory.content for memory in recall.memories} == {"tea for the first", "tea for all"}
    assert len((await memories.list(principal, Window(), agent_id=first)).items) == 1


async def test_a_list_is_paged_newest_first(memories: Memories, principal: Principal) -> None:
    for number in range(3):
        await memories.save(principal, f"fact {number}", agent_id=None)
    first = await memories.list(principal, Window(limit=2))
    second = await memories.list(principal, Window(limit=2, after=read_cursor(first.next_cursor)))
    assert [memory.content for memory in first.items + second.items] == ["fact 2", "fact 1", "fact 0"]


async def test_content_has_bounds(memories: Memories, principal: Principal) -> None:
    for content in ("", " \0 ", "x" * 8_001):
        with pytest.raises(InvalidRequest) as error:
            await memories.save(principal, content, agent_id=None)
        assert error.value.field == "content"


async def test_a_key_without_the_scope_is_refused(memories: Memories, principal: Principal) -> None:
    reader = Principal(principal.workspace_id, principal.project_id, frozenset({"memory:read"}))
    with pytest.raises(Forbidden, match="memory:write"):
        await memories.save(reader, "Ada likes tea.", agent_id=None)
    assert (await memories.search(reader, "tea", agent_id=None)).memories == ()


async def make_context(db: Database, principal: Principal, key: str) -> ToolContext:
    agent = await make_agent(db, principal)
    session = await Sessions(db).create(principal, agent_id=agent)
    run_id = new_id()
    async with db.transaction(principal.workspace_id) as tx:
        await tx.execute(
            "insert into runs (id, workspace_id, project_id, session_id, status, is_background, engine_abi)"
            " values (%(id)s, %(ws)s, %(project)s, %(session)s, 'running', false, 1)",
            id=run_id,
            ws=principal.workspace_id,
            project=principal.project_id,
            session=session.id,
        )
    return ToolContext(principal.workspace_id, principal.project_id, agent, session.id, run_id, key)


async def test_a_save_that_is_repeated_after_a_crash_keeps_one_memory(
    memories: Memories, principal: Principal, db: Database
) -> None:
    save, search = memory_tools(memories)
    context = await make_context(db, principal, "run:call-1")
    arguments = '{"content": "Ada likes tea."}'

    answers = await asyncio.gather(*(save.call(context, arguments) for _ in range(4)))

    assert save.effect is Effect.IDEMPOTENT
    assert len({answer.text for answer in answers}) == 1
    (memory,) = (await memories.list(principal, Window())).items
    assert (memory.session_id, memory.run_id) == (context.session_id, context.run_id)
    assert memory.agent_id == context.agent_id
    assert "Ada likes tea." in (await search.call(context, '{"query": "tea"}')).text
    # The control: without a key every try is kept.
    for _ in range(2):
        await memories.save(principal, "Ada likes tea.", agent_id=context.agent_id, origin=Origin())
    assert len((await memories.list(principal, Window())).items) == 3


async def test_the_search_tool_says_when_nothing_matches(
    memories: Memories, principal: Principal, db: Database
) -> None:
    save, search = memory_tools(memories)
    context = await make_context(db, principal, "k")
    assert "Nothing has been remembered" in (await search.call(context, '{"query": "tea"}')).text
    await save.call(context, '{"content": "Ada likes tea."}')
    assert "newest memories" in (await search.call(context, '{"query": "zebra"}')).text
    with pytest.raises(InvalidArguments):
        await save.call(context, '{"content": ""}')


def test_terms_are_words_and_pairs() -> None:
    assert terms_of("Ada & 颜色是") == ["ada", "颜色", "色是"]
