"""/v1/agents"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import Field

from glia.agents.types import Agent, AgentSettings, AgentSpec, AgentVersion, Limits
from glia.kit.clock import wire_time
from glia.kit.ids import parse_id
from glia.surfaces.native.words import Body, TheHouse, ThePrincipal, TheWindow, page_json

router = APIRouter(prefix="/v1/agents", tags=["agents"])


class LimitsBody(Body):
    max_iterations: int | None = None
    timeout_seconds: float | None = None
    max_tokens: int | None = None
    max_cost_micros: int | None = None


class SettingsBody(Body):
    temperature: float | None = None
    top_p: float | None = None
    max_output_tokens: int | None = None
    thinking_effort: str | None = None


class AgentBody(Body):
    name: str
    slug: str | None = None
    description: str = ""
    instructions: str = ""
    model: str | None = None
    fallback_model: str | None = None
    settings: SettingsBody | None = None
    knowledge_base_ids: list[UUID] = Field(default_factory=list[UUID])
    tools: list[str] | None = None
    limits: LimitsBody | None = None
    metadata: dict[str, Any] = Field(default_factory=dict[str, Any])


@router.post("", status_code=201)
async def create(body: AgentBody, house: TheHouse, principal: ThePrincipal) -> dict[str, Any]:
    spec = AgentSpec(
        name=body.name,
        description=body.description,
        instructions=body.instructions,
        model=body.model,
        fallback_model=body.fallback_model,
        settings=AgentSettings(**_given(body.settings)),
        knowledge_base_ids=tuple(body.knowledge_base_ids),
        tools=None if body.tools is None else tuple(body.tools),
        limits=Limits(**_given(body.limits)),
        metadata=body.metadata,
    )
    return agent_json(await house.agents.create(principal, spec, slug=body.slug))


@router.get("")
async def list_agents(house: TheHouse, principal: ThePrincipal, window: TheWindow) -> dict[str, Any]:
    return page_json(await house.agents.list(principal, window), agent_json)


@router.get("/{agent}")
async def get(agent: str, house: TheHouse, principal: ThePrincipal) -> dict[str, Any]:
    return agent_json(await house.agents.find(principal, agent))


@router.get("/{agent}/versions")
async def versions(agent: str, house: TheHouse, principal: ThePrincipal) -> dict[str, Any]:
    found = await house.agents.versions(principal, parse_id(agent, "agent"))
    return {"data": [version_json(version) for version in found], "has_more": False, "next_cursor": None}


@router.delete("/{agent}", status_code=204)
async def delete(agent: str, house: TheHouse, principal: ThePrincipal) -> Response:
    await house.agents.delete(principal, parse_id(agent, "agent"))
    return Response(status_code=204)


def agent_json(agent: Agent) -> dict[str, Any]:
    return {
        "id": str(agent.id),
        "slug": agent.slug,
        **version_json(agent.current),
        "created_at": wire_time(agent.created_at),
        "updated_at": wire_time(agent.updated_at),
    }


def version_json(version: AgentVersion) -> dict[str, Any]:
    limits, settings = version.limits, version.settings
    return {
        "version": version.version,
        "name": version.name,
        "description": version.description,
        "instructions": version.instructions,
        "model": version.model,
        "fallback_model": version.fallback_model,
        "settings": {
            "temperature": settings.temperature,
            "top_p": settings.top_p,
            "max_output_tokens": settings.max_output_tokens,
            "thinking_effort": settings.thinking_effort,
        },
        "knowledge_base_ids": [str(id) for id in version.knowledge_base_ids],
        "tools": None if version.tools is None else list(version.tools),
        "limits": {
            "max_iterations": limits.max_iterations,
            "timeout_seconds": limits.timeout_seconds,
            "max_tokens": limits.max_tokens,
            "max_cost_micros": limits.max_cost_micros,
        },
        "metadata": version.metadata,
        "created_by": version.created_by,
    }


def _given(body: Body | None) -> dict[str, Any]:
    """The fields the client sent and we know."""
    return {} if body is None else body.model_dump(exclude_unset=True, include=set(type(body).model_fields))
