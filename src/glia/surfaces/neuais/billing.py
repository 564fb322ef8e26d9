"""/v1/billing: what the workspace used in a month, what that costs, and its invoices."""

from __future__ import annotations

from datetime import date
from functools import partial
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse

from glia.billing.types import Invoice, InvoiceLine, Usage
from glia.kit.pages import all_items
from glia.surfaces.neuais.pages import TellingRoute, TheListing, page_model
from glia.surfaces.neuais.words import agent_id, id_of
from glia.surfaces.shared.bodies import Out, TheHouse, ThePrincipal, Time
from glia.surfaces.shared.money import usd

router = APIRouter(prefix="/v1/billing", tags=["billing"], route_class=TellingRoute)

_PREFIX: Final = "inv_"
_STATUSES: Final = ("open", "overdue", "paid")


class UsedOut(Out):
    """compute_hours: a core for an hour is 1. storage_gb: a GB kept for the whole month is 1. network_gb: in and out.
    memory_gb_hours: a GiB for an hour is 1."""

    compute_hours: float
    memory_gb_hours: float
    storage_gb: float
    network_gb: float


class CostOut(Out):
    """Dollars, exact to a millionth. compute: cores and memory. The three add up to the total."""

    compute: float
    storage: float
    network: float
    total: float


class UsageOut(Out):
    """Up to now; the month is of UTC. An hour is booked in the ledger once it is over."""

    period: str
    usage: UsedOut
    cost: CostOut


class InvoiceOut(Out):
    """amount: dollars. status: `open` until its due date is over, then `overdue`, and `paid`."""

    id: str
    period: str
    amount: float
    currency: Literal["USD"]
    status: Literal["open", "overdue", "paid"]
    due_date: date
    issued_at: Time
    paid_at: Time | None


class InvoiceLineOut(Out):
    """kind: compute, memory, storage or network. agent_id: null for stored objects. unit: of the quantity."""

    kind: Literal["compute", "memory", "storage", "network"]
    agent_id: str | None
    name: str
    quantity: float
    unit: str
    amount: float


class InvoiceWithLinesOut(InvoiceOut):
    lines: list[InvoiceLineOut]


@router.get("/usage")
async def usage(
    house: TheHouse,
    principal: ThePrincipal,
    period: Annotated[str, Query(description="`current`, `last_month`, or a month as `2024-01`.")] = "current",
) -> UsageOut:
    """What was used in a month and what it costs."""
    return usage_out(await house.billing.usage(principal, period))


@router.get("/invoices", response_model=page_model("invoices", InvoiceOut))
async def invoices(house: TheHouse, principal: ThePrincipal, listing: TheListing) -> JSONResponse:
    """List invoices, the newest month first."""
    found = await all_items(partial(house.billing.invoices, principal))
    return listing.answer("invoices", [invoice_out(one) for one in found], InvoiceOut, statuses=_STATUSES)


@router.get("/invoices/{invoice}")
async def invoice(invoice: str, house: TheHouse, principal: ThePrincipal) -> InvoiceWithLinesOut:
    """One invoice with its lines."""
    found, lines = await house.billing.invoice(principal, id_of(invoice, "invoice", _PREFIX))
    return InvoiceWithLinesOut(**invoice_out(found).__dict__, lines=[_line_out(line) for line in lines])


def usage_out(found: Usage) -> UsageOut:
    return UsageOut(
        period=found.period,
        usage=UsedOut(
            compute_hours=_short(found.core_hours),
            memory_gb_hours=_short(found.memory_gib_hours),
            storage_gb=_short(found.storage_gb_months),
            network_gb=_short(found.network_gb),
        ),
        cost=CostOut(
            compute=usd(found.compute_micros + found.memory_micros),
            storage=usd(found.storage_micros),
            network=usd(found.network_micros),
            total=usd(found.total_micros),
        ),
    )


def invoice_out(found: Invoice) -> InvoiceOut:
    return InvoiceOut(
        id=f"{_PREFIX}{found.id}",
        period=found.period,
        amount=usd(found.amount_micros),
        currency="USD",
        status=found.status,
        due_date=found.due_date,
        issued_at=found.issued_at,
        paid_at=found.paid_at,
    )


def _line_out(line: InvoiceLine) -> InvoiceLineOut:
    is_agent = line.subject_kind == "deployment"
    return InvoiceLineOut(
        kind=line.kind,
        agent_id=agent_id(line.subject_id) if is_agent else None,
        name=line.name,
        quantity=float(line.quantity),
        unit=line.unit,
        amount=usd(line.amount_micros),
    )


def _short(number: float) -> float:
    return round(number, 9)
