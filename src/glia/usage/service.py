"""Usage: record each model call once, and add up what was recorded."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from glia.identity.types import Principal
from glia.kit import clock
from glia.kit.db import Database, Transaction
from glia.kit.errors import InvalidRequest
from glia.kit.pages import Page, Window, page_of
from glia.usage import queries
from glia.usage.budget_queries import CHANNEL as LIMITS_CHANNEL
from glia.usage.budgets import Budgets
from glia.usage.ledger import Credits
from glia.usage.meter import Meter
from glia.usage.spending import Spending, SpendingConfig
from glia.usage.types import Grouping, RunCost, UsageFilter, UsageRecord, UsageRow

__all__ = ["LIMITS_CHANNEL", "Budgets", "Credits", "Meter", "Spending", "SpendingConfig", "Usage"]

MOST_GROUPS = 1_000
_DEFAULT_SPAN = timedelta(days=30)
_GROUPINGS = ("model", "agent", "day", "key", "run", "project")


class Usage:
    def __init__(self, db: Database) -> None:
        self._db = db

    async def record(self, tx: Transaction, record: UsageRecord) -> None:
        """In the transaction that also tells of the call, so that neither is ever there without the other."""
        await queries.insert(tx, record)

    async def summary(
        self,
        principal: Principal,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        group_by: Grouping | None = None,
        only: UsageFilter | None = None,
    ) -> list[UsageRow]:
        """The busiest groups first, days in order, at most 1,000; one row with the total when nothing groups.

        since: included; 30 days before `until` when not given. until: excluded; now when not given.
        """
        principal.require("usage:read")
        until = until or clock.now()
        since = since or until - _DEFAULT_SPAN
        _check(since, until, group_by)
        async with self._db.transaction(principal.workspace_id) as tx:
            rows = await queries.summary(tx, since, until, group_by, MOST_GROUPS, only or UsageFilter())
        return rows or ([] if group_by else [UsageRow(None, 0, 0, 0, 0, 0, 0, 0, None, 0, 0)])

    async def of_run(self, principal: Principal, run_id: UUID) -> Sequence[RunCost]:
        """What a run and those that it started spent so far, by kind of call."""
        principal.require("runs:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            return await queries.of_tree(tx, run_id)

    async def list(
        self,
        principal: Principal,
        window: Window,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        only: UsageFilter | None = None,
    ) -> Page[UsageRecord]:
        """Single calls, newest first. since: included; until: excluded."""
        principal.require("usage:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            rows = await queries.list_page(tx, window, since, until, only or UsageFilter())
        return page_of(rows, window, lambda record: record.id)


def _check(since: datetime, until: datetime, group_by: str | None) -> None:
    for field, moment in (("until", until), ("since", since)):
        if moment.tzinfo is None:
            raise InvalidRequest(f"`{field}` has no time zone; write it with `Z` or an offset.", field=field)
    if since >= until:
        raise InvalidRequest(
            f"`since` ({since.isoformat()}) must be before `until` ({until.isoformat()}).", field="since"
        )
    if group_by is not None and group_by not in _GROUPINGS:
        raise InvalidRequest(f"`group_by` {group_by!r} must be one of {', '.join(_GROUPINGS)}.", field="group_by")
