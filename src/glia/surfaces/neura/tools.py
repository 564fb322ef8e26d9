"""/api/tools and /api/agents/{agent_id}/tools: inference tools by family, agents as tools, and who may use which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import Field, WithJsonSchema

from glia.agents.types import Agent
from glia.identity.types import Principal
from glia.inference.errors import InferenceToolNotFound
from glia.inference.service import tool_name
from glia.inference.types import InferenceTool
from glia.kit.clock import wire_time
from glia.kit.errors import InvalidRequest
from glia.kit.pages import LARGEST_LIMIT, Window
from glia.surfaces.neura import specs
from glia.surfaces.neura.tool_config import ToolWishes, inference_names, selected_names
from glia.surfaces.neura.words import SURFACE
from glia.surfaces.shared.bodies import Changes, Out, TheHouse, ThePrincipal, WatchedRoute
from glia.surfaces.shared.money import usd
from glia.wiring import House

router = APIRouter(route_class=WatchedRoute)

BoolText = Annotated[
    str | None,
    WithJsonSchema({"type": "boolean", "default": False}),
    Query(description="true asks the providers anew."),
]
_KEPT = "tools"
_YES = frozenset({"true", "1", "yes", "on"})
_NO = frozenset({"false", "0", "no", "off", ""})
_UNITS = {"per_call": "per_call", "per_million_tokens": "per_1m_tokens"}
_MOST_SELECTED = 100


class InferenceToolOut(Out):
    """cost_per_call, output_price: in USD; null when the provider's list names no price."""

    tool_id: UUID
    name: str
    display_name: str
    description: str
    provider: str
    model_id: str
    tool_type: str
    cost_per_call: float | None
    output_price: float | None
    cost_unit: str
    max_duration_seconds: int
    logo_url: str | None


class InferenceToolsOut(Out):
    """categories: by model family."""

    categories: dict[str, list[InferenceToolOut]]
    total: int


class SyncOut(Out):
    """failed_providers: why one could not be asked, by its name; what was known of its tools stays."""

    success: bool
    synced: int
    added: int
    updated: int
    removed: int
    total: int
    failed_providers: dict[str, str]


class AgentToolOut(Out):
    agent_id: UUID
    name: str
    description: str
    tool_description: str
    model_id: str | None
    category: str | None
    created_at: str


class AgentToolsOut(Out):
    agents: list[AgentToolOut]
    total: int


class ToolsBody(Changes):
    """What is left away stays. A selection alone switches its kind on; without one, all are meant."""

    enable_agent_tools: bool | None = None
    enable_inference_tools: bool | None = None
    auto_select_tools: bool | None = None
    selected_agent_ids: list[str] | None = Field(None, max_length=_MOST_SELECTED)
    selected_inference_tools: list[str] | None = Field(None, max_length=_MOST_SELECTED)


class ToolsOut(Out):
    """auto_select_tools: a run is offered only those of its agents and inference tools that fit the question."""

    agent_id: UUID
    enable_agent_tools: bool
    enable_inference_tools: bool
    auto_select_tools: bool
    selected_agent_ids: list[UUID]
    selected_inference_tools: list[str]


@router.get("/api/tools/inference", tags=["tools"])
async def list_inference(house: TheHouse, principal: ThePrincipal, sync: BoolText = None) -> InferenceToolsOut:
    """List inference tools by family. `sync=true` asks the providers first."""
    if _truth(sync):
        await house.inference_tools.sync(principal)
    tools = await house.inference_tools.everything(principal)
    categories: dict[str, list[InferenceToolOut]] = {}
    for tool in sorted(tools, key=lambda one: (one.family, one.model)):
        categories.setdefault(tool.family, []).append(_tool_out(tool))
    return InferenceToolsOut(categories=categories, total=len(tools))


@router.post("/api/tools/sync", tags=["tools"])
async def sync_tools(house: TheHouse, principal: ThePrincipal) -> SyncOut:
    """Ask every configured provider which tools it offers."""
    done = await house.inference_tools.sync(principal)
    total = len(await house.inference_tools.everything(principal))
    return SyncOut(
        success=not done.failures,
        synced=done.added + done.updated,
        added=done.added,
        updated=done.updated,
        removed=done.removed,
        total=total,
        failed_providers=done.failures,
    )


@router.get("/api/tools/agents", tags=["tools"])
async def list_agents(house: TheHouse, principal: ThePrincipal) -> AgentToolsOut:
    """List the agents that others may use as tools, newest first, at most 1,000."""
    found = (await house.agents.list(principal, Window(LARGEST_LIMIT))).items
    return AgentToolsOut(agents=[_agent_out(agent) for agent in found], total=len(found))


@router.get("/api/agents/{agent_id}/tools", tags=["tools"])
async def get_tools(agent_id: str, house: TheHouse, principal: ThePrincipal) -> ToolsOut:
    """An agent's tool configuration."""
    return await _shown(house, principal, await house.agents.find(principal, agent_id))


@router.put("/api/agents/{agent_id}/tools", tags=["tools"])
async def configure(agent_id: str, body: ToolsBody, house: TheHouse, principal: ThePrincipal) -> ToolsOut:
    """Say which other agents and inference tools an agent may use."""
    agent = await house.agents.find(principal, agent_id)
    chosen = await _selected(house, principal, body.selected_inference_tools)
    kept = specs.kept_of(agent.current)
    selection = _selection(kept) | _given(body, chosen)
    wishes = ToolWishes(
        agents=body.enable_agent_tools,
        inference=body.enable_inference_tools,
        is_automatic=body.auto_select_tools,
        agent_ids=_wanted(selection, "selected_agent_ids", body.enable_agent_tools, body.selected_agent_ids),
        inference_tools=_wanted(selection, "selected_inference_tools", body.enable_inference_tools, chosen),
    )
    if wishes.is_empty and not selection:
        return await _shown(house, principal, agent)
    changes = wishes.fields(agent.current)
    changes["metadata"] = {**agent.current.metadata, SURFACE: {**kept, _KEPT: selection}}
    return await _shown(house, principal, await house.agents.update(principal, agent.id, changes))


async def _selected(house: House, principal: Principal, references: Sequence[str] | None) -> list[str] | None:
    """The models that are meant, by their names."""
    if not references:
        return None if references is None else []
    try:
        return [tool.model for tool in await house.inference_tools.find(principal, references)]
    except InferenceToolNotFound as error:
        raise InvalidRequest(error.message, field="selected_inference_tools") from None


def _selection(kept: dict[str, object]) -> dict[str, list[str]]:
    """What was selected before, whether it is switched on or not."""
    found = kept.get(_KEPT)
    return dict(found) if isinstance(found, dict) else {}  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType] - JSON


def _given(body: ToolsBody, inference: list[str] | None) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    if body.selected_agent_ids is not None:
        found["selected_agent_ids"] = body.selected_agent_ids
    if inference is not None:
        found["selected_inference_tools"] = inference
    return found


def _wanted(
    selection: dict[str, list[str]], name: str, switch: bool | None, said: Sequence[str] | None
) -> Sequence[str] | None:
    """Switching on again brings back what was selected before."""
    return selection.get(name) if said is not None or switch else None


async def _shown(house: House, principal: Principal, agent: Agent) -> ToolsOut:
    spec = agent.current
    kept = _selection(specs.kept_of(spec))
    has_inference = bool(inference_names(spec))
    models = kept.get("selected_inference_tools", [])
    if names := selected_names(spec):
        known = {tool_name(tool): tool.model for tool in await house.inference_tools.everything(principal)}
        models = [known.get(name, name) for name in names]
    elif has_inference:
        models = []
    has_agents = bool(spec.subagents) or spec.tool_choice.all_agents
    ids = list(spec.subagents) if has_agents else [UUID(text) for text in kept.get("selected_agent_ids", [])]
    return ToolsOut(
        agent_id=agent.id,
        enable_agent_tools=has_agents,
        enable_inference_tools=has_inference,
        auto_select_tools=spec.tool_choice.is_automatic,
        selected_agent_ids=ids,
        selected_inference_tools=models,
    )


def _truth(text: str | None) -> bool:
    word = (text or "").strip().lower()
    if word not in _YES | _NO:
        raise InvalidRequest(f"`sync` {word[:50]!r} must be true or false.", field="sync")
    return word in _YES


def _tool_out(tool: InferenceTool) -> InferenceToolOut:
    return InferenceToolOut(
        tool_id=tool.id,
        name=tool.model,
        display_name=tool.title,
        description=tool.description,
        provider=tool.owner,
        model_id=tool.model,
        tool_type=tool.kind,
        cost_per_call=usd(tool.price_micros),
        output_price=usd(tool.output_price_micros),
        cost_unit=_UNITS.get(tool.price_unit, tool.price_unit),
        max_duration_seconds=tool.most_seconds,
        logo_url=tool.logo_url,
    )


def _agent_out(agent: Agent) -> AgentToolOut:
    kept = specs.kept_of(agent.current)
    return AgentToolOut(
        agent_id=agent.id,
        name=agent.current.name,
        description=agent.current.description,
        tool_description=agent.current.tool_choice.offered_as or agent.current.description,
        model_id=agent.current.model,
        category=kept.get("category"),
        created_at=wire_time(agent.created_at),
    )
