"""How a receptor looks, and what each of its channels means for a trigger."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

from pydantic import Field

from glia.agents.errors import AgentNotFound
from glia.identity.types import Principal
from glia.kit.errors import InvalidRequest
from glia.surfaces.auvy.words import JobStatus, ScopeName, TraceType, own, scope_of
from glia.surfaces.shared.bodies import Body, Changes, Out, Time
from glia.triggers.types import (
    At,
    Cron,
    Interval,
    OnCondition,
    OnDemand,
    OnEvent,
    OnMetric,
    OnWebhook,
    Status,
    Trigger,
    When,
)
from glia.wiring import House

Channel = Literal["http", "cron", "webhook", "slack", "email"]
CHANNELS: tuple[Channel, ...] = ("http", "cron", "webhook", "slack", "email")
ShownChannel = Literal["http", "cron", "webhook", "slack", "email", "event", "metric", "condition"]
"""What triggers that were made elsewhere are shown as, too."""

_MESSAGES: dict[Channel, str] = {
    "http": "{{ payload.message }}",
    "webhook": "{{ body }}",
    "slack": "{{ payload.event.text }}",
    "email": "{{ payload.subject }}\n\n{{ payload.text }}",
}


class ReceptorBody(Body):
    """neuron_id or pathway_id: the target, which has no other receptor.

    channel: `http` is fired over this API or by a public link; `cron` by the clock (cron: five fields; timezone: an
    IANA name); `webhook`, `slack` and `email` by signed requests to `hook_path`. message: what the neuron is told;
    `{{ payload.x }}` and `{{ body }}` stand for what the request brings. input: the same for a pathway, as JSON.
    trace_type: `system` keeps its traces out of lists.
    """

    name: str = Field(max_length=200)
    slug: str | None = Field(None, max_length=100)
    description: str = Field("", max_length=10_000)
    neuron_id: str | None = None
    pathway_id: str | None = None
    channel: Channel = "http"
    cron: str | None = Field(None, max_length=1000)
    timezone: str | None = Field(None, max_length=200)
    message: str | None = None
    input: Any = None
    trace_type: TraceType | None = None
    is_active: bool = True


class ReceptorChanges(Changes):
    name: str = Field("", max_length=200)
    slug: str | None = Field(None, max_length=100)
    description: str = Field("", max_length=10_000)
    cron: str = Field("", max_length=1000)
    timezone: str = Field("UTC", max_length=200)
    message: str = ""
    input: Any = None
    is_active: bool = True


class ReceptorOut(Out):
    """scope: its target's. hook_path: where signed requests go, on the server's own address; secret: what signs them,
    shown once. next_at: when it fires next by itself. is_shared: a public link fires it."""

    id: UUID
    brain_id: UUID
    workspace_slug: str
    name: str
    slug: str | None
    description: str
    target_type: Literal["neuron", "pathway"]
    neuron_id: UUID | None
    pathway_id: UUID | None
    channel: ShownChannel
    scope: ScopeName
    cron: str | None
    timezone: str | None
    message: str | None
    input: Any
    trace_type: TraceType
    is_active: bool
    is_shared: bool
    hook_path: str | None
    secret: str | None
    next_at: Time | None
    last_fired_at: Time | None
    created_at: Time
    updated_at: Time


class FireBody(Body):
    """message, data, payload: what the target is given, for channels that hear something from outside."""

    message: str | None = None
    data: dict[str, Any] | None = None
    payload: dict[str, Any] | None = None
    neuron_task_options: dict[str, Any] | None = None


class FiredOut(Out):
    """trace_id: null for a pathway."""

    job_id: UUID
    status: JobStatus
    receptor_id: UUID
    trace_id: UUID | None
    stream_url: str


class ShareOut(Out):
    """token: in the link, which is below the surface's address; both are shown only now."""

    receptor_id: UUID
    token: str
    url: str


def default_message(channel: Channel, name: str) -> str:
    return _MESSAGES.get(channel, f"It is time: {name}")


def when_of(channel: Channel, cron: str | None, timezone: str | None) -> When:
    """Raises InvalidRequest for a schedule where there is none to have, or none where it is needed."""
    if channel == "cron":
        if cron is None:
            raise InvalidRequest("`cron` is missing; give five fields, such as `0 9 * * 1-5`.", field="cron")
        return Cron(cron, timezone or "UTC")
    if cron is not None or timezone is not None:
        raise InvalidRequest(f"The channel {channel!r} has no schedule; leave `cron` away.", field="cron")
    return OnDemand() if channel == "http" else OnWebhook()


def channel_of(trigger: Trigger) -> ShownChannel:
    match trigger.when:
        case Cron() | Interval() | At():
            return "cron"
        case OnDemand():
            return "http"
        case OnEvent():
            return "event"
        case OnMetric():
            return "metric"
        case OnCondition():
            return "condition"
        case OnWebhook():
            kept = own(trigger.metadata).get("channel")
            return kept if kept in ("slack", "email") else "webhook"


async def receptor_out(
    house: House, principal: Principal, trigger: Trigger, *, secret: str | None = None
) -> ReceptorOut:
    when = trigger.when
    is_signed = isinstance(when, OnWebhook) and when.verification == "signed"
    return ReceptorOut(
        id=trigger.id,
        brain_id=trigger.project_id,
        workspace_slug=(await house.identity.workspaces.get(principal)).slug,
        name=trigger.name,
        slug=trigger.slug,
        description=str(own(trigger.metadata).get("description", "")),
        target_type="neuron" if trigger.agent_id is not None else "pathway",
        neuron_id=trigger.agent_id,
        pathway_id=trigger.workflow_id,
        channel=channel_of(trigger),
        scope=await _scope(house, principal, trigger),
        cron=when.cron if isinstance(when, Cron) else None,
        timezone=when.timezone if isinstance(when, Cron) else None,
        message=trigger.message,
        input=trigger.input,
        trace_type="system" if trigger.is_system else "thread",
        is_active=trigger.status is Status.ACTIVE,
        is_shared=trigger.is_shared,
        hook_path=f"/v1/hooks/{trigger.id}" if is_signed else None,
        secret=secret,
        next_at=trigger.next_at,
        last_fired_at=trigger.last_fired_at,
        created_at=trigger.created_at,
        updated_at=trigger.updated_at,
    )


async def _scope(house: House, principal: Principal, trigger: Trigger) -> ScopeName:
    """The target's, so that it follows in the very transaction that changes it. Pathways belong to their brain."""
    if trigger.agent_id is None:
        return "brain"
    try:
        return scope_of((await house.agents.get(principal, trigger.agent_id)).current.visibility)
    except AgentNotFound:  # deleted, and may be restored
        return "brain"
