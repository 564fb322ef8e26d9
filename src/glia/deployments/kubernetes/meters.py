"""Counts for bills what pods use, as the other backend does (`metering.py`): time from when a program was seen to run
until it was seen not to, and what the cluster says that it used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from glia.deployments.kubernetes.figures import Figures
from glia.deployments.kubernetes.pods import Pod
from glia.deployments.metering import Metering, Stretch
from glia.deployments.node_queries import Assigned

_JUST_NOW = timedelta(seconds=10)


@dataclass(frozen=True)
class _Mark:
    row: Assigned
    since: datetime


class Meters:
    def __init__(self, metering: Metering) -> None:
        self._metering = metering
        self._marks: dict[UUID, _Mark] = {}

    def look(self, pods: Sequence[Pod], rows: Mapping[UUID, Assigned]) -> None:
        """Notices starts and ends. What ran while nobody looked is nobody's to pay."""
        at = datetime.now(UTC)
        running = {pod.id: pod for pod in pods if pod.is_up}
        for id in set(self._marks) - set(running):
            self._note(self._marks.pop(id), at, None)
        for id, pod in running.items():
            if id not in self._marks and id in rows:
                is_new = pod.started_at is not None and timedelta() <= at - pod.started_at < _JUST_NOW
                self._marks[id] = _Mark(rows[id], pod.started_at if is_new and pod.started_at else at)

    def sample(self, figures: Mapping[UUID, Figures]) -> None:
        at = datetime.now(UTC)
        if self._metering.is_behind:
            return  # so that nothing piles up while the database is not there
        for id, mark in list(self._marks.items()):
            self._note(mark, at, figures.get(id))
            self._marks[id] = _Mark(mark.row, at)

    def _note(self, mark: _Mark, until: datetime, figures: Figures | None) -> None:
        seconds = (until - mark.since).total_seconds()
        cpu = 0.0 if figures is None else figures.cpu_percent / 100 * seconds
        network = 0.0 if figures is None else (figures.network_bytes_per_second or 0.0) * seconds
        if seconds > 0:
            self._metering.note(Stretch(mark.row, mark.since, until, cpu, round(network)))

    def forget(self) -> None:
        """Another process goes on."""
        self.sample({})
        self._marks.clear()
