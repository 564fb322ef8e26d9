"""How many requests somebody may make in a minute, counted for all processes together.

A process takes a share of what is left of the minute from the database, and counts that in memory: requests are never
more than the limit, whichever process they go to, and few of them wait for the database.
"""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict
from collections.abc import Callable
from uuid import UUID

from glia.identity import minute_queries
from glia.identity.types import Decision
from glia.kit.clock import monotonic
from glia.kit.db import Database


class _Share:
    """taken: of the minute by all processes. left: of what is ours."""

    __slots__ = ("left", "lock", "rate", "taken", "until")

    def __init__(self) -> None:
        self.rate, self.taken, self.left, self.until = 0, 0, 0, 0.0
        self.lock = asyncio.Lock()

    def is_known(self, rate: int, now: float) -> bool:
        """Whether the database need not be asked."""
        return self.rate == rate and now < self.until and (self.left > 0 or self.taken >= rate)


class Minutes:
    def __init__(self, db: Database, *, most: int = 50_000, clock: Callable[[], float] = monotonic) -> None:
        """most: shares kept; the one used longest ago makes room, and is lost until its minute is over."""
        self._db, self._most, self._clock = db, most, clock
        self._shares: OrderedDict[UUID, _Share] = OrderedDict()

    async def take(self, id: UUID, rate: int) -> Decision:
        """Counts one request. Raises DatabaseUnavailable."""
        share = self._shares.get(id)
        if share is None:
            share = self._shares[id] = _Share()
            if len(self._shares) > self._most:
                self._shares.popitem(last=False)
        else:
            self._shares.move_to_end(id)
        while not share.is_known(rate, self._clock()):
            async with share.lock:
                if not share.is_known(rate, self._clock()):
                    await self._refill(share, id, rate)
        return self._decided(share)

    async def _refill(self, share: _Share, id: UUID, rate: int) -> None:
        asked_at = self._clock()
        async with self._db.across_workspaces() as tx:
            found = await minute_queries.take(tx, id, rate)
        share.rate, share.taken, share.left, share.until = rate, found.taken, found.given, asked_at + found.seconds

    def _decided(self, share: _Share) -> Decision:
        is_allowed = share.left > 0
        share.left -= is_allowed
        seconds = max(1, math.ceil(share.until - self._clock()))
        remaining = max(0, share.rate - share.taken) + share.left
        return Decision(
            is_allowed,
            limit=share.rate,
            remaining=remaining,
            reset_seconds=seconds,
            retry_after_seconds=0 if is_allowed else seconds,
            requests=share.rate - remaining if is_allowed else share.rate + 1,
        )
