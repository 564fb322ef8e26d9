"""Who executes runs, and how much waits for them."""

from __future__ import annotations

from dataclasses import replace

from glia.identity.types import Principal
from glia.kit.db import Database
from glia.runs import worker_queries as queries
from glia.runs.worker_queries import Queue, Worker


class Workers:
    def __init__(self, db: Database) -> None:
        self._db = db

    async def list(self, principal: Principal) -> list[Worker]:
        """The oldest first, at most 1,000."""
        principal.require("runs:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            found = await queries.workers(tx)
        if principal.allows("identity:read"):
            return found
        return [replace(worker, name=None) for worker in found]

    async def queue(self, principal: Principal) -> Queue:
        principal.require("runs:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            return await queries.queue(tx)
