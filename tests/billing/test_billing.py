"""What was used becomes a price, a booking in the ledger, and one invoice a month."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta
from decimal import Decimal

import psycopg
import pytest

from glia.billing.errors import AlreadyPaid, InvoiceNotFound
from glia.billing.service import BillingConfig, Bookkeeper
from glia.billing.types import Invoice
from glia.kit.clock import now
from glia.kit.db import Database
from glia.kit.errors import Forbidden, InvalidRequest
from glia.kit.ids import new_id
from glia.kit.pages import Window
from tests.billing.conftest import Office, day
from tests.conftest import make_principal

HOUR_MICROS = 50_000 + 20_000 + 25_000
"""What `meter` tells costs: a core-hour, two GiB-hours, half a GB."""


async def invoices(office: Office) -> list[Invoice]:
    return (await office.billing.invoices(office.principal, Window(limit=50))).items


async def test_each_hour_is_booked_once_however_often_and_by_however_many(office: Office) -> None:
    for hour in range(3):
        await office.meter(day(10, hour))
    others = [office.beside() for _ in range(4)]

    await asyncio.gather(*(one.book(office.principal.workspace_id, day(10, 4)) for one in others))
    await office.book(day(10, 4))
    await office.book(day(10, 4, 30))

    assert await office.value("select count(*) from billing_bookings") == 3
    assert await office.owed_micros() == 3 * HOUR_MICROS
    usage = await office.billing.usage(office.principal, "2024-01")
    assert (usage.core_hours, usage.memory_gib_hours, usage.network_gb) == (3, 6, 1.5)
    assert (usage.compute_micros, usage.memory_micros, usage.network_micros) == (150_000, 60_000, 75_000)
    assert usage.total_micros == usage.booked_micros == 3 * HOUR_MICROS


async def test_an_hour_that_is_not_over_is_shown_and_not_booked(office: Office) -> None:
    await office.meter(day(10, 3))

    await office.book(day(10, 4, 2))  # nodes may still tell
    early = await office.billing.usage(office.principal, "2024-01")
    await office.book(day(10, 4, 10))

    assert (early.total_micros, early.booked_micros) == (HOUR_MICROS, 0)
    assert await office.owed_micros() == HOUR_MICROS


async def test_late_use_of_an_open_month_is_booked_as_a_further_part(office: Office) -> None:
    await office.meter(day(10, 3))
    await office.book(day(10, 5))
    await office.meter(day(10, 3), core_hours=0.5, gib_hours=0, gb=0)

    await office.book(day(10, 6))

    assert await office.value("select array_agg(part order by part) from billing_bookings") == [1, 2]
    assert await office.owed_micros() == HOUR_MICROS + 25_000


async def test_a_month_gets_one_invoice_with_lines_that_add_up_to_the_ledger(office: Office) -> None:
    worker = new_id()
    for hour in range(2):
        await office.meter(day(10, hour))
    await office.meter(day(31, 23), deployment=worker, name="worker")
    await office.book(day(10, 5))
    assert await invoices(office) == []

    closers = [office.bookkeeper, *(office.beside() for _ in range(4))]
    await asyncio.gather(*(one.book(office.principal.workspace_id, day(32, 0, 10)) for one in closers))
    await office.book(day(32, 0, 20))

    (invoice,) = await invoices(office)
    assert (invoice.period, invoice.amount_micros) == ("2024-01", 3 * HOUR_MICROS)
    assert (invoice.due_date, invoice.status) == (date(2024, 2, 1), "overdue")
    assert await office.owed_micros() == invoice.amount_micros
    _, lines = await office.billing.invoice(office.principal, invoice.id)
    assert [(line.name, line.kind, line.quantity, line.unit, line.amount_micros) for line in lines] == [
        ("web", "compute", Decimal(2), "core-hours", 100_000),
        ("web", "memory", Decimal(4), "GiB-hours", 40_000),
        ("web", "network", Decimal(1), "GB", 50_000),
        ("worker", "compute", Decimal(1), "core-hours", 50_000),
        ("worker", "memory", Decimal(2), "GiB-hours", 20_000),
        ("worker", "network", Decimal("0.5"), "GB", 25_000),
    ]
    assert sum(line.amount_micros for line in lines) == invoice.amount_micros


async def test_what_comes_after_the_invoice_is_on_the_next(office: Office) -> None:
    await office.meter(day(31, 22))
    await office.book(day(32, 1))
    (january,) = await invoices(office)

    await office.meter(day(31, 22))
    await office.meter(day(31, 23))
    await office.book(day(32, 3))
    await office.meter(day(33, 1))
    await office.book(day(61, 1))

    february, same = await invoices(office)
    assert same == january
    assert (february.period, february.amount_micros) == ("2024-02", 3 * HOUR_MICROS)
    assert await office.owed_micros() == january.amount_micros + february.amount_micros
    closed = await office.billing.usage(office.principal, "2024-01")
    assert closed.is_closed
    assert closed.total_micros == january.amount_micros


async def test_months_that_all_servers_slept_through_get_their_invoices(office: Office) -> None:
    for month in (1, 32, 62):
        await office.meter(day(month, 1))

    await office.book(day(100))

    assert [invoice.period for invoice in await invoices(office)] == ["2024-03", "2024-02", "2024-01"]


async def test_a_month_in_which_nothing_was_used_has_no_invoice(office: Office) -> None:
    await office.book(day(10))
    await office.book(day(40))

    assert await invoices(office) == []


async def test_a_server_that_dies_while_it_closes_has_done_nothing(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    await office.meter(day(31, 23))

    async def dies(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("glia.billing.booking_queries.note_booked", dies)
        with pytest.raises(KeyboardInterrupt):
            await office.book(day(32, 1))
    assert await office.owed_micros() == 0
    assert await invoices(office) == []
    await office.beside().book(office.principal.workspace_id, day(32, 1))

    assert [invoice.amount_micros for invoice in await invoices(office)] == [HOUR_MICROS]
    assert await office.owed_micros() == HOUR_MICROS


async def test_stored_objects_are_billed_by_the_hour(office: Office) -> None:
    await office.book(day(10, 1, 10))
    await office.store(1_000_000_000_000)
    await office.book(day(10, 3, 10))

    usage = await office.billing.usage(office.principal, "2024-01")
    booked = [part.booked_micros for part in usage.parts]
    hours = 31 * 24
    assert booked == [2 * round(1000 * 20_000 / hours)]
    assert await office.owed_micros() == sum(booked)
    assert [part.subject_kind for part in usage.parts] == ["objects"]


async def test_the_present_month_shows_what_is_stored_at_once(office: Office) -> None:
    await office.store(10**15)

    usage = await office.billing.usage(office.principal)

    assert usage.month == now().date().replace(day=1)
    assert usage.storage_micros >= 0
    assert usage.booked_micros == 0


async def test_own_prices_hold_for_what_is_booked_from_then_on(office: Office) -> None:
    await office.meter(day(10, 1))
    await office.book(day(10, 3))
    prices, own = await office.billing.set_prices(office.principal, {"core_hour": Decimal("0.0000000001")})
    assert (prices.core_hour, prices.network_gb) == (Decimal("0.0000000001"), Decimal("0.05"))
    assert own.network_gb is None
    await office.billing.set_prices(office.principal, {"core_hour": Decimal(1), "network_gb": Decimal(0)})
    await office.meter(day(10, 3))

    await office.book(day(10, 5))

    assert await office.owed_micros() == HOUR_MICROS + 1_000_000 + 20_000
    back, _ = await office.billing.set_prices(office.principal, {"core_hour": None})
    assert back.core_hour == Decimal("0.05")
    for price in ("-1", "1000001", "0.00000000001", "NaN", "Infinity"):
        with pytest.raises(InvalidRequest):
            await office.billing.set_prices(office.principal, {"core_hour": Decimal(price)})


async def test_a_payment_stands_in_the_ledger_once(office: Office) -> None:
    await office.meter(day(31, 1))
    await office.book(day(32, 1))
    (invoice,) = await invoices(office)

    paid = await office.billing.pay(office.principal, invoice.id, "by card")

    assert (paid.status, paid.payment_note) == ("paid", "by card")
    assert await office.owed_micros() == 0
    with pytest.raises(AlreadyPaid):
        await office.billing.pay(office.principal, invoice.id)
    with pytest.raises(InvoiceNotFound):
        await office.billing.pay(office.principal, new_id())
    balance = await office.value("select sum(amount_micros) from ledger_entries")
    assert balance == 0


async def test_invoices_and_bookings_do_not_change(office: Office) -> None:
    await office.meter(day(31, 1))
    await office.book(day(32, 1))

    for change in (
        "update invoices set amount_micros = 0",
        "delete from invoices",
        "update invoice_lines set amount_micros = 0",
        "delete from invoice_lines",
        "update billing_bookings set compute_micros = 0",
        "delete from billing_bookings",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await office.value(change)


async def test_others_see_nothing_of_it(office: Office, db: Database) -> None:
    await office.meter(day(31, 1))
    await office.book(day(32, 1))
    (invoice,) = await invoices(office)
    stranger = await make_principal(db, name="Stranger")

    assert (await office.billing.invoices(stranger, Window())).items == []
    with pytest.raises(InvoiceNotFound):
        await office.billing.invoice(stranger, invoice.id)
    assert (await office.billing.usage(stranger, "2024-01")).parts == ()


@pytest.mark.parametrize("period", ["", "2024", "2024-13", "last_year", "2999-01", "2024-1", "2024-01-01"])
async def test_a_period_is_a_month_that_has_begun(office: Office, period: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        await office.billing.usage(office.principal, period)

    assert raised.value.field == "period"


async def test_last_month_is_the_one_before(office: Office) -> None:
    last = (now().replace(day=1) - timedelta(days=1)).date().replace(day=1)

    assert (await office.billing.usage(office.principal, "last_month")).month == last


async def test_reading_takes_a_scope_and_paying_the_operator(office: Office, db: Database) -> None:
    reader = await make_principal(db, "billing:read", name="Reader")
    await office.billing.usage(reader)
    with pytest.raises(Forbidden):
        await office.billing.usage(await make_principal(db, "agents:read", name="Nobody"))
    with pytest.raises(Forbidden):
        await office.billing.set_prices(reader, {"core_hour": Decimal(0)})


async def test_a_pass_takes_every_workspace_that_is_behind(office: Office, db: Database) -> None:
    other = await make_principal(db, name="Another")
    await office.meter(day(10, 1))

    assert await office.bookkeeper.book_all(day(10, 3)) >= 2
    assert await office.bookkeeper.book_all(day(10, 3)) == 0

    assert await office.owed_micros() == HOUR_MICROS
    async with db.transaction(other.workspace_id) as tx:
        assert await tx.value("select booked_until from billing_accounts") == day(10, 2)


def test_prices_in_settings_are_checked(db: Database) -> None:
    with pytest.raises(InvalidRequest):
        Bookkeeper(db, BillingConfig(core_hour=Decimal(-1)))
