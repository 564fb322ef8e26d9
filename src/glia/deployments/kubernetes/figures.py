"""What pods use: processor and memory from `metrics.k8s.io`, the network from the machines' kubelets where we may ask
them."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

import structlog

from glia.deployments.kubernetes.api import Cluster
from glia.deployments.kubernetes.errors import ClusterRefused, ObjectMissing
from glia.deployments.kubernetes.pods import Pod
from glia.deployments.kubernetes.things import Thing, part, parts, text, whole
from glia.deployments.types import MIB
from glia.kit.errors import GliaError

log = structlog.get_logger(__name__)

_QUANTITY = re.compile(r"([0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)(n|u|m|k|Ki|M|Mi|G|Gi|T|Ti|P|Pi|E|Ei)?")
_UNITS = {
    "": 1.0, "n": 1e-9, "u": 1e-6, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18,
    "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40, "Pi": 2.0**50, "Ei": 2.0**60,
}  # fmt: skip


@dataclass(frozen=True)
class Figures:
    """cpu_percent: of a core. network_bytes_per_second: None where nobody tells."""

    cpu_percent: float
    memory_mib: float
    network_bytes_per_second: float | None


def quantity(text: str) -> float:
    """A number as Kubernetes writes it, such as `12500u` or `64Mi`; 0 for anything else."""
    found = _QUANTITY.fullmatch(text)
    return float(found[1]) * _UNITS[found[2] or ""] if found else 0.0


class Gauges:
    """Asks for the figures of all pods at once."""

    def __init__(self, cluster: Cluster, labels: str) -> None:
        self._cluster, self._labels = cluster, labels
        self._network: dict[UUID, tuple[float, int]] = {}
        self._is_refused = False
        self._was_told = False

    async def read(self, pods: Sequence[Pod]) -> dict[UUID, Figures]:
        """By pod; those of which the cluster knows nothing yet are left out."""
        try:
            found = await self._cluster.figures(self._labels)
        except GliaError as error:
            if not self._was_told:
                log.warning("the cluster tells no figures; is its metrics server running?", problem=error.message)
            self._was_told = True
            return {}
        self._was_told = False
        rates = await self._rates(pods)
        by_name = {pod.name: pod for pod in pods}
        told: dict[UUID, Figures] = {}
        for each in found:
            pod = by_name.get(each["metadata"]["name"])
            if pod is not None:
                cpu, memory = _sums(each)
                told[pod.id] = Figures(cpu * 100, memory / MIB, rates.get(pod.id))
        return told

    async def _rates(self, pods: Sequence[Pod]) -> Mapping[UUID, float]:
        if self._is_refused:
            return {}
        machines = sorted({pod.machine for pod in pods if pod.machine})
        answers = await asyncio.gather(*(self._summary(machine) for machine in machines))
        totals = {id: total for answer in answers for id, total in _network(answer).items()}
        now, rates = time.monotonic(), dict[UUID, float]()
        for pod in pods:
            before, total = self._network.get(pod.id), totals.get(pod.id)
            if before is not None and total is not None and now > before[0]:
                rates[pod.id] = max(0, total - before[1]) / (now - before[0])
        self._network = {id: (now, total) for id, total in totals.items()}
        return rates

    async def _summary(self, machine: str) -> Thing:
        try:
            return await self._cluster.summary(machine)
        except (ClusterRefused, ObjectMissing) as error:
            if not self._is_refused:
                log.info("the network's figures are left out: nodes/proxy may not be read", problem=error.message)
            self._is_refused = True
        except GliaError as error:
            log.info("a machine's kubelet was not asked", machine=machine, problem=error.message)
        return {}


def _sums(metrics: Thing) -> tuple[float, float]:
    """Cores and bytes of all containers of a pod."""
    usages = [part(container, "usage") for container in parts(metrics, "containers")]
    return sum(quantity(text(each, "cpu")) for each in usages), sum(quantity(text(each, "memory")) for each in usages)


def _network(summary: Thing) -> dict[UUID, int]:
    """Bytes in and out of each pod since its start."""
    totals: dict[UUID, int] = {}
    for each in parts(summary, "pods"):
        network = part(each, "network")
        with suppress(ValueError):
            totals[UUID(text(part(each, "podRef"), "uid"))] = whole(network, "rxBytes") + whole(network, "txBytes")
    return totals
