"""How agents stand to each other, and what each is good at."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from glia.agents import relation_queries
from glia.agents.errors import RelationshipNotFound, SpecializationNotFound
from glia.agents.service import Agents
from glia.agents.types import RELATIONSHIPS, SPECIALIZATIONS, Relationship, Specialization
from glia.identity.types import Principal
from glia.kit.db import Database
from glia.kit.errors import InvalidRequest
from glia.kit.ids import new_id

MOST_CAPABILITIES = 100


class Relations:
    """`delegates_to` and `supervises` let the first agent give tasks to the second, `reports_to` the other way round:
    the one becomes a subagent of the other for as long as such a relationship is there."""

    def __init__(self, db: Database, agents: Agents) -> None:
        self._db = db
        self._agents = agents

    async def list(self, principal: Principal, agent_id: UUID) -> list[Relationship]:
        """Those that the agent is in, on either side, newest first."""
        principal.require("agents:read")
        await self._agents.get(principal, agent_id)
        async with self._db.transaction(principal.workspace_id) as tx:
            return await relation_queries.of_agent(tx, agent_id)

    async def create(
        self, principal: Principal, from_agent_id: UUID, to_agent_id: UUID, kind: str, metadata: dict[str, Any]
    ) -> Relationship:
        """The same relationship again gets new metadata. Raises InvalidRequest for a circle of tasks."""
        principal.require("agents:write")
        if kind not in RELATIONSHIPS:
            raise InvalidRequest(f"{kind[:50]!r} is none of {', '.join(RELATIONSHIPS)}.", field="kind")
        if from_agent_id == to_agent_id:
            raise InvalidRequest("An agent has no relationship to itself; name another one.", field="to_agent_id")
        await self._agents.get(principal, from_agent_id)
        await self._agents.get(principal, to_agent_id)
        giver, taker = _giver_and_taker(kind, from_agent_id, to_agent_id)
        if giver is not None:
            await self._let(principal, giver, taker, is_allowed=True)
        async with self._db.transaction(principal.workspace_id) as tx:
            return await relation_queries.insert(
                tx,
                new_id(),
                workspace_id=principal.workspace_id,
                from_agent_id=from_agent_id,
                to_agent_id=to_agent_id,
                kind=kind,
                metadata=metadata,
            )

    async def delete(self, principal: Principal, agent_id: UUID, id: UUID) -> None:
        """Raises RelationshipNotFound, also for one that the agent is not in."""
        principal.require("agents:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            gone = await relation_queries.delete(tx, agent_id, id)
            left = [] if gone is None else await relation_queries.of_agent(tx, gone.from_agent_id)
        if gone is None:
            raise RelationshipNotFound(f"There is no relationship '{id}' of this agent.", relationship_id=str(id))
        pair = _giver_and_taker(gone.kind, gone.from_agent_id, gone.to_agent_id)
        still = {_giver_and_taker(other.kind, other.from_agent_id, other.to_agent_id) for other in left}
        if pair[0] is not None and pair not in still:
            await self._let(principal, pair[0], pair[1], is_allowed=False)

    async def _let(self, principal: Principal, giver: UUID, taker: UUID, *, is_allowed: bool) -> None:
        current = (await self._agents.get(principal, giver)).current.subagents
        if is_allowed is (taker in current):
            return
        changed = (*current, taker) if is_allowed else tuple(id for id in current if id != taker)
        await self._agents.update(principal, giver, {"subagents": changed})

    async def specialize(
        self, principal: Principal, agent_id: UUID, kind: str, capabilities: tuple[str, ...], config: dict[str, Any]
    ) -> Specialization:
        """An agent has one; it replaces the one before."""
        principal.require("agents:write")
        if kind not in SPECIALIZATIONS:
            raise InvalidRequest(
                f"{kind[:50]!r} is none of {', '.join(SPECIALIZATIONS)}.",
                field="kind",
                valid_types=list(SPECIALIZATIONS),
            )
        if len(capabilities) > MOST_CAPABILITIES:
            raise InvalidRequest(
                f"`capabilities` has {len(capabilities)} entries; the most is {MOST_CAPABILITIES}.",
                field="capabilities",
            )
        await self._agents.get(principal, agent_id)
        async with self._db.transaction(principal.workspace_id) as tx:
            return await relation_queries.specialize(
                tx,
                new_id(),
                workspace_id=principal.workspace_id,
                agent_id=agent_id,
                kind=kind,
                capabilities=list(capabilities),
                config=config,
            )

    async def specialization(self, principal: Principal, agent_id: UUID) -> Specialization:
        """Raises SpecializationNotFound."""
        principal.require("agents:read")
        await self._agents.get(principal, agent_id)
        async with self._db.transaction(principal.workspace_id) as tx:
            found = await relation_queries.specialization(tx, agent_id)
        if found is None:
            raise SpecializationNotFound(f"The agent '{agent_id}' has no specialization.", agent_id=str(agent_id))
        return found

    async def unspecialize(self, principal: Principal, agent_id: UUID) -> None:
        principal.require("agents:write")
        await self._agents.get(principal, agent_id)
        async with self._db.transaction(principal.workspace_id) as tx:
            if not await relation_queries.unspecialize(tx, agent_id):
                raise SpecializationNotFound(f"The agent '{agent_id}' has no specialization.", agent_id=str(agent_id))

    async def specialists(self, principal: Principal, kind: str | None = None) -> list[Specialization]:
        """Agents with a specialization, or with this one; those first that have the fewest open runs."""
        principal.require("agents:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            return await relation_queries.specialists(tx, kind)


def _giver_and_taker(kind: str, from_agent_id: UUID, to_agent_id: UUID) -> tuple[UUID | None, UUID]:
    """Who may give tasks to whom; nobody to anybody when they only work side by side."""
    match kind:
        case "delegates_to" | "supervises":
            return from_agent_id, to_agent_id
        case "reports_to":
            return to_agent_id, from_agent_id
        case _:
            return None, to_agent_id
