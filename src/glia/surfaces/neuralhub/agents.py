"""/v1/agents. There is always `agent_default`: it is made when somebody first looks for it."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response
from pydantic import Field, WithJsonSchema

from glia.agents.errors import AgentNotFound, SlugTaken
from glia.agents.types import Agent, AgentSettings, AgentSpec
from glia.identity.types import Principal, system_principal
from glia.kit.ids import parse_id
from glia.kit.pages import LARGEST_LIMIT, Window, read_cursor
from glia.surfaces.neuralhub.scopes import needs
from glia.surfaces.neuralhub.words import NAME
from glia.surfaces.shared.bodies import Body, Changes, Out, TheHouse, Time, WatchedRoute, given, number_of
from glia.wiring import House

router = APIRouter(prefix="/v1/agents", tags=["agents"], route_class=WatchedRoute)

DEFAULT: Final = "agent_default"
_DEFAULT_SPEC: Final = AgentSpec(
    name="Default agent",
    description="Does what it is asked with the tools that are safe to use.",
    instructions="You are a capable assistant. Reach the goal you are given; use your tools where they help.",
    settings=AgentSettings(default_if_unknown=True),
)

Reader = Annotated[Principal, Depends(needs("agents:read"))]
Writer = Annotated[Principal, Depends(needs("agents:write", "agents:read"))]
LimitText = Annotated[
    str | None,
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": LARGEST_LIMIT}),
    Query(description=f"How many at most; 1 to {LARGEST_LIMIT}."),
]


class AgentBody(Body):
    """model_id: null for the server's default model, which also answers when no provider has the one that is named.
    tools: names from `/v1/mcp/manifest`; null for the safe built-in ones. metadata: kept as it is."""

    name: str = Field(max_length=200)
    system_prompt: str = ""
    description: str = ""
    model_id: str | None = None
    tools: list[str] | None = None
    metadata: dict[str, Any] = Field(default_factory=dict[str, Any])


class AgentChanges(Changes):
    name: str = Field("", max_length=200)
    system_prompt: str = ""
    description: str = ""
    model_id: str | None = None
    tools: list[str] | None = None
    metadata: dict[str, Any] = Field(default_factory=dict[str, Any])


class AgentOut(Out):
    """id: accepted wherever an agent is named, as is `slug`. tools: null for the safe built-in ones."""

    id: str
    name: str
    slug: str
    model_id: str | None
    system_prompt: str
    description: str
    tools: list[str] | None
    metadata: dict[str, Any]
    version: int
    created_at: Time
    updated_at: Time


@router.get("")
async def list_agents(
    house: TheHouse,
    principal: Reader,
    limit: LimitText = None,
    cursor: Annotated[str | None, Query(description="The header `X-Next-Cursor` of the page before.")] = None,
    response: Response = None,  # pyright: ignore[reportArgumentType] - the framework gives it
) -> list[AgentOut]:
    """The workspace's agents, newest first; `X-Next-Cursor` tells of more."""
    await default_agent(house, principal)
    page = await house.agents.list(principal, Window(number_of(limit, "limit", 100), read_cursor(cursor)))
    if page.next_cursor:
        response.headers["X-Next-Cursor"] = page.next_cursor
    return [agent_out(agent) for agent in page.items]


@router.get("/{agent}")
async def get_agent(agent: str, house: TheHouse, principal: Reader) -> AgentOut:
    """One agent, by its id or slug."""
    return agent_out(await find_agent(house, principal, agent))


@router.post("", status_code=201)
async def create(body: AgentBody, house: TheHouse, principal: Writer) -> AgentOut:
    """Make an agent. It is there on every other API of this server at once."""
    spec = AgentSpec(
        name=body.name,
        description=body.description,
        instructions=body.system_prompt,
        model=body.model_id,
        settings=AgentSettings(default_if_unknown=True),
        tools=None if body.tools is None else tuple(body.tools),
        metadata={NAME: body.metadata} if body.metadata else {},
    )
    return agent_out(await house.agents.create(principal, spec))


@router.patch("/{agent}")
async def update(agent: str, body: AgentChanges, house: TheHouse, principal: Writer) -> AgentOut:
    """Change an agent; what is not given stays. Runs that were begun keep the version they began with."""
    found = await find_agent(house, principal, agent)
    changes = _changes(body, found)
    return agent_out(await house.agents.update(principal, found.id, changes) if changes else found)


@router.delete("/{agent}", status_code=204, response_class=Response)
async def delete(agent: str, house: TheHouse, principal: Writer) -> Response:
    """Delete an agent with its sessions. `agent_default` comes back, as it first was, when it is next used."""
    await house.agents.delete(principal, (await find_agent(house, principal, agent)).id)
    return Response(status_code=204)


async def find_agent(house: House, principal: Principal, reference: str) -> Agent:
    """By id or slug. principal: with the right to read agents. Raises AgentNotFound."""
    if reference == DEFAULT:
        return await default_agent(house, principal)
    if "\0" in reference:
        parse_id(reference, "agent")
    return await house.agents.find(principal, reference)


async def default_agent(house: House, principal: Principal) -> Agent:
    """The agent that everybody has; made by the server, so that one may use it who may not make agents."""
    asking = replace(principal, scopes=principal.scopes | {"agents:read"})
    try:
        return await house.agents.find(asking, DEFAULT)
    except AgentNotFound:
        pass
    server = system_principal(principal.workspace_id, principal.project_id)
    try:
        return await house.agents.create(server, _DEFAULT_SPEC, slug=DEFAULT)
    except SlugTaken:  # by another request at the same moment
        return await house.agents.find(asking, DEFAULT)


def agent_out(agent: Agent) -> AgentOut:
    current = agent.current
    own = current.metadata.get(NAME)
    return AgentOut(
        id=DEFAULT if agent.slug == DEFAULT else str(agent.id),
        name=current.name,
        slug=agent.slug,
        model_id=current.model,
        system_prompt=current.instructions,
        description=current.description,
        tools=None if current.tools is None else list(current.tools),
        metadata=dict(own) if isinstance(own, dict) else {},  # pyright: ignore[reportUnknownArgumentType] - JSON
        version=agent.version,
        created_at=agent.created_at,
        updated_at=agent.updated_at,
    )


def _changes(body: AgentChanges, agent: Agent) -> dict[str, Any]:
    """In the words of AgentSpec."""
    sent = given(body)
    words = {"system_prompt": "instructions", "model_id": "model"}
    changes = {words.get(name, name): value for name, value in sent.items()}
    if changes.get("tools") is not None:
        changes["tools"] = tuple(changes["tools"])
    if "metadata" in changes:
        changes["metadata"] = {**agent.current.metadata, NAME: changes["metadata"]}
    return changes
