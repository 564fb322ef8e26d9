"""Webhooks: who wants to be told of which events, and what became of telling them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from glia.identity.service import note_change
from glia.identity.types import Principal
from glia.kit.db import Database, Transaction, json
from glia.kit.errors import Conflict, InvalidRequest
from glia.kit.ids import new_id
from glia.kit.mail import MAILTO
from glia.kit.outbound import Outbound
from glia.kit.pages import Page, Window, page_of
from glia.webhooks import queries, sending_queries
from glia.webhooks.checks import check_spec, origin
from glia.webhooks.config import WebhookConfig
from glia.webhooks.dispatcher import Dispatcher
from glia.webhooks.errors import DeliveryNotFound, TooManyWebhooks, WebhookNotFound
from glia.webhooks.queries import WebhookRow
from glia.webhooks.sealing import Secrets, sealed_headers, sealed_secret
from glia.webhooks.sending import body_for
from glia.webhooks.sending_queries import Claimed
from glia.webhooks.signing import new_secret
from glia.webhooks.types import PING, Attempt, Delivery, DeliveryStatus, Webhook, WebhookSpec

__all__ = ["MOST_WEBHOOKS", "Dispatcher", "Secrets", "WebhookConfig", "Webhooks"]

MOST_WEBHOOKS = 50
"""In one workspace."""

LONGEST_OVERLAP_SECONDS = 7 * 86_400
LONGEST_SECRET = 500


class Webhooks:
    def __init__(
        self, db: Database, outbound: Outbound, secrets: Secrets, dispatcher: Dispatcher, config: WebhookConfig
    ) -> None:
        self._db = db
        self._outbound = outbound
        self._secrets = secrets
        self._dispatcher = dispatcher
        self._config = config

    async def create(
        self, principal: Principal, spec: WebhookSpec, *, secret: str | None = None
    ) -> tuple[Webhook, str]:
        """A new endpoint, and its signing secret, which nobody can ever read again.

        secret: one of your own, for any style but `standard`; without one these are not signed.
        Raises InvalidRequest, OutboundRefused for a private address, TooManyWebhooks.
        """
        principal.require("webhooks:write")
        check_spec(spec, self._outbound)
        id, workspace_id = new_id(), principal.workspace_id
        secret = new_secret() if spec.style == "standard" else _own(secret)
        async with self._db.transaction(workspace_id) as tx:
            await _check_agent(tx, spec)
            if await queries.count(tx) >= MOST_WEBHOOKS:
                raise TooManyWebhooks(
                    f"The workspace has {MOST_WEBHOOKS} webhooks, the most there can be; delete one, or let one"
                    " endpoint take more event types."
                )
            await queries.insert(
                tx,
                id,
                _values(spec, sealed_headers(spec.headers, self._secrets, workspace_id, id), tuple(spec.headers)),
                sealed_secret=sealed_secret(secret, self._secrets, workspace_id, id) if secret else None,
                workspace_id=workspace_id,
                project_id=principal.project_id,
            )
            await note_change(tx, principal, "webhook.created", f"webhook:{id}")
            return (await _get(tx, id)).shown(), secret

    async def get(self, principal: Principal, id: UUID) -> Webhook:
        principal.require("webhooks:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            return (await _get(tx, id)).shown()

    async def list(self, principal: Principal, window: Window) -> Page[Webhook]:
        principal.require("webhooks:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            rows = await queries.list_page(tx, window)
        return page_of([row.shown() for row in rows], window, lambda webhook: webhook.id)

    async def update(self, principal: Principal, id: UUID, changes: Mapping[str, Any]) -> Webhook:
        """changes: fields of WebhookSpec. Headers that are not given stay, unless the endpoint moves to another host.

        Switching on what Glia had switched off clears the reason, and what is still within its 24 hours is sent.
        """
        principal.require("webhooks:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            row = await queries.lock(tx, id)
            if row is None:
                raise _missing(id)
            spec = replace(_spec_of(row), **changes)
            check_spec(spec, self._outbound)
            await _check_agent(tx, spec)
            headers, names = row.sealed_headers, row.header_names
            if "headers" in changes:
                headers = sealed_headers(spec.headers, self._secrets, row.workspace_id, id)
                names = tuple(spec.headers)
            elif headers is not None and origin(spec.url) != origin(row.url):
                # Otherwise anyone who may edit the endpoint could have its secrets sent to a host of their own.
                raise InvalidRequest(
                    f"The endpoint moves to {origin(spec.url)}; give `headers` anew, or {{}} for none.",
                    field="headers",
                )
            await queries.update(tx, id, _values(spec, headers, names))
            await queries.wake(tx)
            await note_change(tx, principal, "webhook.updated", f"webhook:{id}", fields=sorted(changes))
            return (await _get(tx, id)).shown()

    async def set_secret(self, principal: Principal, id: UUID, secret: str | None) -> Webhook:
        """A secret of your own, from now on, or none; for any style but `standard`."""
        principal.require("webhooks:write")
        secret = _own(secret)
        async with self._db.transaction(principal.workspace_id) as tx:
            row = await queries.lock(tx, id)
            if row is None:
                raise _missing(id)
            if row.style == "standard":
                raise InvalidRequest("The secrets of style `standard` are made here; rotate it instead.")
            sealed = sealed_secret(secret, self._secrets, row.workspace_id, id) if secret else None
            await queries.replace_secret(tx, id, sealed)
            return (await _get(tx, id)).shown()

    async def delete(self, principal: Principal, id: UUID) -> None:
        """Its deliveries go with it, those that wait too."""
        principal.require("webhooks:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            if not await queries.delete(tx, id):
                raise _missing(id)
            await note_change(tx, principal, "webhook.deleted", f"webhook:{id}")

    async def rotate_secret(self, principal: Principal, id: UUID, *, overlap_seconds: int) -> tuple[Webhook, str]:
        """A new secret; for `overlap_seconds` deliveries carry a signature of each. 0 ends the old one at once."""
        principal.require("webhooks:write")
        if not 0 <= overlap_seconds <= LONGEST_OVERLAP_SECONDS:
            raise InvalidRequest(
                f"`overlap_seconds` is {overlap_seconds}; it must be between 0 and {LONGEST_OVERLAP_SECONDS}.",
                field="overlap_seconds",
            )
        secret = new_secret()
        async with self._db.transaction(principal.workspace_id) as tx:
            if await queries.lock(tx, id) is None:
                raise _missing(id)
            sealed = sealed_secret(secret, self._secrets, principal.workspace_id, id)
            await queries.set_secret(tx, id, sealed, overlap_seconds=overlap_seconds)
            await note_change(tx, principal, "webhook.secret_rotated", f"webhook:{id}")
            return (await _get(tx, id)).shown(), secret

    async def ping(self, principal: Principal, id: UUID) -> tuple[Delivery, list[Attempt]]:
        """Sends a `webhook.ping` at once, also to an endpoint that is switched off, and says what came of it."""
        principal.require("webhooks:write")
        delivery_id = new_id()
        async with self._db.transaction(principal.workspace_id) as tx:
            await _get(tx, id)
            lease = self._config.lease_seconds
            await queries.insert_ping(tx, delivery_id, id, type=PING, lease_seconds=lease)
        await self._dispatcher.deliver(Claimed(delivery_id, principal.workspace_id, id, number=1, tries=1))
        return await self._delivery(principal, id, delivery_id)

    async def deliveries(
        self, principal: Principal, id: UUID, window: Window, *, status: DeliveryStatus | None = None
    ) -> Page[Delivery]:
        principal.require("webhooks:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            await _get(tx, id)
            rows = await queries.deliveries(tx, id, window, status=status)
        return page_of(rows, window, lambda delivery: delivery.id)

    async def delivery(self, principal: Principal, id: UUID, delivery_id: UUID) -> tuple[Delivery, list[Attempt]]:
        """One delivery with every attempt to make it."""
        principal.require("webhooks:read")
        return await self._delivery(principal, id, delivery_id)

    async def body(self, principal: Principal, id: UUID, delivery_id: UUID) -> str | None:
        """What is sent with a delivery, as text; None when its event is no longer in the log, or it is a mail."""
        principal.require("webhooks:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            row = await _get(tx, id)
            await _get_delivery(tx, id, delivery_id)
            letter = await sending_queries.letter(tx, delivery_id)
        if letter is None or (letter.data is None and letter.type != PING) or row.url.startswith(MAILTO):
            return None
        return body_for(letter, row.style, row.event_names, delivery_id, row.fields).decode()

    async def redeliver(self, principal: Principal, id: UUID, delivery_id: UUID) -> Delivery:
        """Sends it again, under the same `webhook-id`, retried for another 24 hours.

        Raises Conflict while it is being sent, and for an endpoint that is switched off.
        """
        principal.require("webhooks:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            await _get_active(tx, id)
            found = await _get_delivery(tx, id, delivery_id)
            if found.type == PING:
                raise Conflict("A ping is not sent again; send a new one.")
            if not await queries.redeliver(tx, id, delivery_id):
                raise Conflict(f"The delivery '{delivery_id}' is being sent right now; look at it again shortly.")
            await queries.wake(tx)
            return await _get_delivery(tx, id, delivery_id)

    async def redeliver_failed(self, principal: Principal, id: UUID, since: datetime) -> int:
        """Sends every failed delivery of an event since then again. Returns how many there are."""
        principal.require("webhooks:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            await _get_active(tx, id)
            count = await queries.redeliver_failed(tx, id, since)
            await queries.wake(tx)
        return count

    async def _delivery(self, principal: Principal, id: UUID, delivery_id: UUID) -> tuple[Delivery, list[Attempt]]:
        async with self._db.transaction(principal.workspace_id) as tx:
            await _get(tx, id)
            found = await _get_delivery(tx, id, delivery_id)
            return found, await queries.attempts(tx, delivery_id)


def _values(spec: WebhookSpec, headers: bytes | None, header_names: tuple[str, ...]) -> dict[str, object]:
    return {
        "url": spec.url,
        "description": spec.description,
        "event_types": list(dict.fromkeys(spec.event_types)),
        "is_active": spec.is_active,
        "sealed_headers": headers,
        "header_names": list(header_names),
        "style": spec.style,
        "event_names": json(dict(spec.event_names)),
        "header_prefix": spec.header_prefix,
        "fields": json(dict(spec.fields)),
        "agent_id": spec.agent_id,
        "timeout_seconds": spec.timeout_seconds,
        "max_attempts": spec.max_attempts,
        "retry_seconds": spec.retry_seconds,
        "metadata": json(dict(spec.metadata)),
    }


def _own(secret: str | None) -> str:
    secret = secret or ""
    if len(secret) > LONGEST_SECRET or "\0" in secret:
        raise InvalidRequest(f"`secret` may have {LONGEST_SECRET} characters, without NUL.", field="secret")
    return secret


async def _check_agent(tx: Transaction, spec: WebhookSpec) -> None:
    if spec.agent_id is not None and not await queries.has_agent(tx, spec.agent_id):
        raise InvalidRequest(f"There is no agent '{spec.agent_id}' in this workspace.", field="agent_id")


def _spec_of(row: WebhookRow) -> WebhookSpec:
    """Without headers: they stay sealed."""
    return WebhookSpec(
        **{field.name: getattr(row, field.name) for field in fields(WebhookSpec) if field.name != "headers"}
    )


async def _get(tx: Transaction, id: UUID) -> WebhookRow:
    row = await queries.get(tx, id)
    if row is None:
        raise _missing(id)
    return row


async def _get_active(tx: Transaction, id: UUID) -> WebhookRow:
    row = await _get(tx, id)
    if not row.is_active:
        raise Conflict(f"The webhook '{id}' is switched off; set `is_active` to true first.")
    return row


async def _get_delivery(tx: Transaction, id: UUID, delivery_id: UUID) -> Delivery:
    found = await queries.delivery(tx, id, delivery_id)
    if found is None:
        raise DeliveryNotFound(f"The webhook '{id}' has no delivery '{delivery_id}'.", delivery_id=str(delivery_id))
    return found


def _missing(id: UUID) -> WebhookNotFound:
    return WebhookNotFound(f"There is no webhook '{id}' in this workspace.", webhook_id=str(id))
