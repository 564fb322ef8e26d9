"""Credits: a workspace's prepaid money, as a double-entry ledger. Switched off, it asks for nothing."""

from __future__ import annotations

from typing import Protocol
from uuid import UUID

from glia.identity.service import note_change
from glia.identity.types import Principal
from glia.kit.db import Database, Transaction
from glia.kit.errors import InvalidRequest
from glia.kit.ids import new_id
from glia.kit.pages import Page, Window, page_of
from glia.usage import budget_queries, ledger_queries
from glia.usage.budgets import OnRaised
from glia.usage.spending import Spending
from glia.usage.types import Account, CreditBalance, CreditTransaction

_LARGEST = 2**53
_LONGEST_NOTE = 500
_NOTHING = CreditBalance(False, 0, 0, 0, 0, 0, 0)


class Credits:
    def __init__(self, db: Database, spending: Spending) -> None:
        self._db = db
        self._spending = spending
        self.on_raised: OnRaised | None = None

    async def balance(self, principal: Principal) -> CreditBalance:
        principal.require("credits:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            await budget_queries.book_overdue(tx, principal.workspace_id)
            return await _balance(tx, principal)

    async def enable(self, principal: Principal, *, is_enabled: bool) -> CreditBalance:
        """Switches credits on: from now on no call is made that the balance does not cover. Or off again."""
        principal.require("credits:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            await ledger_queries.enable(tx, principal.workspace_id, is_enabled=is_enabled)
            await self._changed(tx, principal.workspace_id)
            await note_change(
                tx, principal, "credits.switched", f"workspace:{principal.workspace_id}", is_on=is_enabled
            )
            return await _balance(tx, principal)

    async def grant(self, principal: Principal, amount_micros: int, note: str = "") -> CreditTransaction:
        """Adds credit, also while credits are switched off."""
        principal.require("credits:write")
        _check("amount_micros", amount_micros, smallest=1)
        return await self._post(principal, ledger_queries.grant, amount_micros, note)

    async def adjust(self, principal: Principal, amount_micros: int, note: str = "") -> CreditTransaction:
        """Puts something right: adds credit, or takes it away down to a balance of 0."""
        principal.require("credits:write")
        _check("amount_micros", amount_micros, smallest=-_LARGEST)
        return await self._post(principal, ledger_queries.adjust, amount_micros, note)

    async def transactions(
        self, principal: Principal, window: Window, *, account: Account | None = None
    ) -> Page[CreditTransaction]:
        """The statement, newest first. account: only what changed it; those entries add up to what it holds."""
        principal.require("credits:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            rows = await ledger_queries.list_page(tx, window, account=account)
        return page_of(rows, window, lambda transaction: transaction.id)

    async def _post(self, principal: Principal, post: _Post, amount_micros: int, note: str) -> CreditTransaction:
        if len(note) > _LONGEST_NOTE:
            raise InvalidRequest(f"`note` has {len(note)} characters; the most is {_LONGEST_NOTE}.", field="note")
        id = new_id()
        async with self._db.transaction(principal.workspace_id) as tx:
            balance = await ledger_queries.lock(tx, principal.workspace_id)
            if balance + amount_micros < 0:
                raise InvalidRequest(
                    f"`amount_micros` is {amount_micros} and the balance {balance}; it cannot fall below 0.",
                    field="amount_micros",
                )
            if balance + amount_micros > _LARGEST:
                raise InvalidRequest(f"The balance would exceed {_LARGEST}.", field="amount_micros")
            await post(
                tx,
                id,
                workspace_id=principal.workspace_id,
                amount_micros=amount_micros,
                note=note,
                created_by=principal.name,
            )
            await self._changed(tx, principal.workspace_id)
            await note_change(tx, principal, "credits.posted", f"transaction:{id}", amount_micros=amount_micros)
            (posted,) = await ledger_queries.list_page(tx, Window(1), id)
        return posted

    async def _changed(self, tx: Transaction, workspace_id: UUID) -> None:
        await budget_queries.announce(tx, workspace_id)
        tx.after_commit.append(lambda: self._spending.forget(str(workspace_id)))
        if self.on_raised is not None:
            await self.on_raised(tx, workspace_id)


class _Post(Protocol):
    async def __call__(
        self, tx: Transaction, id: UUID, *, workspace_id: UUID, amount_micros: int, note: str, created_by: str
    ) -> None: ...


async def _balance(tx: Transaction, principal: Principal) -> CreditBalance:
    return await ledger_queries.balance(tx, principal.workspace_id) or _NOTHING


def _check(field: str, amount: int, *, smallest: int) -> None:
    if amount == 0 or not smallest <= amount <= _LARGEST:
        raise InvalidRequest(
            f"`{field}` is {amount}; it must be from {smallest} to {_LARGEST}, and not 0.", field=field
        )
