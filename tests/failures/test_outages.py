"""The database goes away while runs are in flight, and comes back."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from glia.kit.db import Database
from glia.kit.postgres import EmbeddedPostgres
from glia.runs.types import RunStatus
from tests.failures.conftest import Installation
from tests.failures.outside import Outside
from tests.failures.process import Process, Reader

MANY_WORDS = tuple(f"word{n} " for n in range(60))


@pytest.fixture
async def outside() -> AsyncIterator[Outside]:
    async with Outside().open() as world:
        yield world


class Asker:
    """Asks the server something that needs the database, again and again, and keeps what it said."""

    def __init__(self, server: Process, path: str) -> None:
        self.statuses: set[int] = set()
        self.refusals: list[object] = []
        self._server = server
        self._path = path

    async def ask(self) -> None:
        while True:
            status, answer = await self._server.get(self._path)
            self.statuses.add(status)
            if status != 200:
                self.refusals.append(answer)
            await asyncio.sleep(0.05)


async def _flight(place: Installation, server: Process) -> tuple[list[str], list[Reader]]:
    """Runs that have begun to speak, and their readers."""
    place.outside.words = MANY_WORDS
    sessions = await place.sessions(6)
    runs = [await place.send(server, session, "call post_once") for session in sessions]
    for session in sessions:
        await place.wait_for_events(session, 5)
    return runs, [Reader(server, session) for session in sessions]


def _are_told_properly(refusals: list[object]) -> bool:
    """In the native shape, with a request id."""
    assert refusals
    for refusal in refusals:
        assert isinstance(refusal, dict)
        assert set(refusal["error"]) >= {"code", "message", "request_id"}, refusal
        assert refusal["error"]["code"] == "unavailable"
        assert refusal["error"]["request_id"]
    return True


async def test_runs_outlive_a_database_that_is_stopped_and_started(tmp_path: Path, outside: Outside) -> None:
    database = EmbeddedPostgres(tmp_path / "database")
    connection = database.start()
    url = make_conninfo(connection.system_superuser_url, dbname=conninfo_to_dict(connection.owner_url)["dbname"])
    db = Database(url, largest_pool=4)
    place = Installation(tmp_path / "home", url, db, outside)
    place.folder.mkdir()
    asking: asyncio.Task[None] | None = None
    try:
        server = await _served(place, db)
        runs, readers = await _flight(place, server)
        asker = Asker(server, f"/v1/runs/{runs[0]}")
        asking = asyncio.create_task(asker.ask())
        reading = [asyncio.create_task(reader.follow()) for reader in readers]
        for seconds in (1, 5):
            await asyncio.to_thread(database.stop)
            await asyncio.sleep(seconds)
            database.start()
            await asyncio.sleep(1)

        ended = await place.all_ended(runs, 60)
        async with asyncio.timeout(60):
            await asyncio.gather(*reading)

        assert server.is_alive
        assert {run.status for run in ended} == {RunStatus.COMPLETED}
        assert max(outside.calls.values()) == 1
        assert all(reader.seen == list(range(1, len(reader.seen) + 1)) for reader in readers)
        assert asker.statuses <= {200, 503}
        assert _are_told_properly(asker.refusals)
        assert "Traceback" not in server.said()
    finally:
        if asking is not None:
            asking.cancel()
        place.close()
        await db.close()
        database.stop()


async def _served(place: Installation, db: Database) -> Process:
    """The pool can open only when the first start has made the roles' schema."""
    process = Process(
        place.folder, "serve", place._environment(True, {"GLIA_DATABASE_WAIT_SECONDS": "3"}), port=place.port
    )
    place.processes.append(process)
    await process.ready()
    await db.open()
    await place._furnish()
    return process


async def test_an_embedded_database_that_dies_is_started_again_under_its_runs(tmp_path: Path, outside: Outside) -> None:
    folder = tmp_path / "home"
    folder.mkdir()
    place = Installation(folder, "", Database(""), outside)
    environment = {name: value for name, value in place._environment(True, {}).items() if name != "GLIA_DATABASE_URL"}
    server = Process(folder, "serve", environment, port=place.port)
    place.processes.append(server)
    try:
        await server.ready()
        place.db = Database(EmbeddedPostgres(folder).attach().app_url, largest_pool=4)
        await place.db.open()
        await place._furnish()
        runs, readers = await _flight(place, server)
        asker = Asker(server, f"/v1/runs/{runs[0]}")
        asking = asyncio.create_task(asker.ask())
        reading = [asyncio.create_task(reader.follow()) for reader in readers]

        pid = int((folder / "pg" / "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGKILL)
        ended = await place.all_ended(runs, 60)
        async with asyncio.timeout(60):
            await asyncio.gather(*reading)
        asking.cancel()

        assert int((folder / "pg" / "postmaster.pid").read_text().split()[0]) != pid
        assert {run.status for run in ended} == {RunStatus.COMPLETED}
        assert max(outside.calls.values()) == 1
        assert all(reader.seen == list(range(1, len(reader.seen) + 1)) for reader in readers)
        assert asker.statuses <= {200, 503}
        assert "Traceback" not in server.said()
        assert re.search("embedded PostgreSQL died; starting it again", server.said())
        assert await server.stop() == 0
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(place.db.url, connect_timeout=2)  # and it still ends with its server
    finally:
        await place.db.close()
        place.close()
