"""Bills: what a workspace used in a month, what it costs, and its invoices. Booking and closing is `Bookkeeper`'s."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from datetime import date, datetime
from decimal import Decimal
from typing import Protocol
from uuid import UUID

from glia.billing import queries
from glia.billing.bookkeeper import Bookkeeper
from glia.billing.config import BillingConfig
from glia.billing.errors import AlreadyPaid, InvoiceNotFound
from glia.billing.months import bounds_of, month_before, month_of
from glia.billing.prices import checked_config, effective
from glia.billing.types import Invoice, InvoiceLine, OwnPrices, Prices, Usage
from glia.identity.service import note_change
from glia.identity.types import Principal
from glia.kit.clock import now
from glia.kit.db import Database, Transaction
from glia.kit.errors import InvalidRequest
from glia.kit.ids import new_id
from glia.kit.pages import Page, Window, page_of

__all__ = ["Billing", "BillingConfig", "Bookkeeper"]

_MONTH = re.compile(r"(\d{4})-(0[1-9]|1[0-2])", re.ASCII)
_LARGEST_PRICE = Decimal(1_000_000)
_FINEST = Decimal("0.0000000001")
_LONGEST_NOTE = 500


class RequireOperator(Protocol):
    async def __call__(self, principal: Principal) -> None:
        """Raises Forbidden for whoever does not look after the installation."""
        ...


class Billing:
    def __init__(self, db: Database, config: BillingConfig, require_operator: RequireOperator) -> None:
        self._db = db
        self._config = checked_config(config)
        self._require_operator = require_operator

    async def usage(self, principal: Principal, period: str = "current") -> Usage:
        """A month's use with its price, up to now. period: `current`, `last_month` or `YYYY-MM`, in UTC."""
        principal.require("billing:read")
        moment = now()
        month = _month_in(period, moment)
        since, until = bounds_of(month)
        async with self._db.transaction(principal.workspace_id) as tx:
            prices = await self._prices(tx, principal.workspace_id)
            account = await queries.standing(tx, principal.workspace_id)
            is_closed = account.open_month is not None and month < account.open_month
            if is_closed:
                parts = await queries.used(tx, month)
            else:
                parts = await queries.used_so_far(
                    tx, principal.workspace_id, month, since=since, until=until, now=moment, prices=prices
                )
        return Usage(month, is_closed, prices, tuple(parts))

    async def prices(self, principal: Principal) -> tuple[Prices, OwnPrices]:
        """What holds for the workspace, and what of it is its own."""
        principal.require("billing:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            own = await queries.own_prices(tx, principal.workspace_id) or OwnPrices()
        return effective(own, self._config), own

    async def set_prices(self, principal: Principal, changes: Mapping[str, Decimal | None]) -> tuple[Prices, OwnPrices]:
        """For what is booked from now on. changes: fields of OwnPrices; None for the server's price. For the operator.

        Raises InvalidRequest for a price below 0, above a million, or finer than ten decimals.
        """
        await self._require_operator(principal)
        for name, price in changes.items():
            _check_price(name, price)
        async with self._db.transaction(principal.workspace_id) as tx:
            own = await queries.own_prices(tx, principal.workspace_id) or OwnPrices()
            await queries.set_prices(tx, principal.workspace_id, OwnPrices(**{**own.__dict__, **changes}))
            said = {name: None if price is None else str(price) for name, price in changes.items()}
            await note_change(tx, principal, "billing.prices_set", f"workspace:{principal.workspace_id}", **said)
        return await self.prices(principal)

    async def invoices(self, principal: Principal, window: Window) -> Page[Invoice]:
        """The newest month first."""
        principal.require("billing:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            rows = await queries.invoices(tx, window)
        return page_of(rows, window, lambda invoice: invoice.id)

    async def invoice(self, principal: Principal, id: UUID) -> tuple[Invoice, list[InvoiceLine]]:
        principal.require("billing:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            return await _invoice(tx, id), await queries.lines(tx, id)

    async def pay(self, principal: Principal, id: UUID, note: str = "") -> Invoice:
        """Notes that an invoice was paid, in the ledger too. For the operator. Raises AlreadyPaid."""
        await self.invoice(principal, id)
        await self._require_operator(principal)
        if len(note) > _LONGEST_NOTE or "\0" in note:
            raise InvalidRequest(f"`note` may have {_LONGEST_NOTE} characters, without NUL.", field="note")
        async with self._db.transaction(principal.workspace_id) as tx:
            found = await _invoice(tx, id)
            if not await queries.pay(tx, id, by=principal.name, note=note):
                raise AlreadyPaid(f"The invoice of {found.period} is paid already, or there is nothing to pay.")
            await queries.post_payment(tx, principal.workspace_id, found, id=new_id(), by=principal.name)
            await note_change(tx, principal, "invoice.paid", f"invoice:{id}", period=found.period)
            return await _invoice(tx, id)

    async def _prices(self, tx: Transaction, workspace_id: UUID) -> Prices:
        return effective(await queries.own_prices(tx, workspace_id) or OwnPrices(), self._config)


async def _invoice(tx: Transaction, id: UUID) -> Invoice:
    found = await queries.invoice(tx, id)
    if found is None:
        raise InvoiceNotFound(f"There is no invoice '{id}' in this workspace.", invoice_id=str(id))
    return found


def _month_in(period: str, moment: datetime) -> date:
    present = month_of(moment)
    if period == "current":
        return present
    if period == "last_month":
        return month_before(present)
    found = _MONTH.fullmatch(period)
    if found is None or int(found[1]) < 1970:
        raise InvalidRequest(
            f"`period` {period[:50]!r} is none of `current`, `last_month` and a month such as `2024-01`.",
            field="period",
        )
    month = date(int(found[1]), int(found[2]), 1)
    if month > present:
        raise InvalidRequest(
            f"`period` {period!r} has not begun; the present month is {present:%Y-%m}.", field="period"
        )
    return month


def _check_price(name: str, price: Decimal | None) -> None:
    if name not in {field.name for field in fields(OwnPrices)}:
        raise InvalidRequest(f"There is no price `{name}`.", field=name)
    if price is None:
        return
    if not price.is_finite() or not 0 <= price <= _LARGEST_PRICE or price != price.quantize(_FINEST):
        raise InvalidRequest(
            f"`{name}` is {price}; a price is from 0 to {_LARGEST_PRICE} dollars, with at most 10 decimals.", field=name
        )
