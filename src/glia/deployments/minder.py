"""Looks after one replica: starts it, asks whether it is well, starts it again when it ends, stops it."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import structlog

from glia.deployments import checks, health, metering
from glia.deployments.binaries import Binaries, Kept, Wanted, command_of
from glia.deployments.bubblewrap import PROGRAM_AT
from glia.deployments.config import FleetConfig
from glia.deployments.egress import WaysOut
from glia.deployments.errors import BinaryRefused
from glia.deployments.lines import Splitter
from glia.deployments.node_queries import Assigned, NewLine
from glia.deployments.types import Ended, FleetBackend, Launch, Running
from glia.kit.errors import GliaError

log = structlog.get_logger(__name__)

_STABLE_SECONDS = 10.0
_LONGEST_PAUSE_SECONDS = 60.0
_UNWELL_TIMES = 3
_FLUSH_SECONDS = 5.0
_FRESH_SECONDS = 0.3
_SILENT_LOOKS = 3
_DRAIN_LEAST_SECONDS = 1.0


@dataclass(frozen=True)
class Tools:
    """What minders share. environment: opens a replica's sealed variables. noted: tells the digest of a download and
    gets the one that counts. flushed: waits until a replica's output is kept, with a line of ours behind it. said:
    adds such a line. ways_out: whom programs may reach. metered: notes what was used. changed: something is to be
    reported."""

    backend: FleetBackend
    binaries: Binaries
    config: FleetConfig
    environment: Callable[[Assigned], Mapping[str, str]]
    noted: Callable[[Assigned, Kept], Awaitable[str]]
    flushed: Callable[[Minder, str], Awaitable[None]]
    said: Callable[[Minder, str], Awaitable[None]]
    ways_out: WaysOut
    metered: Callable[[metering.Stretch], None]
    changed: Callable[[], None]


class Minder:
    def __init__(self, row: Assigned, tools: Tools, running: Running | None = None) -> None:
        """running: found again after a restart of the supervisor."""
        self.row = row
        self.running = running
        self._tools, self._config = tools, tools.config
        self.state = row.state if running is not None else "pending"
        self.is_ready = row.is_ready and running is not None
        self.reason, self.failures, self.restarts = "", row.failures, 0
        self.last_failure = ""
        self.listens = row.listens
        self.is_dirty, self.has_started = False, False
        self.place, self.splitter = row.log_place, Splitter()
        self.pending: tuple[list[NewLine], tuple[int, int]] | None = None
        self.used: metering.Mark | None = None
        self._measured: metering.Mark | None = None
        self.fed_at = 0.0
        self.is_wanted = True
        self.ended: Ended | None = None
        self._mark = metering.found_again(running.usage()) if running is not None else None
        if running is not None:
            tools.ways_out.open(row, running)
        self._woken = asyncio.Event()
        self._ready_at = time.monotonic() if self.is_ready else 0.0
        self.task = asyncio.create_task(self._mind(), name=f"glia-replica-{row.id}")

    def look(self) -> None:
        """Called several times a second: notices the end."""
        if self.running is not None and self.ended is None:
            self.ended = self.running.ended()
            if self.ended is not None:
                self._woken.set()

    def measured(self) -> metering.Mark | None:
        """What it has used since its start; figures and bills share one look at it. None while it does not run."""
        if self.running is None:
            return None
        now = time.monotonic()
        if self._measured is None or now - self._measured.at > _FRESH_SECONDS:
            self._measured = metering.Mark(now, self.running.usage())
        return self._measured

    def meter(self) -> None:
        """Notes what was used since the last time; until its end, if it has ended."""
        if self.running is None or self._mark is None:
            return
        now = self._measured = metering.Mark(time.monotonic(), self.running.usage())
        self._tools.metered(metering.stretch_of(self.row, self._mark, now))
        self._mark = now

    def want(self, row: Assigned | None) -> None:
        """What the database says now; None when it knows the replica no more."""
        if row is not None:
            self.row = row
        if self.is_wanted and (row is None or not row.is_wanted):
            self.is_wanted = False
            self._woken.set()

    def report(self) -> dict[str, object]:
        return {
            "state": self.state,
            "is_ready": self.is_ready,
            "reason": self.reason[:1000],
            "failures": self.failures,
            "last_failure": self.last_failure[:1000],
            "restarted": self.restarts,
            "started": self.has_started,
            "address": self.running.address if self.running is not None else "",
        }

    def _say(self, state: str, reason: str = "", *, is_ready: bool = False) -> None:
        if (state, reason, is_ready) != (self.state, self.reason, self.is_ready):
            self.state, self.reason, self.is_ready = state, reason, is_ready
            self.is_dirty = True
            self._tools.changed()

    async def _mind(self) -> None:
        while self.is_wanted:
            if self.running is None and not await self._start():
                continue
            await self._watch()
        await self._stop()

    # --- Starting -----------------------------------------------------------------------------------------------------

    async def _start(self) -> bool:
        self._say("starting", self.reason)
        try:
            launch = await self._launch()
            self.running = await asyncio.to_thread(self._tools.backend.start, launch)
            self._mark = metering.begun()
            self._tools.ways_out.open(self.row, self.running)
        except BinaryRefused as error:
            await self._refused("failed", error.message)
            return False
        except (GliaError, OSError) as error:
            await self._refused("backoff", error.message if isinstance(error, GliaError) else str(error))
            return False
        self.ended, self.place, self.splitter = None, (0, 0), Splitter()
        self.has_started = self.is_dirty = True
        return True

    async def _refused(self, state: str, reason: str) -> None:
        self.failures += 1
        if reason != self.last_failure:
            await self._tools.said(self, f"This replica cannot be started: {reason}")
        self.last_failure = reason
        await self._pause(state, reason)

    async def _launch(self) -> Launch:
        row = self.row
        wanted = Wanted(row.workspace_id, row.project_id, row.runtime, row.binary_url, row.digest or row.sha256)
        kept = await self._tools.binaries.get(wanted)
        if row.digest is None and (counts := await self._tools.noted(row, kept)) != kept.digest:
            raise GliaError(f"{row.binary_url!r} changed while it was downloaded for the replicas ({counts} is kept).")
        argv, template = command_of(row.runtime, kept, row.command, PROGRAM_AT)
        environment = self._tools.environment(row)
        return Launch(
            row.id,
            str(kept.folder),
            argv,
            template,
            checks.cpus_of(row.cpu),
            checks.memory_of(row.memory),
            row.port,
            environment,
            has_way_out=row.network != "none",
        )

    async def _pause(self, state: str, reason: str) -> None:
        """Longer with every failure in a row, and never quite as long for two replicas."""
        self._say(state, reason)
        self.is_dirty = True
        self._tools.changed()
        seconds = 0.02 if self.failures <= 1 else min(2.0 ** (self.failures - 2), _LONGEST_PAUSE_SECONDS)
        await self._wait(seconds * random.uniform(0.8, 1.0))  # noqa: S311

    async def _wait(self, seconds: float) -> None:
        """Until something happened, at most so long."""
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            return
        self._woken.clear()

    # --- Watching -----------------------------------------------------------------------------------------------------

    async def _watch(self) -> None:
        """Until it ends, or is no longer wanted, or is so unwell that it was ended."""
        since, unwell = time.monotonic(), 0
        while self.is_wanted and self.running is not None:
            if self.ended is not None:
                await self._failed(str(self.ended))
                return
            problem = await self._problem(time.monotonic() - since)
            if self.ended is not None:
                continue
            if not problem:
                unwell = 0
                self._well()
            elif self.is_ready:
                unwell += 1
                if unwell >= _UNWELL_TIMES:
                    await self._end_unwell(problem)
                    return
            elif time.monotonic() - since > self._config.start_seconds:
                await self._end_unwell(f"it was not healthy within {self._config.start_seconds:g} s: {problem}")
                return
            await self._wait(self._next_look(unwell, time.monotonic() - since))

    def _next_look(self, unwell: int, age: float) -> float:
        if self.is_ready:
            stable_in = self._ready_at + _STABLE_SECONDS - time.monotonic()
            # What opens no port, and need not, is asked seldom: its end is noticed without asking.
            is_silent = not self.listens and not self.row.must_listen and not unwell
            usual = self._config.health_seconds * _SILENT_LOOKS if is_silent else self._config.health_seconds
            usual = usual if self.failures == 0 else max(0.5, stable_in + 0.1)
            return min(1.0, usual) if unwell else usual
        return 0.1 if age < 5 else 0.5

    async def _problem(self, age: float) -> str:
        running, row = self.running, self.row
        if running is None:
            return ""
        answer = await health.ask(running.address, row.health_path)
        if answer is not None:
            self.listens = True
        elif not row.must_listen and not self.listens and age > self._config.settle_seconds:
            return ""  # it serves nothing, and lives
        return health.problem_of(answer, row.health_path, must_listen=row.must_listen)

    def _well(self) -> None:
        if not self.is_ready:
            self._ready_at = time.monotonic()
            self._say("running", is_ready=True)
        elif self.failures and time.monotonic() - self._ready_at > _STABLE_SECONDS:
            self.failures, self.is_dirty = 0, True
            self._tools.changed()

    async def _end_unwell(self, problem: str) -> None:
        self._say("unhealthy", problem)
        await self._terminate()
        await self._failed(problem)

    async def _failed(self, reason: str) -> None:
        log.warning("a replica failed", replica=str(self.row.id), reason=reason)
        if self.is_ready and time.monotonic() - self._ready_at > _STABLE_SECONDS:
            self.failures = 0
        self.failures += 1
        self.restarts += 1
        self.last_failure = reason
        self._say("backoff", reason)
        await self._bury(f"This replica ended, and is started again: {reason.rstrip('.')}.")
        await self._pause("backoff", reason)

    async def _bury(self, last_line: str = "") -> None:
        """last_line: of ours, behind its last words."""
        running = self.running
        if running is None:
            return
        self.meter()
        self._mark = None
        await self._tools.ways_out.close(self.row.id)
        try:
            async with asyncio.timeout(_FLUSH_SECONDS):
                await self._tools.flushed(self, last_line)
        except TimeoutError:
            log.warning("the last output of a replica was lost", replica=str(self.row.id))
        self.running, self.ended, self.pending, self.used, self._measured = None, None, None, None, None
        await asyncio.to_thread(running.forget)

    # --- Stopping -----------------------------------------------------------------------------------------------------

    async def _stop(self) -> None:
        """Out of rotation, until nobody is connected any more; then SIGTERM, then SIGKILL."""
        if self.running is None:
            return
        self._say("stopping", self.reason)
        deadline = time.monotonic() + self._config.stop_seconds
        await self._look_for(_DRAIN_LEAST_SECONDS)
        while self.ended is None and time.monotonic() < deadline and self.running.connections():
            await self._look_for(0.2)
        await self._terminate()
        await self._bury()

    async def _look_for(self, seconds: float) -> None:
        self._woken.clear()
        if self.ended is None:
            await self._wait(seconds)

    async def _terminate(self) -> None:
        running = self.running
        if running is None:
            return
        self.meter()  # what went over its network is not known once it has ended
        await asyncio.to_thread(running.terminate)
        deadline = time.monotonic() + self._config.stop_seconds
        while running.ended() is None and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
        if running.ended() is None:
            running.kill()
            while running.ended() is None:
                await asyncio.sleep(0.02)
        self.ended = running.ended()
