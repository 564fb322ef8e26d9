"""What all sockets of a workspace ask for, asked once for all of them. Their lines are so in the core."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Final
from uuid import UUID

from glia.deployments.types import Deployment, Sample
from glia.identity.types import Principal
from glia.kit.fresh import Fresh
from glia.surfaces.neuais.agents import all_agents
from glia.wiring import House

_AGENTS_SECONDS: Final = 0.5
_SAMPLES_SECONDS: Final = 2.0


class Readings:
    """Whoever asks needs `deployments:read`; what comes may be a moment old."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._agents: Fresh[Mapping[UUID, Deployment]] = Fresh(_AGENTS_SECONDS)
        self._samples: Fresh[Mapping[UUID, Sequence[Sample]]] = Fresh(_SAMPLES_SECONDS)
        self.logs = house.deployments.readings

    async def agents(self, principal: Principal) -> tuple[float, Mapping[UUID, Deployment]]:
        """With the time before which they were asked for."""
        principal.require("deployments:read")

        async def ask() -> Mapping[UUID, Deployment]:
            return {agent.id: agent for agent in await all_agents(self._house, principal)}

        return await self._agents.of(principal.workspace_id, ask)

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
