"""Which replicas a request may go to, as a process that answers requests knows it."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import time
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from glia.deployments import dialling, reaching, rotation_queries
from glia.deployments.certificates import NAME, caller_context
from glia.deployments.dialling import DIAL_SECONDS
from glia.deployments.errors import ReplicaGone
from glia.deployments.rotation_queries import Ready
from glia.kit.db import Database
from glia.kit.errors import DatabaseUnavailable

__all__ = ["DIAL_SECONDS", "NAME", "Place", "ReplicaGone", "Rotation"]

_FRESH_SECONDS = 0.9
"""Shorter than the least time for which a replica that leaves still serves, in case a note was lost."""

_PATIENCE_SECONDS = 1.0
"""For an answer of the database about what is known already."""

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
        self._asked: dict[str, asyncio.Task[list[Place] | None]] = {}
        self._is_down, self._woken_at = False, 0.0
        self._busy: Counter[UUID] = Counter()
        self._turn, self._turns = 0, dict[UUID, int]()

    def wake(self) -> None:
        """Something has changed somewhere."""
        self._woken_at = time.monotonic()

    async def places(self, route: str) -> list[Place] | None:
        """Those that are ready; None when there is no such deployment. While the database is away, those that were.
        Raises DatabaseUnavailable when nothing is known of it."""
        known = self._known.get(route)
        if known is not None and known[0] > max(self._woken_at, time.monotonic() - _FRESH_SECONDS):
            return known[1]
        asked = self._asked.get(route) or self._ask(route)
        held = [] if known is None else [place for place in known[1] or () if self._is_its_own(place)]
        if not held:
            return await asyncio.shield(asked)
        if not self._is_down:
            await asyncio.wait((asked,), timeout=_PATIENCE_SECONDS)
        if asked.done() and not isinstance(asked.exception(), DatabaseUnavailable):
            return asked.result()
        self._is_down = True
        return held

    def _ask(self, route: str) -> asyncio.Task[list[Place] | None]:
        """One question for all who want to know it now."""
        task = self._asked[route] = asyncio.create_task(self._learn(route), name="glia-rotation")
        task.add_done_callback(partial(self._answered, route))
        return task

    def _answered(self, route: str, task: asyncio.Task[list[Place] | None]) -> None:
        del self._asked[route]
        if not task.cancelled():
            task.exception()  # nobody may wait for it any more

    async def _learn(self, route: str) -> list[Place] | None:
        now = time.monotonic()
        async with self._db.across_workspaces() as tx:
            is_there, found = await rotation_queries.ready(tx, route)
        places = self._reachable(found) if is_there else None
        if len(self._known) >= _MOST_ROUTES:
            self._known.clear()
        self._known[route] = now, places
        self._is_down = False
        return places

    def _reachable(self, found: Sequence[Ready]) -> list[Place]:
        """Those that nobody can reach from here come only when there are no others."""
        near = [Place(row.id, row.address) for row in found if self._is_near(row.address)]
        known = {place.replica_id for place in near}
        far = [row for row in found if row.id not in known]
        reached = near + [Place(row.id, row.address, row.node_address) for row in far if row.node_address]
        return reached or [Place(row.id, row.address) for row in far]

    @staticmethod
    def _is_its_own(place: Place) -> bool:
        """Whether it leads to no other program once this one is gone, as an address in a cluster may."""
        return not dialling.has_own_address(place.address)

    def _is_near(self, address: str) -> bool:
        return dialling.has_own_address(address) or (self.is_local and os.path.exists(address))  # noqa: PTH110 - hot

    async def dial(self, place: Place) -> socket.socket:
        """A connected socket to the program's port, or to its node, which speaks `tls`; the caller closes it.
        Raises ReplicaGone."""
        if place.node_address:
            return await reaching.reach(place.node_address, place.replica_id, self._key)
        return await dialling.dial(place.address)

    def tls(self, place: Place) -> ssl.SSLContext | None:
        """What the socket of `dial` is to speak, under `certificates.NAME`; None for the program's own bytes."""
        return caller_context(self._key) if place.node_address else None

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
