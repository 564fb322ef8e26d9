"""Writes the usage of the gateway's calls in batches, because one transaction per call would cost more than the call.

Records wait in memory for at most one interval. A process that is killed loses those of its last interval: there is
no spool on disk yet. Runs do not use this; they record in the transaction of their own event.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from uuid import UUID

import psycopg
import structlog

from glia.kit.db import Database
from glia.kit.errors import StorageFull, Unavailable
from glia.usage import budget_queries, queries
from glia.usage.types import UsageRecord

log = structlog.get_logger(__name__)

_LARGEST_BATCH = 1_000
_LONGEST_PAUSE_SECONDS = 5.0


class Meter:
    """Call `add` from the event loop that `start` was called in. One per process."""

    def __init__(
        self,
        db: Database,
        *,
        interval_seconds: float = 0.05,
        most_waiting: int = 20_000,
        is_limited: Callable[[UUID], bool] = lambda _workspace: False,
    ) -> None:
        """most_waiting: how many records are kept while the database is away; further ones are counted and dropped.

        is_limited: whether budgets or credits of a workspace must hear of calls for which nothing was held.
        """
        self._db = db
        self._interval_seconds = interval_seconds
        self._most_waiting = most_waiting
        self._is_limited = is_limited
        self._waiting: list[UsageRecord] = []
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.dropped = 0

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def add(self, record: UsageRecord) -> None:
        """Never waits and never fails."""
        if len(self._waiting) < self._most_waiting:
            self._waiting.append(record)
        else:
            self._drop(1, why="too many wait for the database")
        if not self._wake.is_set():
            self._wake.set()

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="usage meter")

    async def stop(self, *, timeout_seconds: float = 5.0) -> None:
        """Writes what waits; gives up, and says how much was lost, when the database does not take it in time."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        try:
            async with asyncio.timeout(timeout_seconds):
                while self._waiting and await self.flush():
                    pass
        except TimeoutError:
            pass
        if self._waiting:
            self._drop(len(self._waiting), why="the database did not take them before the end")
            self._waiting.clear()

    async def flush(self) -> bool:
        """Writes the oldest batch. False when the database could not take it; it is kept for the next try."""
        batch = self._waiting[:_LARGEST_BATCH]
        if not batch:
            return True
        try:
            await self._write(batch)
        except (psycopg.DataError, psycopg.IntegrityError):
            await self._write_singly(batch)
        except (Unavailable, StorageFull, psycopg.Error) as error:
            log.warning("usage is not written", waiting=len(self._waiting), error=str(error))
            return False
        del self._waiting[: len(batch)]
        return True

    async def _run(self) -> None:
        pause = self._interval_seconds
        while True:
            await self._wake.wait()
            await asyncio.sleep(pause)
            self._wake.clear()
            is_written = await self.flush()
            pause = self._interval_seconds if is_written else min(_LONGEST_PAUSE_SECONDS, max(0.1, pause * 2))
            if self._waiting:
                self._wake.set()

    async def _write(self, records: Sequence[UsageRecord]) -> None:
        """A batch that fails in the middle is written again as a whole: what is there already changes nothing."""
        counted = [record for record in records if record.hold_id is not None or self._is_limited(record.workspace_id)]
        apart = {record.id for record in counted}
        plain = [record for record in records if record.id not in apart] if counted else records
        if plain:
            async with self._db.across_workspaces() as tx:
                await queries.insert_many(tx, plain)
        for record in counted:  # each in a transaction of its own, so that locks keep their order
            await budget_queries.settle(self._db, record)

    async def _write_singly(self, records: Sequence[UsageRecord]) -> None:
        """One record that the database refuses must not hold up the others."""
        for record in records:
            try:
                await self._write([record])
            except (psycopg.DataError, psycopg.IntegrityError) as error:
                self._drop(1, why=str(error))

    def _drop(self, count: int, *, why: str) -> None:
        if not self.dropped:
            log.error("usage records are lost", count=count, why=why)
        self.dropped += count
