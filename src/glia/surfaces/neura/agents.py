"""/api/agents"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import Field

from glia.agents.types import Agent
from glia.kit.errors import InvalidRequest
from glia.kit.pages import LARGEST_LIMIT, Window
from glia.surfaces.neura import specs
from glia.surfaces.neura.words import DEFAULT_ITERATIONS, DEFAULT_MODEL, SEARCH_DEPTH, Success
from glia.surfaces.shared.bodies import Body, Changes, Out, TheHouse, ThePrincipal, Time, WatchedRoute, given

router = APIRouter(prefix="/api/agents", tags=["agents"], route_class=WatchedRoute)

_MOST_TAGS = 50


class AgentBody(Body):
    """model_id: a model that no provider of this server has is answered for by the server's default model.

    search_depth: how many results a web search brings; 5 is quick, 15 balanced, 30 thorough. settings: kept as they
    come; `temperature`, `top_p` and `max_tokens` say how the model is asked. visibility: private or public.
    """

    name: str
    description: str = Field("", max_length=10_000)
    model_id: str = Field(DEFAULT_MODEL, max_length=300)
    system_prompt: str = ""
    kb_ids: list[str] = Field(default_factory=list[str], max_length=100)
    use_web_search: bool = True
    max_iterations: int = Field(DEFAULT_ITERATIONS, ge=1, le=1000)
    search_depth: int = Field(SEARCH_DEPTH, ge=1, le=30)
    visibility: str = "private"
    category: str | None = Field(None, max_length=200)
    tags: list[str] = Field(default_factory=list[str], max_length=_MOST_TAGS)
    tool_description: str | None = Field(None, max_length=1_000)
    settings: dict[str, Any] = Field(default_factory=dict[str, Any])
    pricing: dict[str, Any] | None = None


class AgentChanges(Changes):
    """What is left away stays."""

    name: str = ""
    description: str = Field("", max_length=10_000)
    model_id: str = Field(DEFAULT_MODEL, max_length=300)
    system_prompt: str = ""
    kb_ids: list[str] = Field(default_factory=list[str], max_length=100)
    use_web_search: bool = True
    max_iterations: int = Field(DEFAULT_ITERATIONS, ge=1, le=1000)
    search_depth: int = Field(SEARCH_DEPTH, ge=1, le=30)
    visibility: str = "private"
    category: str | None = Field(None, max_length=200)
    tags: list[str] = Field(default_factory=list[str], max_length=_MOST_TAGS)
    tool_description: str | None = Field(None, max_length=1_000)
    settings: dict[str, Any] = Field(default_factory=dict[str, Any])
    pricing: dict[str, Any] | None = None


class AgentOut(Out):
    """model_id: null for the server's default model."""

    agent_id: UUID
    name: str
    description: str
    model_id: str | None
    system_prompt: str
    kb_ids: list[UUID]
    use_web_search: bool
    max_iterations: int
    search_depth: int
    visibility: str
    category: str | None
    tags: list[str]
    tool_description: str | None
    settings: dict[str, Any]
    pricing: dict[str, Any] | None
    created_at: Time
    updated_at: Time


class AgentsOut(Out):
    agents: list[AgentOut]
    total: int


@router.post("", status_code=201)
async def create(body: AgentBody, house: TheHouse, principal: ThePrincipal) -> AgentOut:
    """Create an agent."""
    wanted = {name: getattr(body, name) for name in AgentBody.model_fields}
    return agent_out(await house.agents.create(principal, specs.new_spec(wanted)))


@router.get("")
async def list_agents(house: TheHouse, principal: ThePrincipal) -> AgentsOut:
    """List your agents, newest first, at most 1,000."""
    found = (await house.agents.list(principal, Window(LARGEST_LIMIT))).items
    return AgentsOut(agents=[agent_out(agent) for agent in found], total=len(found))


@router.get("/{agent_id}")
async def get(agent_id: str, house: TheHouse, principal: ThePrincipal) -> AgentOut:
    """One agent."""
    return agent_out(await house.agents.find(principal, agent_id))


@router.put("/{agent_id}")
async def update(agent_id: str, body: AgentChanges, house: TheHouse, principal: ThePrincipal) -> AgentOut:
    """Change an agent; what is left away stays."""
    agent = await house.agents.find(principal, agent_id)
    wanted = given(body)
    if "name" in wanted and not body.name.strip():
        raise InvalidRequest("`name` is empty; give the agent a name.", field="name")
    changes = specs.changes_of(wanted, agent.current)
    return agent_out(await house.agents.update(principal, agent.id, changes) if changes else agent)


@router.delete("/{agent_id}")
async def delete(agent_id: str, house: TheHouse, principal: ThePrincipal) -> Success:
    """Delete an agent. Its conversations go with it."""
    agent = await house.agents.find(principal, agent_id)
    await house.agents.delete(principal, agent.id)
    return Success()


def agent_out(agent: Agent) -> AgentOut:
    spec, kept = agent.current, specs.kept_of(agent.current)
    return AgentOut(
        agent_id=agent.id,
        name=spec.name,
        description=spec.description,
        model_id=spec.model,
        system_prompt=spec.instructions,
        kb_ids=list(spec.knowledge_base_ids),
        use_web_search=specs.searches(spec),
        max_iterations=spec.limits.max_iterations,
        search_depth=spec.search_depth,
        visibility=kept.get("visibility", "private"),
        category=kept.get("category"),
        tags=kept.get("tags") or [],
        tool_description=kept.get("tool_description"),
        settings=specs.settings_of(agent),
        pricing=kept.get("pricing"),
        created_at=agent.created_at,
        updated_at=agent.updated_at,
    )
