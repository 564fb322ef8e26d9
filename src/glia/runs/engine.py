"""The engine of one process: it claims runs, executes them, and lets go of them the moment its lease is gone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import psycopg
import structlog

from glia.kit import telemetry
from glia.kit.clock import wire_time
from glia.kit.db import Database, Transaction
from glia.kit.errors import DatabaseUnavailable, GliaError, StorageFull
from glia.runs import lease_queries, log_queries, queries
from glia.runs.config import EngineConfig
from glia.runs.errors import CrashLoop, Fenced, LimitReached
from glia.runs.events import Event, Payload, RunCancelled, RunError, RunFailed, RunStarted
from glia.runs.lease import Lease
from glia.runs.live import Live
from glia.runs.log import RunLog
from glia.runs.types import NOTHING, Run, RunStatus, Spent
from glia.usage.types import CallStatus

log = structlog.get_logger(__name__)

WORK_CHANNEL = "glia_work"
CANCEL_CHANNEL = "glia_cancel"


class Work:
    """What a kind of run does. One object per attempt."""

    timeout_seconds: float | None = None

    async def run(self) -> None:
        raise NotImplementedError

    @property
    def partial(self) -> str:
        """What a watcher has seen of an unfinished answer."""
        return ""

    async def unsaved(self) -> list[Payload]:
        """Events that were shown but not stored yet; stored when the run ends early."""
        return []

    def unsettled(self, status: CallStatus) -> tuple[Spent, str] | None:
        """Counters and usage record (JSON) of a model call that was cut off; stored when the run ends early."""
        return None

    async def ended(self, tx: Transaction, *, code: str, message: str) -> None:
        """Called in the transaction that ends the run as failed or cancelled."""


MakeWork = Callable[[RunLog], Awaitable[Work]]


@dataclass
class _Held:
    """A run being executed here.

    Its task is not cancelled before it has begun, when it could not handle that and looks at the flags instead, nor
    while it writes the run's end.
    """

    run: Run
    worker_id: UUID
    story: list[Event] | None = None
    is_announced: bool = False
    has_begun: bool = False
    is_ending: bool = False
    is_cancelled: bool = False
    is_handed_back: bool = False
    task: asyncio.Task[None] = field(init=False)

    def stop(self) -> None:
        if self.has_begun and not self.is_ending:
            self.task.cancel()


class Engine:
    def __init__(
        self, db: Database, live: Live, lease: Lease, kinds: Mapping[str, MakeWork], config: EngineConfig | None = None
    ) -> None:
        """kinds: how to make the work of each kind of run; a kind that is missing fails its runs."""
        self._db = db
        self._live = live
        self._lease = lease
        self._kinds = kinds
        self._config = config or EngineConfig()
        self._held: dict[UUID, _Held] = {}
        self._interrupted: dict[UUID, float] = {}
        """Runs that could not be written and are to be queued again, with the seconds they should rest."""
        self._wake = asyncio.Event()
        self._is_stopping = False
        self._poller: asyncio.Task[None] | None = None

    @property
    def running(self) -> int:
        return len(self._held)

    @property
    def seat(self) -> UUID | None:
        """The worker id under which this process could begin a run right now, or None: no lease, or no room."""
        if self._is_stopping or len(self._held) >= self._config.most_at_once:
            return None
        return self._lease.worker_id

    def start(self) -> None:
        self._poller = asyncio.create_task(self._poll(), name="glia-claims")

    async def stop(self) -> None:
        """Lets runs finish for a while, then hands back what is left, so that another worker goes on with it."""
        self._is_stopping = True
        if self._poller is not None:
            self._poller.cancel()
            await asyncio.gather(self._poller, return_exceptions=True)
        await self._wait_for_all(self._config.drain_seconds)
        for held in self._held.values():
            held.is_handed_back = True
            held.stop()
        await self._wait_for_all(5)

    async def _wait_for_all(self, timeout_seconds: float) -> None:
        if self._held:
            await asyncio.wait([held.task for held in self._held.values()], timeout=timeout_seconds)

    def wake(self) -> None:
        """There may be work in the queue."""
        self._wake.set()

    def begin(self, run: Run, worker_id: UUID, story: list[Event] | None = None, *, is_announced: bool = False) -> None:
        """Executes a run that is already marked as this worker's.

        story: its session's whole log, if it is known. is_announced: its `run.started` is stored already.
        """
        held = self._held[run.id] = _Held(run, worker_id, story, is_announced)
        held.task = asyncio.create_task(self._execute(held), name=f"glia-run-{run.id}")
        held.task.add_done_callback(lambda _task: self._release(held))

    def cancel(self, run_id: UUID) -> None:
        """Stops a run if this process has it; its partial answer is kept.

        Said again with every beat until the run is ending: a library may have swallowed it.
        """
        held = self._held.get(run_id)
        if held is not None:
            held.is_cancelled = True
            held.stop()

    def cancel_all(self, run_ids: Sequence[UUID]) -> None:
        for run_id in run_ids:
            self.cancel(run_id)

    def lost(self, worker_id: UUID) -> None:
        """The lease lapsed: whatever was begun under it is another worker's now and stops without a word."""
        for held in self._held.values():
            if held.worker_id == worker_id:
                held.stop()

    def _release(self, held: _Held) -> None:
        was_full = len(self._held) >= self._config.most_at_once
        # The same run may be here a second time already: lost with one lease and claimed again under the next.
        if self._held.get(held.run.id) is held:
            del self._held[held.run.id]
        if was_full or held.run.id in self._interrupted:
            self._wake.set()

    async def _poll(self) -> None:
        tidied_at = 0.0
        while True:
            try:
                async with asyncio.timeout(self._config.poll_seconds):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()
            try:
                if self._interrupted or time.monotonic() - tidied_at >= self._config.poll_seconds:
                    tidied_at = time.monotonic()
                    await self._tidy()
                await self._claim()
            except (GliaError, psycopg.Error) as error:
                log.warning("could not look for runs", error=str(error).strip().split("\n")[0])
                await asyncio.sleep(self._config.poll_seconds)

    async def _tidy(self) -> None:
        """Frees the runs of workers that are gone, and those that are marked as ours but that we do not have."""
        worker_id = self._lease.worker_id
        async with self._db.across_workspaces() as tx:
            await lease_queries.reap(tx)
            if await lease_queries.wake(tx):
                tx.after_commit.append(self.wake)
            if worker_id is not None:
                await self._queue_interrupted(tx, worker_id)
                await lease_queries.give_back(tx, worker_id, list(self._held))

    async def _claim(self) -> None:
        worker_id = self.seat
        if worker_id is None:
            return
        want = min(self._config.most_at_once - len(self._held), 50)
        async with self._db.across_workspaces() as tx:
            runs = await lease_queries.claim(
                tx, worker_id, want=want, largest_share=self._config.largest_share, kinds=list(self._kinds)
            )
        for run in runs:
            if run.attempt == 1 and run.started_at is not None:
                telemetry.queue_seconds.observe((run.started_at - run.created_at).total_seconds())
            self.begin(run, worker_id)
        if len(runs) == want:
            self._wake.set()

    async def _queue_interrupted(self, tx: Transaction, worker_id: UUID) -> None:
        interrupted = {id: rest for id, rest in self._interrupted.items() if id not in self._held}
        for rest in set(interrupted.values()):
            runs = [id for id in interrupted if interrupted[id] == rest]
            await queries.hand_back(tx, runs, worker_id, pause_seconds=rest)
        tx.after_commit.append(lambda: self._forget_interrupted(list(interrupted)))

    def _forget_interrupted(self, runs: Sequence[UUID]) -> None:
        for id in runs:
            self._interrupted.pop(id, None)

    async def _execute(self, held: _Held) -> None:
        """The step boundary: whatever happens inside a run ends here, as one final event or as silence."""
        started = time.monotonic()
        held.has_begun = True
        run = held.run
        pen = RunLog(self._db, self._live, self._lease, run, held.worker_id, held.story)
        try:
            await self._work(pen, held)
        except Fenced as error:
            log.warning("run left to its new holder", run=str(run.id), reason=str(error))
        except (DatabaseUnavailable, StorageFull, psycopg.OperationalError) as error:
            # The run stays ours in the database until it answers again; then it is queued and begun anew.
            self._interrupted[run.id] = self._config.full_disk_seconds if isinstance(error, StorageFull) else 0.0
            log.warning("run interrupted by the database", run=str(run.id), error=str(error).strip().split("\n")[0])
        else:
            seconds = round(time.monotonic() - started, 3)
            event = "run waits" if pen.is_suspended else "run ended"
            log.info(event, run=str(run.id), kind=run.kind, attempt=run.attempt, seconds=seconds)

    async def _work(self, pen: RunLog, held: _Held) -> None:
        run = held.run
        work: Work | None = None
        try:
            if held.is_handed_back:
                raise asyncio.CancelledError
            work = await self._make(pen)
            if run.attempt > run.max_attempts:
                raise _crash_loop(run, await pen.last_sign())
            if run.cancel_requested_at is not None or held.is_cancelled:
                await self._end_cancelled(pen, work)
                return
            if not held.is_announced:
                reason = "resumed" if run.is_resumed else "recovered" if run.attempt > 1 else "started"
                await pen.append(RunStarted(run.attempt, str(pen.worker_id), reason))
            await self._timed(work)
        except asyncio.CancelledError:
            held.is_ending = True
            await self._stopped_early(pen, work, held)
        except (Fenced, DatabaseUnavailable, StorageFull, psycopg.OperationalError):
            raise
        except Exception as error:
            held.is_ending = True
            if held.is_cancelled:  # the error is an echo of stopping
                await self._end_cancelled(pen, work)
            elif isinstance(error, GliaError):
                await self._end_failed(pen, work, error)
            else:
                log.exception("a bug ended a run", run=str(run.id))
                await self._end_failed(pen, work, _broken(run))

    async def _make(self, pen: RunLog) -> Work:
        make = self._kinds.get(pen.run.kind)
        if make is None:
            raise GliaError(f"This server does not know how to do runs of kind {pen.run.kind!r}.")
        return await make(pen)

    async def _timed(self, work: Work) -> None:
        timeout = asyncio.timeout(work.timeout_seconds)
        try:
            async with timeout:
                await work.run()
        except TimeoutError:
            if not timeout.expired():
                raise
            raise LimitReached(
                "The run took longer than its `limits.timeout_seconds` allows. Raise the limit or narrow the task.",
                limit="timeout_seconds",
            ) from None

    async def _stopped_early(self, pen: RunLog, work: Work | None, held: _Held) -> None:
        """Someone cancelled the run, the server stops, or the lease is gone."""
        if held.is_cancelled:
            await self._end_cancelled(pen, work)
        elif held.is_handed_back:
            unsaved = [] if work is None else await work.unsaved()
            if unsaved:
                await pen.append(*unsaved)
            await pen.hand_back()
        else:
            raise Fenced("the lease lapsed")

    async def _end_cancelled(self, pen: RunLog, work: Work | None) -> None:
        partial = "" if work is None else work.partial
        await self._end(pen, work, RunStatus.CANCELLED, RunCancelled(partial), code="cancelled", message="Cancelled.")

    async def _end_failed(self, pen: RunLog, work: Work | None, error: GliaError) -> None:
        partial = "" if work is None else work.partial
        failed = RunFailed(RunError(error.code, error.message), partial)
        log.info("run failed", run=str(pen.run.id), code=error.code)
        await self._end(pen, work, RunStatus.FAILED, failed, code=error.code, message=error.message)

    async def _end(
        self, pen: RunLog, work: Work | None, status: RunStatus, last: Payload, *, code: str, message: str
    ) -> None:
        message = message.replace("\x00", "\N{REPLACEMENT CHARACTER}")  # jsonb has no NUL

        async def tell(tx: Transaction) -> None:
            if work is not None:
                await work.ended(tx, code=code, message=message)

        problem: dict[str, object] | None = None
        if status is RunStatus.FAILED:
            problem = {"code": code, "message": message}
        try:
            unsaved = [] if work is None else await work.unsaved()
            cut_off = None if work is None else work.unsettled("failed" if problem else "cancelled")
            spent, usage = cut_off or (NOTHING, None)
            await pen.finish(*unsaved, last, status=status, error=problem, spent=spent, usage=usage, also=tell)
        except (Fenced, GliaError, psycopg.OperationalError):
            raise
        except Exception:
            # Something in the run's own words cannot be stored. Without this it would be begun again and again.
            log.exception("a run ends without its last words", run=str(pen.run.id))
            plain = RunFailed(RunError("internal_error", _broken(pen.run).message))
            error: dict[str, object] = {"code": plain.error.code, "message": plain.error.message}
            await pen.finish(plain, status=RunStatus.FAILED, error=error)


def _crash_loop(run: Run, last: log_queries.LastSign | None) -> CrashLoop:
    known = "No attempt stored anything."
    if last is not None:
        tool = "" if last.tool is None else f" for the tool {last.tool!r}"
        worker = "" if last.worker is None else f" by worker {last.worker}"
        known = (
            f"Its last sign is `{last.type}`{tool}, stored in attempt {last.attempt}{worker} at {wire_time(last.at)}."
        )
    return CrashLoop(
        f"The run was begun {run.max_attempts} times and its worker never lived to end it. {known} Look at that"
        " worker's log, mend the cause, then send the message again."
    )


def _broken(run: Run) -> GliaError:
    return GliaError(f"Something in Glia broke; the server's log has the details for run {run.id}.")
