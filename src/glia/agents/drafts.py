"""Drafts: what an agent is to become, kept under numbers of the user's own until one of them is put to work."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any
from uuid import UUID

import msgspec

from glia.agents import draft_queries
from glia.agents.errors import DraftNotFound, NumberTaken
from glia.agents.service import Agents
from glia.agents.types import Agent, AgentSpec, Draft
from glia.identity.types import Principal
from glia.kit.db import Database
from glia.kit.errors import InvalidRequest
from glia.kit.ids import new_id

LARGEST_NUMBER = 2**31 - 1


class Drafts:
    def __init__(self, db: Database, agents: Agents) -> None:
        self._db = db
        self._agents = agents

    async def create(self, principal: Principal, agent_id: UUID, number: int, changes: dict[str, Any]) -> Draft:
        """changes: fields of AgentSpec that the draft would change. Raises NumberTaken."""
        principal.require("agents:write")
        if not 0 < number <= LARGEST_NUMBER:
            raise InvalidRequest(f"The number {number} must be between 1 and {LARGEST_NUMBER}.", field="number")
        agent = await self._agents.get(principal, agent_id)
        kept = msgspec.to_builtins(replace(_spec(agent), **changes))
        async with self._db.transaction(principal.workspace_id) as tx:
            draft = await draft_queries.insert(
                tx,
                new_id(),
                workspace_id=principal.workspace_id,
                agent_id=agent_id,
                number=number,
                changes={name: kept[name] for name in changes},
                created_by=principal.name,
            )
        if draft is None:
            raise NumberTaken(f"This agent has a version {number} already; choose another number.", field="number")
        return draft

    async def list(self, principal: Principal, agent_id: UUID) -> list[Draft]:
        """The highest number first."""
        principal.require("agents:read")
        await self._agents.get(principal, agent_id)
        async with self._db.transaction(principal.workspace_id) as tx:
            return await draft_queries.list_all(tx, agent_id)

    def changes_of(self, draft: Draft) -> dict[str, Any]:
        """As `Agents.update` takes them: JSON turned back into the fields of AgentSpec."""
        spec = msgspec.convert({"name": "-", **draft.changes}, AgentSpec)
        return {name: getattr(spec, name) for name in draft.changes}

    async def activate(self, principal: Principal, agent_id: UUID, number: int) -> Agent:
        """The agent becomes what the draft says: a new version of it. Raises DraftNotFound."""
        principal.require("agents:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            draft = await draft_queries.get(tx, agent_id, number)
        if draft is None:
            raise DraftNotFound(f"This agent has no draft {number}.", number=number)
        agent = await self._agents.update(principal, agent_id, self.changes_of(draft))
        async with self._db.transaction(principal.workspace_id) as tx:
            await draft_queries.note(tx, draft.id, agent.version)
        return agent

    async def bring_back(self, principal: Principal, agent_id: UUID, version: int) -> Agent:
        """The agent becomes again what it was in one of its versions, and that is noted under the same number."""
        principal.require("agents:write")
        old = await self._agents.get(principal, agent_id, version=version)
        spec = _spec(old)
        agent = await self._agents.update(
            principal, agent_id, {field.name: getattr(spec, field.name) for field in fields(AgentSpec)}
        )
        async with self._db.transaction(principal.workspace_id) as tx:
            await draft_queries.keep(
                tx,
                new_id(),
                workspace_id=principal.workspace_id,
                agent_id=agent_id,
                number=version,
                changes=msgspec.to_builtins(spec),
                created_by=principal.name,
                version=agent.version,
            )
        return agent


def _spec(agent: Agent) -> AgentSpec:
    return AgentSpec(**{field.name: getattr(agent.current, field.name) for field in fields(AgentSpec)})
