"""All SQL of endpoints and of what is shown of their deliveries. What the dispatcher asks is in sending_queries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from glia.kit.db import Transaction
from glia.kit.pages import Window
from glia.webhooks.types import Attempt, Delivery, DeliveryStatus, Style, Webhook


@dataclass(frozen=True)
class WebhookRow:
    """An endpoint with what is sealed, which never leaves the slice."""

    id: UUID
    workspace_id: UUID
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
    created_at: datetime
    updated_at: datetime
    sealed_headers: bytes | None
    sealed_secret: bytes | None
    sealed_old_secret: bytes | None

    def shown(self) -> Webhook:
        return Webhook(
            id=self.id,
            url=self.url,
            description=self.description,
            event_types=self.event_types,
            header_names=self.header_names,
            is_active=self.is_active,
            disabled_reason=self.disabled_reason,
            failing_since=self.failing_since,
            old_secret_until=self.old_secret_until,
            style=self.style,
            event_names=self.event_names,
            header_prefix=self.header_prefix,
            fields=self.fields,
            agent_id=self.agent_id,
            timeout_seconds=self.timeout_seconds,
            max_attempts=self.max_attempts,
            retry_seconds=self.retry_seconds,
            metadata=self.metadata,
            has_secret=self.sealed_secret is not None,
            created_at=self.created_at,
            updated_at=self.updated_at,
        )


_ENDPOINT = """
    select id, workspace_id, url, description, event_types, header_names, is_active, disabled_reason, failing_since,
      case when old_secret_until > now() then old_secret_until end as old_secret_until, style, event_names,
      header_prefix, fields, agent_id, timeout_seconds, max_attempts, retry_seconds, metadata, created_at, updated_at,
      sealed_headers, sealed_secret, case when old_secret_until > now() then sealed_old_secret end as sealed_old_secret
    from webhook_endpoints """


async def count(tx: Transaction) -> int:
    """How many the workspace has; holds its other writers until the end of the transaction."""
    await tx.execute("select pg_advisory_xact_lock(hashtextextended('webhooks:' || current_workspace()::text, 0))")
    return int(await tx.value("select count(*) from webhook_endpoints"))


async def insert(
    tx: Transaction,
    id: UUID,
    values: Mapping[str, object],
    *,
    sealed_secret: bytes | None,
    workspace_id: UUID,
    project_id: UUID,
) -> None:
    """values: all columns that a user describes."""
    await tx.execute(
        """
        insert into webhook_endpoints (id, workspace_id, project_id, url, description, event_types, is_active,
          header_names, sealed_headers, sealed_secret, style, event_names, header_prefix, fields, agent_id,
          timeout_seconds, max_attempts, retry_seconds, metadata)
        values (%(id)s, %(workspace_id)s, %(project_id)s, %(url)s, %(description)s, %(event_types)s, %(is_active)s,
          %(header_names)s, %(sealed_headers)s, %(sealed_secret)s, %(style)s, %(event_names)s,
          %(header_prefix)s, %(fields)s, %(agent_id)s,
          %(timeout_seconds)s, %(max_attempts)s, %(retry_seconds)s, %(metadata)s)""",
        **values,
        id=id,
        sealed_secret=sealed_secret,
        workspace_id=workspace_id,
        project_id=project_id,
    )


async def update(tx: Transaction, id: UUID, values: Mapping[str, object]) -> None:
    """Switching an endpoint on forgets why it was switched off."""
    await tx.execute(
        """
        update webhook_endpoints set url = %(url)s, description = %(description)s, event_types = %(event_types)s,
          header_names = %(header_names)s, sealed_headers = %(sealed_headers)s, is_active = %(is_active)s,
          style = %(style)s, event_names = %(event_names)s, header_prefix = %(header_prefix)s, fields = %(fields)s,
          agent_id = %(agent_id)s,
          timeout_seconds = %(timeout_seconds)s, max_attempts = %(max_attempts)s, retry_seconds = %(retry_seconds)s,
          metadata = %(metadata)s,
          disabled_reason = case when %(is_active)s then null else disabled_reason end,
          failing_since = case when %(is_active)s and not is_active then null else failing_since end,
          updated_at = now()
        where id = %(id)s""",
        **values,
        id=id,
    )


async def set_secret(tx: Transaction, id: UUID, sealed: bytes, *, overlap_seconds: float) -> None:
    """The present secret signs beside the new one for `overlap_seconds`."""
    await tx.execute(
        """
        update webhook_endpoints set sealed_old_secret = case when %(overlap)s > 0 then sealed_secret end,
          old_secret_until = case when %(overlap)s > 0 then now() + make_interval(secs => %(overlap)s) end,
          sealed_secret = %(sealed)s, updated_at = now()
        where id = %(id)s""",
        id=id,
        sealed=sealed,
        overlap=float(overlap_seconds),
    )


async def has_agent(tx: Transaction, agent_id: UUID) -> bool:
    found = await tx.value("select true from agents where id = %(id)s and deleted_at is null", id=agent_id)
    return found is True


async def replace_secret(tx: Transaction, id: UUID, sealed: bytes | None) -> None:
    """At once, and without the one before."""
    await tx.execute(
        """
        update webhook_endpoints set sealed_secret = %(sealed)s, sealed_old_secret = null, old_secret_until = null,
          updated_at = now()
        where id = %(id)s""",
        id=id,
        sealed=sealed,
    )


async def delete(tx: Transaction, id: UUID) -> bool:
    await tx.execute("delete from webhook_deliveries where endpoint_id = %(id)s", id=id)
    return await tx.execute("delete from webhook_endpoints where id = %(id)s", id=id) == 1


async def get(tx: Transaction, id: UUID) -> WebhookRow | None:
    return await tx.one_or_none(WebhookRow, _ENDPOINT + "where id = %(id)s", id=id)


async def lock(tx: Transaction, id: UUID) -> WebhookRow | None:
    return await tx.one_or_none(WebhookRow, _ENDPOINT + "where id = %(id)s for no key update", id=id)


async def list_page(tx: Transaction, window: Window) -> list[WebhookRow]:
    return await tx.many(
        WebhookRow,
        _ENDPOINT + "where (%(after)s::uuid is null or id < %(after)s) order by id desc limit %(rows)s",
        after=window.after,
        rows=window.limit + 1,
    )


_DELIVERY = """
    select id, endpoint_id, type, session_id, seq, run_id, status, attempts, next_at, retry_until, last_status,
      last_error, created_at, delivered_at, data
    from webhook_deliveries """


async def delivery(tx: Transaction, endpoint_id: UUID, id: UUID) -> Delivery | None:
    return await tx.one_or_none(
        Delivery, _DELIVERY + "where id = %(id)s and endpoint_id = %(endpoint_id)s", id=id, endpoint_id=endpoint_id
    )


async def deliveries(
    tx: Transaction, endpoint_id: UUID, window: Window, *, status: DeliveryStatus | None
) -> list[Delivery]:
    return await tx.many(
        Delivery,
        _DELIVERY
        + """
        where endpoint_id = %(endpoint_id)s and (%(status)s::text is null or status = %(status)s)
          and (%(after)s::uuid is null or id < %(after)s)
        order by id desc limit %(rows)s""",
        endpoint_id=endpoint_id,
        status=status,
        after=window.after,
        rows=window.limit + 1,
    )


async def attempts(tx: Transaction, delivery_id: UUID) -> list[Attempt]:
    return await tx.many(
        Attempt,
        """
        select number, at, latency_ms, status, response, error from webhook_attempts
        where delivery_id = %(delivery_id)s order by number""",
        delivery_id=delivery_id,
    )


async def insert_ping(tx: Transaction, id: UUID, endpoint_id: UUID, *, type: str, lease_seconds: float) -> None:
    """A delivery of no event, taken at once by whoever made it. Its one attempt is its last."""
    await tx.execute(
        """
        insert into webhook_deliveries (id, workspace_id, endpoint_id, type, attempts, tries, next_at, retry_until,
          claimed_until, created_at)
        values (%(id)s, current_workspace(), %(endpoint_id)s, %(type)s, 1, 1, now() + make_interval(secs => %(lease)s),
          now(), now() + make_interval(secs => %(lease)s), now())""",
        id=id,
        endpoint_id=endpoint_id,
        type=type,
        lease=lease_seconds,
    )


_AGAIN = """
    update webhook_deliveries set status = 'pending', next_at = clock_timestamp(), delivered_at = null,
      claimed_until = null, tries = 0, retry_until = clock_timestamp() + interval '24 hours' """


async def redeliver(tx: Transaction, endpoint_id: UUID, id: UUID) -> bool:
    """False for one that is being sent right now or is waiting to be. One that waits is sent at once."""
    count = await tx.execute(
        _AGAIN
        + """
        where id = %(id)s and endpoint_id = %(endpoint_id)s
          and (claimed_until is null or claimed_until < clock_timestamp())""",
        id=id,
        endpoint_id=endpoint_id,
    )
    return count == 1


async def redeliver_failed(tx: Transaction, endpoint_id: UUID, since: datetime) -> int:
    return await tx.execute(
        _AGAIN
        + """
        where endpoint_id = %(endpoint_id)s and status = 'failed' and (seq is not null or data is not null)
          and created_at >= %(since)s""",
        endpoint_id=endpoint_id,
        since=since,
    )


async def wake(tx: Transaction) -> None:
    await tx.execute("select pg_notify('glia_webhooks', '')")
