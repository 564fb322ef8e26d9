"""The housekeeping of one process: leases that end, sandboxes that died, processes that died, and what is metered."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import psycopg
import structlog

from glia.kit.errors import GliaError
from glia.sandboxes import queries
from glia.sandboxes.hosting import Hosting
from glia.sandboxes.live import Live
from glia.sandboxes.place import is_alive
from glia.sandboxes.records import SandboxStatus
from glia.sandboxes.types import SandboxId

log = structlog.get_logger(__name__)

_TICK_SECONDS = 0.5
_BEAT_SECONDS = 5.0
_METER_SECONDS = 10.0
_USAGE_SECONDS = 60.0
_TIDY_SECONDS = 30.0
_ASLEEP_AT_ONCE = 50

DIED = "Its processes have ended: killed for want of memory, by its own code, or with the server. The files are kept."


class Keeping:
    def __init__(self, hosting: Hosting) -> None:
        self._hosting = hosting
        self._task: asyncio.Task[None] | None = None
        self._due: dict[str, float] = {}

    async def start(self) -> None:
        """Takes note of what dead processes of this machine left, clears up after them, and goes on doing so."""
        hosting = self._hosting
        async with hosting.db.across_workspaces() as tx:
            await queries.beat(tx, hosting.host)
        await self._bury_dead()
        await self._sweep()
        self._task = asyncio.create_task(self._run(), name="glia-sandboxes")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for live in self._hosting.all():
            await self._guarded(self._meter, live)
            await self._guarded(self._hosting.settle, live)

    async def leave(self) -> None:
        """Says that this process holds nothing any more; its sandboxes sleep until they are used again."""
        async with self._hosting.db.across_workspaces() as tx:
            await queries.leave(tx, self._hosting.host.id)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            for live in self._hosting.all():
                await self._guarded(self._look_at, live)
            for name, seconds, work in (
                ("beat", _BEAT_SECONDS, self._beat),
                ("meter", _METER_SECONDS, self._meter_all),
                ("usage", _USAGE_SECONDS, self._settle_all),
                ("tidy", _TIDY_SECONDS, self._tidy),
            ):
                now = asyncio.get_running_loop().time()
                if now >= self._due.setdefault(name, now + seconds):
                    self._due[name] = now + seconds
                    try:
                        await work()
                    except (GliaError, psycopg.Error, OSError) as error:
                        log.warning("sandboxes are not looked after", work=name, error=str(error))

    async def _guarded(self, work: Callable[[Live], Awaitable[None]], live: Live) -> None:
        try:
            await work(live)
        except (GliaError, psycopg.Error, OSError) as error:
            log.warning("a sandbox is not looked after", sandbox=str(live.id), error=str(error))

    async def _look_at(self, live: Live) -> None:
        if not live.box.is_alive:
            await self._end(live, SandboxStatus.SLEEPING, DIED, even_if_used=True)
        elif live.is_over and live.record.on_timeout == "kill":
            reason = f"Nobody used it for {live.lease_seconds} s, its lease."
            await self._end(live, SandboxStatus.STOPPED, reason, even_if_used=False)
        elif live.is_over and not live.box.is_paused:
            await self._hosting.pause(live, f"Nobody used it for {live.lease_seconds} s, its lease.")
        await self._hosting.write_decisions(live)

    async def _end(self, live: Live, status: SandboxStatus, reason: str, *, even_if_used: bool) -> None:
        async with self._hosting.lock(live.id):
            if self._hosting.find(live.id) is live and (even_if_used or live.is_over):
                await self._hosting.end(live, status, reason)
                log.info("sandbox ended", sandbox=str(live.id), status=status.value, reason=reason)

    async def _beat(self) -> None:
        hosting = self._hosting
        living = hosting.all()
        changed = [live for live in living if live.lease_until != live.written_until]
        leases = [(live.id, live.lease_until) for live in changed]
        async with hosting.db.across_workspaces() as tx:
            await queries.beat(tx, hosting.host)
            held = set(await queries.held_by(tx, hosting.host.id))
            if leases:
                await queries.write_leases(tx, leases)
        for live, (_, until) in zip(changed, leases, strict=True):
            live.written_until = until
        for live in living:
            if live.id not in held:  # deleted, or taken over, through another process
                async with hosting.lock(live.id):
                    if hosting.find(live.id) is live:
                        await hosting.drop(live)

    async def _meter(self, live: Live) -> None:
        live.spent.look(await live.box.stats())

    async def _meter_all(self) -> None:
        for live in self._hosting.all():
            await self._guarded(self._meter, live)

    async def _settle_all(self) -> None:
        for live in self._hosting.all():
            await self._guarded(self._hosting.settle, live)

    async def _tidy(self) -> None:
        await self._bury_dead()
        hosting = self._hosting
        async with hosting.db.across_workspaces() as tx:
            found = await queries.expired_asleep(tx, hosting.host.machine, _ASLEEP_AT_ONCE)
        for record in found:
            async with hosting.lock(record.id):
                async with hosting.db.transaction(record.workspace_id) as tx:
                    if record.status is SandboxStatus.STOPPED:
                        is_over = await queries.delete(tx, record.id)
                    else:
                        is_over = await queries.close_asleep(tx, record.id, "Its lease ended while it slept.")
                if is_over:
                    await hosting.backend.remove_workspace(SandboxId(record.backend_id))

    async def _bury_dead(self) -> None:
        """Sandboxes of processes of this machine that are dead go to sleep, so that this one may wake them."""
        hosting = self._hosting
        async with hosting.db.across_workspaces() as tx:
            dead = [
                host.id
                for host in await queries.hosts_of_machine(tx, hosting.host.machine)
                if not is_alive(host, hosting.host)
            ]
            if dead:
                await queries.put_to_sleep(tx, dead, "The server that ran it has died; the files are kept.")

    async def _sweep(self) -> None:
        hosting = self._hosting
        async with hosting.db.across_workspaces() as tx:
            kept = await queries.kept_on(tx, hosting.host.machine)
        swept = await hosting.backend.sweep([SandboxId(id) for id in kept])
        if swept.killed or swept.removed:
            log.info("sandboxes of dead servers cleared", killed=len(swept.killed), removed=len(swept.removed))
