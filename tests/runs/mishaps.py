"""What goes wrong in the tests: a worker that vanishes, a database that dawdles, a disk that is full."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import psycopg

from glia.identity.types import Principal
from glia.kit.db import Database
from glia.runs.types import Run, RunId, RunStatus
from tests.conftest import DatabaseUrls
from tests.runs.rig import Rig

_HOLD = 70_311
"""The advisory lock that everything held waits for."""


def deafen(house: Rig) -> None:
    """Its beats reach nobody from now on, as if the process were frozen."""
    house.lease._beat = lambda _connection: None  # type: ignore[method-assign]


async def vanish(house: Rig) -> None:
    """As after kill -9: nothing more is written, and the lease has lapsed."""
    deafen(house)
    worker = house.lease._worker_id
    assert house.engine._poller is not None
    house.engine._poller.cancel()
    house.lease._valid_until = 0.0
    house.lease._worker_id = None
    for held in house.engine._held.values():
        held.task.cancel()
    await asyncio.sleep(0)
    await lapse(house.db, worker)


async def lapse(db: Database, worker: UUID | None) -> None:
    """The database believes that this worker is dead."""
    async with db.across_workspaces() as tx:
        await tx.execute(
            "update workers set lease_until = clock_timestamp() - interval '1 minute' where id = %(id)s", id=worker
        )


async def age_claims(db: Database) -> None:
    """All claims are old enough to be given back if nobody has them."""
    async with db.across_workspaces() as tx:
        await tx.execute("update runs set claimed_at = claimed_at - interval '1 minute' where status = 'running'")


@contextmanager
def trigger(admin_url: str, table: str, when: str, body: str, *, timing: str = "before insert") -> Iterator[None]:
    """Something happens to the rows of a table for a while. when: an SQL condition on `new`."""
    kind = "constraint trigger" if "deferred" in timing else "trigger"
    timing, _, deferred = timing.partition(" deferred")
    moment = "deferrable initially deferred" if kind != "trigger" else deferred
    with psycopg.connect(admin_url, autocommit=True) as admin:
        admin.execute(
            f"create function public.mishap() returns trigger language plpgsql as $$ begin {body}; return new; end $$;"
            f" create {kind} mishap {timing} on glia.{table} {moment} for each row when ({when})"
            " execute function public.mishap()".encode()
        )
    try:
        yield
    finally:
        with psycopg.connect(admin_url, autocommit=True) as admin:
            admin.execute(f"drop trigger mishap on glia.{table}; drop function public.mishap()".encode())


class Hold:
    """Writes that have come as far as the trigger, and stay there until they are let go."""

    def __init__(self, admin: psycopg.Connection[Any]) -> None:
        self._admin = admin
        self._is_closed = False

    def _count(self, condition: str) -> int:
        found = self._admin.execute(
            "select count(*) from pg_stat_activity join pg_locks using (pid) where datname = current_database()"
            f" and not granted and {condition}".encode()
        ).fetchone()
        return found[0] if found else 0

    async def has(self, count: int = 1) -> None:
        """Waits until so many writes are held."""

        async def are_there() -> bool:
            return self._count(f"locktype = 'advisory' and objid = {_HOLD}") >= count

        await until(are_there)

    async def has_behind(self, count: int = 1) -> None:
        """Waits until so many others wait for the rows of what is held."""

        async def are_there() -> bool:
            return self._count("locktype in ('transactionid', 'tuple')") >= count

        await until(are_there)

    def let_go(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            self._admin.execute(f"select pg_advisory_unlock({_HOLD})".encode())


@contextmanager
def held(urls: DatabaseUrls, table: str, when: str, *, timing: str = "before insert") -> Iterator[Hold]:
    """What is written to a table is held in the middle of its transaction until the test lets it go.

    when: an SQL condition on `new`.
    """
    with psycopg.connect(urls.admin, autocommit=True) as admin:
        admin.execute(f"select pg_advisory_lock({_HOLD})".encode())
        hold = Hold(admin)
        with trigger(urls.admin, table, when, f"perform pg_advisory_xact_lock_shared({_HOLD})", timing=timing):
            try:
                yield hold
            finally:
                hold.let_go()


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.02)


async def at_rest(house: Rig) -> None:
    """Waits until its engine holds no run: that of a run that waits is let go a moment after it is seen waiting."""

    async def is_at_rest() -> bool:
        return house.engine.running == 0

    await until(is_at_rest)


async def ended(house: Rig, principal: Principal, run: RunId, seconds: float = 60) -> Run:
    async def is_over() -> bool:
        return (await house.runs.get(principal, run)).status.is_final

    await until(is_over, seconds)
    return await house.runs.get(principal, run)


async def reached(house: Rig, principal: Principal, session: UUID, type: str, count: int = 1) -> None:
    """Waits for the count-th event of this type."""

    async def is_there() -> bool:
        return (await house.types(principal, session)).count(type) >= count

    await until(is_there)


__all__ = [
    "Hold",
    "RunStatus",
    "age_claims",
    "at_rest",
    "deafen",
    "ended",
    "held",
    "lapse",
    "reached",
    "trigger",
    "until",
    "vanish",
]
