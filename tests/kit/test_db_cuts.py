"""The database goes away, or a task is cancelled, at an awkward moment."""

from __future__ import annotations

import asyncio
import contextlib

import psycopg
import pytest
from tests.conftest import DatabaseUrls

from glia.kit.db import Database
from glia.kit.errors import Unavailable
from glia.kit.ids import new_id


def cut_all(urls: DatabaseUrls) -> None:
    with psycopg.connect(urls.admin, autocommit=True) as admin:
        admin.execute(
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity"
            " where datname = %s and pid <> pg_backend_pid()",
            (urls.name,),
        )


async def _fill(db: Database, count: int) -> None:
    both = asyncio.Barrier(count)

    async def one() -> None:
        async with db.transaction(new_id()):
            await both.wait()

    await asyncio.gather(*[one() for _ in range(count)])


async def test_connections_that_died_in_the_pool_fail_no_transaction(db: Database, database_urls: DatabaseUrls) -> None:
    await _fill(db, 6)
    cut_all(database_urls)

    for _ in range(6):
        async with db.transaction(new_id()) as tx:
            assert await tx.value("select 1") == 1


async def test_a_cut_inside_a_transaction_is_unavailable_and_the_next_one_works(
    db: Database, database_urls: DatabaseUrls
) -> None:
    with pytest.raises(Unavailable):
        async with db.transaction(new_id()) as tx:
            cut_all(database_urls)
            await tx.value("select 1")

    async with db.transaction(new_id()) as tx:
        assert await tx.value("select 1") == 1


async def test_a_transaction_that_idled_too_long_is_unavailable_not_a_bug(db: Database) -> None:
    with pytest.raises(Unavailable):
        async with db.transaction(new_id()) as tx:
            await tx.execute("set local idle_in_transaction_session_timeout = '100ms'")
            await asyncio.sleep(0.5)
            await tx.value("select 1")


async def test_a_transaction_undone_by_an_error_inside_does_not_pass_for_committed(db: Database) -> None:
    told: list[int] = []
    with pytest.raises(psycopg.errors.InFailedSqlTransaction):
        async with db.transaction(new_id()) as tx:
            tx.after_commit.append(lambda: told.append(1))
            with contextlib.suppress(psycopg.errors.DivisionByZero):
                await tx.execute("select 1 / 0")

    assert told == []


async def test_being_cancelled_while_waiting_for_a_connection_is_never_forgotten(database_urls: DatabaseUrls) -> None:
    """Python 3.11 forgets it in about one of ten of these moments, if nobody looks."""
    survived = 0
    for delay in range(40):
        db = Database(database_urls.app, largest_pool=4)
        await db.open()
        async with db.transaction(new_id()):

            async def work(db: Database = db) -> None:
                async with db.transaction(new_id()):
                    pass
                await asyncio.Event().wait()

            task = asyncio.create_task(work())
            await asyncio.sleep(0.0005 * delay)
            task.cancel()
            await asyncio.wait({task}, timeout=20)
            survived += not task.done()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await db.close()

    assert survived == 0
