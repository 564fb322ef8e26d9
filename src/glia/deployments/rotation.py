"""Which replicas a request may go to, as a process that answers requests knows it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from glia.deployments import dialling, rotation_queries
from glia.deployments.errors import ReplicaGone
from glia.kit.db import Database

__all__ = ["Place", "ReplicaGone", "Rotation", "dial"]

_FRESH_SECONDS = 0.9
"""Shorter than the least time for which a replica that leaves still serves, in case a note was lost."""

_MOST_ROUTES = 10_000

dial = dialling.dial


@dataclass(frozen=True)
class Place:
    replica_id: UUID
    address: str


class Rotation:
    def __init__(self, db: Database) -> None:
        self._db = db
        self._known: dict[str, tuple[float, list[Place] | None]] = {}
        self._busy: Counter[UUID] = Counter()

    def wake(self) -> None:
        """Something has changed somewhere."""
        self._known.clear()

    async def places(self, route: str) -> list[Place] | None:
        """Those that are ready; None when there is no such deployment."""
        now = time.monotonic()
        known = self._known.get(route)
        if known is not None and now - known[0] < _FRESH_SECONDS:
            return known[1]
        async with self._db.across_workspaces() as tx:
            is_there, found = await rotation_queries.ready(tx, route)
        places = [Place(row.id, row.address) for row in found] if is_there else None
        if len(self._known) >= _MOST_ROUTES:
            self._known.clear()
        self._known[route] = now, places
        return places

    async def is_needed(self) -> bool:
        """Whether there is any deployment at all."""
        async with self._db.across_workspaces() as tx:
            return await rotation_queries.is_any(tx)

    def least_loaded(self, places: Collection[Place]) -> Place:
        return min(places, key=lambda place: self._busy[place.replica_id])

    def begin(self, place: Place) -> None:
        self._busy[place.replica_id] += 1

    def end(self, place: Place) -> None:
        self._busy[place.replica_id] -= 1
        if self._busy[place.replica_id] <= 0:
            del self._busy[place.replica_id]
