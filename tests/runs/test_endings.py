"""How runs end when something happens at that very moment: each ends once, and says what is true."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from glia.agents.types import Permission, Permissions
from glia.identity.types import Principal
from glia.kit.db import Database
from glia.kit.errors import DatabaseUnavailable, StorageFull, UpstreamFailed
from glia.kit.notifications import Notifications
from glia.runs import log, queries
from glia.runs.engine import EngineConfig
from glia.runs.events import RunCancelled, RunCompleted, RunFailed, TextDelta
from glia.runs.types import Run, RunStatus
from glia.tools.types import Effect, ToolContext, ToolResult
from tests.conftest import DatabaseUrls
from tests.runs.mishaps import ended, held, reached, trigger, until
from tests.runs.rig import Say, ScriptedModel, make_tool, rig

FULL = "raise exception 'could not extend file: No space left on device' using errcode = '53100'"


async def _left_alone(write: Coroutine[Any, Any, Any]) -> Any:
    return await write


async def _cancel_in_the_last_commit(
    db: Database, urls: DatabaseUrls, principal: Principal, *, is_left_alone: bool = False
) -> tuple[RunStatus, str]:
    """The run is told to stop while its last transaction is committed. Returns what is stored and what is seen."""
    async with rig(db, urls.app, ScriptedModel(Say("Done"))) as house:
        session = await house.session(principal)
        with held(urls, "events", "new.type = 'run.completed'", timing="after insert deferred") as commit:
            accepted = await house.send(principal, session)
            outcome = asyncio.create_task(house.finish(principal, accepted))
            await commit.has()
            house.engine.cancel(accepted.run_id)
            # Left alone, the commit is undone by the cancel, and something else ends the run before this lets go.
            await asyncio.wait({outcome}, timeout=60 if is_left_alone else 0.1)
            commit.let_go()
            seen = (await outcome).type
        return (await house.runs.get(principal, accepted.run_id)).status, seen


async def test_a_cancel_during_the_last_commit_comes_too_late_and_readers_see_the_end(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    assert await _cancel_in_the_last_commit(db, database_urls, principal) == (RunStatus.COMPLETED, "run.completed")


async def test_a_commit_that_is_left_alone_could_end_a_run_unseen(
    db: Database, database_urls: DatabaseUrls, principal: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """psycopg cancels the statement when the task is; what then is stored and what is told no longer agree."""
    monkeypatch.setattr(log, "seen_through", _left_alone)

    status, seen = await _cancel_in_the_last_commit(db, database_urls, principal, is_left_alone=True)

    assert (status, seen) != (RunStatus.COMPLETED, "run.completed")


@pytest.mark.parametrize("type", ["text.delta", "model.responded"])
@pytest.mark.parametrize("timing", ["before insert", "after insert deferred"])
async def test_a_cancel_while_something_is_stored_keeps_all_that_was_seen_once(
    db: Database, database_urls: DatabaseUrls, principal: Principal, type: str, timing: str
) -> None:
    async with rig(db, database_urls.app, ScriptedModel(Say("one two three four", pause_seconds=0.005))) as house:
        session = await house.session(principal)
        with held(database_urls, "events", f"new.type = '{type}'", timing=timing) as storing:
            accepted = await house.send(principal, session)
            await storing.has()
            cancelling = asyncio.create_task(house.runs.cancel(principal, accepted.run_id))
            await asyncio.wait({cancelling}, timeout=0.2)  # it may need the rows that are held
            storing.let_go()
            await cancelling
            last = await house.finish(principal, accepted)

        events = await house.events(principal, session)
        deltas = [e.payload for e in events if e.type == "text.delta"]
        text = ""
        for delta in deltas:
            assert isinstance(delta, TextDelta)
            assert delta.offset == len(text)
            text += delta.text
        if isinstance(last.payload, RunCompleted):  # the end was on its way already
            assert last.payload.message is not None
            assert text == last.payload.message.content == "one two three four "
            return
        assert isinstance(last.payload, RunCancelled)
        if "model.responded" in [e.type for e in events]:
            assert (text, last.payload.text) == ("one two three four ", "")
        else:
            assert text == last.payload.text
            assert text.startswith("one")


async def test_cancelled_before_its_first_step_a_run_ends_at_once(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    model = ScriptedModel(Say("never"))
    async with rig(db, database_urls.app, model) as house:
        session = await house.session(principal)
        begin = house.engine.begin

        def begin_and_cancel(run, *rest, **more) -> None:  # type: ignore[no-untyped-def]
            begin(run, *rest, **more)
            house.engine.cancel(run.id)

        house.engine.begin = begin_and_cancel  # type: ignore[method-assign]
        last = await house.finish(principal, await house.send(principal, session))

        assert isinstance(last.payload, RunCancelled)
        assert model.requests == []


async def test_a_second_cancel_and_a_stop_do_not_disturb_the_ending(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    async with rig(db, database_urls.app, ScriptedModel(Say("x " * 9999, pause_seconds=0.05))) as house:
        session = await house.session(principal)
        with held(database_urls, "events", "new.type = 'run.cancelled'") as ending:
            accepted = await house.send(principal, session)
            await reached(house, principal, session, "text.delta")
            house.engine.cancel(accepted.run_id)
            await ending.has()
            for _ in range(5):
                house.engine.cancel(accepted.run_id)
                await asyncio.sleep(0)
            run_here = house.engine._held[accepted.run_id]
            stopping = asyncio.create_task(house.engine.stop())

            async def is_handed_back() -> bool:
                return run_here.is_handed_back

            await until(is_handed_back)
            ending.let_go()
            await stopping
        run = await house.runs.get(principal, accepted.run_id)

    assert (run.status, run.attempt) == (RunStatus.CANCELLED, 1)


async def test_a_message_sent_while_a_run_is_ending_does_not_tie_a_knot(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    """Both hold the session first, so that the message waits for the end and then has a run of its own."""
    async with rig(db, database_urls.app, ScriptedModel(Say("One"), Say("Two"))) as house:
        session = await house.session(principal)
        with held(database_urls, "runs", "new.status = 'completed'", timing="after update") as ending:
            accepted = await house.send(principal, session)
            await ending.has()
            sending = asyncio.create_task(house.send(principal, session))
            await ending.has_behind()
            ending.let_go()
            second = await sending
            last = await house.finish(principal, accepted)

        assert isinstance(last.payload, RunCompleted)
        assert (await house.runs.get(principal, accepted.run_id)).attempt == 1
        assert isinstance((await house.finish(principal, second)).payload, RunCompleted)


async def test_words_that_cannot_be_stored_end_a_run_once(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    model = ScriptedModel(*[Say("lonely \ud800")] * 5)
    async with rig(db, database_urls.app, model) as house:
        session = await house.session(principal)

        last = await house.finish(principal, await house.send(principal, session))

        assert isinstance(last.payload, RunFailed)
        assert last.payload.error.code == "internal_error"
        assert len(model.requests) == 1


async def test_an_error_with_a_nul_in_it_ends_a_run_with_that_error(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    async def refuse() -> None:
        raise UpstreamFailed("The model said: \x00 nothing.")

    model = ScriptedModel(*[Say("x", before=refuse)] * 5)
    async with rig(db, database_urls.app, model) as house:
        session = await house.session(principal)

        last = await house.finish(principal, await house.send(principal, session))

        assert isinstance(last.payload, RunFailed)
        assert "The model said" in last.payload.error.message
        assert len(model.requests) == 1


async def test_a_tool_that_breaks_while_being_cancelled_leaves_the_run_cancelled(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    begun: list[str] = []

    async def clumsy(context: ToolContext, arguments: str) -> ToolResult:
        begun.append(context.idempotency_key)
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            raise ValueError("broken on the way out") from None
        return ToolResult("")

    model = ScriptedModel(Say(calls=(("clumsy", {}), ("clumsy", {}))))
    async with rig(db, database_urls.app, model, [make_tool("clumsy", clumsy)]) as house:
        session = await house.session(principal, tools=("clumsy",))
        accepted = await house.send(principal, session)

        async def are_at_work() -> bool:
            return len(begun) == 2

        await until(are_at_work)
        await house.runs.cancel(principal, accepted.run_id)

        assert isinstance((await house.finish(principal, accepted)).payload, RunCancelled)


@pytest.mark.parametrize("type", ["text.delta", "tool.returned", "run.completed"])
async def test_a_full_disk_stops_a_run_without_a_lie_and_it_goes_on_when_there_is_space(
    db: Database, database_urls: DatabaseUrls, principal: Principal, type: str
) -> None:
    async def look(context: ToolContext, arguments: str) -> ToolResult:
        return ToolResult("seen")

    model = ScriptedModel(*[Say("a b c d", calls=(("look", {}),), pause_seconds=0.02)] * 2, *[Say("Done")] * 40)
    config = EngineConfig(poll_seconds=0.1, drain_seconds=0.5, full_disk_seconds=0.2)
    async with rig(db, database_urls.app, model, [make_tool("look", look)], config=config) as house:
        session = await house.session(principal, tools=("look",))
        with trigger(database_urls.admin, "events", f"new.type = '{type}'", FULL):
            accepted = await house.send(principal, session)

            async def is_tried_again() -> bool:
                return (await house.runs.get(principal, accepted.run_id)).attempt >= 2

            await until(is_tried_again)
            run = await house.runs.get(principal, accepted.run_id)
            assert run.status in {RunStatus.QUEUED, RunStatus.RUNNING}
            assert run.max_attempts - run.attempt >= 9  # nothing crashed
            assert "run.failed" not in await house.types(principal, session)

        run = await ended(house, principal, accepted.run_id)
        assert run.status is RunStatus.COMPLETED
        events = await house.events(principal, session)
        assert [event.seq for event in events] == list(range(1, len(events) + 1))


async def test_a_full_disk_refuses_messages_clearly_and_does_not_end_the_claiming(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    async with rig(db, database_urls.app, ScriptedModel(Say("Done"))) as house:
        session = await house.session(principal)
        with trigger(database_urls.admin, "events", "true", FULL), pytest.raises(StorageFull, match="disk is full"):
            await house.send(principal, session)
        assert await house.types(principal, session) == []
        with trigger(database_urls.admin, "runs", "new.status = 'running'", FULL, timing="before update"):
            accepted = await house.send(principal, session, is_background=True)
            await asyncio.sleep(0.4)
            assert (await house.runs.get(principal, accepted.run_id)).status is RunStatus.QUEUED

        assert (await ended(house, principal, accepted.run_id)).status is RunStatus.COMPLETED


async def test_many_runs_share_few_connections(db: Database, database_urls: DatabaseUrls, principal: Principal) -> None:
    few = Database(database_urls.app, largest_pool=2)
    await few.open()
    try:
        async with rig(few, database_urls.app, ScriptedModel(*[Say("a b c")] * 60)) as house:
            sessions = [await house.session(principal) for _ in range(60)]
            accepted = await asyncio.gather(*[house.send(principal, s, is_background=True) for s in sessions])
            runs = await asyncio.gather(*[ended(house, principal, a.run_id, seconds=60) for a in accepted])
            assert {(run.status, run.attempt) for run in runs} == {(RunStatus.COMPLETED, 1)}
    finally:
        await few.close()


async def test_a_cut_line_in_the_last_commit_is_not_taken_for_its_failure(
    db: Database, database_urls: DatabaseUrls, principal: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commit happened, the answer was lost: readers look for themselves and see the end."""
    real = queries.append
    cut: list[str] = []

    async def append(db: Database, run: Run, entry: queries.Entry) -> queries.Place | None:
        place = await real(db, run, entry)
        if "run.completed" in entry.types and not cut:
            cut.append("cut")
            raise DatabaseUnavailable("The database connection was lost; try again shortly.")
        return place

    async with rig(db, database_urls.app, ScriptedModel(Say("Done"))) as house:
        session = await house.session(principal)
        monkeypatch.setattr(queries, "append", append)
        accepted = await house.send(principal, session)
        last = await house.finish(principal, accepted)

        assert cut
        assert isinstance(last.payload, RunCompleted)
        assert (await house.runs.get(principal, accepted.run_id)).attempt == 1


async def test_a_note_that_makes_no_sense_does_not_end_the_listening(database_urls: DatabaseUrls) -> None:
    heard: list[str] = []

    def handle(note: str) -> None:
        heard.append(str(int(note)))

    notifications = Notifications(database_urls.app)
    notifications.on("glia_test", handle)
    await notifications.start()
    database = Database(database_urls.app, largest_pool=2)
    await database.open()
    try:
        for note in ("nonsense", "7"):
            async with database.across_workspaces() as tx:
                await tx.execute("select pg_notify('glia_test', %(note)s)", note=note)

        async def has_heard() -> bool:
            return heard == ["7"]

        await until(has_heard)
    finally:
        await notifications.stop()
        await database.close()


async def test_a_cancel_that_comes_just_before_a_run_begins_to_wait_ends_it(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    async def cancelled_elsewhere() -> None:
        async with db.transaction(principal.workspace_id) as tx:
            run = await tx.value("select id from runs")
            assert await queries.request_cancel(tx, run) is RunStatus.RUNNING

    async def pay(_context: ToolContext, _arguments: str) -> ToolResult:
        raise AssertionError("It needs an approval.")

    model = ScriptedModel(Say(calls=(("pay", {}),), before=cancelled_elsewhere))
    tool = make_tool("pay", pay, Effect.ONCE)
    async with rig(db, database_urls.app, model, tools=[tool], lease_seconds=120, beat_seconds=60) as house:
        session = await house.session(principal, tools=("pay",), permissions=Permissions(tools={"pay": Permission.ASK}))
        accepted = await house.send(principal, session)

        assert (await ended(house, principal, accepted.run_id)).status is RunStatus.CANCELLED
        assert "run.waiting" in await house.types(principal, session)
