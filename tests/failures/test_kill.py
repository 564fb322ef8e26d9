"""kill -9: runs complete, effects happen once, readers see neither gap nor repeat."""

from __future__ import annotations

import asyncio
import time
from uuid import UUID

import pytest

from glia.runs.types import RunStatus
from glia.tools.types import Effect
from tests.failures.conftest import Installation
from tests.failures.process import Reader


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

        ended = await place.all_ended(runs, 30)
        async with asyncio.timeout(10):
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
    async with asyncio.timeout(15):
        while not place.outside.keys:
            await asyncio.sleep(0.01)
    server.kill()
    place.outside.has_tool_answer.set()
    await place.serve()

    [ended] = await place.all_ended([run], 30)

    assert (ended.status, ended.attempt) == (RunStatus.COMPLETED, 2)
    once = effect is Effect.ONCE
    assert list(place.outside.calls.values()) == [1 if once else 2]
    assert place.statuses(await place.events(session)) == ["unknown" if once else "ok"]


async def test_of_two_workers_one_is_killed_and_the_other_goes_on_within_ten_seconds(place: Installation) -> None:
    """With the lease as it is shipped."""
    server = await place.serve(quick=False, GLIA_RUNS__MOST_AT_ONCE="0")
    workers = [await w.ready() for w in [place.worker(n, quick=False) for n in ("one", "two")]]
    place.outside.words = tuple(f"word{n} " for n in range(400))
    place.outside.word_seconds = 0.05
    sessions = await place.sessions(6)
    runs = [await place.send(server, session, "hello") for session in sessions]
    owners = await _owners(place, runs)
    victim = workers[0] if any(str(workers[0].pid) in owner for owner in owners.values()) else workers[1]
    lost = [run for run, owner in owners.items() if owner.endswith(f":{victim.pid}")]
    assert lost

    killed_at = time.monotonic()
    victim.kill()
    async with asyncio.timeout(20):
        while not all([(await place.run(run)).attempt == 2 for run in lost]):
            await asyncio.sleep(0.05)
    seconds = time.monotonic() - killed_at

    print(f"{len(lost)} runs taken over after {seconds:.1f} s")
    assert seconds < 10
    kept = [run for run in runs if run not in lost]
    assert all([(await place.run(run)).attempt == 1 for run in kept])


async def _owners(place: Installation, runs: list[str]) -> dict[str, str]:
    """The worker (`host:pid`) of each run, once all have one."""
    async with asyncio.timeout(15):
        while True:
            async with place.db.across_workspaces() as tx:
                ids: list[UUID] = await tx.values("select r.id from runs r join workers w on w.id = r.worker_id")
                names = await tx.values("select w.name from runs r join workers w on w.id = r.worker_id")
            if len(ids) == len(runs):
                return {str(id): name for id, name in zip(ids, names, strict=True)}
            await asyncio.sleep(0.05)


async def test_killed_under_load_no_run_is_lost_and_no_effect_doubled(place: Installation) -> None:
    server = await place.serve(GLIA_RUNS__MOST_AT_ONCE="0")
    workers = [await w.ready() for w in [place.worker(n) for n in ("one", "two")]]
    sessions = await place.sessions(200)
    runs: list[str] = []
    for number, session in enumerate(sessions):
        runs.append(await place.send(server, session, "call post_once"))
        if number == 100:
            workers[0].kill()

    ended = await place.all_ended(runs, 60)

    assert {run.status for run in ended} == {RunStatus.COMPLETED}
    assert max(place.outside.calls.values()) == 1
    assert any(run.attempt > 1 for run in ended)  # the kill did hit some
    unknown = 0
    for session in sessions:
        statuses = place.statuses(await place.events(session))
        assert len(statuses) == 1
        unknown += statuses == ["unknown"]
    assert len(place.outside.calls) >= 200 - unknown
