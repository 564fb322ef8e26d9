"""Asks the programs that need not answer at a certain path whether they are well, and tells Kubernetes, which lets a
pod serve only then (a readiness gate). A program that opens no port counts as well after a while, as in a sandbox."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from glia.deployments import health
from glia.deployments.config import FleetConfig
from glia.deployments.dialling import dial
from glia.deployments.errors import ReplicaGone
from glia.deployments.kubernetes.api import PODS, Cluster
from glia.deployments.kubernetes.errors import ObjectMissing
from glia.deployments.kubernetes.pods import Pod
from glia.deployments.kubernetes.wishes import GATE
from glia.kit.clock import now
from glia.kit.errors import GliaError

log = structlog.get_logger(__name__)

_UNWELL_TIMES = 3
_TELL_AGAIN_SECONDS = 30.0


@dataclass(frozen=True)
class Listening:
    """path: asked whether the program is well. has_listened: some replica of its deployment once opened the port.
    note: tells that this one did."""

    path: str
    has_listened: bool
    note: Callable[[], Awaitable[None]]


class Gate:
    """Looks after one pod, until `end`."""

    def __init__(self, cluster: Cluster, config: FleetConfig, pod: Pod, listening: Listening) -> None:
        self._cluster, self._config, self._listening = cluster, config, listening
        self.pod = pod
        self._listens = listening.has_listened
        self._told: bool | None = True if pod.is_ready else None
        self._starts = pod.starts
        self._told_at = 0.0
        self.problem = ""
        self._woken = asyncio.Event()
        self.task = asyncio.create_task(self._mind(), name=f"glia-gate-{pod.id}")

    def tell(self, pod: Pod) -> None:
        if (pod.starts, pod.is_up, pod.ip) != (self.pod.starts, self.pod.is_up, self.pod.ip):
            self._woken.set()
        self.pod = pod

    async def _mind(self) -> None:
        while not self.pod.is_leaving:
            if self.pod.is_up and self.pod.address:
                await self._watch(self.pod.starts)
            elif self._told:
                await self._say(is_well=False, problem="The program does not run.")
            await self._wait(1.0)

    async def _watch(self, starts: int) -> None:
        """While one start of the program lives."""
        since, unwell = time.monotonic(), 0
        if starts != self._starts and self._told:
            await self._say(is_well=False, problem="The program was started again.")
        self._starts = starts
        while self.pod.is_up and self.pod.starts == starts and not self.pod.is_leaving:
            problem = await self._problem(time.monotonic() - since)
            unwell = unwell + 1 if problem else 0
            if not problem:
                await self._say(is_well=True, problem="")
            elif unwell >= _UNWELL_TIMES or not self._told:
                was_well = self._told
                await self._say(is_well=False, problem=problem)
                if was_well:
                    await self._replace(problem)
            pause = self._config.health_seconds if self._told else 0.1 if time.monotonic() - since < 5 else 0.5
            await self._wait(min(1.0, pause) if unwell else pause)

    async def _problem(self, age: float) -> str:
        answer = await health.ask(self.pod.address, self._listening.path)
        if answer is not None:
            if not self._listens:
                self._listens = True
                await self._listening.note()
        elif not self._listens:
            if not await _is_reachable(self.pod.address):
                return "its pod cannot be reached from where the node runs"
            return "" if age > self._config.settle_seconds else "nothing listens at its port yet"
        return health.problem_of(answer, self._listening.path, must_listen=False)

    async def _say(self, *, is_well: bool, problem: str) -> None:
        is_late = time.monotonic() - self._told_at > _TELL_AGAIN_SECONDS
        if self._told == is_well and self.problem == problem and not is_late:
            return
        self.problem = problem
        condition = {
            "type": GATE,
            "status": "True" if is_well else "False",
            "reason": "Well" if is_well else "Unwell",
            "message": problem,
            "lastTransitionTime": now().strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        try:
            await self._cluster.merge_status(PODS, self.pod.name, {"conditions": [condition]})
        except ObjectMissing:
            return
        except GliaError as error:
            log.warning("the cluster was not told how a program is", pod=self.pod.name, problem=error.message)
            return
        self._told, self._told_at = is_well, time.monotonic()

    async def _replace(self, problem: str) -> None:
        """It was well once and is not any more; nothing in the cluster would end it."""
        log.warning("a replica is unwell and is replaced", pod=self.pod.name, problem=problem)
        try:
            await self._cluster.delete(PODS, self.pod.name)
        except GliaError as error:
            log.warning("a replica was not replaced", pod=self.pod.name, problem=error.message)

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            return
        self._woken.clear()


async def _is_reachable(address: str) -> bool:
    """Whether something answered, and be it that nobody listens."""
    try:
        (await dial(address)).close()
    except ReplicaGone as error:
        return isinstance(error.__cause__, ConnectionRefusedError)
    return True
