"""What many follow at once, read once for all of them in this process."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from glia.deployments.feed import DeploymentFeed
from glia.deployments.types import DeploymentLine
from glia.identity.types import Principal
from glia.kit.fresh import Fresh

ENDS_SECONDS: Final = 0.1
_LINES_SECONDS: Final = 0.3
_WATCHED_SECONDS: Final = 2.0


@dataclass(frozen=True)
class _Ends:
    asked: Collection[UUID]
    found: Mapping[UUID, int]


class Readings:
    """Of logs. Whoever asks needs `deployments:read`; what comes may be a moment old."""

    def __init__(self, feed: DeploymentFeed) -> None:
        self._feed = feed
        self._ends: Fresh[_Ends] = Fresh(ENDS_SECONDS)
        self._lines: Fresh[Sequence[DeploymentLine]] = Fresh(_LINES_SECONDS)
        self._watched: dict[UUID, float] = {}

    async def ends(self, principal: Principal, ids: Collection[UUID]) -> tuple[float, Mapping[UUID, int]]:
        """The last line of each of these deployments, 0 where there is none, and of others; a deployment that is gone
        is not among them. Who asks for lines after that time gets all of them."""
        principal.require("deployments:read")
        now = time.monotonic()
        self._watched = {id: at for id, at in self._watched.items() if now - at < _WATCHED_SECONDS}
        self._watched |= dict.fromkeys(ids, now)

        async def ask() -> _Ends:
            asked = frozenset(self._watched)
            return _Ends(asked, await self._feed.ends(principal, asked))

        asked_at, known = await self._ends.of(
            principal.workspace_id, ask, fits=lambda _, known: all(id in known.asked for id in ids)
        )
        return asked_at, known.found

    async def lines(
        self, principal: Principal, places: Mapping[UUID, int], *, level: str, since: float, limit: int
    ) -> Sequence[DeploymentLine]:
        """Those behind the places, at most `limit`, as they were at a time on the monotonic clock or later. Most who
        follow are at the same places, so that one question does for them."""
        principal.require("deployments:read")

        async def ask() -> Sequence[DeploymentLine]:
            return await self._feed.lines(principal, places, level=level, limit=limit)

        key = principal.workspace_id, frozenset(places.items()), level, limit
        return (await self._lines.of(key, ask, fits=lambda at, _: at >= since))[1]
