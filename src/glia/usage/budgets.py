"""Budgets: what a workspace, project, key, agent, session or run may spend, in all or in each period."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import fields, replace
from typing import Any, get_args
from uuid import UUID

from glia.identity.service import note_change
from glia.identity.types import Principal
from glia.kit.db import Database, Transaction
from glia.kit.errors import Conflict, InvalidRequest
from glia.kit.ids import new_id
from glia.kit.pages import Page, Window, page_of
from glia.usage import budget_queries as queries
from glia.usage.errors import BudgetNotFound
from glia.usage.spending import Spending
from glia.usage.types import Budget, BudgetSpec, OpenHold, Period, Scope

MOST_BUDGETS = 10_000
_LARGEST = 2**53
_MOST_WARNINGS = 10
_CHANGEABLE = {field.name for field in fields(BudgetSpec)} - {"scope", "subject_id", "period"}

OnRaised = Callable[[Transaction, UUID], Awaitable[None]]
"""Told the workspace, in the transaction that changes a limit: calls may have room now which had none."""


class Budgets:
    def __init__(self, db: Database, spending: Spending) -> None:
        self._db = db
        self._spending = spending
        self.on_raised: OnRaised | None = None

    async def create(self, principal: Principal, spec: BudgetSpec) -> Budget:
        """A budget that is in force from now on, in every process within moments.

        What was spent in the present period counts already. Raises InvalidRequest, and Conflict beyond 10,000 budgets.
        """
        principal.require("budgets:write")
        _check(spec)
        id = new_id()
        async with self._db.transaction(principal.workspace_id) as tx:
            await _check_subject(tx, principal, spec)
            if await queries.count(tx) >= MOST_BUDGETS:
                raise Conflict(f"This workspace has {MOST_BUDGETS} budgets, which is the most; delete one first.")
            await queries.insert(tx, id, workspace_id=principal.workspace_id, spec=spec, created_by=principal.name)
            await queries.count_past(tx, id)
            await self._changed(tx, principal)
            made = await _get(tx, id)
            await note_change(tx, principal, "budget.created", f"budget:{id}", **_facts(made))
            return made

    async def get(self, principal: Principal, id: UUID) -> Budget:
        """A budget with the state of its present window."""
        principal.require("budgets:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            await queries.book_overdue(tx, principal.workspace_id)
            return await _get(tx, id)

    async def list(
        self, principal: Principal, window: Window, *, scope: str | None = None, subject_id: UUID | None = None
    ) -> Page[Budget]:
        """Newest first, without those that runs make for their agents' own limits."""
        principal.require("budgets:read")
        if scope is not None and scope not in get_args(Scope):
            raise InvalidRequest(f"`scope` {scope[:50]!r} is none of {', '.join(get_args(Scope))}.", field="scope")
        async with self._db.transaction(principal.workspace_id) as tx:
            await queries.book_overdue(tx, principal.workspace_id)
            rows = await queries.list_page(tx, window, scope=scope, subject_id=subject_id)
        return page_of(rows, window, lambda budget: budget.id)

    async def update(self, principal: Principal, id: UUID, changes: Mapping[str, Any]) -> Budget:
        """The budget with the given fields of its spec changed; scope, subject and period stay for ever.

        changes: Any is what the field of that name in BudgetSpec holds.
        """
        principal.require("budgets:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            budget = await _get(tx, id)
            if unknown := sorted(changes.keys() - _CHANGEABLE):
                raise InvalidRequest(
                    f"`{unknown[0]}` of a budget never changes; make another budget.", field=unknown[0]
                )
            spec = replace(_spec_of(budget), **changes)
            _check(spec)
            await queries.update(tx, id, spec)
            await self._changed(tx, principal)
            changed = await _get(tx, id)
            await note_change(tx, principal, "budget.updated", f"budget:{id}", **_facts(changed))
            return changed

    async def delete(self, principal: Principal, id: UUID) -> None:
        """The budget limits nothing any more, and what it has counted is gone. Usage records stay."""
        principal.require("budgets:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            await _get(tx, id)
            await queries.delete(tx, id)
            await self._changed(tx, principal)
            await note_change(tx, principal, "budget.deleted", f"budget:{id}")

    async def holds(self, principal: Principal, id: UUID | None, window: Window) -> Page[OpenHold]:
        """What the budget holds for calls under way, and what was booked in full for calls that vanished.

        id: None for what any budget, or the credit, holds.
        """
        principal.require("budgets:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            await queries.book_overdue(tx, principal.workspace_id)
            if id is not None:
                await _get(tx, id)
            rows = await queries.holds(tx, id, window)
        return page_of(rows, window, lambda hold: hold.id)

    async def set_run_limit(self, tx: Transaction, run_id: UUID, limit_micros: int) -> bool:
        """Changes what a run may cost in all; False when its agent sets no limit, so that there is none to change."""
        return await queries.set_run_limit(tx, run_id, limit_micros)

    async def _changed(self, tx: Transaction, principal: Principal) -> None:
        workspace = principal.workspace_id
        await queries.announce(tx, workspace)
        tx.after_commit.append(lambda: self._spending.forget(str(workspace)))
        if self.on_raised is not None:
            await self.on_raised(tx, workspace)


async def _get(tx: Transaction, id: UUID) -> Budget:
    budget = await queries.get(tx, id)
    if budget is None:
        raise BudgetNotFound(f"There is no budget '{id}' in this workspace.", budget_id=str(id))
    return budget


def _facts(budget: Budget) -> dict[str, object]:
    """What the audit log keeps of a budget."""
    names = ("scope", "limit_micros", "limit_tokens", "limit_calls", "is_active")
    return {"subject_id": str(budget.subject_id), **{name: getattr(budget, name) for name in names}}


def _spec_of(budget: Budget) -> BudgetSpec:
    return BudgetSpec(**{field.name: getattr(budget, field.name) for field in fields(BudgetSpec)})


async def _check_subject(tx: Transaction, principal: Principal, spec: BudgetSpec) -> None:
    if spec.scope == "workspace":
        if spec.subject_id not in (None, principal.workspace_id):
            raise InvalidRequest("`subject_id` of a workspace's budget is left away.", field="subject_id")
    elif spec.subject_id is None:
        raise InvalidRequest(f"`subject_id` is missing; give the id of the {spec.scope}.", field="subject_id")
    elif not await queries.subject_exists(tx, spec.scope, spec.subject_id):
        raise InvalidRequest(
            f"`subject_id`: there is no {spec.scope} '{spec.subject_id}' in this workspace.", field="subject_id"
        )


def _check(spec: BudgetSpec) -> None:
    for field, value, known in (("scope", spec.scope, get_args(Scope)), ("period", spec.period, get_args(Period))):
        if value not in known:
            raise InvalidRequest(f"`{field}` {value[:50]!r} is none of {', '.join(known)}.", field=field)
    limits = {name: getattr(spec, name) for name in ("limit_micros", "limit_tokens", "limit_calls")}
    if all(limit is None for limit in limits.values()):
        raise InvalidRequest(
            "A budget needs a limit: `limit_micros`, `limit_tokens` or `limit_calls`.", field="limit_micros"
        )
    for name, limit in limits.items():
        if limit is not None and not 0 <= limit <= _LARGEST:
            raise InvalidRequest(f"`{name}` is {limit}; it must be between 0 and {_LARGEST}.", field=name)
    if len(spec.warn_at_percent) > _MOST_WARNINGS or not all(1 <= at <= 100 for at in spec.warn_at_percent):
        raise InvalidRequest(
            f"`warn_at_percent` holds up to {_MOST_WARNINGS} whole numbers from 1 to 100.", field="warn_at_percent"
        )
    for name, moment in (("starts_at", spec.starts_at), ("ends_at", spec.ends_at)):
        if moment is not None and moment.tzinfo is None:
            raise InvalidRequest(f"`{name}` has no time zone; write it with `Z` or an offset.", field=name)
    if spec.starts_at is not None and spec.ends_at is not None and spec.starts_at >= spec.ends_at:
        raise InvalidRequest("`ends_at` must be after `starts_at`.", field="ends_at")
