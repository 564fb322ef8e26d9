"""SIGSTOP longer than the lease: the sleeper's runs go on elsewhere, and what it does on waking changes nothing."""

from __future__ import annotations

import asyncio
import signal
import time

import pytest

from glia.runs.types import RunStatus
from tests.conftest import DatabaseUrls
from tests.failures.conftest import Installation
from tests.failures.outside import WORDS
from tests.runs.mishaps import held


@pytest.mark.parametrize("is_in_transaction", [False, True])
async def test_a_frozen_worker_loses_its_runs_and_writes_nothing_on_waking(
    place: Installation, database_urls: DatabaseUrls, is_in_transaction: bool
) -> None:
    server = await place.serve(GLIA_RUNS__MOST_AT_ONCE="0")
    sleeper = await place.worker("sleeper").ready()
    place.outside.words = tuple(f"word{n} " for n in range(200))
    sessions = await place.sessions(4)
    runs = [await place.send(server, session, "call post_once") for session in sessions]
    for session in sessions:
        await place.wait_for_events(session, 5)
    if is_in_transaction:
        with held(database_urls, "events", "true") as writing:
            await writing.has()  # a transaction is at work now and stays open
            sleeper.signal(signal.SIGSTOP)
    else:
        sleeper.signal(signal.SIGSTOP)
    frozen_at = time.monotonic()
    healthy = await place.worker("healthy").ready()

    ended = await place.all_ended(runs, 60)
    print(f"all ended {time.monotonic() - frozen_at:.1f} s after the freeze")
    calls = len(place.outside.keys)
    sleeper.signal(signal.SIGCONT)
    async with asyncio.timeout(60):  # it serves on, under a new id
        while sleeper.said().count("worker registered") < 2:
            await asyncio.sleep(0.05)
    await asyncio.sleep(1)

    assert {run.status for run in ended} == {RunStatus.COMPLETED}
    assert max(place.outside.calls.values()) == 1
    assert len(place.outside.keys) == calls
    for session in sessions:
        events = await place.events(session)
        attempts = [event.attempt for event in events if event.attempt is not None]
        assert attempts == sorted(attempts)
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert sleeper.is_alive
    assert sleeper.said().count("worker registered") == 2

    healthy.kill()
    [session] = await place.sessions(1)
    [last] = await place.all_ended([await place.send(server, session, "hello")], 60)
    assert last.status is RunStatus.COMPLETED


async def test_a_worker_that_was_frozen_finishes_what_its_killed_successor_held(place: Installation) -> None:
    server = await place.serve(GLIA_RUNS__MOST_AT_ONCE="0")
    sleeper = await place.worker("sleeper").ready()
    place.outside.has_tool_answer.clear()
    sessions = await place.sessions(6)
    runs = [await place.send(server, session, "call post_once") for session in sessions]
    async with asyncio.timeout(60):
        while len(place.outside.keys) < len(runs):
            await asyncio.sleep(0.02)
    place.outside.is_answering.clear()  # from now on no run gets any further than its next question
    place.outside.has_tool_answer.set()
    async with asyncio.timeout(60):
        while place.outside.model_calls < 2 * len(runs):
            await asyncio.sleep(0.02)

    # It comes when the other has all of the runs.
    successor = await place.worker("successor", GLIA_RUNS__MOST_AT_ONCE="50").ready()
    sleeper.signal(signal.SIGSTOP)
    await place.all_held_by(successor, runs, 60)
    sleeper.signal(signal.SIGCONT)
    successor.kill()
    place.outside.is_answering.set()
    ended = await place.all_ended(runs, 60)

    assert {run.status for run in ended} == {RunStatus.COMPLETED}
    assert max(run.attempt for run in ended) == 3
    assert max(place.outside.calls.values()) == 1
    for session in sessions:
        events = await place.events(session)
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        assert [event.type for event in events].count("run.completed") == 1
        assert [event.type for event in events].count("tool.returned") == 1


async def test_asked_to_stop_a_worker_hands_its_runs_back_and_ends_cleanly(place: Installation) -> None:
    server = await place.serve(GLIA_RUNS__MOST_AT_ONCE="0")
    leaving = await place.worker("leaving", GLIA_RUNS__DRAIN_SECONDS="0.3").ready()
    place.outside.words = tuple(f"word{n} " for n in range(9999))
    sessions = await place.sessions(3)
    runs = [await place.send(server, session, "hello") for session in sessions]
    for session in sessions:
        await place.wait_for_events(session, 5)

    assert await leaving.stop() == 0
    assert "Traceback" not in leaving.said()
    place.outside.words = WORDS
    await place.worker("staying").ready()

    ended = await place.all_ended(runs, 60)
    assert {(run.status, run.attempt) for run in ended} == {(RunStatus.COMPLETED, 2)}


async def test_a_cancel_from_another_process_stops_a_worker_s_run(place: Installation) -> None:
    server = await place.serve(GLIA_RUNS__MOST_AT_ONCE="0")
    worker = await place.worker("worker").ready()
    place.outside.words = tuple(f"word{n} " for n in range(9999))
    [session] = await place.sessions(1)
    run = await place.send(server, session, "hello")
    await place.wait_for_events(session, 5)

    status, _ = await server.post(f"/v1/runs/{run}/cancel", {})
    [ended] = await place.all_ended([run], 60)

    assert status == 200
    assert ended.status is RunStatus.CANCELLED
    assert "Traceback" not in worker.said()
