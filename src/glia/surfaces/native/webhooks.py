"""/v1/webhooks: endpoints of the workspace that are told of events, and the log of their deliveries."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import Field

from glia.kit.errors import InvalidRequest
from glia.kit.ids import parse_id
from glia.surfaces.native.times import moment_of
from glia.surfaces.native.words import ListOf, TheWindow, page_of
from glia.surfaces.shared.bodies import Body, Changes, Out, TheHouse, ThePrincipal, Time, WatchedRoute, given
from glia.webhooks.types import EVENT_TYPES, Attempt, Delivery, DeliveryStatus, Webhook, WebhookSpec

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"], route_class=WatchedRoute)

StyleName = Literal["standard", "sha256", "alert", "timestamped"]
StatusName = Literal["pending", "delivered", "failed"]


class WebhookBody(Body):
    """event_types: full names, families such as `run.*`, or `*`. headers: sent along, kept encrypted, never shown.

    style: `sha256` signs with your own `secret` in `X-Webhook-Signature`, `alert` sends an alert's few fields,
    `timestamped` signs `<timestamp>.<body>` in headers that begin with `header_prefix`, and `data` holds `fields`.
    event_names: what those call events, by our names. agent_id: only what is about this agent; its id or slug. The n-th
    retry waits n times retry_seconds, up to max_attempts. url: `mailto:` and an address sends mails.
    """

    url: str = Field(max_length=8000)
    description: str = ""
    event_types: list[str] = Field(default_factory=lambda: ["*"])
    headers: dict[str, str] = Field(default_factory=dict[str, str])
    is_active: bool = True
    style: StyleName = "standard"
    secret: str | None = None
    event_names: dict[str, str] = Field(default_factory=dict[str, str])
    header_prefix: str = ""
    fields: dict[str, str] = Field(default_factory=dict[str, str])
    agent_id: str | None = Field(None, max_length=200)
    timeout_seconds: float | None = Field(None, strict=False)
    max_attempts: int | None = None
    retry_seconds: float | None = Field(None, strict=False)
    metadata: dict[str, Any] = Field(default_factory=dict[str, Any])


class WebhookChanges(Changes):
    url: str = Field("", max_length=8000)
    description: str = ""
    event_types: list[str] = Field(default_factory=list[str])
    headers: dict[str, str] = Field(default_factory=dict[str, str])
    is_active: bool = True
    event_names: dict[str, str] = Field(default_factory=dict[str, str])
    header_prefix: str = ""
    fields: dict[str, str] = Field(default_factory=dict[str, str])
    timeout_seconds: float | None = Field(None, strict=False)
    max_attempts: int | None = None
    retry_seconds: float | None = Field(None, strict=False)
    metadata: dict[str, Any] = Field(default_factory=dict[str, Any])


class RotateBody(Body):
    """overlap_seconds: how long deliveries are also signed with the old secret."""

    overlap_seconds: int = 86_400


class RedeliverBody(Body):
    """since: every failed delivery of an event from then on."""

    since: str


class WebhookOut(Out):
    """disabled_reason: why Glia switched the endpoint off itself. failing_since: null when its last delivery arrived.

    old_secret_until: until then the secret before the present one signs too.
    """

    id: UUID
    url: str
    description: str
    event_types: list[str]
    header_names: list[str]
    is_active: bool
    disabled_reason: str | None
    failing_since: Time | None
    old_secret_until: Time | None
    style: StyleName
    event_names: dict[str, str]
    header_prefix: str
    fields: dict[str, str]
    agent_id: UUID | None
    timeout_seconds: float | None
    max_attempts: int | None
    retry_seconds: float | None
    metadata: dict[str, Any]
    has_secret: bool
    created_at: Time
    updated_at: Time


class WebhookWithSecretOut(WebhookOut):
    """secret: shown this once; empty where nothing is signed."""

    secret: str


class DeliveryOut(Out):
    """webhook_id: the header of that name, the same for every attempt. last_status: null when there was no answer."""

    id: UUID
    webhook_id: str
    type: str
    session_id: UUID | None
    seq: int | None
    run_id: UUID | None
    status: StatusName
    attempts: int
    next_at: Time | None
    last_status: int | None
    last_error: str | None
    created_at: Time
    delivered_at: Time | None


class AttemptOut(Out):
    """response: the first 1,000 characters of the answer."""

    number: int
    at: Time
    latency_ms: int
    status: int | None
    response: str | None
    error: str | None


class DeliveryWithAttemptsOut(DeliveryOut):
    """body: what is sent, as text; null when its event is no longer in the log, or for a mail."""

    log: list[AttemptOut]
    body: str | None = None


class EventTypesOut(Out):
    data: list[str]


class RedeliveredOut(Out):
    """count: deliveries that are sent again."""

    count: int


@router.post("", status_code=201)
async def create(body: WebhookBody, house: TheHouse, principal: ThePrincipal) -> WebhookWithSecretOut:
    """Register an endpoint. The answer is the only one that shows the signing secret."""
    spec = WebhookSpec(
        url=body.url,
        description=body.description,
        event_types=tuple(body.event_types),
        headers=body.headers,
        is_active=body.is_active,
        style=body.style,
        event_names=body.event_names,
        header_prefix=body.header_prefix,
        fields=body.fields,
        agent_id=None if body.agent_id is None else (await house.agents.find(principal, body.agent_id)).id,
        timeout_seconds=body.timeout_seconds,
        max_attempts=body.max_attempts,
        retry_seconds=body.retry_seconds,
        metadata=body.metadata,
    )
    return _with_secret(*await house.webhooks.create(principal, spec, secret=body.secret))


@router.get("")
async def list_webhooks(house: TheHouse, principal: ThePrincipal, window: TheWindow) -> ListOf[WebhookOut]:
    """List the endpoints, newest first."""
    return page_of(await house.webhooks.list(principal, window), webhook_out)


@router.get("/event-types")
async def event_types(principal: ThePrincipal) -> EventTypesOut:
    """What an endpoint can be told of."""
    principal.require("webhooks:read")
    return EventTypesOut(data=list(EVENT_TYPES))


@router.get("/{webhook}")
async def get(webhook: str, house: TheHouse, principal: ThePrincipal) -> WebhookOut:
    """One endpoint."""
    return webhook_out(await house.webhooks.get(principal, _id(webhook)))


@router.patch("/{webhook}")
async def update(webhook: str, body: WebhookChanges, house: TheHouse, principal: ThePrincipal) -> WebhookOut:
    """Change an endpoint. Headers that are not given stay, unless it moves to another host."""
    changes = given(body)
    if "event_types" in changes:
        changes["event_types"] = tuple(body.event_types)
    return webhook_out(await house.webhooks.update(principal, _id(webhook), changes))


@router.delete("/{webhook}", status_code=204, response_class=Response)
async def delete(webhook: str, house: TheHouse, principal: ThePrincipal) -> Response:
    """Delete an endpoint with its deliveries, those that wait too."""
    await house.webhooks.delete(principal, _id(webhook))
    return Response(status_code=204)


@router.post("/{webhook}/rotate-secret")
async def rotate_secret(
    webhook: str, house: TheHouse, principal: ThePrincipal, body: RotateBody | None = None
) -> WebhookWithSecretOut:
    """Make a new signing secret and show it this once. For a while the old one signs too."""
    overlap = (body or RotateBody()).overlap_seconds
    return _with_secret(*await house.webhooks.rotate_secret(principal, _id(webhook), overlap_seconds=overlap))


@router.post("/{webhook}/ping")
async def ping(webhook: str, house: TheHouse, principal: ThePrincipal) -> DeliveryWithAttemptsOut:
    """Send a `webhook.ping` now and see what comes of it. It is not retried."""
    delivery, attempts = await house.webhooks.ping(principal, _id(webhook))
    return _with_attempts(delivery, attempts, body=await house.webhooks.body(principal, _id(webhook), delivery.id))


@router.post("/{webhook}/redeliver", status_code=202)
async def redeliver_failed(
    webhook: str, body: RedeliverBody, house: TheHouse, principal: ThePrincipal
) -> RedeliveredOut:
    """Send every failed delivery since a moment again, retried for another 24 hours."""
    since = moment_of(body.since, "since")
    return RedeliveredOut(count=await house.webhooks.redeliver_failed(principal, _id(webhook), since))


@router.get("/{webhook}/deliveries")
async def deliveries(
    webhook: str,
    house: TheHouse,
    principal: ThePrincipal,
    window: TheWindow,
    status: Annotated[str | None, Query(description="`pending`, `delivered` or `failed`.")] = None,
) -> ListOf[DeliveryOut]:
    """List deliveries, newest first."""
    page = await house.webhooks.deliveries(principal, _id(webhook), window, status=_status(status))
    return page_of(page, delivery_out)


@router.get("/{webhook}/deliveries/{delivery}")
async def delivery(webhook: str, delivery: str, house: TheHouse, principal: ThePrincipal) -> DeliveryWithAttemptsOut:
    """One delivery with every attempt."""
    id, delivery_id = _id(webhook), parse_id(delivery, "delivery")
    found = await house.webhooks.delivery(principal, id, delivery_id)
    return _with_attempts(*found, body=await house.webhooks.body(principal, id, delivery_id))


@router.post("/{webhook}/deliveries/{delivery}/redeliver", status_code=202)
async def redeliver(webhook: str, delivery: str, house: TheHouse, principal: ThePrincipal) -> DeliveryOut:
    """Send one delivery again, under the same `webhook-id`."""
    again = await house.webhooks.redeliver(principal, _id(webhook), parse_id(delivery, "delivery"))
    return delivery_out(again)


def _id(text: str) -> UUID:
    return parse_id(text, "webhook")


def _status(text: str | None) -> DeliveryStatus | None:
    if text is None:
        return None
    try:
        return DeliveryStatus(text)
    except ValueError:
        raise InvalidRequest(
            f"`status` {text[:50]!r} is none of {', '.join(DeliveryStatus)}.", field="status"
        ) from None


def webhook_out(webhook: Webhook) -> WebhookOut:
    return WebhookOut.of(webhook)


def _with_secret(webhook: Webhook, secret: str) -> WebhookWithSecretOut:
    return WebhookWithSecretOut(**webhook_out(webhook).__dict__, secret=secret)


def _fields(delivery: Delivery) -> dict[str, object]:
    return {
        **{name: getattr(delivery, name) for name in DeliveryOut.model_fields if hasattr(delivery, name)},
        "status": delivery.status.value,
        "next_at": delivery.next_at if delivery.status is DeliveryStatus.PENDING else None,
    }


def delivery_out(delivery: Delivery) -> DeliveryOut:
    return DeliveryOut.model_validate(_fields(delivery))


def _with_attempts(delivery: Delivery, attempts: list[Attempt], *, body: str | None = None) -> DeliveryWithAttemptsOut:
    log = [AttemptOut.of(attempt) for attempt in attempts]
    return DeliveryWithAttemptsOut.model_validate({**_fields(delivery), "log": log, "body": body})
