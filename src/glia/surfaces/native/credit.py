"""/v1/credits"""

from __future__ import annotations

from typing import Annotated, cast, get_args
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import Field, WithJsonSchema

from glia.kit.errors import InvalidRequest
from glia.surfaces.native.words import ListOf, TheWindow, page_of
from glia.surfaces.shared.bodies import Body, Out, TheHouse, ThePrincipal, Time, WatchedRoute
from glia.usage.types import Account

router = APIRouter(prefix="/v1/credits", tags=["credits"], route_class=WatchedRoute)


AccountText = Annotated[
    str | None,
    WithJsonSchema({"type": "string", "enum": list(get_args(Account))}),
    Query(description="Only transactions that changed this account."),
]


class CreditsBody(Body):
    is_enabled: bool


class AmountBody(Body):
    """amount_micros: micro-dollars. note: what for; it stands in the statement."""

    amount_micros: int
    note: str = Field("", max_length=500)


class CreditsOut(Out):
    """Micro-dollars. balance: free for further calls; held: for calls under way; spent: by calls that ended.

    balance + held + spent = granted + adjusted + shortfall. shortfall: what calls cost beyond the balance.
    """

    is_enabled: bool
    balance_micros: int
    held_micros: int
    spent_micros: int
    granted_micros: int
    adjusted_micros: int
    shortfall_micros: int


class CreditEntryOut(Out):
    account: str
    amount_micros: int


class TransactionOut(Out):
    """A change of the ledger; its entries add up to zero. Sources (granted, adjusted, shortfall) are negative.

    step: the model call of the run that it is about; tool_call_id: the tool's call that cost something.
    """

    id: UUID
    at: Time
    kind: str
    note: str
    hold_id: UUID | None
    usage_id: UUID | None
    run_id: UUID | None
    step: int | None
    tool_call_id: str | None
    key_id: UUID | None
    created_by: str
    entries: list[CreditEntryOut]


@router.get("")
async def balance(house: TheHouse, principal: ThePrincipal) -> CreditsOut:
    """The workspace's credit."""
    return CreditsOut.of(await house.credits.balance(principal))


@router.put("")
async def enable(body: CreditsBody, house: TheHouse, principal: ThePrincipal) -> CreditsOut:
    """Switch credits on or off. While they are on, no call is made that the balance does not cover."""
    return CreditsOut.of(await house.credits.enable(principal, is_enabled=body.is_enabled))


@router.post("/grants", status_code=201)
async def grant(body: AmountBody, house: TheHouse, principal: ThePrincipal) -> TransactionOut:
    """Add credit."""
    return TransactionOut.of(await house.credits.grant(principal, body.amount_micros, body.note))


@router.post("/adjustments", status_code=201)
async def adjust(body: AmountBody, house: TheHouse, principal: ThePrincipal) -> TransactionOut:
    """Put something right: a positive or negative amount, down to a balance of 0."""
    return TransactionOut.of(await house.credits.adjust(principal, body.amount_micros, body.note))


@router.get("/transactions")
async def transactions(
    house: TheHouse, principal: ThePrincipal, window: TheWindow, account: AccountText = None
) -> ListOf[TransactionOut]:
    """The statement: every change of the ledger with its entries, newest first.

    With `account`, the entries of that account add up to what it holds.
    """
    if account is not None and account not in get_args(Account):
        raise InvalidRequest(f"`account` {account[:100]!r} is none of {', '.join(get_args(Account))}.", field="account")
    found = await house.credits.transactions(principal, window, account=cast(Account | None, account))
    return page_of(found, TransactionOut.of)
