"""What all sockets of a workspace ask for, asked once for all of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Hashable, Mapping, Sequence
from math import ceil
from typing import Final, Generic, TypeVar
from uuid import UUID

from glia.deployments.types import Deployment, DeploymentLine, Sample
from glia.identity.types import Principal
from glia.surfaces.neuais.agents import all_agents
from glia.wiring import House

T = TypeVar("T")

_AGENTS_SECONDS: Final = 0.5
_ENDS_SECONDS: Final = 0.15
_LINES_SECONDS: Final = 0.3
_ASKED_AT_ONCE: Final = 8
_MOST_KEPT: Final = 100
_SAMPLES_SECONDS: Final = 2.0
_WATCHED_SECONDS: Final = 2.0


def _always(_asked_at: float, _value: object) -> bool:
    return True


class _Fresh(Generic[T]):
    """One value for each key, asked for again when it is older than so many seconds. Who comes while it is being asked
    for waits for it."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._known: dict[Hashable, tuple[float, T]] = {}
        self._asking = [asyncio.Lock() for _ in range(_ASKED_AT_ONCE)]

    async def of(
        self, key: Hashable, ask: Callable[[], Awaitable[T]], *, fits: Callable[[float, T], bool] = _always
    ) -> tuple[float, T]:
        """With the time on the monotonic clock before which it was asked for. fits: whether a value of a time does."""
        async with self._asking[hash(key) % _ASKED_AT_ONCE]:
            known = self._known.get(key)
            began = time.monotonic()
            if known is not None and began - known[0] < self._seconds and fits(*known):
                return known
            found = began, await ask()
            kept = self._known if len(self._known) < _MOST_KEPT else {}
            self._known = {key: value for key, value in kept.items() if began - value[0] < self._seconds}
            self._known[key] = found
            return found


class Readings:
    """Whoever asks needs `deployments:read`; what comes may be a moment old."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._agents: _Fresh[Mapping[UUID, Deployment]] = _Fresh(_AGENTS_SECONDS)
        self._ends: _Fresh[Mapping[UUID, int]] = _Fresh(_ENDS_SECONDS)
        self._lines: _Fresh[Sequence[DeploymentLine]] = _Fresh(_LINES_SECONDS)
        self._samples: _Fresh[Mapping[UUID, Sequence[Sample]]] = _Fresh(_SAMPLES_SECONDS)
        self._watched: dict[UUID, float] = {}

    async def agents(self, principal: Principal) -> tuple[float, Mapping[UUID, Deployment]]:
        """With the time before which they were asked for."""
        principal.require("deployments:read")

        async def ask() -> Mapping[UUID, Deployment]:
            return {agent.id: agent for agent in await all_agents(self._house, principal)}

        return await self._agents.of(principal.workspace_id, ask)

    async def ends(self, principal: Principal, ids: Collection[UUID]) -> tuple[float, Mapping[UUID, int]]:
        """The last line of each of these agents, and of others. Who asks for lines after that time gets all of them."""
        principal.require("deployments:read")
        now = time.monotonic()
        self._watched = {id: at for id, at in self._watched.items() if now - at < _WATCHED_SECONDS}
        self._watched |= dict.fromkeys(ids, now)

        async def ask() -> Mapping[UUID, int]:
            wanted = list(self._watched)
            return {**dict.fromkeys(wanted, 0), **await self._house.deployment_feed.ends(principal, wanted)}

        return await self._ends.of(principal.workspace_id, ask, fits=lambda _, known: all(id in known for id in ids))

    async def lines(
        self, principal: Principal, places: Mapping[UUID, int], *, level: str, since: float, limit: int
    ) -> Sequence[DeploymentLine]:
        """Those behind the places, at most `limit`, as they were at a time on the monotonic clock or later. Most
        sockets are at the same places, so that one question does for them."""
        principal.require("deployments:read")

        async def ask() -> Sequence[DeploymentLine]:
            return await self._house.deployment_feed.lines(principal, places, level=level, limit=limit)

        key = principal.workspace_id, frozenset(places.items()), level
        return (await self._lines.of(key, ask, fits=lambda at, _: at >= since))[1]

    async def samples(self, principal: Principal) -> Mapping[UUID, Sequence[Sample]]:
        """The last one of each replica of each agent."""
        principal.require("deployments:read")

        async def ask() -> Mapping[UUID, Sequence[Sample]]:
            _, agents = await self.agents(principal)
            by_agent: dict[UUID, list[Sample]] = {}
            feed, seconds = self._house.deployment_feed, ceil(3 * self._house.settings.fleet.sample_seconds)
            for sample in await feed.samples(principal, list(agents), seconds=seconds):
                by_agent.setdefault(sample.deployment_id, []).append(sample)
            return by_agent

        return (await self._samples.of(principal.workspace_id, ask))[1]
