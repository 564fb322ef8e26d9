"""/v1/webhooks: addresses that are told what becomes of agents, and what became of telling them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final, Literal

import orjson
from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import Field

from glia.identity.types import Principal
from glia.kit.clock import now
from glia.kit.errors import InvalidRequest
from glia.kit.outbound import OutboundRefused
from glia.kit.pages import LARGEST_LIMIT, Window
from glia.surfaces.neuais.pages import TellingRoute, TheListing, page_model
from glia.surfaces.neuais.words import SURFACE, id_of
from glia.surfaces.shared.bodies import Body, Out, TheHouse, ThePrincipal, Time
from glia.webhooks.types import Attempt, Delivery, DeliveryStatus, Webhook, WebhookSpec
from glia.wiring import House

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"], route_class=TellingRoute)

HEADERS: Final = "X-NeuAIs"
"""Deliveries have `X-NeuAIs-Signature`, `-Timestamp`, `-Id` and `-Event`."""

EVENTS: Final = {
    f"agent.{what}": f"deployment.{what}" for what in ("created", "updated", "deleted", "started", "stopped", "error")
}
"""Their names of events, and ours."""

_NAMES: Final = {ours: theirs for theirs, ours in EVENTS.items()}
_DATA: Final = {"agent_id": "agt_{deployment_id}", "name": "{name}"}
_PREFIX: Final = "whk_"
_DELIVERY_PREFIX: Final = "dlv_"
_SHOWN_DELIVERIES: Final = 1000
_RETRIED: Final = timedelta(hours=24)


class WebhookBody(Body):
    """events: `agent.created`, `agent.updated`, `agent.deleted`, `agent.started`, `agent.stopped`, `agent.error`.

    secret: signs deliveries; without one they are not signed. It is never shown.
    """

    url: str = Field(min_length=1, max_length=8000)
    events: list[str] = Field(min_length=1, max_length=50)
    secret: str | None = Field(None, max_length=500)


class WebhookOut(Out):
    """status: `active`, or `disabled` with the reason when nothing could be delivered for days. The secret is never
    shown. events: those of endpoints that were made elsewhere may be others, which begin with `glia.`."""

    id: str
    url: str
    events: list[str]
    status: Literal["active", "disabled"]
    reason: str
    has_secret: bool
    created_at: Time
    updated_at: Time


class DeliveryOut(Out):
    """status: `pending` while it is tried again, for up to 24 hours; then `delivered` or `failed`.

    response_status: of the newest attempt; null when there was no answer, which error explains.
    """

    id: str
    webhook_id: str
    event: str
    status: Literal["pending", "delivered", "failed"]
    attempts: int
    response_status: int | None
    error: str | None
    created_at: Time
    delivered_at: Time | None
    next_attempt_at: Time | None


class AttemptOut(Out):
    """response: the beginning of the answer."""

    number: int
    at: Time
    latency_ms: int
    status: int | None
    response: str | None
    error: str | None


class DeliveryWithAttemptsOut(DeliveryOut):
    """payload: what is sent; null once its event is gone. Any: JSON."""

    payload: Any
    log: list[AttemptOut]


class WebhookMessageOut(Out):
    message: str


class RedeliveredOut(Out):
    """count: deliveries that are sent again."""

    count: int


@router.post("", status_code=201)
async def create(body: WebhookBody, house: TheHouse, principal: ThePrincipal) -> WebhookOut:
    """Be told what becomes of agents."""
    spec = WebhookSpec(
        url=body.url,
        event_types=core_events(body.events),
        style="timestamped",
        event_names=_NAMES,
        header_prefix=HEADERS,
        fields=_DATA,
        metadata={SURFACE: {"events": body.events}},
    )
    try:
        made, _ = await house.webhooks.create(principal, spec, secret=body.secret)
    except OutboundRefused as error:
        raise InvalidRequest(error.message, field="url", reason=error.message) from None
    return webhook_out(made)


@router.get("", response_model=page_model("webhooks", WebhookOut))
async def list_webhooks(house: TheHouse, principal: ThePrincipal, listing: TheListing) -> JSONResponse:
    """List webhooks, newest first."""
    found = (await house.webhooks.list(principal, Window(LARGEST_LIMIT))).items
    shown = [webhook_out(one) for one in found]
    return listing.answer("webhooks", shown, WebhookOut, statuses=("active", "disabled"))


@router.get("/{webhook}")
async def get(webhook: str, house: TheHouse, principal: ThePrincipal) -> WebhookOut:
    """One webhook."""
    return webhook_out(await house.webhooks.get(principal, id_of(webhook, "webhook", _PREFIX)))


@router.delete("/{webhook}")
async def delete(webhook: str, house: TheHouse, principal: ThePrincipal) -> WebhookMessageOut:
    """Delete a webhook with its deliveries, those that wait too."""
    await house.webhooks.delete(principal, id_of(webhook, "webhook", _PREFIX))
    return WebhookMessageOut(message="Webhook deleted successfully")


@router.post("/{webhook}/redeliver", status_code=202)
async def redeliver_failed(webhook: str, house: TheHouse, principal: ThePrincipal) -> RedeliveredOut:
    """Send every failed delivery of the last 24 hours again."""
    id = id_of(webhook, "webhook", _PREFIX)
    return RedeliveredOut(count=await house.webhooks.redeliver_failed(principal, id, now() - _RETRIED))


@router.get("/{webhook}/deliveries", response_model=page_model("deliveries", DeliveryOut))
async def deliveries(webhook: str, house: TheHouse, principal: ThePrincipal, listing: TheListing) -> JSONResponse:
    """List the newest 1,000 deliveries, newest first."""
    found = await _newest(house, principal, webhook)
    statuses = [status.value for status in DeliveryStatus]
    return listing.answer("deliveries", [delivery_out(one) for one in found], DeliveryOut, statuses=statuses)


@router.get("/{webhook}/deliveries/{delivery}")
async def delivery(webhook: str, delivery: str, house: TheHouse, principal: ThePrincipal) -> DeliveryWithAttemptsOut:
    """One delivery with what it says and every attempt."""
    ids = id_of(webhook, "webhook", _PREFIX), id_of(delivery, "delivery", _DELIVERY_PREFIX)
    found, attempts = await house.webhooks.delivery(principal, *ids)
    body = await house.webhooks.body(principal, *ids)
    return DeliveryWithAttemptsOut(
        **delivery_out(found).__dict__,
        payload=None if body is None else orjson.loads(body),
        log=[_attempt_out(one) for one in attempts],
    )


@router.post("/{webhook}/deliveries/{delivery}/redeliver", status_code=202)
async def redeliver(webhook: str, delivery: str, house: TheHouse, principal: ThePrincipal) -> DeliveryOut:
    """Send one delivery again, under the same id, tried for another 24 hours."""
    ids = id_of(webhook, "webhook", _PREFIX), id_of(delivery, "delivery", _DELIVERY_PREFIX)
    return delivery_out(await house.webhooks.redeliver(principal, *ids))


async def _newest(house: House, principal: Principal, webhook: str) -> list[Delivery]:
    id = id_of(webhook, "webhook", _PREFIX)
    page = await house.webhooks.deliveries(principal, id, Window(_SHOWN_DELIVERIES))
    return page.items


def core_events(events: list[str]) -> tuple[str, ...]:
    for index, event in enumerate(events):
        if event not in EVENTS:
            reason = f"{event[:80]!r} is not one of {', '.join(EVENTS)}"
            raise InvalidRequest(f"`events[{index}]`: {reason}.", field="events", reason=reason)
    return tuple(dict.fromkeys(EVENTS[event] for event in events))


def events_of(webhook: Webhook) -> list[str]:
    """Of endpoints that were made elsewhere, too."""
    found: list[str] = []
    for type in webhook.event_types:
        found += list(EVENTS) if type == "deployment.*" else [_NAMES.get(type, f"glia.{type}")]
    return list(dict.fromkeys(found))


def webhook_out(webhook: Webhook) -> WebhookOut:
    return WebhookOut(
        id=f"{_PREFIX}{webhook.id}",
        url=webhook.url,
        events=events_of(webhook),
        status="active" if webhook.is_active else "disabled",
        reason=webhook.disabled_reason or "",
        has_secret=webhook.has_secret,
        created_at=webhook.created_at,
        updated_at=webhook.updated_at,
    )


def delivery_out(delivery: Delivery) -> DeliveryOut:
    is_pending = delivery.status is DeliveryStatus.PENDING
    return DeliveryOut(
        id=f"{_DELIVERY_PREFIX}{delivery.id}",
        webhook_id=f"{_PREFIX}{delivery.endpoint_id}",
        event=_NAMES.get(delivery.type, f"glia.{delivery.type}"),
        status=delivery.status.value,
        attempts=delivery.attempts,
        response_status=delivery.last_status,
        error=delivery.last_error,
        created_at=delivery.created_at,
        delivered_at=delivery.delivered_at,
        next_attempt_at=delivery.next_at if is_pending else None,
    )


def _attempt_out(attempt: Attempt) -> AttemptOut:
    return AttemptOut.of(attempt)
