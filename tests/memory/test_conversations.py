import asyncio
from uuid import UUID

import pytest

from glia.identity.types import Principal
from glia.kit.db import Database
from glia.kit.errors import Forbidden, InvalidRequest, Unavailable
from glia.memory.conversations import Conversations
from glia.memory.service import Memories
from glia.memory.tools import conversation_search
from glia.memory.types import Embedding, MemorySettings
from glia.memory.upkeep import Upkeep
from glia.runs.live import Live
from glia.runs.messages import Messages
from glia.sessions.service import Sessions
from glia.tools.types import ToolContext


@pytest.fixture
def conversations(db: Database) -> Conversations:
    return Conversations(db)


async def test_a_turn_is_found_with_what_was_said_around_it(
    conversations: Conversations, principal: Principal, agent: UUID, say
) -> None:
    session = await say(agent, "Which train goes to Lviv?", "The one at nine.", "Good.", "Anything else?")

    (first, *_) = await conversations.search(principal, "train to Lviv", agent_id=agent)

    assert (first.session_id, first.seq, first.role, first.text) == (session, 1, "user", "Which train goes to Lviv?")
    assert (first.before, first.after) == ("", "assistant: The one at nine.")
    found = await conversations.search(principal, "train", agent_id=agent)
    # The answer does not say "train"; it is found through the question before it, behind the question itself.
    assert [turn.text for turn in found][:2] == ["Which train goes to Lviv?", "The one at nine."]


async def test_a_turn_is_found_by_its_date(
    conversations: Conversations, principal: Principal, agent: UUID, say, db: Database
) -> None:
    await say(agent, "I bought a boat.", days_ago=400)
    session = await say(agent, "I bought a car.")
    async with db.transaction(principal.workspace_id) as tx:
        year = await tx.value("select extract(year from now())::int")
    (first, *_) = await conversations.search(principal, f"bought in {year}", agent_id=agent)
    assert first.session_id == session


async def test_what_is_said_later_is_found_too_and_nothing_twice(
    conversations: Conversations, principal: Principal, agent: UUID, say
) -> None:
    session = await say(agent, "The first boat.")
    await conversations.search(principal, "boat", agent_id=agent)
    await say(agent, "A second boat.", "And a third boat.", session=session)

    found = await asyncio.gather(*(conversations.search(principal, "boat", agent_id=agent) for _ in range(4)))

    for turns in found:
        assert sorted(turn.seq for turn in turns) == [1, 2, 3]


async def test_text_that_postgresql_cannot_look_into_is_read(
    conversations: Conversations, principal: Principal, agent: UUID, say, db: Database
) -> None:
    session = await say(agent, "A \0 boat and a \\u0000 backslash.", "Aye \\ud800.")
    async with db.transaction(principal.workspace_id) as tx:
        for seq, data in ((3, '{"role": "user", "content": "\\ud800 broken boat"}'), (4, '{"role": "user"}')):
            await tx.execute(
                "insert into events (session_id, seq, workspace_id, type, data)"
                " values (%(id)s, %(seq)s, %(ws)s, 'message.received', %(data)s)",
                id=session,
                seq=seq,
                ws=principal.workspace_id,
                data=data,
            )
        await tx.execute("update sessions set last_seq = 4 where id = %(id)s", id=session)
    found = await conversations.search(principal, "boat", agent_id=agent)
    assert found[0].text == "A  boat and a \\u0000 backslash."


async def test_an_agent_recalls_other_sessions_only_where_that_was_allowed(
    conversations: Conversations, principal: Principal, agent: UUID, say, db: Database
) -> None:
    own = await say(agent, "My boat is here.", user_name="ada")
    earlier = await say(agent, "My boat is red.", user_name="ada")
    await say(agent, "My boat is Bob's.", user_name="bob")
    await say(agent, "My boat is nobody's.")

    async def recall() -> set[UUID]:
        found = await conversations.search_as_agent(principal, "boat", agent_id=agent, session_id=own)
        return {turn.session_id for turn in found}

    assert await recall() == {own}
    await Upkeep(db, Memories(db)).set_settings(principal, agent, MemorySettings(shares_sessions=True))
    assert await recall() == {own, earlier}


async def test_deleted_sessions_and_other_workspaces_are_not_found(
    conversations: Conversations, principal: Principal, stranger: Principal, agent: UUID, say, db: Database
) -> None:
    session = await say(agent, "The secret boat.")
    assert await conversations.search(principal, "boat", agent_id=agent)
    assert await conversations.search(stranger, "boat", agent_id=agent) == []

    await Sessions(db).delete(principal, session)
    assert await conversations.search(principal, "boat", agent_id=agent) == []


async def test_the_tool_answers_with_turns_and_their_neighbours(
    conversations: Conversations, principal: Principal, agent: UUID, say
) -> None:
    session = await say(agent, "Which train goes to Lviv?", "The one at nine.")
    tool = conversation_search(conversations)
    context = ToolContext(principal.workspace_id, principal.project_id, agent, session, None, "k")

    answer = await tool.call(context, '{"query": "train"}')

    assert "user: Which train goes to Lviv?\nassistant: The one at nine." in answer.text
    assert "Nothing" in (await tool.call(context, '{"query": "zebra"}')).text


async def test_bounds(conversations: Conversations, principal: Principal, agent: UUID, say) -> None:
    await say(agent, "boat " * 30_000)
    (turn,) = await conversations.search(principal, "boat " * 20_000 + "\0", agent_id=agent)
    assert len(turn.text) <= 20_000
    with pytest.raises(InvalidRequest, match="limit"):
        await conversations.search(principal, "boat", agent_id=agent, limit=1_000)
    nobody = Principal(principal.workspace_id, principal.project_id, frozenset({"memory:read"}))
    with pytest.raises(Forbidden):
        await conversations.search(nobody, "boat", agent_id=agent)


async def test_meaning_helps_where_the_words_differ(db: Database, principal: Principal, agent: UUID, say) -> None:
    is_down = False

    async def embed(texts):
        if is_down:
            raise Unavailable("down")
        return ["[1,0]" if "ship" in text or "boat" in text else "[0,1]" for text in texts]

    conversations = Conversations(db, Embedding("two", embed))
    await say(agent, "My boat is red.", "I see.", "The sky is blue.", "Yes.", "It rains.", "It does.")
    await conversations.catch_up(principal.workspace_id, agent_id=agent)
    while await conversations.embed_some(principal.workspace_id, agent):
        pass

    found = await conversations.search(principal, "ship", agent_id=agent)
    assert found[0].text in {"My boat is red.", "I see."}
    # The control: by words alone there is nothing; and an embedder that is down costs only the meaning.
    assert await Conversations(db).search(principal, "ship", agent_id=agent) == []
    is_down = True
    assert (await conversations.search(principal, "boat", agent_id=agent))[0].text == "My boat is red."


async def test_what_people_asked_in_a_session_comes_in_order(
    db: Database, principal: Principal, agent: UUID, say, stranger: Principal
) -> None:
    said = [f"{'Question' if number % 2 == 0 else 'Answer'} {number}" for number in range(20)]
    session = await say(agent, *said)
    conversations = Conversations(db)

    assert await conversations.asked(principal.workspace_id, session) == [
        f"Question {number}" for number in range(8, 20, 2)
    ]
    assert await conversations.asked(stranger.workspace_id, session) == []


async def test_a_changed_message_is_found_as_it_reads_now_and_a_deleted_one_not_at_all(
    conversations: Conversations, principal: Principal, agent: UUID, say, db: Database
) -> None:
    session = await say(agent, "My secret is Rumpelstiltskin.", "Noted.", "I live in Lviv.", "A fine town.")
    assert await conversations.search(principal, "Rumpelstiltskin", agent_id=agent)
    messages = Messages(db, Live(db))

    await messages.edit(principal, session, 3, content="I live in Odesa.")
    await messages.delete(principal, session, 1)

    async def texts(query: str) -> list[str]:
        return [turn.text for turn in await conversations.search(principal, query, agent_id=agent)]

    assert await texts("Rumpelstiltskin") == await texts("Lviv") == []
    assert (await texts("Odesa"))[0] == "I live in Odesa."
    assert await conversations.asked(principal.workspace_id, session) == ["I live in Odesa."]
    await say(agent, "Odesa it is.", session=session)
    assert sorted(await texts("Odesa")) == ["A fine town.", "I live in Odesa.", "Noted.", "Odesa it is."]
