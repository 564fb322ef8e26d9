"""A node: keeps the programs of one machine as the database wants them, and goes on without it for a while.

Every node that lives may plan for all, one at a time; each runs what was given to it. A node that is silent for longer
than its lease loses its replicas to others, if there are any.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from uuid import UUID

import orjson
import psycopg
import structlog

from glia.deployments import dialling, metering_queries, node_queries, planning
from glia.deployments.binaries import Binaries, Kept
from glia.deployments.config import FleetConfig
from glia.deployments.egress import WaysOut
from glia.deployments.errors import ReplicaGone
from glia.deployments.keeping import Keeping
from glia.deployments.metering import Metering
from glia.deployments.minder import Minder, Tools
from glia.deployments.node_queries import Assigned, NodeRow, ReplicaRow, Wish
from glia.deployments.service import Seals, seal_context
from glia.deployments.types import FleetBackend, Running, Telling
from glia.kit.db import Database, Transaction
from glia.kit.errors import GliaError
from glia.kit.ids import new_id

log = structlog.get_logger(__name__)

_SYNC_SECONDS = 3.0
_PULSE_SECONDS = 0.2
_SELDOM_SECONDS = 2.0
_TRIM_SECONDS = 60.0
_NEEDLESS_SECONDS = 30.0
_PROBE_AGAIN_SECONDS = 30.0
_MISHAPS = (GliaError, psycopg.Error, OSError)


@dataclass(frozen=True)
class Me:
    """id: the same after each restart, so that the node finds its replicas again. is_lent: ends by itself when there
    is no deployment any more. address: where it takes connections from other machines; empty for nowhere."""

    id: UUID
    name: str
    region: str = ""
    is_lent: bool = False
    address: str = ""


class Node:
    def __init__(
        self,
        db: Database,
        backend: FleetBackend,
        binaries: Binaries,
        secrets: Seals,
        config: FleetConfig,
        me: Me,
        ways_out: WaysOut,
    ) -> None:
        self._db, self._backend, self._binaries = db, backend, binaries
        self._secrets, self._config, self._me = secrets, config, me
        self._keeping, self._metering = Keeping(db), Metering(db)
        self._ways_out = ways_out
        self._tools = Tools(
            backend,
            binaries,
            config,
            self._environment,
            self._noted,
            self._keeping.flush,
            self._keeping.say,
            self._ways_out,
            self._metering.note,
            self._note_change,
        )
        self._minders: dict[UUID, Minder] = {}
        self._orphans: dict[UUID, Running] = {}
        self._problem, self._limits = "", dict[str, str]()
        self._changed, self._pulsed = asyncio.Event(), asyncio.Event()
        self._told = set[UUID]()
        self._heard_at = self._needed_at = time.monotonic()
        self._probed_at = 0.0
        self._sampled_at = time.monotonic()

    def wake(self, _note: str = "") -> None:
        self._changed.set()

    def be_reached_at(self, address: str) -> None:
        """By servers on other machines."""
        self._me = replace(self._me, address=address)

    async def dial(self, replica_id: UUID) -> socket.socket:
        """A connected socket to the port of a replica of this node. Raises ReplicaGone."""
        minder = self._minders.get(replica_id)
        if minder is None or minder.running is None:
            raise ReplicaGone("This node does not run that replica.")
        return await dialling.dial(minder.running.address)

    def _note_change(self) -> None:
        self._changed.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Until told to stop, or until it is not needed, or alone for too long. Programs run on after the first."""
        await self._probe()
        self._orphans = dict(await asyncio.to_thread(self._backend.adopt))
        pulse = asyncio.create_task(self._pulse(), name="glia-node-pulse")
        trimming = asyncio.create_task(self._trim_seldom(), name="glia-node-trim")
        ending = asyncio.create_task(stop.wait())
        try:
            while not (stop.is_set() or pulse.done() or trimming.done()):
                await self._sync()
                if time.monotonic() - self._heard_at > self._config.alone_seconds:
                    log.error("no database for too long; stopping the programs")
                    await self._end_all()
                    return
                if self._minders or self._orphans:
                    self._needed_at = time.monotonic()  # also while nobody can say what is wanted
                if self._me.is_lent and time.monotonic() - self._needed_at > _NEEDLESS_SECONDS:
                    return
                await self._pause(ending)
            for task in (pulse, trimming):
                if task.done():
                    task.result()  # a bug: it never ends by itself
        finally:
            for task in (ending, pulse, trimming):
                task.cancel()
            for minder in self._minders.values():
                minder.task.cancel()
            await asyncio.gather(
                ending, pulse, trimming, *(m.task for m in self._minders.values()), return_exceptions=True
            )
            await self._ways_out.close_all()
            await self._meter()

    async def _pause(self, ending: asyncio.Task[bool]) -> None:
        waking = asyncio.create_task(self._changed.wait())
        seconds = min(_SYNC_SECONDS, self._config.lease_seconds / 3)
        await asyncio.wait((waking, ending), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        waking.cancel()
        self._changed.clear()

    async def _probe(self) -> None:
        self._probed_at = time.monotonic()
        self._problem, limits = await self._backend.probe()
        self._limits = dict(limits)
        if self._problem:
            log.error("programs cannot run on this machine", problem=self._problem)

    # --- What is wanted -----------------------------------------------------------------------------------------------

    async def _sync(self) -> None:
        """Says that we live, tells what changed, plans, and learns what is ours. Without a database all stays."""
        if self._problem and time.monotonic() - self._probed_at > _PROBE_AGAIN_SECONDS:
            await self._probe()
        try:
            async with self._db.across_workspaces() as tx:
                await self._beat(tx)
                await self._report(tx)
                await self._plan(tx)
                rows = await node_queries.assigned(tx, self._me.id)
        except _MISHAPS as error:
            log.warning("the database was not reached", error=str(error))
            for minder in self._minders.values():
                minder.is_dirty = True  # what was told may be lost
            await asyncio.sleep(0.2)
            return
        self._heard_at = time.monotonic()
        await self._follow(rows)

    async def _beat(self, tx: Transaction) -> None:
        row = {"id": self._me.id, "name": self._me.name, "region": self._me.region, "address": self._me.address}
        row |= {"limits": self._limits, "problem": self._problem, "seconds": self._config.lease_seconds}
        await node_queries.beat(tx, row)

    async def _report(self, tx: Transaction) -> None:
        told: list[tuple[Minder, int, bool]] = []
        dirty = [minder for minder in self._minders.values() if minder.is_dirty]
        for minder in sorted(dirty, key=lambda minder: minder.row.id):  # as whoever else locks replicas
            told.append((minder, minder.restarts, minder.has_started))
            minder.is_dirty = False
            await node_queries.report(tx, minder.row.id, minder.report())
            await node_queries.tell(tx, minder.row.deployment_id)
        for id in {minder.row.deployment_id for minder in dirty if minder.listens and not minder.row.listens}:
            await node_queries.note_listening(tx, id)

        def kept() -> None:
            for minder, restarts, has_started in told:
                minder.restarts -= restarts
                minder.has_started = minder.has_started and not has_started

        tx.after_commit.append(kept)

    async def _plan(self, tx: Transaction) -> None:
        if not await node_queries.may_plan(tx):
            return
        nodes, wishes = await node_queries.nodes(tx), await node_queries.wishes(tx)
        if wishes:
            self._needed_at = time.monotonic()
        rows: dict[UUID, list[ReplicaRow]] = {}
        for row in await node_queries.replicas(tx):
            rows.setdefault(row.deployment_id, []).append(row)
        for wish in wishes:
            nodes = await self._carry_out(tx, wish, rows.get(wish.id, []), nodes)

    async def _carry_out(
        self, tx: Transaction, wish: Wish, rows: Sequence[ReplicaRow], nodes: Sequence[NodeRow]
    ) -> list[NodeRow]:
        """The nodes as they are then."""
        problem = planning.problem_of(nodes, wish.region)
        plan = planning.plan_for(wish, rows, problem=problem, start_seconds=self._config.start_seconds)
        for id in plan.drop:
            await node_queries.drop_replica(tx, id)
        for id in plan.retire:
            await node_queries.retire_replica(tx, id)
        taken = Counter(row.node_id for row in rows if row.is_wanted and row.id not in plan.drop)
        chosen = planning.places_for(plan.add, nodes, taken, wish.region)
        for node_id in chosen:
            await node_queries.add_replica(tx, wish, new_id(), node_id)
        after = (plan.status, plan.reason, plan.version_id, plan.generation, plan.good_generation)
        before = (wish.status, wish.reason, wish.version_id, wish.generation, wish.good_generation)
        if after != before:
            fields = ("status", "reason", "version_id", "generation", "good_version_id", "good_generation")
            await node_queries.settle(tx, wish, {name: getattr(plan, name) for name in fields})
        if after != before or plan.add or plan.retire or plan.drop:
            await node_queries.tell(tx, wish.id)
        return [replace(node, replicas=node.replicas + chosen.count(node.id)) for node in nodes]

    async def _follow(self, rows: Sequence[Assigned]) -> None:
        wanted = {row.id: row for row in rows}
        for row in rows:
            if row.id not in self._minders:
                self._minders[row.id] = Minder(row, self._tools, self._orphans.pop(row.id, None))
        for id, running in list(self._orphans.items()):
            del self._orphans[id]
            await asyncio.to_thread(_end, running)
        gone: list[UUID] = []
        for id, minder in self._minders.items():
            minder.want(wanted.get(id))
            if minder.task.done():
                gone.append(id)
        if gone:
            await self._let_go(gone, wanted)

    async def _let_go(self, ids: Sequence[UUID], wanted: Mapping[UUID, Assigned]) -> None:
        for id in ids:
            minder = self._minders.pop(id)
            if (error := minder.task.exception()) is not None:
                log.error("a replica was not looked after", replica=str(id), error=repr(error))
                if minder.running is not None:
                    await asyncio.to_thread(_end, minder.running)
        await self._metering.settle()  # while their rows are there
        with suppress(*_MISHAPS):
            async with self._db.across_workspaces() as tx:
                for id in ids:
                    if id in wanted and not wanted[id].is_wanted:
                        await node_queries.drop_replica(tx, id)
                        await node_queries.tell(tx, wanted[id].deployment_id)

    async def _end_all(self) -> None:
        for minder in self._minders.values():
            minder.want(None)
        async with asyncio.timeout(self._config.stop_seconds * 3 + 10):
            await asyncio.gather(*(minder.task for minder in self._minders.values()), return_exceptions=True)

    def _environment(self, row: Assigned) -> Mapping[str, str]:
        return orjson.loads(self._secrets.open(row.sealed_environment, seal_context(row.deployment_id)))

    async def _noted(self, row: Assigned, kept: Kept) -> str:
        async with self._db.across_workspaces() as tx:
            return await node_queries.note_digest(tx, row.version_id, kept.digest, kept.size_bytes)

    # --- What happens all the time ------------------------------------------------------------------------------------

    async def _pulse(self) -> None:
        """Looks after all replicas several times a second; with a backend that tells, after those that it names, and
        after all seldom."""
        stop, pause, looked_at = None, _PULSE_SECONDS, 0.0
        if isinstance(self._backend, Telling):
            stop, pause = self._backend.told(self._tell), _SELDOM_SECONDS
        try:
            while True:
                named, self._told = self._told, set[UUID]()
                busy = await self._look_after([self._minders[id] for id in named if id in self._minders])
                if time.monotonic() - looked_at >= pause:
                    looked_at = time.monotonic()
                    busy = await self._look_after(list(self._minders.values())) or busy
                    await self._figures()
                    await self._note_ways_out()
                await asyncio.sleep(0.01)  # so that what is written piece by piece is kept in fewer
                if not busy and not self._told:
                    with suppress(TimeoutError):
                        async with asyncio.timeout(pause):
                            await self._pulsed.wait()
                self._pulsed.clear()
        finally:
            if stop is not None:
                stop()

    def _tell(self, id: UUID) -> None:
        self._told.add(id)
        self._pulsed.set()

    async def _look_after(self, minders: Sequence[Minder]) -> bool:
        """Whether there is more to read."""
        busy = False
        for minder in minders:
            minder.look()
            if minder.ended is None and await self._keeping.pump(minder):  # else whoever buries it keeps its last words
                busy = True
                self._told.add(minder.row.id)
        return busy

    async def _note_ways_out(self) -> None:
        for row, lines in self._ways_out.taken():
            minder = self._minders.get(row.id)
            await self._keeping.add(row, lines, (0, 0) if minder is None else minder.place)

    async def _figures(self) -> None:
        now = time.monotonic()
        try:
            if now - self._sampled_at > self._config.sample_seconds:
                self._sampled_at = now
                await self._meter()
                await self._keeping.sample(list(self._minders.values()))
        except _MISHAPS as error:
            log.warning("figures could not be kept", error=str(error))

    async def _meter(self) -> None:
        """What is not taken by the database stays where it is, so that nothing piles up."""
        if not self._metering.is_behind:
            for minder in self._minders.values():
                minder.meter()
        await self._metering.settle()
        with suppress(*_MISHAPS):
            async with self._db.across_workspaces() as tx:
                if await node_queries.may_plan(tx):
                    await metering_queries.add_stored(tx, self._me.id)

    async def _trim_seldom(self) -> None:
        """Beside the pulse: however long the database takes, replicas are looked after."""
        while True:
            await asyncio.sleep(_TRIM_SECONDS)
            try:
                await self._trim()
            except _MISHAPS as error:
                log.warning("what is old could not be removed", error=str(error))

    async def _trim(self) -> None:
        async with self._db.across_workspaces() as tx:
            workspaces, digests = await node_queries.workspaces(tx), await node_queries.digests(tx)
        for workspace in workspaces:
            async with self._db.transaction(workspace) as tx:
                await node_queries.trim(tx, log_lines=self._config.log_lines, log_days=self._config.log_days)
        await asyncio.to_thread(self._binaries.keep_only, digests)


def _end(running: Running) -> None:
    """Of a replica that nobody wants any more, such as one that was given to another node. Blocking."""
    running.terminate()
    deadline = time.monotonic() + 2
    while running.ended() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    running.kill()
    while running.ended() is None and time.monotonic() < deadline + 10:
        time.sleep(0.02)
    running.forget()
