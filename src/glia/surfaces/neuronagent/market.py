"""/api/v1/marketplace: tools and agents that were published in this workspace: find, rate, install."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import AliasChoices, Field, WithJsonSchema

from glia.market.types import Draft, Item, Kind
from glia.surfaces.neuronagent.agents import AgentOut, agent_out
from glia.surfaces.neuronagent.auth import TheCaller
from glia.surfaces.neuronagent.making import create_agent
from glia.surfaces.neuronagent.words import OffsetText, Part, part_from, uuid_in
from glia.surfaces.shared.bodies import Body, Out, TheHouse, Time, WatchedRoute, number_of
from glia.tools.types import CustomTool, CustomToolSpec
from glia.wiring import House

router = APIRouter(prefix="/api/v1/marketplace", tags=["marketplace"], route_class=WatchedRoute)

LimitText = Annotated[
    str | None,
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": 1000}),
    Query(description="20 if not given."),
]
SearchText = Annotated[str, Query(description="In name, description and tags.", max_length=1000)]


class PublishBody(Body):
    """version: each is published once."""

    name: str = Field(min_length=1, max_length=200)
    description: str = ""
    version: str = Field("1.0.0", min_length=1, max_length=100)
    author: str = Field("", max_length=200)
    tags: list[str] = Field(default_factory=list[str], max_length=50)


class ToolBody(PublishBody):
    """`handler_config` with `url`, `method` and `headers` makes it installable."""

    arg_schema: dict[str, Any] | None = Field(None, validation_alias=AliasChoices("schema", "arg_schema"))
    code: str = Field("", max_length=500_000)
    handler_type: str = "http"
    handler_config: dict[str, Any] = Field(default_factory=dict[str, Any])


class AgentBody(PublishBody):
    """What `POST /agents` takes, of an agent that is to be made from it. prompt: its system prompt."""

    prompt: str = Field("", validation_alias=AliasChoices("prompt", "system_prompt"))
    model: str | None = Field(None, validation_alias=AliasChoices("model", "model_name"))
    tools: list[str] = Field(default_factory=list[str], validation_alias=AliasChoices("tools", "enabled_tools"))
    config: dict[str, Any] = Field(default_factory=dict[str, Any])
    performance: dict[str, Any] = Field(default_factory=dict[str, Any])


class RatingBody(Body):
    """user_id: who rates; one rating each. The key's own when it is left away."""

    rating: int = Field(ge=1, le=5)
    user_id: str | None = Field(None, min_length=1, max_length=200)
    review: str = Field("", max_length=10_000)


class ItemOut(Out):
    id: UUID
    name: str
    description: str
    version: str
    author: str
    rating: float | None
    ratings: int
    downloads: int
    tags: list[str]
    created_at: Time


class ToolItemOut(ItemOut):
    schema_: dict[str, Any] | None = Field(serialization_alias="schema")
    code: str
    handler_type: str
    handler_config: dict[str, Any]


class AgentItemOut(ItemOut):
    prompt: str
    model: str | None
    tools: list[str]
    config: dict[str, Any]
    performance: dict[str, Any]


class PublishedOut(Out):
    id: UUID


class StatusOut(Out):
    status: str
    rating: float | None
    ratings: int


class InstalledToolOut(Out):
    id: UUID
    name: str
    status: str = "installed"


@router.get("/tools")
async def list_tools(
    house: TheHouse, principal: TheCaller, limit: LimitText = None, offset: OffsetText = None, search: SearchText = ""
) -> list[ToolItemOut]:
    """Published tools, newest first."""
    part = _part(limit, offset)
    found = await part_from(lambda window: house.market.list(principal, "tool", window, search=search), part)
    return [_tool(item) for item in found]


@router.post("/tools", status_code=201)
async def publish_tool(body: ToolBody, house: TheHouse, principal: TheCaller) -> PublishedOut:
    """Publish a tool."""
    content = {
        "schema": body.arg_schema,
        "code": body.code,
        "handler_type": body.handler_type,
        "handler_config": body.handler_config,
    }
    return PublishedOut(id=(await house.market.publish(principal, "tool", _draft(body, content))).id)


@router.post("/tools/{item_id}/rate")
async def rate_tool(item_id: str, body: RatingBody, house: TheHouse, principal: TheCaller) -> StatusOut:
    """Rate a tool."""
    return await _rated(house, principal, "tool", item_id, body)


@router.post("/tools/{item_id}/install", status_code=201)
async def install_tool(item_id: str, house: TheHouse, principal: TheCaller) -> InstalledToolOut:
    """Make a tool of the workspace's own from a published one, which calls an address."""
    item = await house.market.take(principal, "tool", uuid_in(item_id, "item_id"))
    made = await _installed(house, principal, item)
    return InstalledToolOut(id=made.id, name=made.name)


@router.get("/agents")
async def list_agents(
    house: TheHouse, principal: TheCaller, limit: LimitText = None, offset: OffsetText = None, search: SearchText = ""
) -> list[AgentItemOut]:
    """Published agents, newest first."""
    part = _part(limit, offset)
    found = await part_from(lambda window: house.market.list(principal, "agent", window, search=search), part)
    return [_agent(item) for item in found]


@router.post("/agents", status_code=201)
async def publish_agent(body: AgentBody, house: TheHouse, principal: TheCaller) -> PublishedOut:
    """Publish an agent."""
    content = {
        "prompt": body.prompt,
        "model": body.model,
        "tools": body.tools,
        "config": body.config,
        "performance": body.performance,
    }
    return PublishedOut(id=(await house.market.publish(principal, "agent", _draft(body, content))).id)


@router.post("/agents/{item_id}/rate")
async def rate_agent(item_id: str, body: RatingBody, house: TheHouse, principal: TheCaller) -> StatusOut:
    """Rate an agent."""
    return await _rated(house, principal, "agent", item_id, body)


@router.post("/agents/{item_id}/install", status_code=201)
async def install_agent(item_id: str, house: TheHouse, principal: TheCaller) -> AgentOut:
    """Make an agent from a published one."""
    item = await house.market.take(principal, "agent", uuid_in(item_id, "item_id"))
    fields: dict[str, Any] = {
        "name": item.name,
        "description": item.description[:1000],
        "system_prompt": item.content.get("prompt") or "You are a helpful assistant.",
        "model_name": item.content.get("model"),
        "enabled_tools": item.content.get("tools") or [],
        "config": item.content.get("config") or {},
    }
    return agent_out(await create_agent(house, principal, fields))


def _part(limit: str | None, offset: str | None) -> Part:
    return Part(number_of(limit, "limit", 20), number_of(offset, "offset", 0, smallest=0, largest=100_000))


def _draft(body: PublishBody, content: dict[str, Any]) -> Draft:
    return Draft(body.name, body.version, content, body.description, body.author, tuple(body.tags))


async def _rated(house: House, principal: TheCaller, kind: Kind, item_id: str, body: RatingBody) -> StatusOut:
    item = await house.market.rate(
        principal,
        kind,
        uuid_in(item_id, "item_id"),
        user_name=body.user_id or principal.name,
        rating=body.rating,
        review=body.review,
    )
    return StatusOut(status="success", rating=item.rating, ratings=item.ratings)


async def _installed(house: House, principal: TheCaller, item: Item) -> CustomTool:
    """Raises InvalidRequest for a tool that has no address."""
    config: dict[str, Any] = item.content.get("handler_config") or {}
    spec = CustomToolSpec(
        name=item.name,
        description=item.description or item.name,
        schema=item.content.get("schema") or {"type": "object", "properties": {}},
        url=str(config.get("url", "")),
        method=str(config.get("method", "POST")).upper(),
        headers=config.get("headers") or {},
    )
    return await house.tools.create(principal, spec)


def _item(item: Item) -> dict[str, Any]:
    return {name: getattr(item, name) for name in ItemOut.model_fields if name != "tags"} | {"tags": list(item.tags)}


def _tool(item: Item) -> ToolItemOut:
    content = item.content
    config: dict[str, Any] = content.get("handler_config") or {}
    return ToolItemOut(
        **_item(item),
        schema_=content.get("schema"),
        code=content.get("code") or "",
        handler_type=content.get("handler_type") or "http",
        handler_config={name: value for name, value in config.items() if name != "headers"},
    )


def _agent(item: Item) -> AgentItemOut:
    content = item.content
    return AgentItemOut(
        **_item(item),
        prompt=content.get("prompt") or "",
        model=content.get("model"),
        tools=content.get("tools") or [],
        config=content.get("config") or {},
        performance=content.get("performance") or {},
    )
