"""SQL of booking what was used, and of closing months. Whoever calls these holds the workspace's account."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import LiteralString
from uuid import UUID

from glia.billing.types import Prices
from glia.kit.db import Transaction


@dataclass(frozen=True)
class Account:
    booked_until: datetime | None
    open_month: date | None


async def due(tx: Transaction, until: datetime, after: UUID | None, limit: int) -> list[UUID]:
    """Sees every workspace: those with hours that are not booked, by id."""
    return await tx.values(
        """
        select w.id from workspaces w left join billing_accounts a on a.workspace_id = w.id
        where (a.booked_until is null or a.booked_until < %(until)s) and (%(after)s::uuid is null or w.id > %(after)s)
        order by w.id limit %(limit)s""",
        until=until,
        after=after,
        limit=limit,
    )


async def open_account(tx: Transaction, workspace_id: UUID) -> None:
    await tx.execute(
        "insert into billing_accounts (workspace_id) values (%(id)s) on conflict do nothing", id=workspace_id
    )


async def hold(tx: Transaction, workspace_id: UUID) -> Account | None:
    """None while another process holds it."""
    return await tx.one_or_none(
        Account,
        """
        select booked_until, open_month from billing_accounts where workspace_id = %(id)s
        for update skip locked""",
        id=workspace_id,
    )


async def first_month(tx: Transaction, until: datetime) -> date:
    """Of what was used before there was an account; else the present one."""
    return await tx.value(
        """
        select date_trunc('month', least(min(hour), %(until)s) at time zone 'UTC')::date from deployment_usage""",
        until=until,
    )


_PRICED: LiteralString = """
    round((m.core::numeric / 3600) * %(core_hour)s::numeric * 1000000)::bigint as compute,
    round(m.memory / 3600 / 1073741824 * %(memory_gib_hour)s::numeric * 1000000)::bigint as memory_cost,
    round(m.storage / 1000000000
      / extract(epoch from m.month + interval '1 month' - m.month) * %(storage_gb_month)s::numeric * 1000000)::bigint
      as storage_cost,
    round(m.network / 1000000000 * %(network_gb)s::numeric * 1000000)::bigint as network_cost"""

_BOOKED: LiteralString = (
    """, priced as (select m.*, """
    + _PRICED
    + """ from more m),
    added as (
      insert into billing_bookings (id, workspace_id, hour, subject_kind, subject_id, part, name, month, core_seconds,
        memory_byte_seconds, storage_byte_seconds, network_bytes, compute_micros, memory_micros, storage_micros,
        network_micros)
      select glia.time_ordered_id(), %(workspace_id)s, hour, %(subject_kind)s, subject_id, part, name, month, core,
        memory, storage, network, compute, memory_cost, storage_cost, network_cost from priced
      on conflict do nothing
      returning id, hour, name, compute_micros + memory_micros + storage_micros + network_micros as amount)
, posted as (
      insert into ledger_transactions (id, workspace_id, kind, note, usage_id)
      select id, %(workspace_id)s, 'usage', to_char(hour at time zone 'UTC', 'YYYY-MM-DD"T"HH24:00"Z "') || name, id
      from added where amount > 0),
    entered as (
      insert into ledger_entries (transaction_id, workspace_id, account, amount_micros)
      select a.id, %(workspace_id)s, e.account, e.sign * a.amount
      from added a cross join (values ('used', 1), ('owed', -1)) as e (account, sign) where a.amount > 0)
    select count(*) from added"""
)

MORE: LiteralString = """
    with metered as (
      select deployment_id as subject_id, hour, name, cpu_core_seconds as core, memory_byte_seconds::numeric as memory,
        storage_byte_seconds::numeric as storage, network_bytes::numeric as network
      from deployment_usage where hour >= %(since)s and hour < %(until)s
    ), booked as (
      select subject_id, hour, max(part) as part, sum(core_seconds) as core, sum(memory_byte_seconds) as memory,
        sum(storage_byte_seconds) as storage, sum(network_bytes) as network
      from billing_bookings where subject_kind = 'deployment' and hour >= %(since)s and hour < %(until)s
      group by subject_id, hour
    ), more as (
      select m.subject_id, m.hour, m.name, coalesce(b.part, 0) + 1 as part,
        greatest(date_trunc('month', m.hour at time zone 'UTC')::date, %(open_month)s) as month,
        greatest(0, m.core - coalesce(b.core, 0)) as core, greatest(0, m.memory - coalesce(b.memory, 0)) as memory,
        greatest(0, m.storage - coalesce(b.storage, 0)) as storage,
        greatest(0, m.network - coalesce(b.network, 0)) as network
      from metered m left join booked b on b.subject_id = m.subject_id and b.hour = m.hour
      where m.core > coalesce(b.core, 0) + 0.000001 or m.memory > coalesce(b.memory, 0)
        or m.storage > coalesce(b.storage, 0) or m.network > coalesce(b.network, 0)
    )"""
"""What nodes have told of and nobody has booked, by deployment and hour. A sum of floats is not compared exactly."""

_OBJECTS: LiteralString = """
    with more as (
      select %(workspace_id)s as subject_id, h.hour, 'Stored objects' as name, 1 as part,
        greatest(date_trunc('month', h.hour at time zone 'UTC')::date, %(open_month)s) as month,
        0::float8 as core, 0::numeric as memory, t.size_bytes::numeric * 3600 as storage, 0::numeric as network
      from stored_object_totals t,
        generate_series(%(since)s::timestamptz, %(until)s::timestamptz - interval '1 hour', '1 hour') as h (hour)
      where t.workspace_id = %(workspace_id)s and t.size_bytes > 0
    )"""


async def book_deployments(
    tx: Transaction, workspace_id: UUID, since: datetime, until: datetime, open_month: date, prices: Prices
) -> int:
    """Books what was used in hours of [since, until) beyond what is booked; in the ledger too. How many bookings."""
    return await tx.value(
        MORE + _BOOKED,
        workspace_id=workspace_id,
        since=since,
        until=until,
        open_month=open_month,
        subject_kind="deployment",
        **prices.__dict__,
    )


async def book_objects(
    tx: Transaction, workspace_id: UUID, since: datetime, until: datetime, open_month: date, prices: Prices
) -> int:
    """Books what is stored now for each hour of [since, until)."""
    return await tx.value(
        _OBJECTS + _BOOKED,
        workspace_id=workspace_id,
        since=since,
        until=until,
        open_month=open_month,
        subject_kind="objects",
        **prices.__dict__,
    )


async def issue(tx: Transaction, workspace_id: UUID, since: date, until: date, payment_days: int) -> int:
    """An invoice for each month of [since, until) in which something was booked. How many."""
    ids = await tx.values(
        """
        insert into invoices (id, workspace_id, month, amount_micros, due_date)
        select glia.time_ordered_id(), %(workspace_id)s, month,
          sum(compute_micros + memory_micros + storage_micros + network_micros),
          (month + interval '1 month')::date + %(payment_days)s::int
        from billing_bookings where month >= %(since)s and month < %(until)s group by month order by month
        on conflict (workspace_id, month) do nothing returning id""",
        workspace_id=workspace_id,
        since=since,
        until=until,
        payment_days=payment_days,
    )
    await tx.execute(
        """
        insert into invoice_lines (invoice_id, workspace_id, position, kind, subject_kind, subject_id, name, quantity,
          unit, amount_micros)
        select i.id, i.workspace_id, row_number() over (partition by i.id order by b.subject_kind, b.name,
          b.subject_id, l.position), l.kind, b.subject_kind, b.subject_id, b.name, l.quantity, l.unit, l.micros
        from invoices i join (
          select month, subject_kind, subject_id, max(name) as name, sum(core_seconds)::numeric as core,
            sum(memory_byte_seconds) as memory, sum(storage_byte_seconds) as storage, sum(network_bytes) as network,
            sum(compute_micros) as compute_micros, sum(memory_micros) as memory_micros,
            sum(storage_micros) as storage_micros, sum(network_micros) as network_micros
          from billing_bookings group by month, subject_kind, subject_id) b on b.month = i.month
        cross join lateral (values
          (1, 'compute', b.core / 3600, 'core-hours', b.compute_micros),
          (2, 'memory', b.memory / 3600 / 1073741824, 'GiB-hours', b.memory_micros),
          (3, 'storage', b.storage / 1000000000 / extract(epoch from i.month + interval '1 month' - i.month),
            'GB-months', b.storage_micros),
          (4, 'network', b.network / 1000000000, 'GB', b.network_micros))
          as l (position, kind, quantity, unit, micros)
        where i.id = any(%(ids)s) and l.quantity > 0""",
        ids=ids,
    )
    return len(ids)


async def note_booked(tx: Transaction, workspace_id: UUID, until: datetime, open_month: date) -> None:
    await tx.execute(
        """
        update billing_accounts set booked_until = greatest(booked_until, %(until)s), open_month = %(open_month)s
        where workspace_id = %(id)s""",
        id=workspace_id,
        until=until,
        open_month=open_month,
    )
