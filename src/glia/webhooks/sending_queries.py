"""What the dispatcher asks of the database: which deliveries are due, and what became of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from glia.kit.db import Transaction
from glia.webhooks.config import WebhookConfig


@dataclass(frozen=True)
class Claimed:
    """A delivery that is ours until its lease is over. number: of this attempt, from 1.

    tries: attempts since it was asked for, this one included.
    """

    id: UUID
    workspace_id: UUID
    endpoint_id: UUID
    number: int
    tries: int


async def claim(tx: Transaction, config: WebhookConfig, *, room: int, is_failing: bool) -> list[Claimed]:
    """Takes deliveries that are due, in no order between endpoints and each endpoint's oldest first.

    is_failing: of endpoints whose last attempt failed, one at a time; else of the others, a few at a time each.
    Two processes never take the same one: the row is locked, and whoever waited finds that it is not due any more.
    """
    return await tx.many(
        Claimed,
        """
        with recursive waiting (id) as (  -- endpoints with something pending, found one by one in the index
          (select endpoint_id from webhook_deliveries where status = 'pending' order by endpoint_id limit 1)
          union all
          select (select d.endpoint_id from webhook_deliveries d
                  where d.status = 'pending' and d.endpoint_id > waiting.id order by d.endpoint_id limit 1)
          from waiting where waiting.id is not null
        ), free as (
          select e.id, e.room, e.lease from (
            select e.id, greatest(%(lease)s, e.timeout_seconds + 5) as lease,
              %(cap)s - (select count(*) from webhook_deliveries b
              where b.endpoint_id = e.id and b.claimed_until > statement_timestamp()) as room
            from waiting join webhook_endpoints e on e.id = waiting.id
            where e.is_active and (e.failing_since is not null) = %(is_failing)s
              and exists (select from webhook_deliveries d where d.endpoint_id = e.id and d.status = 'pending'
                          and d.next_at <= statement_timestamp())) e
          where e.room > 0 order by random() limit %(room)s
        ), due as (
          select d.id, free.lease from free cross join lateral (
            select d.id from webhook_deliveries d
            where d.endpoint_id = free.id and d.status = 'pending' and d.next_at <= statement_timestamp()
            order by d.next_at limit free.room for update skip locked) d
          limit %(room)s
        )
        update webhook_deliveries d set attempts = d.attempts + 1, tries = d.tries + 1,
          next_at = clock_timestamp() + make_interval(secs => due.lease),
          claimed_until = clock_timestamp() + make_interval(secs => due.lease)
        from due where d.id = due.id and d.status = 'pending' and d.next_at <= statement_timestamp()
        returning d.id, d.workspace_id, d.endpoint_id, d.attempts as number, d.tries""",
        cap=1 if is_failing else config.most_per_endpoint,
        is_failing=is_failing,
        room=room,
        lease=config.lease_seconds,
    )


async def seconds_to_next(tx: Transaction) -> float | None:
    """How long until a delivery becomes due that was not when this transaction began."""
    return await tx.value(
        """
        select extract(epoch from min(next_at) - statement_timestamp())::float8 from webhook_deliveries
        where status = 'pending' and next_at > now()"""
    )


async def backlog(tx: Transaction) -> int:
    """Deliveries that wait, counted up to 100,000."""
    return int(
        await tx.value(
            "select count(*) from (select from webhook_deliveries where status = 'pending' limit 100000) as pending"
        )
    )


@dataclass(frozen=True)
class Letter:
    """An event as it goes out. at: when it happened. data: its payload as JSON text; None when the log lost it."""

    type: str
    session_id: UUID | None
    seq: int | None
    run_id: UUID | None
    at: datetime
    data: str | None


async def letter(tx: Transaction, id: UUID) -> Letter | None:
    return await tx.one_or_none(
        Letter,
        """
        select d.type, d.session_id, d.seq, d.run_id, coalesce(e.at, d.created_at) as at,
          coalesce(d.data, e.data)::text as data
        from webhook_deliveries d left join events e on e.session_id = d.session_id and e.seq = d.seq
        where d.id = %(id)s""",
        id=id,
    )


@dataclass(frozen=True)
class Outcome:
    """What one attempt came to. is_done: the delivery is delivered. is_final: it is not tried again.

    max_attempts: the most there are of one delivery; None for as many as fit into 24 hours.
    """

    latency_ms: int
    status: int | None
    response: str | None
    error: str | None
    is_done: bool
    is_final: bool
    wait_seconds: float
    max_attempts: int | None = None


async def note_attempt(tx: Transaction, claimed: Claimed, outcome: Outcome) -> str | None:
    """Writes the attempt down. The delivery's status afterwards; None when a later attempt has it already."""
    await tx.execute(
        """
        insert into webhook_attempts (delivery_id, number, workspace_id, at, latency_ms, status, response, error)
        select id, %(number)s, workspace_id, clock_timestamp(), %(latency_ms)s, %(status)s, %(response)s, %(error)s
        from webhook_deliveries where id = %(id)s
        on conflict do nothing""",
        id=claimed.id,
        number=claimed.number,
        latency_ms=outcome.latency_ms,
        status=outcome.status,
        response=outcome.response,
        error=outcome.error,
    )
    return await tx.value(
        """
        update webhook_deliveries set claimed_until = null, last_status = %(status)s, last_error = %(error)s,
          delivered_at = case when %(is_done)s then clock_timestamp() end,
          status = case when %(is_done)s then 'delivered'
                        when %(is_final)s or tries >= %(most)s
                          or clock_timestamp() + make_interval(secs => %(wait)s) > retry_until
                        then 'failed' else 'pending' end,
          next_at = clock_timestamp() + make_interval(secs => %(wait)s)
        where id = %(id)s and attempts = %(number)s and status = 'pending'
        returning status""",
        id=claimed.id,
        number=claimed.number,
        status=outcome.status,
        error=outcome.error,
        is_done=outcome.is_done,
        is_final=outcome.is_final,
        most=outcome.max_attempts,
        wait=outcome.wait_seconds,
    )


async def note_success(tx: Transaction, endpoint_id: UUID) -> None:
    await tx.execute(
        "update webhook_endpoints set failing_since = null where id = %(id)s and failing_since is not null",
        id=endpoint_id,
    )


async def note_failure(tx: Transaction, endpoint_id: UUID, *, disable_after_days: float) -> datetime | None:
    """Since when the endpoint has failed, if that is long enough to switch it off."""
    await tx.execute(
        "update webhook_endpoints set failing_since = clock_timestamp() where id = %(id)s and failing_since is null",
        id=endpoint_id,
    )
    return await tx.value(
        """
        select failing_since from webhook_endpoints
        where id = %(id)s and is_active
          and failing_since < statement_timestamp() - make_interval(secs => %(seconds)s)""",
        id=endpoint_id,
        seconds=disable_after_days * 86_400,
    )


async def disable(tx: Transaction, endpoint_id: UUID, reason: str) -> None:
    await tx.execute(
        """
        update webhook_endpoints set is_active = false, disabled_reason = %(reason)s, updated_at = now()
        where id = %(id)s and is_active""",
        id=endpoint_id,
        reason=reason,
    )


async def give_up(tx: Transaction) -> int:
    """Ends what is past its 24 hours and nobody is sending, as behind an endpoint that is switched off."""
    return await tx.execute(
        """
        update webhook_deliveries set status = 'failed', claimed_until = null,
          last_error = coalesce(last_error, 'It was not sent within 24 hours: the endpoint was switched off or slow.')
        where id in (select id from webhook_deliveries where status = 'pending' and retry_until < statement_timestamp()
                       and coalesce(claimed_until, '-infinity') < statement_timestamp()
                     limit 5000 for update skip locked)"""
    )


async def prune(tx: Transaction, keep_days: float) -> int:
    return await tx.execute(
        """
        delete from webhook_deliveries where id in (
          select id from webhook_deliveries
          where created_at < statement_timestamp() - make_interval(secs => %(seconds)s) and status <> 'pending'
          order by created_at limit 5000)""",
        seconds=keep_days * 86_400,
    )
