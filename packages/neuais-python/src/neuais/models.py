"""What the server tells of: frozen, typed, with the names that the wire has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Generic, Literal, TypedDict, TypeVar, overload

from neuais._decoding import Model

T = TypeVar("T")

Runtime = Literal["rust", "go", "native", "python", "node"]
AgentStatus = Literal["deploying", "running", "stopped", "error"]
Level = Literal["debug", "info", "warn", "error"]
Period = Literal["1h", "24h", "7d"]
Metric = Literal["cpu", "memory", "network"]
Role = Literal["owner", "admin", "developer", "viewer"]
BillingPeriod = Literal["current", "last_month"]
Event = Literal[
    "agent.created", "agent.updated", "agent.deleted", "agent.started", "agent.stopped", "agent.error"
]  # fmt: skip


@dataclass(frozen=True)
class Page(Sequence[T], Generic[T]):
    """One page of a list; it is read like a tuple. total: of all pages."""

    items: tuple[T, ...]
    total: int
    limit: int
    offset: int
    has_more: bool

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[T]: ...
    def __getitem__(self, index: int | slice) -> T | Sequence[T]:
        return self.items[index]

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[T]:
        return iter(self.items)


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Token(Model):
    """expires_in: seconds."""

    access_token: str
    token_type: str = "Bearer"  # noqa: S105
    expires_in: int = 3600


class ConfigFields(TypedDict, total=False):
    """What `config` may hold. cpu: decimal cores. memory: with Ki, Mi or Gi. port: what the program gets as PORT."""

    cpu: str
    memory: str
    replicas: int
    region: str
    command: Sequence[str]
    port: int
    health_path: str


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class AgentConfig(Model):
    """As ConfigFields; what is None is left to the server."""

    cpu: str | None = None
    memory: str | None = None
    replicas: int | None = None
    region: str | None = None
    command: tuple[str, ...] | None = None
    port: int | None = None
    health_path: str | None = None


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Agent(Model):
    """A deployed program. reason: why it is not as it was wanted; empty when all is well.

    ready_replicas: how many get requests. endpoints: where it answers. digest: sha256 of what was downloaded. version:
    counts the changes of the program. environment_names: the values are never shown.
    """

    id: str
    name: str
    status: AgentStatus
    created_at: datetime
    updated_at: datetime
    replicas: int
    region: str | None
    runtime: Runtime
    binary_url: str
    config: AgentConfig = field(default_factory=AgentConfig)
    endpoints: tuple[str, ...] = ()
    reason: str = ""
    ready_replicas: int
    version: int
    sha256: str | None = None
    digest: str | None = None
    environment_names: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class LogLine(Model):
    """id: its place, for `after`. replica: which of the copies wrote it."""

    timestamp: datetime
    level: Level
    message: str
    replica: str
    id: int | None = None


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Point(Model):
    timestamp: datetime
    value: float


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Series(Model):
    """Oldest first. cpu: percent of a core. memory: MiB. network: bytes a second."""

    cpu: tuple[Point, ...] = ()
    memory: tuple[Point, ...] = ()
    network: tuple[Point, ...] = ()


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class ReplicaMetrics(Model):
    replica: str
    metrics: Series


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Metrics(Model):
    """metrics: of all replicas together. replicas: of each."""

    metrics: Series
    period: Period = "1h"
    replicas: tuple[ReplicaMetrics, ...] = ()


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Service(Model):
    """One of the platform's own services. uptime: as `5d 12h 30m`."""

    name: str
    status: str
    version: str
    uptime: str


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class ServiceStatus(Service):
    """checks: what was looked at."""

    checks: Any = None


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class User(Model):
    id: str
    email: str
    role: Role
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class UsageAmounts(Model):
    compute_hours: float = 0
    storage_gb: float = 0
    network_gb: float = 0


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Cost(Model):
    """US dollars."""

    compute: float = 0
    storage: float = 0
    network: float = 0
    total: float = 0


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Usage(Model):
    """period: a month, as `2024-01`."""

    period: str
    usage: UsageAmounts = field(default_factory=UsageAmounts)
    cost: Cost = field(default_factory=Cost)


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Invoice(Model):
    """amount: US dollars."""

    id: str
    period: str
    amount: float
    status: str
    due_date: date


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Webhook(Model):
    """secret: only in the answer that made it, if at all."""

    id: str
    url: str
    events: tuple[Event, ...]
    created_at: datetime
    secret: str | None = None


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Delivery(Model):
    """attempts: how often it was sent. The payload is what the receiver gets."""

    id: str
    event: Event
    status: str
    created_at: datetime
    attempts: int = 0
    payload: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class WebhookEvent(Model):
    """What a receiver gets."""

    event: Event
    timestamp: datetime
    data: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Message(Model):
    """The server's word that something was done."""

    message: str = ""
