"""Making and changing agents: what their fields bring about beside the agent itself."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any
from uuid import UUID

from glia.agents.errors import SlugTaken
from glia.agents.types import Agent, AgentSpec
from glia.identity.types import Principal
from glia.kit.errors import Conflict, InvalidRequest
from glia.kit.pages import LARGEST_LIMIT, Window, read_cursor
from glia.surfaces.neuronagent.agent_words import changes_of, new_spec
from glia.wiring import House

_LONGEST_NAME = 100


class AgentNameTaken(Conflict):
    code = "name_taken"


async def create_agent(house: House, principal: Principal, given: dict[str, Any]) -> Agent:
    """Raises AgentNameTaken: names are unique here."""
    spec = await _with_knowledge(house, principal, new_spec(given), given.get("config") or {})
    agent = await _insert(house, principal, spec)
    await _set_memory(house, principal, agent.id, given.get("config") or {}, is_new=True)
    return agent


async def update_agent(house: House, principal: Principal, id: UUID, given: dict[str, Any]) -> Agent:
    agent = await house.agents.get(principal, id)
    wanted = {
        name: value for name, value in given.items() if value is not None or name in ("description", "memory_table")
    }
    changes = changes_of(wanted, agent.current)
    if "name" in changes and await _holder(house, principal, changes["name"]) not in (None, id):
        raise _taken(changes["name"])
    config: dict[str, Any] = wanted.get("config") or {}
    if "metadata" in changes and config.get("knowledge_table"):
        changes["knowledge_base_ids"] = (
            await _with_knowledge(house, principal, replace(_spec_of(agent), **changes), config)
        ).knowledge_base_ids
    if changes:
        agent = await house.agents.update(principal, id, changes)
    await _set_memory(house, principal, id, config)
    return agent


async def clone_of(house: House, principal: Principal, id: UUID) -> Agent:
    agent = await house.agents.get(principal, id)
    taken = await _names(house, principal)
    base = agent.current.name[: _LONGEST_NAME - 10] + "_clone"
    name = next(
        name
        for number in range(1, len(taken) + 2)
        if (name := base if number == 1 else f"{base}_{number}") not in taken
    )
    return await _insert(house, principal, replace(_spec_of(agent), name=name))


async def _insert(house: House, principal: Principal, spec: AgentSpec) -> Agent:
    """The name is the agent's slug too, so that of two that come at the same time only one is made."""
    if await _holder(house, principal, spec.name) is not None:
        raise _taken(spec.name)
    slug = spec.name.lower()
    try:
        return await house.agents.create(principal, spec, slug=slug if slug[0].isalnum() else None)
    except SlugTaken:
        if await _holder(house, principal, spec.name) is not None:
            raise _taken(spec.name) from None
        return await house.agents.create(principal, spec)  # an agent of another name has the slug


def _taken(name: str) -> AgentNameTaken:
    return AgentNameTaken(f"There is already an agent named {name!r}; choose another name.", field="name")


async def _holder(house: House, principal: Principal, name: str) -> UUID | None:
    return (await _names(house, principal)).get(name)


async def _names(house: House, principal: Principal) -> dict[str, UUID]:
    """The names of all agents of the workspace."""
    found: dict[str, UUID] = {}
    after: UUID | None = None
    while True:
        page = await house.agents.list(principal, Window(LARGEST_LIMIT, after))
        found |= {agent.current.name: agent.id for agent in page.items}
        if not page.has_more:
            return found
        after = read_cursor(page.next_cursor)


async def _with_knowledge(house: House, principal: Principal, spec: AgentSpec, config: dict[str, Any]) -> AgentSpec:
    """`knowledge_table` names a knowledge base, which is made if it is not there yet."""
    table = config.get("knowledge_table")
    if table is None:
        return spec
    if not isinstance(table, str) or not 1 <= len(table) <= 200:
        raise InvalidRequest("`config.knowledge_table` must be a name.", field="config.knowledge_table")
    bases = await house.knowledge.list(principal, Window(LARGEST_LIMIT))
    ids = [base.id for base in bases.items if base.name == table]
    base_id = ids[0] if ids else (await house.knowledge.create(principal, table)).id
    return replace(spec, knowledge_base_ids=tuple(dict.fromkeys((*spec.knowledge_base_ids, base_id))))


async def _set_memory(
    house: House, principal: Principal, id: UUID, config: dict[str, Any], *, is_new: bool = False
) -> None:
    """`auto_memory_enabled`: answers are kept, facts learnt, both recalled; new agents keep and recall unless told
    not to. `cross_session_memory_enabled`: they are found in other sessions too. `agentic_retrieval_enabled`: the agent
    looks for itself."""
    keeps, shares = config.get("auto_memory_enabled"), config.get("cross_session_memory_enabled")
    looks = config.get("agentic_retrieval_enabled")
    if not is_new and keeps is None and shares is None and looks is None:
        return
    before = await house.upkeep.settings(principal, id)
    is_keeping = (before.keeps_answers or is_new) if keeps is None else bool(keeps)
    is_recalling = (before.recalls or is_new) if looks is None else not looks
    wanted = replace(
        before,
        is_learning=before.is_learning if keeps is None else bool(keeps),
        shares_sessions=before.shares_sessions if shares is None else bool(shares),
        keeps_answers=is_keeping,
        recalls=is_recalling and is_keeping,
    )
    if wanted != before:
        await house.upkeep.set_settings(principal, id, wanted)


def _spec_of(agent: Agent) -> AgentSpec:
    return AgentSpec(**{field.name: getattr(agent.current, field.name) for field in fields(AgentSpec)})
