"""What a live connection tells of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from neuais._decoding import Model, decode
from neuais.models import Agent, LogLine

Channel = Literal["status", "logs", "metrics"]


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class LiveEvent(Model):
    """subscription: what `subscribe` gave. agent: an id, or `*`."""

    type: str
    subscription: str
    agent: str


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class StatusEvent(LiveEvent):
    """An agent as it is now; of one that was deleted, `data` has only id and name."""

    timestamp: datetime
    data: Agent

    @property
    def is_deleted(self) -> bool:
        return str(self.data.status) == "deleted"


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class LogEvent(LiveEvent):
    """id: for `after`."""

    id: int
    data: LogLine


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class ReplicaSample(Model):
    replica: str
    metrics: Mapping[str, float] = field(default_factory=dict[str, float])


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Sample(Model):
    """metrics: `cpu`, `memory`, `network` of all replicas together. replicas: of each."""

    timestamp: datetime
    metrics: Mapping[str, float] = field(default_factory=dict[str, float])
    replicas: tuple[ReplicaSample, ...] = ()


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class MetricsEvent(LiveEvent):
    data: Sample


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class DroppedEvent(LiveEvent):
    """So many lines were left out, because they came faster than they were read."""

    count: int


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class EndedEvent(LiveEvent):
    """Nothing more comes of this subscription."""

    reason: str = ""


_KINDS: Mapping[str, type[LiveEvent]] = {
    "status": StatusEvent,
    "logs": LogEvent,
    "metrics": MetricsEvent,
    "dropped": DroppedEvent,
    "ended": EndedEvent,
}


def event_of(frame: Mapping[str, Any]) -> LiveEvent | None:
    """None for a frame that is none, such as a heartbeat, or one that this version does not know."""
    kind = _KINDS.get(str(frame.get("type")))
    return None if kind is None else decode(kind, frame)
