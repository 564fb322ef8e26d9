"""An endpoint is told of events; a delivery is one event for one endpoint; an attempt is one try to deliver it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
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
    "step.started",
    "step.waiting",
    "step.retried",
    "step.completed",
    "step.failed",
    "step.skipped",
    "step.compensated",
    "workflow.completed",
)
"""What an endpoint may ask for by its full name. A family, as `run.*`, also covers types that come later."""

FAMILIES = (*dict.fromkeys(type.split(".")[0] for type in EVENT_TYPES), "trigger")

PING = "webhook.ping"


class DeliveryStatus(StrEnum):
    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True)
class WebhookSpec:
    """What a user says of an endpoint. event_types: full names, families such as `run.*`, or `*` for all.

    headers: sent with each delivery, kept encrypted, never shown again.
    """

    url: str
    description: str = ""
    event_types: Sequence[str] = ("*",)
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    is_active: bool = True


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
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True)
class Delivery:
    """last_status: the HTTP status of the newest attempt; None when there was no answer, which last_error explains.

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
