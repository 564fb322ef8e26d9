"""Making and changing agents: what their fields bring about beside the agent itself."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any
from uuid import UUID

from glia.agents.errors import SlugTaken
from glia.agents.types import Agent, AgentFilter, AgentSpec
from glia.identity.types import Principal
from glia.kit.errors import Conflict, InvalidRequest
from glia.kit.pages import LARGEST_LIMIT
from glia.surfaces.neuronagent.agent_words import changes_of, new_spec, shown
from glia.surfaces.neuronagent.budgets import budget_in, set_budget
from glia.surfaces.neuronagent.retrieving import base_named
from glia.wiring import House

_LONGEST_NAME = 100


class AgentNameTaken(Conflict):
    code = "name_taken"


async def create_agent(house: House, principal: Principal, given: dict[str, Any]) -> Agent:
    """Raises AgentNameTaken: names are unique here."""
    config: dict[str, Any] = given.get("config") or {}
    budget = budget_in(config)
    spec = await _with_knowledge(house, principal, new_spec(given), config)
    agent = await _insert(house, principal, spec)
    await _set_memory(house, principal, agent.id, config, is_new=True)
    if budget is not None:
        await set_budget(house, principal, agent.id, budget)
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
    budget = budget_in(config) if config.get("budget") != shown(agent.current).config.get("budget") else None
    if "metadata" in changes and config.get("knowledge_table"):
        changes["knowledge_base_ids"] = (
            await _with_knowledge(house, principal, replace(_spec_of(agent), **changes), config)
        ).knowledge_base_ids
    if changes:
        agent = await house.agents.update(principal, id, changes)
    await _set_memory(house, principal, id, config)
    if budget is not None:
        await set_budget(house, principal, id, budget)
    return agent


async def clone_of(house: House, principal: Principal, id: UUID) -> Agent:
    agent = await house.agents.get(principal, id)
    base = agent.current.name[: _LONGEST_NAME - 10] + "_clone"
    name = base
    while True:
        try:
            return await _insert(house, principal, replace(_spec_of(agent), name=name))
        except AgentNameTaken:  # also when somebody else clones it at the same time
            name = await _free_name(house, principal, base)


async def _free_name(house: House, principal: Principal, base: str) -> str:
    found, count = await house.agents.search(principal, AgentFilter(text=base, limit=LARGEST_LIMIT))
    taken = {agent.current.name for agent in found}
    return next(name for number in range(2, count + 3) if (name := f"{base}_{number}") not in taken)


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
    found, _ = await house.agents.search(principal, AgentFilter(name=name, limit=1))
    return found[0].id if found else None


async def _with_knowledge(house: House, principal: Principal, spec: AgentSpec, config: dict[str, Any]) -> AgentSpec:
    """`knowledge_table` names a knowledge base, which is made if it is not there yet."""
    table = config.get("knowledge_table")
    if table is None:
        return spec
    if not isinstance(table, str) or not 1 <= len(table) <= 200:
        raise InvalidRequest("`config.knowledge_table` must be a name.", field="config.knowledge_table")
    base_id = (await base_named(house, principal, table, is_made=True)).id
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
