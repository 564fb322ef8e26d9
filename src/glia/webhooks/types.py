"""An endpoint is told of events; a delivery is one event for one endpoint; an attempt is one try to deliver it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal
from uuid import UUID

EVENT_TYPES = (
    "run.created",
    "run.started",
    "run.waiting",
    "run.completed",
    "run.failed",
    "run.cancelled",
    "approval.requested",
    "approval.decided",
    "tool.called",
    "tool.returned",
    "child.started",
    "budget.exceeded",
    "plan.made",
    "reflection.made",
    "artifact.created",
    "job.progress",
    "job.started",
    "job.progressed",
    "job.completed",
    "job.failed",
    "job.cancelled",
    "agent.created",
    "agent.updated",
    "agent.deleted",
    "session.created",
    "message.received",
    "step.started",
    "step.waiting",
    "step.retried",
    "step.completed",
    "step.failed",
    "step.skipped",
    "step.compensated",
    "workflow.completed",
    "deployment.created",
    "deployment.updated",
    "deployment.deleted",
    "deployment.started",
    "deployment.stopped",
    "deployment.error",
)
"""What an endpoint may ask for by its full name. A family, as `run.*`, also covers types that come later.

Agents, deployments, sessions and messages are told of to those only who name them or their family, not to `*`. The
`job.` events besides `job.progress` are of jobs that stand for a run.
"""

FAMILIES = (*dict.fromkeys(type.split(".")[0] for type in EVENT_TYPES), "trigger")

PING = "webhook.ping"


class DeliveryStatus(StrEnum):
    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


Style = Literal["standard", "sha256", "alert", "timestamped"]


DEFAULT_PREFIX = "X-Webhook"
"""Of the headers of style `timestamped`."""


@dataclass(frozen=True)
class WebhookSpec:
    """What a user says of an endpoint. event_types: full names, families such as `run.*`, or `*` for all.

    headers: sent with each delivery, kept encrypted, never shown again. style: `standard` signs as Standard Webhooks
    say; `sha256` sends `X-Webhook-Event`, `X-Webhook-Delivery-ID` and `X-Webhook-Signature: sha256=<hex>`; `alert`
    sends an alert's few fields; `timestamped` signs `<timestamp>.<body>` and sends `{event, timestamp, data}`.
    event_names: what events are called in deliveries of the last three, by our names. header_prefix: of the headers of
    `timestamped`: `X-Acme` makes `X-Acme-Signature`. fields: what their `data` holds, by name, with our fields in
    braces: `{"id": "dep_{deployment_id}"}`; none for all that there is to say.
    agent_id: only what is about this agent. timeout_seconds, max_attempts, retry_seconds: this endpoint's own patience;
    the n-th retry waits n times retry_seconds. url: `mailto:` an address sends a mail, where the operator has a server.
    """

    url: str
    description: str = ""
    event_types: Sequence[str] = ("*",)
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    is_active: bool = True
    style: Style = "standard"
    event_names: Mapping[str, str] = field(default_factory=dict[str, str])
    header_prefix: str = ""
    fields: Mapping[str, str] = field(default_factory=dict[str, str])
    agent_id: UUID | None = None
    timeout_seconds: float | None = None
    max_attempts: int | None = None
    retry_seconds: float | None = None
    metadata: Mapping[str, object] = field(default_factory=dict[str, object])


@dataclass(frozen=True)
class Webhook:
    """An endpoint as it is shown. disabled_reason: why Glia switched it off itself; None when it did not.

    failing_since: the first failure since the last success. old_secret_until: until then deliveries are also signed
    with the secret before the present one.
    """

    id: UUID
    url: str
    description: str
    event_types: tuple[str, ...]
    header_names: tuple[str, ...]
    is_active: bool
    disabled_reason: str | None
    failing_since: datetime | None
    old_secret_until: datetime | None
    style: Style
    event_names: dict[str, str]
    header_prefix: str
    fields: dict[str, str]
    agent_id: UUID | None
    timeout_seconds: float | None
    max_attempts: int | None
    retry_seconds: float | None
    metadata: dict[str, object]
    has_secret: bool
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True)
class Delivery:
    """last_status: the HTTP status of the newest attempt; None when there was no answer, which last_error explains.
    data: what an event outside of any log said; Any is JSON.

    next_at: when it is tried next, while it is pending.
    """

    id: UUID
    endpoint_id: UUID
    type: str
    session_id: UUID | None
    seq: int | None
    run_id: UUID | None
    status: DeliveryStatus
    attempts: int
    next_at: datetime
    retry_until: datetime
    last_status: int | None
    last_error: str | None
    created_at: datetime
    delivered_at: datetime | None
    data: Any = None

    @property
    def webhook_id(self) -> str:
        """The same for every attempt, so that the receiver can tell a repeat."""
        return message_id(self.id)


def message_id(delivery_id: UUID) -> str:
    return f"msg_{delivery_id.hex}"


@dataclass(frozen=True)
class Attempt:
    """response: the beginning of the endpoint's answer. error: what went wrong, None when nothing did."""

    number: int
    at: datetime
    latency_ms: int
    status: int | None
    response: str | None
    error: str | None
