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
Health = Literal["healthy", "degraded", "down"]
Role = Literal["owner", "admin", "developer", "viewer"]
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
    status: Health
    version: str
    uptime: str


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class ServiceCheck(Model):
    """One thing that was tried. message: empty when there is nothing to say."""

    name: str
    status: Health
    latency_ms: float
    message: str = ""


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class ServiceStatus(Service):
    """checks: what was tried. latency_ms: all of it together."""

    uptime_seconds: float
    latency_ms: float
    checked_at: datetime
    checks: tuple[ServiceCheck, ...] = ()


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class User(Model):
    id: str
    email: str
    role: Role
    name: str = ""
    status: Literal["active", "inactive"] = "active"
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class UsageAmounts(Model):
    """compute_hours: of one core. memory_gb_hours: of one GiB. storage_gb: kept for the whole month."""

    compute_hours: float = 0
    memory_gb_hours: float = 0
    storage_gb: float = 0
    network_gb: float = 0


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Cost(Model):
    """US dollars. compute: cores and memory."""

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
class InvoiceLine(Model):
    """agent_id: None for stored objects. unit: of the quantity. amount: US dollars."""

    kind: Literal["compute", "memory", "storage", "network"]
    agent_id: str | None = None
    name: str
    quantity: float
    unit: str
    amount: float


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Invoice(Model):
    """amount: US dollars. lines: in the answer of `billing.invoice`."""

    id: str
    period: str
    amount: float
    currency: str = "USD"
    status: Literal["open", "overdue", "paid"]
    due_date: date
    issued_at: datetime
    paid_at: datetime | None = None
    lines: tuple[InvoiceLine, ...] = ()


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Webhook(Model):
    """reason: why it is disabled; empty while it is active. The secret is never shown."""

    id: str
    url: str
    events: tuple[Event, ...]
    status: Literal["active", "disabled"] = "active"
    reason: str = ""
    has_secret: bool
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Attempt(Model):
    """status: of HTTP; None when there was no answer. response: its beginning."""

    number: int
    at: datetime
    latency_ms: int
    status: int | None = None
    response: str | None = None
    error: str | None = None


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Delivery(Model):
    """status: `pending` while it is tried again. response_status, error: of the newest attempt.

    payload: what the receiver gets, and log: every attempt; both in the answer of `webhooks.delivery`.
    """

    id: str
    webhook_id: str
    event: Event
    status: Literal["pending", "delivered", "failed"]
    attempts: int = 0
    response_status: int | None = None
    error: str | None = None
    created_at: datetime
    delivered_at: datetime | None = None
    next_attempt_at: datetime | None = None
    payload: Mapping[str, Any] | None = None
    log: tuple[Attempt, ...] = ()


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Redelivered(Model):
    """count: how many are sent again."""

    count: int


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
