"""kill -9: runs complete, effects happen once, readers see neither gap nor repeat."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import UUID

import psycopg
import pytest

from glia.runs.types import RunStatus
from glia.settings import Settings
from glia.tools.types import Effect
from tests.conftest import DatabaseUrls
from tests.failures.conftest import Installation
from tests.failures.process import Process, Reader
from tests.runs.mishaps import trigger


def _is_whole(place: Installation, seqs: list[int]) -> bool:
    return seqs == list(range(1, len(seqs) + 1))


def _keys(place: Installation, run: str) -> list[str]:
    return [key for key in place.outside.keys if key.startswith(run)]


@pytest.mark.parametrize("half", [0, 1])
async def test_killed_at_each_event_of_a_run_it_completes_with_one_effect(place: Installation, half: int) -> None:
    """The server is killed the moment the n-th event of a session is there; two more runs are in flight beside it."""
    server = await place.serve()
    for boundary in range(1 + half, 13, 2):
        sessions = await place.sessions(3)
        reader = Reader(server, sessions[0])
        reading = asyncio.create_task(reader.follow())
        order = [Effect.ONCE, Effect.IDEMPOTENT, Effect.READ]
        sending = [
            asyncio.create_task(place.send(server, session, f"call post_{effect}"))
            for session, effect in zip(sessions, order, strict=True)
        ]
        runs = list(await asyncio.gather(*sending))
        await place.wait_for_events(sessions[0], boundary)
        server.kill()
        server = await place.serve()

        ended = await place.all_ended(runs, 60)
        async with asyncio.timeout(60):
            await reading

        for run, session, effect in zip(ended, sessions, order, strict=True):
            events = await place.events(session)
            assert run.status is RunStatus.COMPLETED
            assert _is_whole(place, [event.seq for event in events])
            assert [event.type for event in events].count("tool.returned") == 1
            keys = _keys(place, str(run.id))
            assert len(set(keys)) <= 1
            if effect is Effect.ONCE:
                assert (len(keys), place.statuses(events)) in [(1, ["ok"]), (1, ["unknown"]), (0, ["unknown"])]
            else:
                assert len(keys) in {1, 2}
                assert place.statuses(events) == ["ok"]
        assert _is_whole(place, reader.seen), reader.seen
        assert len(reader.seen) == len(await place.events(sessions[0]))


@pytest.mark.parametrize("effect", list(Effect))
async def test_killed_while_a_tool_is_being_called(place: Installation, effect: Effect) -> None:
    """Tools that bear it are called again under the same key, which is the control: without its effect, so would be
    the one that may happen only once."""
    server = await place.serve()
    [session] = await place.sessions(1)
    place.outside.has_tool_answer.clear()
    run = await place.send(server, session, f"call post_{effect}")
    async with asyncio.timeout(60):
        while not place.outside.keys:
            await asyncio.sleep(0.01)
    server.kill()
    place.outside.has_tool_answer.set()
    await place.serve()

    [ended] = await place.all_ended([run], 60)

    assert (ended.status, ended.attempt) == (RunStatus.COMPLETED, 2)
    once = effect is Effect.ONCE
    assert list(place.outside.calls.values()) == [1 if once else 2]
    assert place.statuses(await place.events(session)) == ["unknown" if once else "ok"]


@contextmanager
def _storing_hangs(urls: DatabaseUrls, type: str) -> Iterator[Callable[[], int]]:
    """Events of this type are being stored and never are. Gives how many are; at the end these are undone."""
    asleep = "from pg_stat_activity where datname = %s and wait_event = 'PgSleep'"
    with psycopg.connect(urls.admin, autocommit=True) as admin:

        def hanging() -> int:
            row = admin.execute(f"select count(*) {asleep}".encode(), (urls.name,)).fetchone()
            return row[0] if row else 0

        with trigger(urls.admin, "events", f"new.type = '{type}'", "perform pg_sleep(60)"):
            yield hanging
            # The server is dead, but its backends would notice only after they have stored what it sent.
            admin.execute(f"select pg_terminate_backend(pid) {asleep}".encode(), (urls.name,))


@pytest.mark.parametrize(
    ("types", "quick"),
    [
        (("run.started", "model.requested", "text.delta"), True),
        (("model.responded", "tool.called", "run.completed"), True),
        (("tool.returned",), False),  # with the lease as it is shipped
    ],
)
async def test_killed_just_before_something_is_stored(
    place: Installation, database_urls: DatabaseUrls, types: tuple[str, ...], quick: bool
) -> None:
    server = await place.serve(quick=quick)
    for type in types:
        sessions = await place.sessions(len(Effect))
        with _storing_hangs(database_urls, type) as hanging:
            runs = await _call_tools(place, server, sessions)
            reader = Reader(server, sessions[0])
            reading = asyncio.create_task(reader.follow())
            async with asyncio.timeout(60):
                while hanging() < len(runs):
                    await asyncio.sleep(0.01)
            server.kill()
        server = await place.serve(quick=quick)

        ended = await place.all_ended(runs, 60)
        async with asyncio.timeout(60):
            await reading

        assert {(run.status, run.attempt) for run in ended} == {(RunStatus.COMPLETED, 2)}
        for run, session, effect in zip(runs, sessions, Effect, strict=True):
            events = await place.events(session)
            assert _is_whole(place, [event.seq for event in events])
            is_in_doubt, once = type == "tool.returned", effect is Effect.ONCE
            assert len(_keys(place, run)) == (2 if is_in_doubt and not once else 1)
            assert len(set(_keys(place, run))) == 1
            assert place.statuses(events) == ["unknown" if is_in_doubt and once else "ok"]
        assert reader.seen == list(range(1, len(await place.events(sessions[0])) + 1))


async def _call_tools(place: Installation, server: Process, sessions: list[UUID]) -> list[str]:
    """One run for each effect."""
    return [
        await place.send(server, session, f"call post_{effect}")
        for session, effect in zip(sessions, Effect, strict=True)
    ]


async def test_killed_while_tool_calls_were_on_their_way_and_never_arrived(place: Installation) -> None:
    server = await place.serve()
    place.outside.reaches_tools = False
    sessions = await place.sessions(len(Effect))
    runs = await _call_tools(place, server, sessions)
    async with asyncio.timeout(60):
        while place.outside.lost < len(runs):
            await asyncio.sleep(0.01)
    server.kill()
    place.outside.reaches_tools = True
    await place.serve()

    ended = await place.all_ended(runs, 60)

    assert {(run.status, run.attempt) for run in ended} == {(RunStatus.COMPLETED, 2)}
    for run, session, effect in zip(runs, sessions, Effect, strict=True):
        once = effect is Effect.ONCE
        assert len(_keys(place, run)) == (0 if once else 1)
        assert place.statuses(await place.events(session)) == ["unknown" if once else "ok"]


async def test_a_run_that_kills_its_server_is_parked_with_what_is_known_of_it(place: Installation) -> None:
    server = await place.serve()
    [session] = await place.sessions(1)
    place.outside.has_tool_answer.clear()
    run = await place.send(server, session, "call post_read")
    async with place.db.across_workspaces() as tx:
        await tx.execute("update runs set max_attempts = 1")
    async with asyncio.timeout(60):
        while not place.outside.keys:
            await asyncio.sleep(0.01)
    server.kill()
    server = await place.serve()

    await place.all_ended([run], 60)
    status, answer = await server.get(f"/v1/runs/{run}")

    assert (status, answer["status"], answer["error"]["code"]) == (200, "failed", "crash_loop")
    assert (
        "Its last sign is `tool.called` for the tool 'post_read', stored in attempt 1 by worker"
        in (answer["error"]["message"])
    )
    assert len(place.outside.keys) == 1


async def test_of_two_workers_one_is_killed_and_the_other_goes_on(place: Installation) -> None:
    """With the lease as it is shipped, after which a worker looks soon: within ten seconds on a machine with time."""
    settings = Settings()
    assert settings.lease.lease_seconds + 2 * settings.runs.poll_seconds < 10
    server = await place.serve(quick=False, GLIA_RUNS__MOST_AT_ONCE="0")
    workers = [await w.ready() for w in [place.worker(n, quick=False) for n in ("one", "two")]]
    place.outside.words = tuple(f"word{n} " for n in range(9999))
    place.outside.word_seconds = 0.05
    sessions = await place.sessions(6)
    runs = [await place.send(server, session, "hello") for session in sessions]
    owners = await _owners(place, runs)
    victim = workers[0] if any(str(workers[0].pid) in owner for owner in owners.values()) else workers[1]
    lost = [run for run, owner in owners.items() if owner.endswith(f":{victim.pid}")]
    assert lost

    killed_at = time.monotonic()
    victim.kill()
    async with asyncio.timeout(60):
        while not all([(await place.run(run)).attempt == 2 for run in lost]):
            await asyncio.sleep(0.05)
    seconds = time.monotonic() - killed_at

    print(f"{len(lost)} runs taken over after {seconds:.1f} s")
    kept = [run for run in runs if run not in lost]
    assert all([(await place.run(run)).attempt == 1 for run in kept])


async def _owners(place: Installation, runs: list[str]) -> dict[str, str]:
    """The worker (`host:pid`) of each run, once all have one."""
    async with asyncio.timeout(60):
        while True:
            async with place.db.across_workspaces() as tx:
                held = "from runs r join workers w on w.id = r.worker_id order by r.id"
                ids: list[UUID] = await tx.values(f"select r.id {held}")
                names = await tx.values(f"select w.name {held}")
            if len(ids) == len(runs):
                return {str(id): name for id, name in zip(ids, names, strict=True)}
            await asyncio.sleep(0.05)


async def test_killed_under_load_no_run_is_lost_and_no_effect_doubled(place: Installation) -> None:
    server = await place.serve(GLIA_RUNS__MOST_AT_ONCE="0")
    few = {"GLIA_RUNS__MOST_AT_ONCE": "40"}  # so that of the last fifty each gets some
    workers = [await w.ready() for w in [place.worker(n, **few) for n in ("one", "two")]]
    sessions = await place.sessions(100)
    runs: list[str] = []
    for number, session in enumerate(sessions):
        if number == 50:
            place.outside.is_answering.clear()
        runs.append(await place.send(server, session, "call post_once"))
    async with asyncio.timeout(60):
        while not await place.holds(workers[0], runs[50:]):
            await asyncio.sleep(0.01)
    workers[0].kill()
    place.outside.is_answering.set()

    ended = await place.all_ended(runs, 120)

    assert {run.status for run in ended} == {RunStatus.COMPLETED}
    assert max(place.outside.calls.values()) == 1
    assert any(run.attempt > 1 for run in ended)  # the kill did hit some
    unknown = 0
    for session in sessions:
        statuses = place.statuses(await place.events(session))
        assert len(statuses) == 1
        unknown += statuses == ["unknown"]
    assert len(place.outside.calls) >= 100 - unknown
