"""Sessions that share a history, and files that hold one."""

import json
from uuid import UUID, uuid4

import orjson
import pytest

from glia.agents.types import ContextSettings
from glia.identity.types import Principal
from glia.kit.db import Database
from glia.kit.errors import InvalidRequest
from glia.models.types import AssistantMessage, ToolMessage, UserMessage
from glia.runs.events import MessageReceived, ModelResponded, ToolReturned
from glia.runs.exports import Exports
from glia.runs.forks import Forks
from glia.runs.model_calls import ModelCalls
from glia.runs.types import ForkPoint, RunStatus
from glia.sessions.errors import SessionNotFound
from glia.tools.types import ToolContext, ToolResult
from tests.conftest import DatabaseUrls
from tests.runs.rig import Rig, Say, ScriptedModel, make_tool, rig


def spoken(model: ScriptedModel) -> list[str]:
    return [m.text.strip() for m in model.requests[-1].messages if isinstance(m, UserMessage | AssistantMessage)]


async def answers(house: Rig, who: Principal, session: UUID) -> list[str]:
    return [message.content.strip() for message in await house.runs.messages(who, session)]


async def talk(house: Rig, who: Principal, session: UUID, *texts: str) -> None:
    for text in texts:
        await house.finish(who, await house.send(who, session, text))


async def spot(house: Rig, who: Principal, session: UUID, text: str) -> int:
    """Before a message was said."""
    for event in await house.events(who, session):
        if isinstance(event.payload, MessageReceived) and event.payload.content == text:
            return event.seq - 1
    raise AssertionError(text)


async def test_a_fork_goes_on_with_an_edited_message_and_the_original_stays(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    async with rig(db, database_urls.app, ScriptedModel(*map(Say, ("A", "B", "C")))) as house:
        session = await house.session(principal)
        await talk(house, principal, session, "First", "Second")
        forks = Forks(db, house.runs)
        at = await spot(house, principal, session, "Second")

        fork, accepted = await forks.fork(principal, session, ForkPoint(at=at, content="Instead"))
        assert accepted is not None
        await house.finish(principal, accepted)

        assert await answers(house, principal, fork.id) == ["First", "A", "Instead", "C"]
        assert await answers(house, principal, session) == ["First", "A", "Second", "B"]
        assert spoken(house.model) == ["First", "A", "Instead"]
        events = await house.events(principal, fork.id)
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        compared = await forks.compare(principal, session, fork.id)
        assert compared.shared == at
        assert compared.first.messages == [("user", "Second"), ("assistant", "B ")]
        assert compared.second.messages == [("user", "Instead"), ("assistant", "C ")]


async def test_a_fork_of_a_fork_reads_through_both(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    async with rig(db, database_urls.app, ScriptedModel(*map(Say, "ABCDE"))) as house:
        session = await house.session(principal)
        await talk(house, principal, session, "One", "Two")
        forks = Forks(db, house.runs)
        first, _ = await forks.fork(principal, session, ForkPoint(at=await spot(house, principal, session, "Two")))
        await talk(house, principal, first.id, "Three")
        second, _ = await forks.fork(principal, first.id, ForkPoint())
        early, _ = await forks.fork(principal, second.id, ForkPoint(at=await spot(house, principal, session, "One")))

        await talk(house, principal, second.id, "Four")
        await talk(house, principal, early.id, "Zero")

        assert await answers(house, principal, second.id) == ["One", "A", "Three", "C", "Four", "D"]
        assert await answers(house, principal, early.id) == ["Zero", "E"]


async def test_a_run_can_be_continued_from_the_middle(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    async def look(_context: ToolContext, _arguments: str) -> ToolResult:
        return ToolResult("seen")

    model = ScriptedModel(Say(calls=(("look", {}),)), Say("Old"), Say("New"))
    async with rig(db, database_urls.app, model, [make_tool("look", look)]) as house:
        session = await house.session(principal, tools=("look",))
        await talk(house, principal, session, "Look")
        returned = next(e.seq for e in await house.events(principal, session) if isinstance(e.payload, ToolReturned))

        fork, accepted = await Forks(db, house.runs).fork(
            principal, session, ForkPoint(at=returned + 1, is_continued=True)
        )
        assert accepted is not None
        await house.finish(principal, accepted)

        assert await answers(house, principal, fork.id) == ["Look", "New"]
        assert [m.text for m in model.requests[-1].messages if isinstance(m, ToolMessage)] == ["seen"]


async def test_a_fork_keeps_the_agent_version_that_was_at_work(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    async with rig(db, database_urls.app, ScriptedModel(*map(Say, "ABC"))) as house:
        session = await house.session(principal, instructions="Old ways.")
        await talk(house, principal, session, "One")
        agent = (await house.sessions.get(principal, session)).agent_id
        assert agent is not None
        await house.agents.update(principal, agent, {"instructions": "New ways."})
        forks = Forks(db, house.runs)

        pinned, _ = await forks.fork(principal, session, ForkPoint())
        loose, _ = await forks.fork(principal, session, ForkPoint(is_unpinned=True))
        await talk(house, principal, pinned.id, "Two")
        old = house.model.requests[-1].messages[0].text
        await talk(house, principal, loose.id, "Two")

        assert old == "Old ways."
        assert house.model.requests[-1].messages[0].text == "New ways."


async def test_a_wrong_place_is_refused(
    db: Database, database_urls: DatabaseUrls, principal: Principal, stranger: Principal
) -> None:
    async with rig(db, database_urls.app, ScriptedModel(Say("A"))) as house:
        session = await house.session(principal)
        forks = Forks(db, house.runs)

        with pytest.raises(InvalidRequest):
            await forks.fork(principal, session, ForkPoint(at=5))
        with pytest.raises(InvalidRequest):
            await forks.fork(principal, session, ForkPoint(is_continued=True))
        with pytest.raises(SessionNotFound):
            await forks.fork(stranger, session, ForkPoint())
        with pytest.raises(SessionNotFound):
            await forks.compare(principal, session, uuid4())


async def test_pruning_keeps_what_forks_read_and_what_people_see(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    small = ContextSettings(max_tokens=1000, compact_at=0.5, keep=0.2)
    async with rig(db, database_urls.app, ScriptedModel(*[Say("word " * 60)] * 12)) as house:
        session = await house.session(principal, context=small)
        await talk(house, principal, session, "One", "Two")
        forks = Forks(db, house.runs)
        fork, _ = await forks.fork(principal, session, ForkPoint())
        before = await house.events(principal, fork.id)
        await talk(house, principal, session, *(f"More {n}" for n in range(8)))
        shown = await answers(house, principal, session)

        removed = await forks.prune(principal, session)

        assert removed > 0
        assert await house.events(principal, fork.id) == before
        assert await answers(house, principal, session) == shown
        assert "text.delta" not in [e.type for e in (await house.events(principal, session))[len(before) :]]
        await talk(house, principal, session, "Still here?")
        await talk(house, principal, fork.id, "And here?")


async def test_an_exported_session_is_imported_as_evidence_and_replays_the_same(
    db: Database, database_urls: DatabaseUrls, principal: Principal, stranger: Principal
) -> None:
    async def look(_context: ToolContext, _arguments: str) -> ToolResult:
        return ToolResult("seen \x00")

    model = ScriptedModel(Say(calls=(("look", {}),)), Say("Done"), Say("Later"))
    async with rig(db, database_urls.app, model, [make_tool("look", look)]) as house:
        session = await house.session(principal, tools=("look",), instructions="Look around.")
        await talk(house, principal, session, "Look")
        exports = Exports(db, house.agents)
        file = await exports.session(principal, session)

        imported = await exports.import_session(stranger, file)

        mine, theirs = await house.events(principal, session), await house.events(stranger, imported.id)
        assert [(e.seq, e.type, e.at) for e in theirs] == [(e.seq, e.type, e.at) for e in mine]
        assert await answers(house, stranger, imported.id) == ["Look", "Done"]
        assert len(model.requests) == 2
        assert orjson.loads(file)["agents"][0]["instructions"] == "Look around."
        run = next(e.run_id for e in theirs if isinstance(e.payload, ModelResponded))
        assert run not in {e.run_id for e in mine}
        assert run is not None
        assert (await house.runs.get(stranger, run)).status is RunStatus.COMPLETED
        sent = await ModelCalls(db).get(stranger, run, 2)
        assert sent.instructions == "Look around."


async def test_an_imported_session_can_be_forked_with_an_agent_of_ones_own(
    db: Database, database_urls: DatabaseUrls, principal: Principal, stranger: Principal
) -> None:
    async with rig(db, database_urls.app, ScriptedModel(Say("A"), Say("B"))) as house:
        session = await house.session(principal)
        await talk(house, principal, session, "One")
        exports = Exports(db, house.agents)
        imported = await exports.import_session(stranger, await exports.session(principal, session))
        agent = (await house.sessions.get(stranger, await house.session(stranger))).agent_id

        _fork, accepted = await Forks(db, house.runs).fork(
            stranger, imported.id, ForkPoint(content="Two", agent_id=agent)
        )
        assert accepted is not None
        await house.finish(stranger, accepted)

        assert spoken(house.model) == ["One", "A", "Two"]


@pytest.mark.parametrize(
    "change",
    [
        lambda file: b"no json",
        lambda file: orjson.dumps(orjson.loads(file) | {"format": "other/2"}),
        lambda file: orjson.dumps(orjson.loads(file) | {"events": orjson.loads(file)["events"][::-1]}),
        lambda file: orjson.dumps({k: v for k, v in orjson.loads(file).items() if k != "runs"}),
        lambda file: file[: len(file) // 2],
    ],
)
async def test_a_damaged_file_is_refused_and_leaves_nothing(
    db: Database, database_urls: DatabaseUrls, principal: Principal, stranger: Principal, change
) -> None:
    async with rig(db, database_urls.app, ScriptedModel(Say("A"))) as house:
        session = await house.session(principal)
        await talk(house, principal, session, "One")
        exports = Exports(db, house.agents)
        file = change(await exports.session(principal, session))

        with pytest.raises(InvalidRequest):
            await exports.import_session(stranger, file)

        async with db.transaction(stranger.workspace_id) as tx:
            assert await tx.value("select count(*) from sessions") == 0


async def test_a_model_call_shows_exactly_what_was_sent(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    async def look(_context: ToolContext, _arguments: str) -> ToolResult:
        return ToolResult("seen")

    model = ScriptedModel(Say("Let me see", calls=(("look", {"n": 1}),)), Say("Done"))
    async with rig(db, database_urls.app, model, [make_tool("look", look)]) as house:
        session = await house.session(principal, tools=("look",), instructions="Look around.")
        accepted = await house.send(principal, session, "Look")
        await house.finish(principal, accepted)
        calls = ModelCalls(db)

        listed = await calls.list(principal, accepted.run_id)
        for number, request in enumerate(model.requests, 1):
            sent = await calls.get(principal, accepted.run_id, number)

            assert sent.instructions == request.messages[0].text
            assert [message["content"] for message in sent.messages] == [m.text for m in request.messages[1:]]
            assert [tool["name"] for tool in sent.tools] == [tool.name for tool in request.tools]
            assert abs(sum(part.share for part in sent.parts) - 1) < 0.001
            assert {part.kind for part in sent.parts} >= {"instructions", "tool", "user"}
        assert [call.step for call in listed] == [1, 2]


@pytest.mark.parametrize(
    ("place", "name", "value"),
    [
        ("events", "seq", 2**70),
        ("message.received", "role", [1]),
        ("model.responded", "step", {"a": 1}),
        ("run.completed", "dropped_citations", "many"),
    ],
)
async def test_a_damaged_export_is_refused_before_anything_is_kept(
    db: Database, database_urls: DatabaseUrls, principal: Principal, place: str, name: str, value: object
) -> None:
    async with rig(db, database_urls.app, ScriptedModel(Say("A"))) as house:
        session = await house.session(principal)
        await house.finish(principal, await house.send(principal, session, "One"))
        exports = Exports(db, house.agents)
        file = orjson.loads(await exports.session(principal, session))
        await exports.import_session(principal, orjson.dumps(file))  # whole, it is taken
        if place == "events":
            damaged = json.dumps(file | {"events": [*file["events"][:-1], file["events"][-1] | {name: value}]}).encode()
        else:
            next(event for event in file["events"] if event["type"] == place)["data"][name] = value
            damaged = orjson.dumps(file)

        with pytest.raises(InvalidRequest, match="cannot be imported"):
            await exports.import_session(principal, damaged)
