"""/api/v1/webhooks: who is told of which events, and what became of telling them."""

from __future__ import annotations

from typing import Annotated, Any, Literal, cast
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import Field

from glia.identity.types import Principal
from glia.kit.errors import InvalidRequest, NotFound
from glia.surfaces.neuronagent.auth import TheCaller
from glia.surfaces.neuronagent.words import ThePart, check_size, part_from, uuid_in
from glia.surfaces.shared.bodies import Body, Changes, Out, TheHouse, Time, WatchedRoute, given
from glia.webhooks.types import PING, Attempt, Delivery, Webhook, WebhookSpec
from glia.wiring import House

router = APIRouter(prefix="/api/v1", tags=["webhooks"], route_class=WatchedRoute)

KEY = "neuronagent"
ALERT = "alert"
"""Under which the metadata of an endpoint says that it belongs to somebody's alert preferences."""

_EVENTS = {
    "agent.created": "agent.created",
    "agent.updated": "agent.updated",
    "agent.deleted": "agent.deleted",
    "session.created": "session.created",
    "message.sent": "message.received",
    "tool.executed": "tool.returned",
    "job.completed": "job.completed",
    "job.failed": "job.failed",
    "budget.exceeded": "budget.exceeded",
}
"""Their names of events, and ours. A name that is none of these is kept, and nothing is told under it."""

_ALIASES = {"message.created": "message.received", "message.received": "message.received"}
_NAMES = {ours: theirs for theirs, ours in _EVENTS.items()}


class WebhookBody(Body):
    """events: `agent.created`, `agent.updated`, `agent.deleted`, `session.created`, `message.sent`, `tool.executed`,
    `job.completed`, `job.failed`, `budget.exceeded`. secret: signs deliveries. retry_count: attempts in all; the n-th
    retry waits n minutes."""

    url: str = Field(min_length=1, max_length=8000)
    events: list[str] = Field(min_length=1, max_length=50)
    secret: str | None = None
    enabled: bool = True
    timeout_seconds: int = Field(30, ge=1, le=60)
    retry_count: int = Field(3, ge=1, le=20)
    metadata: dict[str, Any] | None = None


class WebhookChanges(Changes):
    """What is given changes. secret: in place of the present one, from now on."""

    url: str | None = Field(None, min_length=1, max_length=8000)
    events: list[str] | None = Field(None, min_length=1, max_length=50)
    secret: str | None = None
    enabled: bool | None = None
    timeout_seconds: int | None = Field(None, ge=1, le=60)
    retry_count: int | None = Field(None, ge=1, le=20)
    metadata: dict[str, Any] | None = None


class WebhookOut(Out):
    """secret: never shown; has_secret says whether there is one. disabled_reason: why the server switched it off."""

    id: UUID
    url: str
    events: list[str]
    secret: None
    has_secret: bool
    enabled: bool
    disabled_reason: str | None
    timeout_seconds: int
    retry_count: int
    metadata: dict[str, Any]
    created_at: Time
    updated_at: Time


class DeliveryOut(Out):
    id: UUID
    webhook_id: UUID
    event_type: str
    payload: dict[str, Any]
    status: Literal["pending", "success", "failed", "retrying"]
    status_code: int | None
    response_body: str | None
    error_message: str | None
    attempt_count: int
    next_retry_at: Time | None
    created_at: Time
    delivered_at: Time | None


def _kept(webhook: Webhook) -> dict[str, Any]:
    found = webhook.metadata.get(KEY)
    return cast(dict[str, Any], found) if isinstance(found, dict) else {}


def _is_shown(webhook: Webhook) -> bool:
    return ALERT not in _kept(webhook)


def events_of(webhook: Webhook) -> list[str]:
    """As they were given here; of an endpoint that was made elsewhere, their names where there is one."""
    own = _kept(webhook).get("events")
    if isinstance(own, list):
        return cast(list[str], own)
    return [_NAMES.get(type, type) for type in webhook.event_types]


def webhook_out(webhook: Webhook) -> WebhookOut:
    return WebhookOut(
        id=webhook.id,
        url=webhook.url,
        events=events_of(webhook),
        secret=None,
        has_secret=webhook.has_secret,
        enabled=webhook.is_active,
        disabled_reason=webhook.disabled_reason,
        timeout_seconds=round(webhook.timeout_seconds or 15),
        retry_count=webhook.max_attempts or 20,
        metadata=_kept(webhook).get("metadata") or {},
        created_at=webhook.created_at,
        updated_at=webhook.updated_at,
    )


def core_events(events: list[str]) -> tuple[str, ...]:
    """What the core calls them. An endpoint whose names all mean nothing here is sent test deliveries only."""
    for index, name in enumerate(events):
        if not 1 <= len(name) <= 100 or not name.isascii() or not name.isprintable():
            raise InvalidRequest(f"`events[{index}]` must have 1 to 100 ASCII characters.", field=f"events[{index}]")
    if "*" in events:
        return tuple(_NAMES)
    found = [_EVENTS.get(name) or _ALIASES.get(name) for name in events]
    return tuple(dict.fromkeys(name for name in found if name)) or (PING,)


def names_for(events: list[str]) -> dict[str, str]:
    """What each of our events is called in deliveries: as the client named it."""
    asked = {ours: name for name in events if (ours := _ALIASES.get(name))}
    asked |= {ours: name for name in events if (ours := _EVENTS.get(name))}  # where both are named, the usual name
    return {**_NAMES, **asked, PING: "webhook.test"}


@router.get("/webhooks")
async def list_webhooks(house: TheHouse, principal: TheCaller, part: ThePart) -> list[WebhookOut]:
    """List webhooks, newest first."""
    found = await part_from(lambda window: house.webhooks.list(principal, window), part, _is_shown)
    return [webhook_out(one) for one in found]


@router.post("/webhooks", status_code=201)
async def create(body: WebhookBody, house: TheHouse, principal: TheCaller) -> WebhookOut:
    """Be told of events."""
    check_size(body.metadata or {}, "metadata", 5_000)
    spec = WebhookSpec(
        url=body.url,
        event_types=core_events(body.events),
        is_active=body.enabled,
        style="sha256",
        event_names=names_for(body.events),
        timeout_seconds=body.timeout_seconds,
        max_attempts=body.retry_count,
        retry_seconds=60,
        metadata={KEY: {"events": body.events, "metadata": body.metadata or {}}},
    )
    made, _ = await house.webhooks.create(principal, spec, secret=body.secret)
    return webhook_out(made)


@router.get("/webhooks/{id}")
async def get(id: str, house: TheHouse, principal: TheCaller) -> WebhookOut:
    """One webhook."""
    return webhook_out(await _get(house, principal, id))


async def _get(house: House, principal: Principal, id: str) -> Webhook:
    found = await house.webhooks.get(principal, uuid_in(id))
    if not _is_shown(found):
        raise NotFound(f"There is no webhook '{id}' in this workspace.")
    return found


@router.put("/webhooks/{id}")
async def update(id: str, body: WebhookChanges, house: TheHouse, principal: TheCaller) -> WebhookOut:
    """Change what is given."""
    webhook, fields = await _get(house, principal, id), given(body)
    changes: dict[str, Any] = {}
    names = {"url": "url", "enabled": "is_active", "timeout_seconds": "timeout_seconds", "retry_count": "max_attempts"}
    changes |= {names[name]: value for name, value in fields.items() if name in names and value is not None}
    kept = _kept(webhook)
    if body.events is not None:
        changes |= {"event_types": core_events(body.events), "event_names": names_for(body.events)}
        kept = {**kept, "events": body.events}
    if body.metadata is not None:
        check_size(body.metadata, "metadata", 5_000)
        kept = {**kept, "metadata": body.metadata}
    if kept != _kept(webhook):
        changes["metadata"] = {**webhook.metadata, KEY: kept}
    if changes:
        webhook = await house.webhooks.update(principal, webhook.id, changes)
    if body.secret is not None:
        webhook = await house.webhooks.set_secret(principal, webhook.id, body.secret)
    return webhook_out(webhook)


@router.delete("/webhooks/{id}", status_code=204, response_class=Response)
async def delete(id: str, house: TheHouse, principal: TheCaller) -> Response:
    """Be told no more. Its deliveries are gone with it."""
    await house.webhooks.delete(principal, (await _get(house, principal, id)).id)
    return Response(status_code=204)


@router.get("/webhooks/{id}/deliveries")
async def deliveries(
    id: str,
    house: TheHouse,
    principal: TheCaller,
    part: ThePart,
    status: Annotated[
        Literal["pending", "success", "failed", "retrying"] | None, Query(description="Only those.")
    ] = None,
) -> list[DeliveryOut]:
    """List what was sent, or is to be, newest first."""
    webhook = await _get(house, principal, id)
    found = await part_from(
        lambda window: house.webhooks.deliveries(principal, webhook.id, window),
        part,
        lambda one: status is None or _status(one) == status,
    )
    return [await _shown(house, principal, webhook, one.id) for one in found]


async def _shown(house: House, principal: Principal, webhook: Webhook, id: UUID) -> DeliveryOut:
    delivery, attempts = await house.webhooks.delivery(principal, webhook.id, id)
    return _delivery_out(webhook, delivery, attempts)


def _status(delivery: Delivery) -> Literal["pending", "success", "failed", "retrying"]:
    match delivery.status.value:
        case "delivered":
            return "success"
        case "failed":
            return "failed"
        case _:
            return "retrying" if delivery.last_error is not None else "pending"


def _delivery_out(webhook: Webhook, delivery: Delivery, attempts: list[Attempt]) -> DeliveryOut:
    status, last = _status(delivery), attempts[-1] if attempts else None
    said = cast(dict[str, Any], delivery.data) if isinstance(delivery.data, dict) else {}
    return DeliveryOut(
        id=delivery.id,
        webhook_id=delivery.endpoint_id,
        event_type=webhook.event_names.get(delivery.type, delivery.type),
        payload={
            "session_id": None if delivery.session_id is None else str(delivery.session_id),
            "run_id": None if delivery.run_id is None else str(delivery.run_id),
            "seq": delivery.seq,
            **said,
        },
        status=status,
        status_code=delivery.last_status,
        response_body=None if last is None else last.response,
        error_message=delivery.last_error,
        attempt_count=delivery.attempts,
        next_retry_at=delivery.next_at if status in ("pending", "retrying") else None,
        created_at=delivery.created_at,
        delivered_at=delivery.delivered_at,
    )


@router.post("/webhooks/{id}/test")
async def test(id: str, house: TheHouse, principal: TheCaller) -> DeliveryOut:
    """Send a test delivery now, and see what came of it."""
    webhook = await _get(house, principal, id)
    delivery, attempts = await house.webhooks.ping(principal, webhook.id)
    return _delivery_out(webhook, delivery, attempts)


@router.post("/webhooks/{id}/deliveries/{delivery_id}/retry")
async def retry(id: str, delivery_id: str, house: TheHouse, principal: TheCaller) -> DeliveryOut:
    """Send a delivery again."""
    webhook = await _get(house, principal, id)
    again = await house.webhooks.redeliver(principal, webhook.id, uuid_in(delivery_id, "delivery_id"))
    return await _shown(house, principal, webhook, again.id)
