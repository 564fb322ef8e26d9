"""/api/v1/alert-preferences: who is told what becomes of tasks. Each channel is a webhook or a mail address."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal, cast
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import Field

from glia.identity.types import Principal
from glia.kit.errors import InvalidRequest, NotFound
from glia.kit.ids import new_id
from glia.kit.pages import LARGEST_LIMIT, Window
from glia.surfaces.neuronagent.auth import TheCaller
from glia.surfaces.neuronagent.webhooks import ALERT, KEY
from glia.surfaces.neuronagent.words import Part, ThePart, uuid_in
from glia.surfaces.shared.bodies import Body, Out, TheHouse, Time, WatchedRoute
from glia.webhooks.types import Webhook, WebhookSpec
from glia.wiring import House

router = APIRouter(prefix="/api/v1", tags=["alert-preferences"], route_class=WatchedRoute)

TypeName = Literal["completion", "failure", "progress", "milestone"]
ChannelName = Literal["email", "webhook", "push"]
_EVENTS: dict[str, str] = {
    "completion": "job.completed",
    "failure": "job.failed",
    "progress": "job.progressed",
    "milestone": "job.started",
}


class PreferenceBody(Body):
    """alert_types: `milestone` is when a task begins, `progress` how far it is. One preference for a user and agent:
    a second one takes the place of the first. agent_id: left away, all agents."""

    user_id: str | None = Field(None, max_length=200)
    agent_id: str | None = None
    alert_types: list[TypeName] = Field(default_factory=lambda: ["completion", "failure"], min_length=1, max_length=4)
    channels: list[ChannelName] = Field(default_factory=lambda: ["webhook"], min_length=1, max_length=3)
    email_address: str | None = Field(None, max_length=320)
    webhook_url: str | None = Field(None, max_length=8000)
    enabled: bool = True


class UpdatedOut(Out):
    id: UUID
    status: Literal["updated"]
    message: str


class PreferenceOut(Out):
    id: UUID
    user_id: str | None
    agent_id: UUID | None
    alert_types: list[TypeName]
    channels: list[ChannelName]
    email_address: str | None
    webhook_url: str | None
    enabled: bool
    created_at: Time
    updated_at: Time


def _kept(webhook: Webhook) -> dict[str, Any] | None:
    own = webhook.metadata.get(KEY)
    found = cast(dict[str, Any], own).get(ALERT) if isinstance(own, dict) else None
    return cast(dict[str, Any], found) if isinstance(found, dict) else None


async def _endpoints(house: House, principal: Principal) -> list[tuple[Webhook, dict[str, Any]]]:
    page = await house.webhooks.list(principal, Window(LARGEST_LIMIT))
    return [(webhook, kept) for webhook in page.items if (kept := _kept(webhook)) is not None]


@router.post("/alert-preferences")
async def put(body: PreferenceBody, house: TheHouse, principal: TheCaller) -> UpdatedOut:
    """Say who is told what becomes of tasks."""
    addresses = _addresses(body, house)
    agent = None
    if body.agent_id is not None:
        agent = (await house.agents.get(principal, uuid_in(body.agent_id, "agent_id"))).id
    before = [
        (webhook, kept)
        for webhook, kept in await _endpoints(house, principal)
        if (kept.get("user_id"), webhook.agent_id) == (body.user_id, agent)
    ]
    id = UUID(before[0][1]["id"]) if before else new_id()
    kept: dict[str, object] = {
        "id": str(id),
        "user_id": body.user_id,
        "alert_types": body.alert_types,
        "channels": body.channels,
        "email_address": body.email_address,
        "webhook_url": body.webhook_url,
    }
    spec = WebhookSpec(
        url="",
        description="Alerts",
        event_types=tuple(_EVENTS[type] for type in dict.fromkeys(body.alert_types)),
        is_active=body.enabled,
        style="alert",
        event_names={event: type for type, event in _EVENTS.items()},
        agent_id=agent,
        max_attempts=5,
        retry_seconds=60,
        metadata={KEY: {ALERT: kept}},
    )
    for url in addresses:
        await house.webhooks.create(principal, replace(spec, url=url))
    for webhook, _ in before:
        await house.webhooks.delete(principal, webhook.id)
    return UpdatedOut(id=id, status="updated", message="The alert preference was kept.")


def _addresses(body: PreferenceBody, house: House) -> list[str]:
    found: list[str] = []
    for channel in dict.fromkeys(body.channels):
        if channel == "push":
            raise InvalidRequest(
                "`channels`: this server has no push service; use `webhook` or `email`.", field="channels"
            )
        if channel == "email":
            if house.settings.mail.url is None:
                raise InvalidRequest(
                    "`channels`: no mail server is configured, so no `email` can be sent; the operator sets"
                    " GLIA_MAIL__URL. Use `webhook` until then.",
                    field="channels",
                )
            if not body.email_address:
                raise InvalidRequest("`email_address` is missing; the channel `email` needs it.", field="email_address")
            found.append(f"mailto:{body.email_address}")
        if channel == "webhook":
            if not body.webhook_url:
                raise InvalidRequest("`webhook_url` is missing; the channel `webhook` needs it.", field="webhook_url")
            found.append(body.webhook_url)
    return found


async def _listed(
    house: House, principal: Principal, part: Part, user_id: str | None, agent_id: UUID | None
) -> list[PreferenceOut]:
    """A preference without a user is everybody's."""
    found: dict[str, PreferenceOut] = {}
    for webhook, kept in await _endpoints(house, principal):
        is_wanted = user_id is None or kept.get("user_id") in (None, user_id)
        if is_wanted and (agent_id is None or webhook.agent_id == agent_id) and kept["id"] not in found:
            found[kept["id"]] = PreferenceOut(
                id=kept["id"],
                user_id=kept.get("user_id"),
                agent_id=webhook.agent_id,
                alert_types=kept["alert_types"],
                channels=kept["channels"],
                email_address=kept.get("email_address"),
                webhook_url=kept.get("webhook_url"),
                enabled=webhook.is_active,
                created_at=webhook.created_at,
                updated_at=webhook.updated_at,
            )
    return part.of(list(found.values()))


UserText = Annotated[str | None, Query(description="Only this user's, and everybody's.", max_length=200)]


@router.get("/alert-preferences")
async def list_preferences(
    house: TheHouse, principal: TheCaller, part: ThePart, user_id: UserText = None
) -> list[PreferenceOut]:
    """List who is told, newest first."""
    return await _listed(house, principal, part, user_id, None)


@router.get("/agents/{agent_id}/alert-preferences")
async def list_of_agent(
    agent_id: str, house: TheHouse, principal: TheCaller, part: ThePart, user_id: UserText = None
) -> list[PreferenceOut]:
    """List who is told of an agent's tasks."""
    agent = (await house.agents.get(principal, uuid_in(agent_id, "agent_id"))).id
    return await _listed(house, principal, part, user_id, agent)


@router.delete("/alert-preferences/{id}", status_code=204)
async def delete(id: str, house: TheHouse, principal: TheCaller) -> None:
    """Tell nobody by this preference any more."""
    wanted = str(uuid_in(id))
    mine = [webhook for webhook, kept in await _endpoints(house, principal) if kept["id"] == wanted]
    if not mine:
        raise NotFound(f"There is no alert preference '{wanted}' in this workspace.")
    for webhook in mine:
        await house.webhooks.delete(principal, webhook.id)
