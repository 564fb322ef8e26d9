"""What goes wrong in the tests: a worker that vanishes, a database that dawdles, a disk that is full."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from uuid import UUID

import psycopg

from glia.identity.types import Principal
from glia.kit.db import Database
from glia.runs.types import Run, RunId, RunStatus
from tests.runs.rig import Rig


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


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.02)


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


__all__ = ["RunStatus", "age_claims", "deafen", "ended", "lapse", "reached", "trigger", "until", "vanish"]
