"""Messages to a session at which a run is at work."""

import asyncio
from uuid import UUID

import pytest

from glia.identity.types import Principal
from glia.kit.db import Database
from glia.models.types import AssistantMessage, UserMessage
from glia.runs.errors import SessionBusy, SessionQueueFull
from glia.runs.events import ModelResponded, RunCancelled, RunCompleted
from glia.runs.types import RunStatus
from glia.tools.types import ToolContext, ToolResult
from tests.conftest import DatabaseUrls
from tests.runs.rig import Rig, Say, ScriptedModel, make_tool, rig


def spoken(model: ScriptedModel, request: int = -1) -> list[str]:
    return [m.text.strip() for m in model.requests[request].messages if isinstance(m, UserMessage | AssistantMessage)]


async def answers(house: Rig, who: Principal, session: UUID) -> list[str]:
    return [message.content.strip() for message in await house.runs.messages(who, session)]


class Door:
    """A tool that holds a run until the test lets it go on."""

    def __init__(self) -> None:
        self.reached, self.opened = asyncio.Event(), asyncio.Event()

    async def __call__(self, _context: ToolContext, _arguments: str) -> ToolResult:
        self.reached.set()
        async with asyncio.timeout(60):
            await self.opened.wait()
        return ToolResult("open")

    async def is_reached(self) -> None:
        async with asyncio.timeout(60):
            await self.reached.wait()


async def test_a_message_is_refused_while_a_run_works_unless_the_client_says_otherwise(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    door = Door()
    model = ScriptedModel(Say(calls=(("door", {}),)), Say("Done"))
    async with rig(db, database_urls.app, model, [make_tool("door", door)]) as house:
        session = await house.session(principal, tools=("door",))
        await house.send(principal, session, "First")
        await door.is_reached()

        with pytest.raises(SessionBusy) as refused:
            await house.send(principal, session, "Second")

        assert "when_busy" in str(refused.value)
        door.opened.set()


async def test_a_queued_message_is_answered_after_the_run_before_it(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    door = Door()
    model = ScriptedModel(Say(calls=(("door", {}),)), Say("One"), Say("Two"), Say("Three"))
    async with rig(db, database_urls.app, model, [make_tool("door", door)]) as house:
        session = await house.session(principal, tools=("door",))
        await house.send(principal, session, "First")
        await door.is_reached()
        second = await house.send(principal, session, "Second", when_busy="queue")
        third = await house.send(principal, session, "Third", when_busy="queue")
        assert (second.outcome, third.outcome) == ("queued", "queued")
        assert (await house.runs.get(principal, third.run_id)).status is RunStatus.QUEUED
        door.opened.set()

        await house.finish(principal, third)

        assert await answers(house, principal, session) == ["First", "One", "Second", "Two", "Third", "Three"]
        assert spoken(model) == ["First", "", "One", "Second", "Two", "Third"]


async def test_an_interrupting_message_stops_the_run_and_keeps_what_was_said(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    model = ScriptedModel(Say(" ".join(["word"] * 9999), pause_seconds=0.05), Say("Instead"))
    async with rig(db, database_urls.app, model) as house:
        session = await house.session(principal)
        first = await house.send(principal, session, "Talk")
        async with asyncio.timeout(60):
            while "text.delta" not in await house.types(principal, session):
                await asyncio.sleep(0.01)

        second = await house.send(principal, session, "Stop, do this", when_busy="interrupt")
        last = await house.finish(principal, second)

        assert isinstance(last.payload, RunCompleted)
        assert (await house.runs.get(principal, first.run_id)).status is RunStatus.CANCELLED
        said = await answers(house, principal, session)
        assert said[0] == "Talk"
        assert said[1].startswith("word")
        assert said[2:] == ["Stop, do this", "Instead"]


async def test_a_steering_message_is_heard_before_the_next_model_call(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    door = Door()
    model = ScriptedModel(Say(calls=(("door", {}),)), Say("In French then"))
    async with rig(db, database_urls.app, model, [make_tool("door", door)]) as house:
        session = await house.session(principal, tools=("door",))
        first = await house.send(principal, session, "Greet")
        await door.is_reached()

        steered = await house.send(principal, session, "In French", when_busy="steer")
        door.opened.set()
        await house.finish(principal, first)

        assert (steered.outcome, steered.run_id) == ("steered", first.run_id)
        assert spoken(model) == ["Greet", "", "In French"]


async def test_a_steering_message_that_comes_during_the_last_answer_is_answered_too(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    async with rig(db, database_urls.app, ScriptedModel()) as house:
        session = await house.session(principal)

        async def speak() -> None:
            await house.send(principal, session, "And the weather?", when_busy="steer")

        house.model.script = [Say("The time", before=speak), Say("The weather"), Say("Both")]
        last = await house.finish(principal, await house.send(principal, session, "What time is it?"))

        assert isinstance(last.payload, RunCompleted)
        assert last.payload.message is not None
        assert last.payload.message.content.strip() == "The weather"
        assert spoken(house.model) == ["What time is it?", "The time", "And the weather?"]
        # And whoever reads the log later sees the same order.
        await house.finish(principal, await house.send(principal, session, "Thanks"))
        asked = ["What time is it?", "The time", "And the weather?", "The weather", "Thanks"]
        assert spoken(house.model) == asked


async def test_a_run_taken_over_by_another_worker_still_hears_what_it_was_told(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    door = Door()
    async with rig(
        db, database_urls.app, ScriptedModel(Say(calls=(("door", {}),))), [make_tool("door", door)]
    ) as house:
        session = await house.session(principal, tools=("door",))
        first = await house.send(principal, session, "Greet")
        await door.is_reached()
        await house.send(principal, session, "In French", when_busy="steer")

    second = Door()
    second.opened.set()
    async with rig(db, database_urls.app, ScriptedModel(Say("Bonjour")), [make_tool("door", second)]) as house:
        await house.finish(principal, first)

        assert spoken(house.model) == ["Greet", "", "In French"]


async def test_steering_a_session_where_nothing_runs_is_an_ordinary_message(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    async with rig(db, database_urls.app, ScriptedModel(Say("Hello"))) as house:
        session = await house.session(principal)

        accepted = await house.send(principal, session, "Hi", when_busy="steer")

        assert accepted.outcome == "accepted"
        assert isinstance((await house.finish(principal, accepted)).payload, RunCompleted)


async def test_a_key_begins_a_run_only_once(db: Database, database_urls: DatabaseUrls, principal: Principal) -> None:
    async with rig(db, database_urls.app, ScriptedModel(Say("Once"))) as house:
        session = await house.session(principal)
        agent = (await house.sessions.get(principal, session)).agent_id
        assert agent is not None
        start = [house.start(principal, agent, "Go", dedupe_key="today") for _ in range(8)]

        started = await asyncio.gather(*start)

        assert len({accepted.run_id for accepted in started}) == 1
        assert [accepted.outcome for accepted in started].count("accepted") == 1
        await house.finish(principal, started[0])
        assert len(house.model.requests) == 1


async def test_a_cancelled_queued_message_never_enters_the_conversation(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    door = Door()
    model = ScriptedModel(Say(calls=(("door", {}),)), Say("One"))
    async with rig(db, database_urls.app, model, [make_tool("door", door)]) as house:
        session = await house.session(principal, tools=("door",))
        first = await house.send(principal, session, "First")
        await door.is_reached()
        second = await house.send(principal, session, "Second", when_busy="queue")

        await house.runs.cancel(principal, second.run_id)
        door.opened.set()
        await house.finish(principal, first)

        assert await answers(house, principal, session) == ["First", "One"]
        events = await house.events(principal, session)
        assert sum(isinstance(event.payload, RunCancelled) for event in events) == 1
        assert all(event.payload.heard for event in events if isinstance(event.payload, ModelResponded))


async def test_a_session_holds_no_more_than_a_hundred_messages_in_its_queue(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    door = Door()
    async with rig(
        db, database_urls.app, ScriptedModel(Say(calls=(("door", {}),))), [make_tool("door", door)]
    ) as house:
        session = await house.session(principal, tools=("door",))
        await house.send(principal, session, "First")
        await door.is_reached()
        for number in range(100):
            await house.send(principal, session, f"Message {number}", when_busy="queue")

        with pytest.raises(SessionQueueFull):
            await house.send(principal, session, "One more", when_busy="queue")
