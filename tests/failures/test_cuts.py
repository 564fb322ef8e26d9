"""The lines to the database are cut, again and again, while runs are in flight."""

from __future__ import annotations

import asyncio

import psycopg

from glia.runs.types import RunStatus
from tests.conftest import DatabaseUrls
from tests.failures.conftest import Installation


def _cut_all(urls: DatabaseUrls) -> int:
    with psycopg.connect(urls.admin, autocommit=True) as admin:
        cut = admin.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s and pid <> pg_backend_pid()",
            (urls.name,),
        )
        return len(cut.fetchall())


async def test_runs_outlive_cuts_of_all_connections(place: Installation, database_urls: DatabaseUrls) -> None:
    server = await place.serve()
    place.outside.words = tuple(f"word{n} " for n in range(40))
    sessions = await place.sessions(10)
    runs = [await place.send(server, session, "call post_once") for session in sessions]
    cut = 0
    for _ in range(4):
        await asyncio.sleep(0.4)
        cut += _cut_all(database_urls)

    ended = await place.all_ended(runs, 60)

    assert cut > 10
    assert server.is_alive
    assert {run.status for run in ended} == {RunStatus.COMPLETED}
    assert max(place.outside.calls.values()) == 1
    for session in sessions:
        events = await place.events(session)
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        assert len(place.statuses(events)) == 1
    async with asyncio.timeout(60):  # it listens again a moment later
        while (await server.get("/ready"))[0] != 200:
            await asyncio.sleep(0.1)
    assert "Traceback" not in server.said()
