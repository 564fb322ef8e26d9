"""What fires, how often, and what becomes of it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import psycopg
import pytest

from glia.kit.errors import Conflict, DatabaseUnavailable
from glia.kit.notifications import Notifications
from glia.triggers import firings as firings_module
from glia.triggers import queries
from glia.triggers.types import At, Cron, Interval, Missed, OnWebhook, Overlap, Status
from tests.conftest import DatabaseUrls
from tests.triggers.conftest import Place


async def test_a_due_trigger_starts_a_run_in_a_session_of_its_own(place: Place):
    trigger = await place.make(Cron("0 7 * * *", "Europe/Berlin"), message="{{ trigger.name }} of {{ scheduled_at }}")
    await place.execute("update triggers set next_at = '2024-01-05T06:00Z' where id = %(id)s", id=trigger.id)

    await place.tick()

    (firing,) = await place.history(trigger)
    (run,) = await place.runs()
    assert (firing.run_id, firing.session_id, firing.run_status) == (run.id, run.session_id, "queued")
    assert run.agent_id == place.agent
    assert run.is_background
    assert await place.said(run) == "Report of 2024-01-05T07:00:00+01:00"
    now = await place.now()
    after = await place.again(trigger)
    assert after.next_at is not None
    assert now < after.next_at <= now + timedelta(days=1)
    assert (after.firings, after.last_fired_at) == (1, firing.fired_at)


async def test_what_is_not_due_stays_and_costs_one_look(place: Place):
    trigger = await place.make(Interval(5))

    seconds = await place.ticker.round()

    assert 4 < seconds <= 5
    assert await place.history(trigger) == []


async def test_missed_times_fire_once_after_downtime(place: Place):
    trigger = await place.make(Interval(600))
    await place.pass_time(trigger, hours=1)

    await place.tick()

    (firing,) = await place.history(trigger)
    assert firing.missed == 6
    assert firing.fired_at - firing.scheduled_at >= timedelta(hours=1)
    assert len(await place.runs()) == 1


async def test_missed_times_can_be_let_go(place: Place):
    trigger = await place.make(Interval(600), missed=Missed.SKIP)
    await place.pass_time(trigger, hours=1)

    await place.tick()

    (firing,) = await place.history(trigger)
    assert firing.outcome == "skipped"
    assert firing.reason is not None
    assert "missed" in firing.reason
    assert await place.runs() == []
    assert (await place.again(trigger)).next_at is not None


async def test_a_little_late_is_not_missed(place: Place):
    trigger = await place.make(Interval(600), missed=Missed.SKIP)
    await place.pass_time(trigger, seconds=20)

    await place.tick()

    assert await place.outcomes(trigger) == ["started"]


async def test_one_time_fires_once_and_has_ended(place: Place):
    trigger = await place.make(At(await place.now() + timedelta(hours=1)))
    await place.execute('update triggers set spec = spec || \'{"at": "2024-01-01T00:00:00Z"}\'')
    await place.pass_time(trigger)

    await place.tick()

    ended = await place.again(trigger)
    assert (ended.status, ended.next_at) == (Status.ENDED, None)
    assert await place.outcomes(trigger) == ["started"]
    await place.execute('update triggers set spec = spec || \'{"at": "2024-01-01T00:00:00Z"}\'')
    with pytest.raises(Conflict, match="no time to come"):
        await place.triggers.resume(place.principal, trigger.id)


async def _race(place: Place, rounds: int) -> tuple[int, int]:
    """Ten triggers due at once, looked after by four processes. Returns how many firings and runs there are."""
    made = [await place.make(Interval(3600), name=f"T{n}") for n in range(10)]
    tickers = [place.another_ticker() for _ in range(4)]
    for _ in range(rounds):
        for trigger in made:
            await place.pass_time(trigger)
        for _ in range(4):
            await asyncio.gather(*(ticker.round() for ticker in tickers))
    firings = await place.value("select count(*) from trigger_firings")
    return firings, len(await place.runs())


async def test_many_processes_fire_once(place: Place):
    assert await _race(place, 1) == (10, 10)


async def test_without_the_claim_they_fire_more_than_once(
    place: Place, monkeypatch: pytest.MonkeyPatch, database_urls: DatabaseUrls
):
    """The control: neither lock nor key."""

    async def careless(tx, id):
        trigger = await queries.get(tx, id)
        await asyncio.sleep(0.05)
        return trigger

    monkeypatch.setattr(queries, "lock_due", careless)
    with psycopg.connect(database_urls.admin, autocommit=True) as admin:
        admin.execute("drop index glia.trigger_firings_key; create index on glia.trigger_firings (trigger_id)")
    monkeypatch.setattr(firings_module.rows, "insert", _keyless(firings_module.rows.insert))

    fired, _ = await _race(place, 1)

    assert fired > 10


def _keyless(insert):
    async def call(tx, draft, outcome, *, reason, retry_seconds):
        await tx.execute(
            """
            insert into trigger_firings (id, workspace_id, trigger_id, key, cause, outcome, message, scheduled_at)
            values (%(id)s, %(ws)s, %(trigger)s, %(key)s, %(cause)s, %(outcome)s, %(message)s, %(at)s)""",
            id=draft.id,
            ws=draft.workspace_id,
            trigger=draft.trigger_id,
            key=draft.key,
            cause=str(draft.cause),
            outcome=str(outcome),
            message=draft.message,
            at=draft.scheduled_at,
        )
        return True

    return call


async def test_a_process_that_dies_before_the_run_loses_nothing(place: Place, monkeypatch: pytest.MonkeyPatch):
    trigger = await place.make()
    await place.pass_time(trigger)

    async def die(*_args: object, **_options: object) -> None:
        raise DatabaseUnavailable("as if killed")

    with monkeypatch.context() as patched:
        patched.setattr(place.rig.runs, "start", die)
        await place.tick()
    assert await place.outcomes(trigger) == ["starting"]
    assert await place.runs() == []

    await place.execute("update trigger_firings set retry_at = clock_timestamp()")
    await place.another_ticker().round()

    assert await place.outcomes(trigger) == ["started"]
    assert len(await place.runs()) == 1


async def _die_after_the_run(place: Place, monkeypatch: pytest.MonkeyPatch, *, has_key: bool) -> int:
    """The run is made, and the process dies before it can say so. Returns how many runs there are in the end."""
    trigger = await place.make()
    await place.pass_time(trigger)
    start = place.rig.runs.start

    async def begin(*args, **options):
        await start(*args, **(options if has_key else options | {"dedupe_key": None}))
        raise DatabaseUnavailable("as if killed")

    with monkeypatch.context() as patched:
        patched.setattr(place.rig.runs, "start", begin)
        await place.tick()
    await place.execute("update trigger_firings set retry_at = clock_timestamp()")
    await asyncio.gather(place.ticker.round(), place.another_ticker().round())
    assert await place.outcomes(trigger) == ["started"]
    return len(await place.runs())


async def test_a_process_that_dies_after_the_run_doubles_nothing(place: Place, monkeypatch: pytest.MonkeyPatch):
    assert await _die_after_the_run(place, monkeypatch, has_key=True) == 1


async def test_without_the_key_it_would(place: Place, monkeypatch: pytest.MonkeyPatch):
    assert await _die_after_the_run(place, monkeypatch, has_key=False) == 2


async def test_overlap_skip_leaves_the_run_alone(place: Place):
    trigger = await place.make(overlap=Overlap.SKIP)
    for _ in range(2):
        await place.pass_time(trigger)
        await place.tick()

    first, second = await place.history(trigger)
    assert (first.outcome, second.outcome) == ("started", "skipped")
    await place.end(first.run_id)
    await place.pass_time(trigger)
    await place.tick()
    assert await place.outcomes(trigger) == ["started", "skipped", "started"]


async def test_a_long_run_is_not_forgotten_behind_what_was_skipped(place: Place, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(firings_module, "KEPT_FIRINGS", 10)
    trigger = await place.make(overlap=Overlap.SKIP)
    for _ in range(70):
        await place.triggers.fire(place.principal, trigger.id)

    assert len(await place.runs()) == 1


async def test_overlap_queue_takes_turns_in_order(place: Place):
    trigger = await place.make(OnWebhook(), overlap=Overlap.QUEUE, message="{{ payload.n }}")
    for n in range(3):
        await place.triggers.fire(place.principal, trigger.id, {"n": n})
    assert await place.outcomes(trigger) == ["started", "waiting", "waiting"]

    for count in (2, 3):
        (*_, last) = await place.runs()
        await place.end(last.id)
        await place.execute("update trigger_firings set retry_at = clock_timestamp() where retry_at is not null")
        await place.tick()
        assert len(await place.runs()) == count

    assert [await place.said(run) for run in await place.runs()] == ["0", "1", "2"]
    assert await place.outcomes(trigger) == ["started"] * 3


async def test_overlap_cancel_previous_makes_room(place: Place):
    trigger = await place.make(overlap=Overlap.CANCEL_PREVIOUS)
    for _ in range(2):
        await place.pass_time(trigger)
        await place.tick()

    first, second = await place.history(trigger)
    assert (first.run_status, second.run_status) == ("cancelled", "queued")


async def test_a_session_of_its_own_is_spoken_to_each_time(place: Place):
    session = (await place.rig.sessions.create(place.principal, agent_id=place.agent)).id
    trigger = await place.make(session_id=session, overlap=Overlap.QUEUE)
    theirs = await place.rig.send(place.principal, session, "Hello", is_background=True)
    await place.pass_time(trigger)
    await place.tick()
    assert await place.outcomes(trigger) == ["waiting"]

    await place.end(theirs.run_id)
    await place.execute("update trigger_firings set retry_at = clock_timestamp()")
    await place.tick()

    (firing,) = await place.history(trigger)
    assert (firing.outcome, firing.session_id) == ("started", session)


async def test_a_paused_trigger_stays_quiet_and_resumes_with_its_next_time(place: Place):
    trigger = await place.make(Interval(600))
    paused = await place.triggers.pause(place.principal, trigger.id)
    await place.tick()
    assert (paused.status, paused.next_at) == (Status.PAUSED, None)

    resumed = await place.triggers.resume(place.principal, trigger.id)
    await place.tick()

    assert resumed.next_at is not None
    assert resumed.next_at > await place.now()
    assert await place.history(trigger) == []


async def test_too_many_failures_in_a_row_pause_it(place: Place):
    trigger = await place.make(max_failures=2)
    for status in ("failed", "completed", "failed", "failed"):
        await place.pass_time(trigger)
        await place.tick()
        await place.end((await place.history(trigger))[-1].run_id, status)
        assert (await place.again(trigger)).status == "active"
    async with asyncio.timeout(60):
        while (paused := await place.again(trigger)).status != "paused":
            await place.tick()

    assert paused.pause_reason is not None
    assert "2 times" in paused.pause_reason
    assert len(await place.runs()) == 4
    await place.triggers.resume(place.principal, trigger.id)
    await place.pass_time(trigger)
    await place.tick()
    assert len(await place.runs()) == 5


async def test_an_agent_that_is_gone_is_a_failure_with_its_reason(place: Place):
    trigger = await place.make(max_failures=1)
    await place.rig.agents.delete(place.principal, place.agent)
    await place.pass_time(trigger)

    await place.tick()

    (firing,) = await place.history(trigger)
    assert (firing.outcome, firing.run_id) == ("failed", None)
    assert firing.reason is not None
    assert "agent" in firing.reason
    assert (await place.again(trigger)).status == "paused"


async def test_history_is_capped(place: Place, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(firings_module, "KEPT_FIRINGS", 10)
    monkeypatch.setattr(firings_module, "_PRUNE_EVERY", 5)
    trigger = await place.make(overlap=Overlap.SKIP)
    for _ in range(20):
        await place.triggers.fire(place.principal, trigger.id)

    assert len(await place.history(trigger)) <= 15
    assert (await place.again(trigger)).firings == 20


async def test_a_change_wakes_the_other_processes(place: Place, database_urls: DatabaseUrls):
    notifications = Notifications(database_urls.app)
    heard = asyncio.Event()
    notifications.on("glia_triggers", lambda _note: heard.set())
    await notifications.start()
    with suppress(asyncio.CancelledError):
        await place.make()
        async with asyncio.timeout(60):
            await heard.wait()
    await notifications.stop()


async def test_the_ticker_takes_up_what_waits_since_it_went_to_sleep(place: Place, database_urls: DatabaseUrls):
    notifications = Notifications(database_urls.app)
    notifications.on("glia_triggers", lambda _note: place.ticker.wake())
    await notifications.start()
    trigger = await place.make(overlap=Overlap.QUEUE)
    ticking = asyncio.create_task(place.ticker.run())
    try:
        first = await place.triggers.fire(place.principal, trigger.id)
        waiting = await place.triggers.fire(place.principal, trigger.id)
        assert waiting.outcome == "waiting"
        await place.end(first.run_id)
        async with asyncio.timeout(60):
            while await place.outcomes(trigger) != ["started", "started"]:
                await asyncio.sleep(0.05)
    finally:
        ticking.cancel()
        await notifications.stop()


async def test_the_runs_count_for_the_key_that_made_the_trigger(place: Place, unknown_id: UUID):
    place.principal = replace(place.principal, key_id=unknown_id)
    trigger = await place.make()
    await place.pass_time(trigger)
    await place.tick()

    (run,) = await place.runs()
    assert run.key_id == unknown_id


async def test_the_ticker_fires_what_is_made_while_it_sleeps(place: Place, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("glia.triggers.ticker._LONGEST_SLEEP_SECONDS", 600.0)
    ticking = asyncio.create_task(place.ticker.run())
    try:
        await asyncio.sleep(0.1)
        trigger = await place.make(Interval(1))
        place.ticker.wake()
        async with asyncio.timeout(60):
            while not await place.history(trigger):
                await asyncio.sleep(0.05)
    finally:
        ticking.cancel()


async def test_a_trigger_that_cannot_be_read_holds_up_nobody(place: Place):
    broken, sound = await place.make(), await place.make()
    await place.execute('update triggers set spec = \'{"kind": "moon"}\' where id = %(id)s', id=broken.id)
    await place.pass_time(broken, seconds=20)
    await place.pass_time(sound)

    await place.tick()

    assert await place.outcomes(sound) == ["started"]
    assert await place.ticker.round() > 1
