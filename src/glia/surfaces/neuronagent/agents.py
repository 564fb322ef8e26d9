"""/api/v1/agents: make, find, change, delete, copy, and how much they were used."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import Response

from glia.agents.types import Agent, AgentFilter
from glia.identity.types import Principal
from glia.kit.errors import InvalidRequest
from glia.sessions.types import SessionFilter
from glia.surfaces.neuronagent.agent_words import DEFAULT_MODEL, wire
from glia.surfaces.neuronagent.auth import TheAdmin, TheCaller, TheUser
from glia.surfaces.neuronagent.making import clone_of, create_agent, update_agent
from glia.surfaces.neuronagent.profiles import BLUEPRINTS, profile_named
from glia.surfaces.neuronagent.words import SinceText, ThePart, UntilText, span_of, usd, uuid_in
from glia.surfaces.shared.bodies import Body, Changes, Out, TheHouse, Time, WatchedRoute, given
from glia.surfaces.shared.json_body import current_fields
from glia.wiring import House

router = APIRouter(prefix="/api/v1", tags=["agents"], route_class=WatchedRoute)

_SESSIONS_AT_ONCE = 500


class AgentBody(Body):
    """profile: fills in what is left out: `general-assistant`, `code-assistant`, `data-analyst`, `research-assistant`.

    model_name: a model of any provider; where nobody has it, the server's default answers. enabled_tools: names of
    built-in or own tools; a name that is not there yet is used once it is. config: `temperature`, `top_p` and
    `max_tokens` change the agent's settings, `budget` with `max_cost` in USD sets its budget, `knowledge_table` gives
    it a knowledge base, `auto_memory_enabled` and `cross_session_memory_enabled` its memory; the rest is kept.
    """

    name: str
    system_prompt: str | None = None
    model_name: str | None = None
    description: str | None = None
    memory_table: str | None = None
    enabled_tools: list[str] | None = None
    config: dict[str, Any] | None = None
    profile: str | None = None


class AgentChanges(Changes):
    """What is given changes; `id` and times may be sent along and change nothing."""

    name: str | None = None
    system_prompt: str | None = None
    model_name: str | None = None
    description: str | None = None
    memory_table: str | None = None
    enabled_tools: list[str] | None = None
    config: dict[str, Any] | None = None
    id: Any = None
    created_at: Any = None
    updated_at: Any = None


class BlueprintBody(Body):
    blueprint_id: str
    name: str
    description: str | None = None


class AgentOut(Out):
    id: UUID
    name: str
    description: str | None
    system_prompt: str
    model_name: str
    memory_table: str | None
    enabled_tools: list[str]
    config: dict[str, Any]
    created_at: Time
    updated_at: Time


class BlueprintOut(Out):
    id: str
    name: str
    description: str
    system_prompt: str
    model_name: str
    config: dict[str, Any]
    enabled_tools: list[str]


class MetricsOut(Out):
    agent_id: UUID
    session_count: int
    message_count: int
    avg_tokens_per_message: float


class CostsOut(Out):
    """total_cost: USD, of calls whose price is known."""

    agent_id: UUID
    total_tokens: int
    total_cost: float
    request_count: int
    start_date: Time
    end_date: Time


def agent_out(agent: Agent) -> AgentOut:
    return AgentOut(**wire(agent))


@router.post("/agents", status_code=201)
async def create(body: AgentBody, house: TheHouse, principal: TheUser) -> AgentOut:
    """Make an agent."""
    if body.profile is not None and profile_named(body.profile) is None and (fields := current_fields.get()):
        fields.ignore(["profile"])
    return agent_out(await create_agent(house, principal, given(body)))


@router.get("/agents")
async def list_agents(
    house: TheHouse,
    principal: TheCaller,
    part: ThePart,
    search: Annotated[str | None, Query(description="In name or description, in any case.", max_length=1000)] = None,
) -> list[AgentOut]:
    """List agents, newest first."""
    wanted = AgentFilter(text=search or "", limit=part.limit, offset=part.offset)
    found, _ = await house.agents.search(principal, wanted)
    return [agent_out(agent) for agent in found]


@router.get("/blueprints")
async def blueprints(house: TheHouse, principal: TheUser) -> list[BlueprintOut]:
    """Whole agents to begin with."""
    return [
        BlueprintOut(
            id=each.id,
            name=each.name,
            description=each.description,
            system_prompt=each.system_prompt,
            model_name=DEFAULT_MODEL,
            config=each.config,
            enabled_tools=list(each.enabled_tools),
        )
        for each in BLUEPRINTS
    ]


@router.post("/agents/from-blueprint", status_code=201)
async def from_blueprint(body: BlueprintBody, house: TheHouse, principal: TheUser) -> AgentOut:
    """Make an agent from a blueprint."""
    for blueprint in BLUEPRINTS:
        if blueprint.id == body.blueprint_id:
            fields = {
                "name": body.name,
                "description": body.description or blueprint.description,
                "system_prompt": blueprint.system_prompt,
                "enabled_tools": list(blueprint.enabled_tools),
                "config": blueprint.config,
            }
            return agent_out(await create_agent(house, principal, fields))
    known = ", ".join(blueprint.id for blueprint in BLUEPRINTS)
    raise InvalidRequest(f"`blueprint_id` {body.blueprint_id[:100]!r} is none of {known}.", field="blueprint_id")


@router.get("/agents/{id}")
async def get(id: str, house: TheHouse, principal: TheCaller) -> AgentOut:
    """One agent."""
    return agent_out(await house.agents.get(principal, uuid_in(id)))


@router.put("/agents/{id}")
async def update(id: str, body: AgentChanges, house: TheHouse, principal: TheUser) -> AgentOut:
    """Change an agent: what is given, nothing else."""
    return agent_out(await update_agent(house, principal, uuid_in(id), given(body)))


@router.delete("/agents/{id}", status_code=204, response_class=Response)
async def delete(id: str, house: TheHouse, principal: TheAdmin) -> Response:
    """Delete an agent for good, with its sessions, memories, plans, files and budgets. Its open runs are cancelled."""
    await delete_agent(house, principal, uuid_in(id))
    return Response(status_code=204)


async def delete_agent(house: House, principal: Principal, id: UUID) -> None:
    await house.agents.get(principal, id)
    while sessions := await house.sessions.recent(principal, SessionFilter(agent_id=id), limit=_SESSIONS_AT_ONCE):
        for session in sessions:
            await house.runs.cancel_session(principal, session.id)
            await house.sessions.delete(principal, session.id)
    await house.runs.cancel_agent(principal, id)
    await house.agents.purge(principal, id)


@router.post("/agents/{id}/clone", status_code=201)
async def clone(id: str, house: TheHouse, principal: TheCaller) -> AgentOut:
    """Copy an agent under a name that is free."""
    return agent_out(await clone_of(house, principal, uuid_in(id)))


@router.get("/agents/{id}/metrics")
async def metrics(id: str, house: TheHouse, principal: TheCaller) -> MetricsOut:
    """How much an agent was used."""
    agent = await house.agents.get(principal, uuid_in(id))
    used = await house.messages.activity(principal, agent.id)
    return MetricsOut(
        agent_id=agent.id,
        session_count=used.sessions,
        message_count=used.messages,
        avg_tokens_per_message=round(used.tokens / used.messages, 2) if used.messages else 0.0,
    )


@router.get("/agents/{id}/costs")
async def costs(
    id: str, house: TheHouse, principal: TheCaller, start_date: SinceText = None, end_date: UntilText = None
) -> CostsOut:
    """What an agent's model calls took; of the last 30 days when no dates are given."""
    agent = await house.agents.get(principal, uuid_in(id))
    since, until = span_of(start_date, end_date)
    rows = await house.usage.summary(principal, since=since, until=until, group_by="agent")
    mine = [row for row in rows if row.group == str(agent.id)]
    return CostsOut(
        agent_id=agent.id,
        total_tokens=sum(row.input_tokens + row.output_tokens for row in mine),
        total_cost=usd(sum(row.cost_micros or 0 for row in mine)),
        request_count=sum(row.calls for row in mine),
        start_date=since,
        end_date=until,
    )
