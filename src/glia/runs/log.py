"""A run's pen: the only way its worker writes, and it is refused once the worker no longer holds the run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from uuid import UUID

from glia.kit.db import Database, Transaction
from glia.kit.errors import Unavailable
from glia.runs import queries
from glia.runs.errors import Fenced
from glia.runs.events import Event, Payload, Preview, TextDelta, ThinkingDelta, encode
from glia.runs.lease import Lease
from glia.runs.live import Live
from glia.runs.types import Run, RunStatus, Spent

AlsoWrite = Callable[[Transaction], Awaitable[None]]


class RunLog:
    """Appends events of one attempt of one run."""

    def __init__(self, db: Database, live: Live, lease: Lease, run: Run, worker_id: UUID) -> None:
        self._db = db
        self._live = live
        self._lease = lease
        self.worker_id = worker_id
        self._turn = asyncio.Lock()  # events become visible in the order they were appended
        self.run = run

    def check_lease(self) -> None:
        """Raises Fenced when this process can no longer be sure that the run is its own."""
        if not self._lease.holds(self.worker_id):
            raise Fenced(f"The lease under which run {self.run.id} was begun is gone.")

    async def append(
        self,
        *payloads: Payload,
        spent: Spent | None = None,
        also: AlsoWrite | None = None,
        stored: Callable[[], None] | None = None,
    ) -> None:
        """Commits events, counters and whatever belongs with them, whole or not at all.

        stored: called once they are, even if this task is cancelled at that very moment.
        """
        async with self._turn, self._sure(), self.transaction(hold=False) as tx:
            await self._write(tx, payloads, spent=spent, also=also)
            if stored is not None:
                tx.after_commit.append(stored)

    async def finish(
        self,
        *payloads: Payload,
        status: RunStatus,
        error: dict[str, object] | None = None,
        also: AlsoWrite | None = None,
    ) -> None:
        """Commits the last events of the run together with its final status."""
        async with self._turn, self._sure(), self.transaction(hold=False) as tx:
            await self._write(tx, payloads, spent=Spent(), status=status, error=error, also=also)

    @asynccontextmanager
    async def _sure(self) -> AsyncGenerator[None, None]:
        """When the line was cut, what was written may be stored or not; readers then look for themselves."""
        try:
            yield
        except Unavailable:
            self._live.look_again(self.run.session_id)
            raise

    async def _write(
        self,
        tx: Transaction,
        payloads: Sequence[Payload],
        *,
        spent: Spent | None,
        status: RunStatus = RunStatus.RUNNING,
        error: dict[str, object] | None = None,
        also: AlsoWrite | None,
    ) -> None:
        run = self.run
        if spent is None:
            place = await queries.append(tx, run.id, run.attempt, payloads)
        elif await queries.advance(tx, run.id, run.attempt, spent=spent, status=status, error=error):
            place = await queries.append_unfenced(tx, run.session_id, run.id, run.attempt, payloads)
        else:
            place = None
        if place is None:
            raise Fenced(f"Run {run.id} is no longer ours to write.")
        if also is not None:
            await also(tx)
        events = stored_events(payloads, place.first_seq, place.at, run.id, run.attempt)
        tx.after_commit.append(lambda: self._live.stored(run.session_id, events))

    def preview(self, delta: TextDelta | ThinkingDelta) -> None:
        self._live.preview(self.run.session_id, Preview(self.run.id, delta))

    @asynccontextmanager
    async def transaction(self, *, hold: bool = True) -> AsyncGenerator[Transaction, None]:
        """A transaction in the run's workspace. With `hold`, it fails at once if the run is not ours any more."""
        self.check_lease()
        async with self._db.transaction(self.run.workspace_id) as tx:
            if hold and not await queries.hold(tx, self.run.id, self.run.attempt):
                raise Fenced(f"Run {self.run.id} is no longer ours.")
            yield tx

    async def hand_back(self) -> None:
        """Lets another worker go on with the run."""
        async with self._db.transaction(self.run.workspace_id) as tx:
            await queries.hand_back(tx, [self.run.id], self.worker_id)

    async def read(self) -> list[Event]:
        """Everything in the session that a model needs to know, this run's finished steps included."""
        async with self._db.transaction(self.run.workspace_id) as tx:
            return await queries.read_conversation(tx, self.run.session_id)


def stored_events(
    payloads: Sequence[Payload], first_seq: int, at: datetime, run_id: UUID, attempt: int | None
) -> list[Event]:
    return [
        Event(first_seq + number, payload.type, at, run_id, attempt, encode(payload))
        for number, payload in enumerate(payloads)
    ]
