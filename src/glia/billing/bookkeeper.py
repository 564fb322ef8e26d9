"""Books what was used, hour by hour, and closes months. One in every process; they take turns by locking accounts.

All of a workspace's hours and its invoice are one transaction: whoever is killed in it has done nothing, and the next
one does it.
"""

from __future__ import annotations

import asyncio
import random
from datetime import datetime, timedelta
from uuid import UUID

import psycopg
import structlog

from glia.billing import booking_queries, queries
from glia.billing.config import BillingConfig
from glia.billing.months import hour_of, midnight, month_of
from glia.billing.prices import checked_config, effective
from glia.billing.types import OwnPrices
from glia.kit.clock import now
from glia.kit.db import Database
from glia.kit.errors import GliaError

log = structlog.get_logger(__name__)

_LOOK_SECONDS = 20.0
_AT_ONCE = 200
_LATE = timedelta(days=3)
"""How far back each pass looks for what nodes told late. When a month is closed, all of it is looked at."""


class Bookkeeper:
    def __init__(self, db: Database, config: BillingConfig) -> None:
        self._db = db
        self._config = checked_config(config)
        self.passed_at: datetime | None = None
        """When this process last got through all workspaces."""

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS * random.uniform(0.8, 1.2))  # noqa: S311 - so that processes take turns
            try:
                await self.book_all(now())
            except (GliaError, psycopg.Error) as error:
                log.warning("could not look for use to book", error=str(error).strip().split("\n")[0])

    async def book_all(self, moment: datetime) -> int:
        """Books every workspace's hours that are over, and closes its months. How many workspaces were behind."""
        until = self._until(moment)
        count, after = 0, None
        while True:
            async with self._db.across_workspaces() as tx:
                due = await booking_queries.due(tx, until, after, _AT_ONCE)
            for workspace_id in due:
                try:
                    await self.book(workspace_id, moment)
                except (GliaError, psycopg.Error) as error:
                    log.warning("use was not booked", workspace=str(workspace_id), error=str(error))
            count += len(due)
            if len(due) < _AT_ONCE:
                break
            after = due[-1]
        self.passed_at = now()
        return count

    async def book(self, workspace_id: UUID, moment: datetime) -> bool:
        """One workspace, up to the last whole hour. False while another process is at it."""
        until = self._until(moment)
        async with self._db.transaction(workspace_id) as tx:
            await booking_queries.open_account(tx, workspace_id)
            account = await booking_queries.hold(tx, workspace_id)
            if account is None:
                return False
            month = account.open_month or await booking_queries.first_month(tx, until)
            prices = effective(await queries.own_prices(tx, workspace_id) or OwnPrices(), self._config)
            next_month = max(month, month_of(until))
            booked_until = account.booked_until or until - timedelta(hours=1)
            since = min(booked_until, until - _LATE)
            if next_month > month or account.booked_until is None:
                since = min(since, midnight(month))
            await booking_queries.book_deployments(tx, workspace_id, since, until, month, prices)
            await booking_queries.book_objects(tx, workspace_id, booked_until, until, month, prices)
            if next_month > month:
                made = await booking_queries.issue(tx, workspace_id, month, next_month, self._config.payment_days)
                if made:
                    log.info("invoices issued", workspace=str(workspace_id), invoices=made, until=f"{next_month:%Y-%m}")
            await booking_queries.note_booked(tx, workspace_id, until, next_month)
        return True

    def _until(self, moment: datetime) -> datetime:
        return hour_of(moment - timedelta(minutes=self._config.settle_minutes))
