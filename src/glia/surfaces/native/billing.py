"""/v1/billing: what the workspace used in a month, what that costs, its invoices, and the prices."""

from __future__ import annotations

from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import Field

from glia.billing.types import Invoice, InvoiceLine, OwnPrices, Prices, Usage, Used
from glia.kit.errors import InvalidRequest
from glia.kit.ids import parse_id
from glia.surfaces.native.words import ListOf, TheWindow, page_of
from glia.surfaces.shared.bodies import Body, Changes, Out, TheHouse, ThePrincipal, Time, WatchedRoute, given

router = APIRouter(prefix="/v1/billing", tags=["billing"], route_class=WatchedRoute)


class PricesBody(Changes):
    """Dollars as decimals in text, `"0.05"`; null for the server's price. What is left away stays."""

    core_hour: str | None = Field(None, max_length=40)
    memory_gib_hour: str | None = Field(None, max_length=40)
    storage_gb_month: str | None = Field(None, max_length=40)
    network_gb: str | None = Field(None, max_length=40)


class PaymentBody(Body):
    note: str = ""


class PricesOut(Out):
    """Dollars, exact decimals: of a core for an hour, a GiB of memory for an hour, a GB for a month, a GB in or out.

    own: which of them are this workspace's own, rather than the server's.
    """

    core_hour: str
    memory_gib_hour: str
    storage_gb_month: str
    network_gb: str
    own: list[str]


class BillingPartOut(Out):
    """kind: `deployment`, or `objects` for all that is stored. booked_micros: of its price, what the ledger has."""

    kind: Literal["deployment", "objects"]
    id: UUID
    name: str
    core_hours: float
    memory_gib_hours: float
    storage_gb_months: float
    network_gb: float
    compute_micros: int
    memory_micros: int
    storage_micros: int
    network_micros: int
    total_micros: int
    booked_micros: int


class BillingUsageOut(Out):
    """A month in UTC, up to now. Micro-dollars; an hour is booked in the ledger once it is over.

    is_closed: the month has its invoice, or needs none, and changes no more.
    """

    period: str
    is_closed: bool
    core_hours: float
    memory_gib_hours: float
    storage_gb_months: float
    network_gb: float
    compute_micros: int
    memory_micros: int
    storage_micros: int
    network_micros: int
    total_micros: int
    booked_micros: int
    parts: list[BillingPartOut]


class InvoiceOut(Out):
    """status: `open` until its due date is over, then `overdue`, and `paid`."""

    id: UUID
    period: str
    amount_micros: int
    status: Literal["open", "overdue", "paid"]
    issued_at: Time
    due_date: date
    paid_at: Time | None
    paid_by: str | None
    payment_note: str | None


class InvoiceLineOut(Out):
    """quantity: an exact decimal. unit: `core-hours`, `GiB-hours`, `GB-months` or `GB`."""

    kind: Literal["compute", "memory", "storage", "network"]
    subject_kind: str
    subject_id: UUID
    name: str
    quantity: str
    unit: str
    amount_micros: int


class InvoiceWithLinesOut(InvoiceOut):
    lines: list[InvoiceLineOut]


@router.get("/usage")
async def usage(
    house: TheHouse,
    principal: ThePrincipal,
    period: Annotated[str, Query(description="`current`, `last_month`, or a month such as `2024-01`.")] = "current",
) -> BillingUsageOut:
    """What was used in a month and what it costs, in all and by deployment."""
    return usage_out(await house.billing.usage(principal, period))


@router.get("/prices")
async def prices(house: TheHouse, principal: ThePrincipal) -> PricesOut:
    """What things cost."""
    return _prices_out(*await house.billing.prices(principal))


@router.patch("/prices")
async def set_prices(body: PricesBody, house: TheHouse, principal: ThePrincipal) -> PricesOut:
    """Set prices for what is used from now on; for whoever operates the server."""
    changes = {name: None if text is None else _price(name, text) for name, text in given(body).items()}
    return _prices_out(*await house.billing.set_prices(principal, changes))


@router.get("/invoices")
async def invoices(house: TheHouse, principal: ThePrincipal, window: TheWindow) -> ListOf[InvoiceOut]:
    """List invoices, the newest month first."""
    return page_of(await house.billing.invoices(principal, window), InvoiceOut.of)


@router.get("/invoices/{invoice}")
async def invoice(invoice: str, house: TheHouse, principal: ThePrincipal) -> InvoiceWithLinesOut:
    """One invoice with its lines."""
    found, lines = await house.billing.invoice(principal, parse_id(invoice, "invoice"))
    return InvoiceWithLinesOut(**_fields(found), lines=[_line(one) for one in lines])


@router.post("/invoices/{invoice}/pay")
async def pay(invoice: str, house: TheHouse, principal: ThePrincipal, body: PaymentBody | None = None) -> InvoiceOut:
    """Note that an invoice was paid; for whoever operates the server."""
    note = (body or PaymentBody()).note
    return InvoiceOut.of(await house.billing.pay(principal, parse_id(invoice, "invoice"), note))


def usage_out(usage: Usage) -> BillingUsageOut:
    shown: dict[str, Any] = {name: getattr(usage, name) for name in BillingUsageOut.model_fields if name != "parts"}
    return BillingUsageOut(**shown, parts=[_used(part) for part in usage.parts])


def _used(part: Used) -> BillingPartOut:
    shown: dict[str, Any] = {
        name: getattr(part, name) for name in BillingPartOut.model_fields if name not in {"kind", "id"}
    }
    return BillingPartOut(**shown, kind=part.subject_kind, id=part.subject_id)


def _fields(invoice: Invoice) -> dict[str, Any]:
    return {name: getattr(invoice, name) for name in InvoiceOut.model_fields}


def _line(line: InvoiceLine) -> InvoiceLineOut:
    return InvoiceLineOut.model_validate({**line.__dict__, "quantity": plain(line.quantity)})


def plain(number: Decimal) -> str:
    """Without an exponent, and without zeros at the end that say nothing."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _prices_out(prices: Prices, own: OwnPrices) -> PricesOut:
    shown = {name: plain(price) for name, price in prices.__dict__.items()}
    return PricesOut(**shown, own=[name for name, price in own.__dict__.items() if price is not None])


def _price(name: str, text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise InvalidRequest(f"`{name}` {text!r} is not a number of dollars such as `0.05`.", field=name) from None
