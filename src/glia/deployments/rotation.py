"""Which replicas a request may go to, as a process that answers requests knows it."""

from __future__ import annotations

import os
import socket
import time
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from glia.deployments import dialling, reaching, rotation_queries
from glia.deployments.errors import ReplicaGone
from glia.deployments.rotation_queries import Ready
from glia.kit.db import Database

__all__ = ["Place", "ReplicaGone", "Rotation"]

_FRESH_SECONDS = 0.9
"""Shorter than the least time for which a replica that leaves still serves, in case a note was lost."""

_MOST_ROUTES = 10_000
_MOST_TURNS = 100_000


@dataclass(frozen=True)
class Place:
    """address: as its backend says it. node_address: set when only its node can reach it."""

    replica_id: UUID
    address: str
    node_address: str = ""


class Rotation:
    def __init__(self, db: Database, key: bytes, *, is_local: bool = True) -> None:
        """key: derived for `reaching.PURPOSE`. is_local: whether replicas of this machine are dialled directly."""
        self._db, self._key, self.is_local = db, key, is_local
        self._known: dict[str, tuple[float, list[Place] | None]] = {}
        self._busy: Counter[UUID] = Counter()
        self._turn, self._turns = 0, dict[UUID, int]()

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
        places = self._reachable(found) if is_there else None
        if len(self._known) >= _MOST_ROUTES:
            self._known.clear()
        self._known[route] = now, places
        return places

    def _reachable(self, found: Sequence[Ready]) -> list[Place]:
        """Those that nobody can reach from here come only when there are no others."""
        near = [Place(row.id, row.address) for row in found if self._is_near(row.address)]
        known = {place.replica_id for place in near}
        far = [row for row in found if row.id not in known]
        reached = near + [Place(row.id, row.address, row.node_address) for row in far if row.node_address]
        return reached or [Place(row.id, row.address) for row in far]

    def _is_near(self, address: str) -> bool:
        return dialling.has_own_address(address) or (self.is_local and os.path.exists(address))  # noqa: PTH110 - hot

    async def dial(self, place: Place) -> socket.socket:
        """A connected socket to the program's port; the caller closes it. Raises ReplicaGone."""
        if place.node_address:
            return await reaching.reach(place.node_address, place.replica_id, self._key)
        return await dialling.dial(place.address)

    async def is_needed(self) -> bool:
        """Whether there is any deployment at all."""
        async with self._db.across_workspaces() as tx:
            return await rotation_queries.is_any(tx)

    def least_loaded(self, places: Collection[Place]) -> Place:
        """Of several with the same load the one that had to wait longest."""
        return min(places, key=lambda place: (self._busy[place.replica_id], self._turns.get(place.replica_id, 0)))

    def begin(self, place: Place) -> None:
        if len(self._turns) > _MOST_TURNS:
            self._turns.clear()
        self._turn += 1
        self._turns[place.replica_id] = self._turn
        self._busy[place.replica_id] += 1

    def end(self, place: Place) -> None:
        self._busy[place.replica_id] -= 1
        if self._busy[place.replica_id] <= 0:
            del self._busy[place.replica_id]
