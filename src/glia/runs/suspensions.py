"""Runs that wait for money or room, and what stood in their way."""

from __future__ import annotations

from uuid import UUID

from glia.identity.types import Principal
from glia.kit.db import Database
from glia.kit.pages import Page, Window, page_of
from glia.runs import suspension_queries as queries
from glia.runs.suspension_queries import Suspension


class Suspensions:
    def __init__(self, db: Database) -> None:
        self._db = db

    async def list(self, principal: Principal, window: Window, *, budget_id: UUID | None = None) -> Page[Suspension]:
        """Newest run first. budget_id: only what waits for this budget."""
        principal.require("runs:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            rows = await queries.suspensions(tx, window, budget_id)
        return page_of(rows, window, lambda found: found.id)
