"""kill -9 of the process that fires a trigger, at both places that matter: nothing is lost, nothing happens twice."""

from __future__ import annotations

import asyncio
from typing import Any

import psycopg
import pytest

from tests.conftest import DatabaseUrls
from tests.failures.conftest import Installation

WAKE = "select pg_notify('glia_triggers', '')"


async def until(admin: psycopg.Connection, sql: str, seconds: float = 60) -> Any:
    """Waits for a row."""
    async with asyncio.timeout(seconds):
        while True:
            row = admin.execute(sql.encode()).fetchone()
            if row is not None:
                return row[0]
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("has_run", [False, True], ids=["before the run", "after the run"])
async def test_a_firing_survives_the_process_that_began_it(
    place: Installation, database_urls: DatabaseUrls, has_run: bool
) -> None:
    first = await place.serve()
    with (
        psycopg.connect(database_urls.admin, autocommit=True, options="-csearch_path=glia") as admin,
        psycopg.connect(database_urls.admin, options="-csearch_path=glia") as before_run,
        psycopg.connect(database_urls.admin, options="-csearch_path=glia") as after_run,
    ):
        # Holds every new session, so that the firing is written down and its run cannot be.
        before_run.execute("lock table sessions in share mode")
        when = {"kind": "interval", "every_seconds": 3600}
        body = {"name": "Hourly", "agent_id": str(place.agents["agent"]), "message": "Say hello.", "when": when}
        status, made = await first.post("/v1/triggers", body)
        assert status == 201, made
        admin.execute("update triggers set next_at = clock_timestamp()")
        admin.execute(WAKE)
        await until(admin, "select id from trigger_firings where outcome = 'starting'")
        if has_run:
            # Now the run can be made, and nobody can be told.
            after_run.execute("lock table trigger_firings in share mode")
            before_run.rollback()
            await until(admin, "select id from runs where dedupe_key is not null")

        first.kill()
        before_run.rollback()
        after_run.rollback()
        await place.worker("second").ready()
        # What else would be fifteen seconds of waiting for the dead process.
        admin.execute("update trigger_firings set retry_at = clock_timestamp() where outcome = 'starting'")
        admin.execute(WAKE)

        run = await until(admin, "select run_id from trigger_firings where outcome = 'started'")
        await place.all_ended([str(run)], 60)
        assert admin.execute("select count(*) from trigger_firings").fetchone() == (1,)
        assert admin.execute("select count(*) from runs where kind = 'agent'").fetchone() == (1,)
        assert admin.execute("select count(*) from sessions where agent_id is not null").fetchone() == (1,)
