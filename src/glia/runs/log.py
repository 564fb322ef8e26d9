"""A run's pen: the only way its worker writes, and it is refused once the worker no longer holds the run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import cast
from uuid import UUID

from glia.kit import telemetry
from glia.kit.db import Database, Transaction, seen_through
from glia.kit.errors import DatabaseUnavailable
from glia.runs import approval_queries, fork_queries, log_queries, queries
from glia.runs.errors import Fenced
from glia.runs.events import Event, Payload, Preview, RunWaiting, TextDelta, ThinkingDelta, encode
from glia.runs.lease import Lease
from glia.runs.live import Live
from glia.runs.types import NOTHING, Run, RunStatus, Spent

AlsoWrite = Callable[[Transaction], Awaitable[None]]


@dataclass(frozen=True)
class Ending:
    """The status that a write leaves the run in, and what else becomes true in the same transaction.

    unless_news: write nothing at all when others have put something into the session meanwhile.
    """

    status: RunStatus = RunStatus.RUNNING
    error: dict[str, object] | None = None
    also: AlsoWrite | None = None
    waiting_for: Sequence[str] = ()
    wake_at: datetime | None = None
    unless_news: bool = False


class RunLog:
    """Appends events of one attempt of one run."""

    def __init__(
        self, db: Database, live: Live, lease: Lease, run: Run, worker_id: UUID, story: list[Event] | None = None
    ) -> None:
        """story: the session's whole log, when the caller has just written it."""
        self._db = db
        self._live = live
        self._lease = lease
        self.worker_id = worker_id
        self._turn = asyncio.Lock()  # events become visible in the order they were appended
        self._story = story
        self._news_after: int | None = None
        self.run = run
        self.seq: int | None = None
        """The newest event of the session that this run knows of; None before anything was read or written."""
        self.is_suspended = False

    def check_lease(self) -> None:
        """Raises Fenced when this process can no longer be sure that the run is its own."""
        if not self._lease.holds(self.worker_id):
            raise Fenced(f"The lease under which run {self.run.id} was begun is gone.")

    async def append(
        self,
        *payloads: Payload,
        spent: Spent = NOTHING,
        usage: str | None = None,
        also: AlsoWrite | None = None,
        stored: Callable[[], None] | None = None,
    ) -> None:
        """Commits events, counters and a usage record (as JSON), whole or not at all, in one round trip.

        stored: called once they are, even if this task is cancelled at that very moment.
        """
        await self._write(payloads, Ending(also=also), spent=spent, usage=usage, stored=stored)

    async def finish(
        self,
        *payloads: Payload,
        status: RunStatus,
        error: dict[str, object] | None = None,
        spent: Spent = NOTHING,
        usage: str | None = None,
        also: AlsoWrite | None = None,
        unless_news: bool = False,
        stored: Callable[[], None] | None = None,
    ) -> bool:
        """Commits the last events of the run together with its final status, and whatever must be true with it.

        unless_news: False comes back, and nothing was written, when others wrote into the session meanwhile.
        """
        if unless_news and self._news_after is not None:
            return False  # others wrote between pieces of text that are stored already
        ending = Ending(status, error, also, unless_news=unless_news)
        return await self._write(payloads, ending, spent=spent, usage=usage, stored=stored)

    async def suspend(
        self,
        *payloads: Payload,
        waiting_for: Sequence[str],
        wake_at: datetime | None = None,
        detail: str = "",
        also: AlsoWrite | None = None,
    ) -> None:
        """Lets go of the run until what it waits for has happened. Whoever begins it again reads the log.

        also: checks, with the run's row held, whether that has happened already; then it calls `queries.resume`.
        """

        async def check(tx: Transaction) -> None:
            if also is not None:
                await also(tx)
            await queries.resume_cancelled(tx, self.run.id)

        waiting = RunWaiting(list(waiting_for), wake_at, detail)
        ending = Ending(RunStatus.WAITING, None, check, waiting_for, wake_at)
        await self._write([*payloads, waiting], ending, spent=NOTHING, usage=None, stored=None)
        self.is_suspended = True

    async def _write(
        self,
        payloads: Sequence[Payload],
        ending: Ending,
        *,
        spent: Spent,
        usage: str | None,
        stored: Callable[[], None] | None,
    ) -> bool:
        data = [encode(payload) for payload in payloads]
        types = [payload.type for payload in payloads]
        async with self._turn:
            self.check_lease()
            entry = queries.Entry(
                types,
                data,
                spent,
                ending.status,
                ending.error,
                usage,
                ending.waiting_for,
                ending.wake_at,
                self.seq if ending.unless_news else None,
            )
            try:
                return await seen_through(self._store(entry, ending.also, stored))
            except DatabaseUnavailable:
                # The line was cut: what was written may be stored or not, and readers look for themselves.
                self._live.look_again(self.run.session_id)
                raise

    async def _store(self, entry: queries.Entry, also: AlsoWrite | None, stored: Callable[[], None] | None) -> bool:
        run = self.run
        if also is None:
            place = await queries.append(self._db, run, entry)
        else:
            place = await self._append_and(also, entry)
        if place is None:
            raise Fenced(f"Run {run.id} is no longer ours to write.")
        if place.first_seq < 0:
            self._note(-place.first_seq + 1, 0)
            return False
        self._note(place.first_seq, len(entry.types))
        events = [
            Event(place.first_seq + number, type, place.at, run.id, run.attempt, text)
            for number, (type, text) in enumerate(zip(entry.types, entry.data, strict=True))
        ]
        self._live.stored(run.session_id, events)
        if entry.status.is_final:
            telemetry.runs_ended.labels(entry.status).inc()
            telemetry.run_seconds.observe((place.at - run.created_at).total_seconds())
        if stored is not None:
            stored()
        return True

    def _note(self, first_seq: int, count: int) -> None:
        """Where events landed tells whether others wrote between ours."""
        if self.seq is not None and first_seq > self.seq + 1 and self._news_after is None:
            self._news_after = self.seq
        self.seq = first_seq + count - 1

    @property
    def heard(self) -> int:
        """The newest event up to which this run knows all that was said."""
        return (self.seq or 0) if self._news_after is None else self._news_after

    async def news(self) -> list[Event]:
        """What others have said in the session since this run read it; costs nothing when nobody wrote."""
        if self._news_after is None:
            return []
        after, self._news_after = self._news_after, None
        async with self._db.transaction(self.run.workspace_id) as tx:
            said = await log_queries.read_messages(tx, self.run.session_id, after=after)
        if said:
            self.seq = max(self.seq or 0, said[-1].seq)
        return said

    async def _append_and(self, also: AlsoWrite, entry: queries.Entry) -> queries.Place | None:
        async with self._db.transaction(self.run.workspace_id) as tx:
            place = await queries.append_in(tx, self.run, entry)
            if place is not None and place.first_seq > 0:
                await also(tx)
            return place

    def preview(self, delta: TextDelta | ThinkingDelta) -> None:
        self._live.preview(self.run.session_id, Preview(self.run.id, delta))

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Transaction, None]:
        """A transaction in the run's workspace, which fails at once if the run is not ours any more."""
        self.check_lease()
        async with self._db.transaction(self.run.workspace_id) as tx:
            if not await queries.hold(tx, self.run.id, self.run.attempt):
                raise Fenced(f"Run {self.run.id} is no longer ours.")
            yield tx

    async def hand_back(self) -> None:
        """Lets another worker go on with the run."""
        async with self._db.transaction(self.run.workspace_id) as tx:
            await queries.hand_back(tx, [self.run.id], self.worker_id)

    async def granted(self) -> list[str]:
        """Tools that a person allowed this run's agent for good."""
        if self.run.agent_id is None:
            return []
        async with self._db.transaction(self.run.workspace_id) as tx:
            return await approval_queries.granted(tx, self.run.agent_id)

    async def asked(self) -> str:
        """What the user said last to the session, or said to begin this run; empty when nothing was said."""
        waiting = self.run.input.get("messages")
        if isinstance(waiting, list) and waiting:
            return str(cast(list[dict[str, object]], waiting)[-1].get("content", ""))
        async with self._db.transaction(self.run.workspace_id) as tx:
            return await log_queries.last_said(tx, self.run.session_id)

    async def last_sign(self) -> log_queries.LastSign | None:
        """What is known of the attempt before, if it got as far as storing anything."""
        async with self._db.transaction(self.run.workspace_id) as tx:
            return await log_queries.last_sign(tx, self.run.session_id, self.run.id)

    async def read(self) -> list[Event]:
        """Everything in the session that a model needs to know, this run's finished steps included."""
        story, self._story = self._story, None
        if story is None:
            async with self._db.transaction(self.run.workspace_id) as tx:
                where = (self.run.session_id, self.run.id)
                story = await log_queries.read_conversation(tx, *where)
                if story and story[0].seq > 1:  # what came before lies in another session, or was compacted
                    story = await fork_queries.read_conversation(tx, *where)
        self._news_after = None
        self.seq = max(self.seq or 0, story[-1].seq if story else 0)
        return story


def stored_events(
    payloads: Sequence[Payload], first_seq: int, at: datetime, run_id: UUID | None, attempt: int | None
) -> list[Event]:
    return [
        Event(first_seq + number, payload.type, at, run_id, attempt, encode(payload))
        for number, payload in enumerate(payloads)
    ]


async def append_unfenced(
    tx: Transaction, live: Live, session_id: UUID, run_id: UUID | None, attempt: int | None, payloads: Sequence[Payload]
) -> None:
    """For writers that hold the session or the run in this transaction; watchers are told once it is committed."""
    place = await queries.append_unfenced(tx, session_id, run_id, attempt, payloads)
    events = stored_events(payloads, place.first_seq, place.at, run_id, attempt)
    tx.after_commit.append(lambda: live.stored(session_id, events))
