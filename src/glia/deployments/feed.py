"""What many deployments at once write and use, as it comes: one question for all of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from uuid import UUID

from glia.deployments import feed_queries
from glia.deployments.checks import level_number
from glia.deployments.types import DeploymentLine, Sample
from glia.identity.types import Principal
from glia.kit.db import Database


class DeploymentFeed:
    """Ids of deployments that are not in the workspace, or no longer, have nothing to say."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def ends(self, principal: Principal, ids: Collection[UUID]) -> dict[UUID, int]:
        """The id of each one's last line; 0 where there is none."""
        principal.require("deployments:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            return await feed_queries.ends(tx, ids)

    async def lines(
        self, principal: Principal, places: Mapping[UUID, int], *, level: str = "debug", limit: int = 500
    ) -> list[DeploymentLine]:
        """At most `limit` lines behind the places, by id. places: the last line of each that is known."""
        principal.require("deployments:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            return await feed_queries.lines(tx, places, level=level_number(level), limit=limit)

    async def count(
        self, principal: Principal, places: Mapping[UUID, int], ends: Mapping[UUID, int], *, level: str = "debug"
    ) -> int:
        """How many lines there are behind the places, up to the ends."""
        principal.require("deployments:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            return await feed_queries.count(tx, places, ends, level=level_number(level))

    async def samples(self, principal: Principal, ids: Collection[UUID], *, seconds: int) -> list[Sample]:
        """The last sample of each replica that has one within so many seconds, by deployment."""
        principal.require("deployments:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            return await feed_queries.samples(tx, ids, seconds=seconds)
