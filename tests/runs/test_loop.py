import asyncio

import orjson
import pytest

from glia.agents.types import Limits
from glia.identity.types import Principal
from glia.kit import telemetry
from glia.kit.db import Database
from glia.models.types import ToolMessage, UserMessage
from glia.runs.errors import SessionBusy
from glia.runs.events import RunCancelled, RunCompleted, RunFailed, TextDelta, ToolReturned
from glia.runs.types import RunStatus
from glia.tools.types import ToolContext, ToolResult
from tests.conftest import DatabaseUrls
from tests.runs.mishaps import reached
from tests.runs.rig import Say, ScriptedModel, make_tool, rig


async def test_a_plain_run_leaves_its_whole_story_in_the_log(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    async with rig(db, database_urls.app, ScriptedModel(Say("Hello there"))) as house:
        session = await house.session(principal)

        last = await house.finish(principal, await house.send(principal, session))

        assert isinstance(last.payload, RunCompleted)
        assert last.payload.message is not None
        assert last.payload.message.content == "Hello there "
        assert await house.types(principal, session) == [
            "message.received",
            "run.created",
            "run.started",
            "model.requested",
            "text.delta",
            "model.responded",
            "run.completed",
        ]
        assert [event.seq for event in await house.events(principal, session)] == list(range(1, 8))
        run = await house.runs.get(principal, last.run_id)  # type: ignore[arg-type]
        assert run.status is RunStatus.COMPLETED
        assert (run.model_calls, run.input_tokens, run.output_tokens, run.cost_micros) == (1, 10, 5, 7)
        assert telemetry.registry.get_sample_value("glia_runs_ended_total", {"status": "completed"})
        assert telemetry.registry.get_sample_value("glia_run_seconds_count")


async def test_tools_are_called_in_parallel_and_answered_in_the_models_order(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    both = asyncio.Barrier(2)
    keys: list[str] = []

    async def meet(context: ToolContext, arguments: str) -> ToolResult:
        keys.append(context.idempotency_key)
        async with asyncio.timeout(60):
            await both.wait()  # passes only if both are called at the same time
        await asyncio.sleep(0.05 if "first" in arguments else 0)
        return ToolResult(f"met {arguments}")

    model = ScriptedModel(Say(calls=(("meet", {"who": "first"}), ("meet", {"who": "second"}))), Say("Done"))
    async with rig(db, database_urls.app, model, [make_tool("meet", meet)]) as house:
        session = await house.session(principal, tools=("meet",))

        last = await house.finish(principal, await house.send(principal, session))

        assert isinstance(last.payload, RunCompleted)
        results = [m.text for m in model.requests[1].messages if isinstance(m, ToolMessage)]
        assert results == ['met {"who":"first"}', 'met {"who":"second"}']
        assert len(set(keys)) == 2
        types = await house.types(principal, session)
        assert types.index("tool.called") < types.index("tool.returned")


async def test_a_tool_that_does_not_exist_is_told_to_the_model(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    model = ScriptedModel(Say(calls=(("fly", {}),)), Say("I cannot fly"))
    async with rig(db, database_urls.app, model) as house:
        session = await house.session(principal, tools=())

        await house.finish(principal, await house.send(principal, session))

        returned = [e.payload for e in await house.events(principal, session) if e.type == "tool.returned"]
        assert isinstance(returned[0], ToolReturned)
        assert returned[0].status == "error"
        assert "no tool 'fly'" in returned[0].text


async def test_the_next_message_knows_what_was_said_before(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    model = ScriptedModel(Say("One"), Say("Two"))
    async with rig(db, database_urls.app, model) as house:
        session = await house.session(principal)
        await house.finish(principal, await house.send(principal, session, "first"))

        await house.finish(principal, await house.send(principal, session, "second"))

        said = [m.text for m in model.requests[1].messages if isinstance(m, UserMessage)]
        assert said == ["first", "second"]
        messages = await house.runs.messages(principal, session)
        assert [(m.role, m.content.strip()) for m in messages] == [
            ("user", "first"),
            ("assistant", "One"),
            ("user", "second"),
            ("assistant", "Two"),
        ]


async def test_cancelling_stops_a_run_that_would_speak_for_long_and_keeps_what_was_seen(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    model = ScriptedModel(Say("word " * 9999, pause_seconds=0.02))
    async with rig(db, database_urls.app, model) as house:
        session = await house.session(principal)
        accepted = await house.send(principal, session)
        await reached(house, principal, session, "text.delta", 2)

        await house.runs.cancel(principal, accepted.run_id)
        last = await house.finish(principal, accepted)

        assert isinstance(last.payload, RunCancelled)
        assert last.payload.text.startswith("word word")
        async with db.transaction(principal.workspace_id) as tx:
            metered = await tx.values("select status || is_estimated from usage_records where output_tokens > 1")
        assert metered == ["cancelledtrue"]
        deltas = [e.payload for e in await house.events(principal, session) if e.type == "text.delta"]
        assert "".join(d.text for d in deltas if isinstance(d, TextDelta)) == last.payload.text
        assert (await house.runs.get(principal, accepted.run_id)).status is RunStatus.CANCELLED


async def test_cancelling_stops_a_tool_that_hangs(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    hanging = asyncio.Event()

    async def hang(context: ToolContext, arguments: str) -> ToolResult:
        hanging.set()
        await asyncio.sleep(600)
        return ToolResult("late")

    model = ScriptedModel(Say(calls=(("hang", {}),)))
    async with rig(db, database_urls.app, model, [make_tool("hang", hang)]) as house:
        session = await house.session(principal, tools=("hang",))
        accepted = await house.send(principal, session)
        await hanging.wait()

        await house.runs.cancel(principal, accepted.run_id)
        last = await house.finish(principal, accepted)

        assert isinstance(last.payload, RunCancelled)


async def test_a_queued_run_can_be_cancelled_without_a_worker(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    async with rig(db, database_urls.app, ScriptedModel(), is_working=False) as house:
        session = await house.session(principal)
        accepted = await house.send(principal, session)

        run = await house.runs.cancel(principal, accepted.run_id)

        assert run.status is RunStatus.CANCELLED
        assert (await house.types(principal, session))[-1] == "run.cancelled"


@pytest.mark.parametrize(
    ("limits", "word"),
    [
        (Limits(max_iterations=2), "max_iterations"),
        (Limits(max_tokens=20), "max_tokens"),
        (Limits(timeout_seconds=1), "timeout_seconds"),
    ],
)
async def test_a_run_that_reaches_a_limit_fails_and_says_which(
    db: Database, database_urls: DatabaseUrls, principal: Principal, limits: Limits, word: str
) -> None:
    async def again(context: ToolContext, arguments: str) -> ToolResult:
        await asyncio.sleep(0.3 if word == "timeout_seconds" else 0)
        return ToolResult("again")

    model = ScriptedModel(*[Say(calls=(("again", {}),)) for _ in range(10)])
    async with rig(db, database_urls.app, model, [make_tool("again", again)]) as house:
        session = await house.session(principal, tools=("again",), limits=limits)

        last = await house.finish(principal, await house.send(principal, session))

        assert isinstance(last.payload, RunFailed)
        assert last.payload.error.code == "limit_reached"
        assert word in last.payload.error.message


async def test_one_run_at_a_time_works_on_a_session(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    is_refused = asyncio.Event()

    async def wait() -> None:
        await is_refused.wait()

    async with rig(db, database_urls.app, ScriptedModel(Say("slow", before=wait))) as house:
        session = await house.session(principal)
        accepted = await house.send(principal, session)

        with pytest.raises(SessionBusy):
            await house.send(principal, session)

        is_refused.set()
        await house.finish(principal, accepted)
        assert (await house.types(principal, session)).count("message.received") == 1


async def test_a_background_run_is_taken_by_a_worker(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    async with rig(db, database_urls.app, ScriptedModel(Say("Done"))) as house:
        session = await house.session(principal)

        last = await house.finish(principal, await house.send(principal, session, is_background=True))

        assert isinstance(last.payload, RunCompleted)
        assert "run.started" in await house.types(principal, session)


async def test_nul_characters_and_odd_text_survive(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    async def odd(context: ToolContext, arguments: str) -> ToolResult:
        return ToolResult("a\x00b \u202e \U0001f600")

    model = ScriptedModel(Say(calls=(("odd", {"x": "nul \x00 here"}),)), Say("ok \x00"))
    async with rig(db, database_urls.app, model, [make_tool("odd", odd)]) as house:
        session = await house.session(principal, tools=("odd",))

        last = await house.finish(principal, await house.send(principal, session, "hi \x00 there"))

        assert isinstance(last.payload, RunCompleted)
        texts = [orjson.loads(e.data).get("text") for e in await house.events(principal, session)]
        assert "a\x00b \u202e \U0001f600" in texts


async def test_the_cost_of_every_model_call_is_recorded(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    async with rig(db, database_urls.app, ScriptedModel(Say("Hello"))) as house:
        session = await house.session(principal)

        accepted = await house.send(principal, session)
        await house.finish(principal, accepted)

        async with db.transaction(principal.workspace_id) as tx:
            rows = await tx.values("select cost_micros from usage_records where run_id = %(run)s", run=accepted.run_id)
        assert rows == [7]
