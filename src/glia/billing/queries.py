"""SQL of prices, of what is shown of a month's use, and of invoices."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import LiteralString
from uuid import UUID

from glia.billing.booking_queries import MORE
from glia.billing.types import Invoice, InvoiceLine, OwnPrices, Prices, Used
from glia.kit.db import Transaction
from glia.kit.pages import Window


@dataclass(frozen=True)
class Standing:
    booked_until: datetime | None
    open_month: date | None


async def own_prices(tx: Transaction, workspace_id: UUID) -> OwnPrices | None:
    return await tx.one_or_none(
        OwnPrices,
        """
        select price_core_hour as core_hour, price_memory_gib_hour as memory_gib_hour,
          price_storage_gb_month as storage_gb_month, price_network_gb as network_gb
        from billing_accounts where workspace_id = %(id)s""",
        id=workspace_id,
    )


async def set_prices(tx: Transaction, workspace_id: UUID, own: OwnPrices) -> None:
    await tx.execute(
        """
        insert into billing_accounts (workspace_id, price_core_hour, price_memory_gib_hour, price_storage_gb_month,
          price_network_gb)
        values (%(id)s, %(core_hour)s, %(memory_gib_hour)s, %(storage_gb_month)s, %(network_gb)s)
        on conflict (workspace_id) do update set price_core_hour = excluded.price_core_hour,
          price_memory_gib_hour = excluded.price_memory_gib_hour,
          price_storage_gb_month = excluded.price_storage_gb_month, price_network_gb = excluded.price_network_gb""",
        id=workspace_id,
        **own.__dict__,
    )


async def standing(tx: Transaction, workspace_id: UUID) -> Standing:
    found = await tx.one_or_none(
        Standing,
        "select booked_until, open_month from billing_accounts where workspace_id = %(id)s",
        id=workspace_id,
    )
    return found or Standing(None, None)


_USED: LiteralString = """
    select m.subject_kind, m.subject_id, max(m.name) as name, sum(m.core)::float8 / 3600 as core_hours,
      (sum(m.memory) / 3600 / 1073741824)::float8 as memory_gib_hours,
      (sum(m.storage) / 1000000000 / extract(epoch from %(month)s::date + interval '1 month' - %(month)s::date))::float8
        as storage_gb_months,
      (sum(m.network) / 1000000000)::float8 as network_gb, sum(m.compute)::bigint as compute_micros,
      sum(m.memory_cost)::bigint as memory_micros, sum(m.storage_cost)::bigint as storage_micros,
      sum(m.network_cost)::bigint as network_micros, sum(m.booked)::bigint as booked_micros
    from parts m group by m.subject_kind, m.subject_id order by m.subject_kind, name, m.subject_id"""

_BOOKED: LiteralString = """
      select subject_kind, subject_id, name, core_seconds as core, memory_byte_seconds as memory,
        storage_byte_seconds as storage, network_bytes as network, compute_micros as compute,
        memory_micros as memory_cost, storage_micros as storage_cost, network_micros as network_cost,
        compute_micros + memory_micros + storage_micros + network_micros as booked
      from billing_bookings where month = %(month)s"""


async def used(tx: Transaction, month: date) -> list[Used]:
    """What was booked for a month."""
    return await tx.many(Used, "with parts as (" + _BOOKED + ")" + _USED, month=month)


async def used_so_far(
    tx: Transaction, workspace_id: UUID, month: date, *, since: datetime, until: datetime, now: datetime, prices: Prices
) -> list[Used]:
    """What was booked for a month that is not closed, and what of it is still to be booked.

    since, until: the month. now: until when objects have been kept, from the last hour that was booked on.
    """
    return await tx.many(
        Used,
        MORE
        + """, kept as (
          select 'objects' as subject_kind, t.workspace_id as subject_id, 'Stored objects' as name, 0::float8 as core,
            0::numeric as memory, t.size_bytes * extract(epoch from least(%(now)s, %(until)s) - greatest(%(since)s,
              coalesce((select booked_until from billing_accounts), date_trunc('hour', %(now)s, 'UTC')))) as storage,
            0::numeric as network
          from stored_object_totals t where t.workspace_id = %(workspace_id)s and t.size_bytes > 0
        ), open as (
          select 'deployment' as subject_kind, subject_id, name, core, memory, storage, network from more
          where month = %(month)s
          union all select * from kept where storage > 0
        ), priced as (
          select m.*,
            round(m.core::numeric / 3600 * %(core_hour)s::numeric * 1000000)::bigint as compute,
            round(m.memory / 3600 / 1073741824 * %(memory_gib_hour)s::numeric * 1000000)::bigint as memory_cost,
            round(m.storage / 1000000000 / extract(epoch from %(month)s::date + interval '1 month' - %(month)s::date)
              * %(storage_gb_month)s::numeric * 1000000)::bigint as storage_cost,
            round(m.network / 1000000000 * %(network_gb)s::numeric * 1000000)::bigint as network_cost
          from open m
        ), parts as ("""
        + _BOOKED
        + " union all select priced.*, 0 from priced)"
        + _USED,
        workspace_id=workspace_id,
        month=month,
        open_month=month,
        since=since,
        until=until,
        now=now,
        **prices.__dict__,
    )


_INVOICE: LiteralString = """
    select id, month, amount_micros, case when paid_at is not null or amount_micros = 0 then 'paid'
      when due_date < (now() at time zone 'UTC')::date then 'overdue' else 'open' end as status,
      issued_at, due_date, paid_at, paid_by, payment_note from invoices """


async def invoices(tx: Transaction, window: Window) -> list[Invoice]:
    return await tx.many(
        Invoice,
        _INVOICE
        + """
        where %(after)s::uuid is null or month < (select month from invoices where id = %(after)s)
        order by month desc limit %(rows)s""",
        after=window.after,
        rows=window.limit + 1,
    )


async def invoice(tx: Transaction, id: UUID) -> Invoice | None:
    return await tx.one_or_none(Invoice, _INVOICE + "where id = %(id)s", id=id)


async def lines(tx: Transaction, invoice_id: UUID) -> list[InvoiceLine]:
    return await tx.many(
        InvoiceLine,
        """
        select kind, subject_kind, subject_id, name, quantity, unit, amount_micros from invoice_lines
        where invoice_id = %(id)s order by position""",
        id=invoice_id,
    )


async def pay(tx: Transaction, id: UUID, *, by: str, note: str) -> bool:
    """False when it was paid before."""
    return (
        await tx.execute(
            """
            update invoices set paid_at = now(), paid_by = %(by)s, payment_note = %(note)s
            where id = %(id)s and paid_at is null and amount_micros > 0""",
            id=id,
            by=by,
            note=note,
        )
        > 0
    )


async def post_payment(tx: Transaction, workspace_id: UUID, invoice: Invoice, *, id: UUID, by: str) -> None:
    await tx.execute(
        """
        with posted as (
          insert into ledger_transactions (id, workspace_id, kind, note, created_by)
          values (%(id)s, %(workspace_id)s, 'payment', %(note)s, %(by)s))
        insert into ledger_entries (transaction_id, workspace_id, account, amount_micros)
        values (%(id)s, %(workspace_id)s, 'owed', %(amount)s::bigint),
          (%(id)s, %(workspace_id)s, 'paid', -%(amount)s::bigint)""",
        id=id,
        workspace_id=workspace_id,
        amount=invoice.amount_micros,
        note=f"Invoice of {invoice.period}",
        by=by,
    )
