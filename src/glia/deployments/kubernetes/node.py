"""A cluster's node: makes in Kubernetes what the database wants, and tells in the database what Kubernetes makes of it.

Kubernetes keeps the replicas running by itself, also while no node lives. Of all processes that are started for one
cluster one acts; it holds the cluster's row for a while and says so again and again. One that could not say so in time
writes nothing any more, until it holds the row again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from uuid import UUID

import psycopg
import structlog

from glia.deployments import metering_queries, node_queries
from glia.deployments.binaries import Binaries, Kept
from glia.deployments.config import FleetConfig
from glia.deployments.kubernetes import judging, pods, queries
from glia.deployments.kubernetes.api import DEPLOYMENTS, PODS, Cluster
from glia.deployments.kubernetes.figures import Gauges
from glia.deployments.kubernetes.following import Follower
from glia.deployments.kubernetes.gates import Gate, Listening
from glia.deployments.kubernetes.judging import History
from glia.deployments.kubernetes.making import Maker, Tools
from glia.deployments.kubernetes.meters import Meters
from glia.deployments.kubernetes.pods import Pod
from glia.deployments.kubernetes.programs import ProgramLinks
from glia.deployments.kubernetes.queries import Row
from glia.deployments.kubernetes.things import Thing
from glia.deployments.kubernetes.watching import Watched
from glia.deployments.kubernetes.wishes import INSTALLATION, Place, Version, object_name
from glia.deployments.metering import Metering
from glia.deployments.node_queries import Wish
from glia.deployments.planning import Plan
from glia.deployments.service import Seals
from glia.kit.clock import now
from glia.kit.db import Database, Transaction
from glia.kit.errors import Conflict, GliaError
from glia.kit.ids import new_id

log = structlog.get_logger(__name__)

_SYNC_SECONDS = 1.0
_LEAST_SECONDS = 0.05
_TRIM_SECONDS = 60.0
_NEEDLESS_SECONDS = 30.0
_PROBE_AGAIN_SECONDS = 30.0
_MISHAPS = (GliaError, psycopg.Error, OSError)


@dataclass(frozen=True)
class Me:
    """id: of the cluster, the same in every process that looks after it. region: of the whole cluster; empty when its
    machines say where they are. server_url: where pods reach the server. is_lent: ends by itself when there is no
    deployment any more."""

    id: UUID
    name: str
    installation: str
    server_url: str
    region: str = ""
    is_lent: bool = False


@dataclass(frozen=True)
class Tick:
    """What one look at the database and at the cluster found."""

    wishes: Mapping[UUID, Wish]
    versions: Mapping[UUID, Version]
    rows: Mapping[UUID, Row]
    pods: Sequence[Pod]


class ClusterNode:
    def __init__(
        self, db: Database, cluster: Cluster, binaries: Binaries, secrets: Seals, links: ProgramLinks,
        config: FleetConfig, me: Me,
    ) -> None:  # fmt: skip
        self._db, self._cluster, self._binaries, self._config, self._me = db, cluster, binaries, config, me
        self._changed = asyncio.Event()
        labels = f"{INSTALLATION}={me.installation}"
        self._deployments = Watched(cluster, DEPLOYMENTS, labels, self._changed.set)
        self._pods = Watched(cluster, PODS, labels, self._changed.set)
        place = Place(me.installation, cluster.namespace, has_region=bool(me.region))
        tools = Tools(cluster, binaries, secrets, links, self._noted, self.may_act, self._changed.set)
        self._maker = Maker(tools, config, place, me.server_url)
        self._gauges = Gauges(cluster, labels)
        self._metering = Metering(db)
        self._meters = Meters(self._metering)
        self._holder = new_id()
        self._held_until = 0.0
        self._histories: dict[UUID, History] = {}
        self._followers: dict[UUID, Follower] = {}
        self._gates: dict[UUID, Gate] = {}
        self._problem: str = "Nobody has asked the cluster yet."
        self._probed_at = 0.0
        self._needed_at = self._trimmed_at = time.monotonic()
        self._known: frozenset[UUID] = frozenset()
        self._last: Tick | None = None

    def wake(self, _note: str = "") -> None:
        self._changed.set()

    def may_act(self) -> bool:
        return time.monotonic() < self._held_until

    async def run(self, stop: asyncio.Event) -> None:
        """Until told to stop, or until it is not needed. Programs run on in the cluster."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(each) for each in (self._deployments.run(), self._pods.run(), self._sample())]
            ending = group.create_task(stop.wait())
            try:
                while not stop.is_set():
                    await self._probe()
                    await self._sync()
                    if self._deployments.things or self._pods.things:
                        self._needed_at = time.monotonic()  # also while nobody can say what is wanted
                    if self._me.is_lent and time.monotonic() - self._needed_at > _NEEDLESS_SECONDS:
                        break
                    await self._pause(ending)
            finally:
                for task in (*tasks, ending):
                    task.cancel()
                await self._rest()
                await self._maker.close()
                with suppress(*_MISHAPS):
                    async with self._db.across_workspaces() as tx:
                        await queries.let_go(tx, self._me.id, self._holder)

    async def _pause(self, ending: asyncio.Task[bool]) -> None:
        waking = asyncio.create_task(self._changed.wait())
        await asyncio.wait((waking, ending), timeout=_SYNC_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        waking.cancel()
        await asyncio.sleep(_LEAST_SECONDS)  # changes come in swarms
        self._changed.clear()

    async def _probe(self) -> None:
        if time.monotonic() - self._probed_at < _PROBE_AGAIN_SECONDS and self._probed_at:
            return
        problem = await self._cluster.problem()
        if problem and problem != self._problem:
            log.error("programs cannot run in the cluster", problem=problem)
        self._problem, self._probed_at = problem, time.monotonic()

    # --- One look -----------------------------------------------------------------------------------------------------

    async def _sync(self) -> None:
        """Without a database all stays as it is; the cluster goes on by itself."""
        try:
            tick = await self._look()
        except _MISHAPS as error:
            log.warning("the database was not reached", error=str(error))
            await asyncio.sleep(0.2)
            return
        if tick is None:
            await self._rest()
            return
        self._last = tick
        await self._metering.settle()
        if not (self._deployments.is_known and self._pods.is_known):
            return
        for wish in tick.wishes.values():
            version = tick.versions.get(wish.version_id)
            if version is not None and self._fits(wish):
                self._maker.look(wish, version, self._deployments.things.get(object_name(wish.id)))
        await self._follow(tick)
        await self._sweep(tick)

    async def _look(self) -> Tick | None:
        """None while another process looks after the cluster."""
        at = time.monotonic()
        async with self._db.across_workspaces() as tx:
            if not await self._hold(tx):
                return None
            await queries.claim(tx, self._me.id, self._me.region)
            wishes = {wish.id: wish for wish in await queries.wishes(tx, self._me.id)}
            rows = {row.id: row for row in await queries.rows(tx, self._me.id)}
            needed = {each.version_id for each in (*wishes.values(), *rows.values())}
            found = await queries.versions(tx, sorted(needed))
            tick = Tick(wishes, {version.id: version for version in found}, rows, self._read())
            self._meters.look(tick.pods, {each.id: each for each in await node_queries.assigned(tx, self._me.id)})
            if (self._deployments.is_known and self._pods.is_known) or self._problem:
                await self._tell(tx, tick)
        self._held_until = at + self._config.lease_seconds * 0.8
        if wishes:
            self._needed_at = time.monotonic()
        return tick

    async def _hold(self, tx: Transaction) -> bool:
        me = self._me
        limits = {"cpu": "kubernetes", "memory": "kubernetes"}
        row = {"id": me.id, "name": me.name, "region": me.region, "limits": limits, "holder": self._holder}
        problem = self._problem or self._deployments.problem or self._pods.problem
        return await queries.hold(tx, {**row, "problem": problem, "seconds": self._config.lease_seconds})

    def _read(self) -> list[Pod]:
        return [pod for thing in self._pods.things.values() if (pod := pods.read(thing)) is not None]

    def _fits(self, wish: Wish) -> bool:
        return wish.region in ("", self._me.region) or not self._me.region

    # --- Telling ------------------------------------------------------------------------------------------------------

    async def _tell(self, tx: Transaction, tick: Tick) -> None:
        told: dict[UUID, list[tuple[Row, float]]] = {id: [] for id in tick.wishes}
        created = {pod.id: pod.created_at for pod in tick.pods}
        for pod in tick.pods:
            if (wish := tick.wishes.get(pod.deployment_id)) is not None:
                told[wish.id].append((self._row(pod, wish, tick.rows.get(pod.id)), judging.age_of(pod)))
        for wish in tick.wishes.values():
            trouble = self._maker.troubles.get(wish.id)
            if trouble is not None and trouble.target == self._maker.target(wish) and wish.is_wanted and wish.replicas:
                told[wish.id].append((judging.row_of_trouble(wish, trouble), time.monotonic() - trouble.since))
            await self._settle(tx, wish, told[wish.id])
        changed: set[UUID] = set()
        current = {row.id: row for rows in told.values() for row, _ in rows}
        for row in current.values():
            before = tick.rows.get(row.id)
            if before is None or replace(before, log_place=row.log_place, started_at=row.started_at) != row:
                await queries.put(tx, self._me.id, row, created.get(row.id, now()))
                changed.add(row.deployment_id)
        for id in set(tick.rows) - set(current) - self._metering.owing:
            if id not in self._followers or self._followers[id].task.done():
                await node_queries.drop_replica(tx, id)
                changed.add(tick.rows[id].deployment_id)
        for id in changed:
            await node_queries.tell(tx, id)

    def _row(self, pod: Pod, wish: Wish, row: Row | None) -> Row:
        history = self._histories.setdefault(pod.id, judging.history_of(pod, row))
        gate = self._gates.get(pod.id)
        return judging.row_of(pod, wish, history, gate.problem if gate else "")

    async def _settle(self, tx: Transaction, wish: Wish, rows: Sequence[tuple[Row, float]]) -> None:
        found = self._deployments.things.get(object_name(wish.id))
        given_up = pods.rollout_problem(found) if found is not None and self._maker.is_made(wish, found) else ""
        problem = self._problem
        if not self._fits(wish):
            problem = f"This cluster is of the region {self._me.region!r}."
        plan = judging.judge(
            wish,
            [judging.seen(row, self._me.id, age) for row, age in rows],
            problem=problem,
            given_up=given_up,
            start_seconds=self._config.kubernetes.start_seconds,
        )
        after = (plan.status, plan.reason, plan.version_id, plan.generation, plan.good_generation)
        if after != (wish.status, wish.reason, wish.version_id, wish.generation, wish.good_generation):
            await node_queries.settle(tx, wish, _fields(plan))
            await node_queries.tell(tx, wish.id)
            self._changed.set()

    async def _noted(self, version: Version, kept: Kept) -> str:
        async with self._db.across_workspaces() as tx:
            return await node_queries.note_digest(tx, version.id, kept.digest, kept.size_bytes)

    # --- Pods ---------------------------------------------------------------------------------------------------------

    async def _follow(self, tick: Tick) -> None:
        """One reader of output and, where Kubernetes does not ask by itself, one gate for each pod."""
        here = {pod.id: pod for pod in tick.pods if pod.deployment_id in tick.wishes}
        for pod in here.values():
            row = tick.rows.get(pod.id)
            if row is not None and pod.id not in self._followers:
                self._followers[pod.id] = Follower(self._db, self._cluster, pod, row, self.may_act)
            if pod.id not in self._gates and (gate := self._gate(pod, tick)) is not None:
                self._gates[pod.id] = gate
        for id, follower in list(self._followers.items()):
            follower.tell(here.get(id))
            is_unknown = follower.pod.deployment_id not in tick.wishes
            if is_unknown or (follower.task.done() and id not in here and id not in tick.rows):
                await _end(self._followers.pop(id).task)
        for id, gate in list(self._gates.items()):
            if id in here:
                gate.tell(here[id])
            else:
                await _end(self._gates.pop(id).task)
        for id in set(self._histories) - {pod.id for pod in tick.pods}:
            del self._histories[id]

    def _gate(self, pod: Pod, tick: Tick) -> Gate | None:
        thing = self._pods.things.get(pod.name)
        wish, version = tick.wishes[pod.deployment_id], tick.versions.get(pod.version_id)
        if thing is None or version is None or pod.is_leaving or not thing["spec"].get("readinessGates"):
            return None
        note = partial(self._note_listening, wish.id)
        return Gate(self._cluster, self._config, pod, Listening(version.health_path, wish.listens, note))

    async def _note_listening(self, deployment_id: UUID) -> None:
        with suppress(*_MISHAPS):
            async with self._db.across_workspaces() as tx:
                await node_queries.note_listening(tx, deployment_id)

    async def _sweep(self, tick: Tick) -> None:
        if self._known - set(tick.wishes):
            self._maker.sweep_soon()
        self._known = frozenset(tick.wishes)
        things: list[Thing] = list(self._deployments.things.values())
        busy = {pod.deployment_id for pod in tick.pods}
        try:
            await self._maker.sweep(tick.wishes, things, busy, {pod.version_id for pod in tick.pods})
        except GliaError as error:
            log.warning("objects that nobody wants were not deleted", error=error.message)

    async def _rest(self) -> None:
        """While another process acts, or at the end."""
        self._meters.forget()
        await self._metering.settle()
        self._held_until, self._last = 0.0, None
        for mind in (*self._followers.values(), *self._gates.values()):
            await _end(mind.task)
        self._followers.clear()
        self._gates.clear()

    # --- What happens all the time ------------------------------------------------------------------------------------

    async def _sample(self) -> None:
        while True:
            await asyncio.sleep(self._config.sample_seconds)
            tick = self._last
            if tick is None or not self.may_act():
                continue
            try:
                await self._keep_figures(tick)
                if time.monotonic() - self._trimmed_at > _TRIM_SECONDS:
                    self._trimmed_at = time.monotonic()
                    await self._trim()
            except _MISHAPS as error:
                log.warning("figures could not be kept", error=str(error))

    async def _keep_figures(self, tick: Tick) -> None:
        running = [pod for pod in self._read() if pod.deployment_id in tick.wishes and pod.is_up]
        found = await self._gauges.read(running) if running else {}
        self._meters.sample(found)
        await self._metering.settle()
        async with self._db.across_workspaces() as tx:
            if await node_queries.may_plan(tx):
                await metering_queries.add_stored(tx, self._me.id)
        for pod in running:
            if (figures := found.get(pod.id)) is None:
                continue
            async with self._db.transaction(tick.wishes[pod.deployment_id].workspace_id) as tx:
                await node_queries.keep_sample(
                    tx,
                    pod.deployment_id,
                    pod.id,
                    cpu=figures.cpu_percent,
                    memory_mib=figures.memory_mib,
                    network=figures.network_bytes_per_second,
                )

    async def _trim(self) -> None:
        async with self._db.across_workspaces() as tx:
            workspaces, digests = await node_queries.workspaces(tx), await node_queries.digests(tx)
        for workspace in workspaces:
            async with self._db.transaction(workspace) as tx:
                await node_queries.trim(tx, log_lines=self._config.log_lines, log_days=self._config.log_days)
        await asyncio.to_thread(self._binaries.keep_only, digests)

    async def remove_all(self) -> int:
        """Ends all programs of the cluster and lets other nodes have their deployments; how many there were. Raises
        Conflict when another process looks after the cluster, and does not merely seem to because it was killed."""
        deadline = time.monotonic() + self._config.lease_seconds + 2
        while not await self._taken_over():
            if time.monotonic() > deadline:
                raise Conflict("A node looks after this cluster; end it first.")
            await asyncio.sleep(_SYNC_SECONDS)
        removed = await self._maker.remove_all()
        async with self._db.across_workspaces() as tx:
            await queries.let_go(tx, self._me.id, self._holder)
        return removed

    async def _taken_over(self) -> bool:
        at = time.monotonic()
        async with self._db.across_workspaces() as tx:
            if not await self._hold(tx):
                return False
            await queries.release(tx, self._me.id)
        self._held_until = at + self._config.lease_seconds
        return True


def _fields(plan: Plan) -> dict[str, object]:
    names = ("status", "reason", "version_id", "generation", "good_version_id", "good_generation")
    return {name: getattr(plan, name) for name in names}


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    (found,) = await asyncio.gather(task, return_exceptions=True)
    if isinstance(found, Exception):
        log.error("a replica was not looked after", error=repr(found))
