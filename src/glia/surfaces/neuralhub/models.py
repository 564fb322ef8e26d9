"""GET /v1/models: for NeuralHub's clients and for OpenAI's, in one answer."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter

from glia.agents.types import Agent
from glia.kit.pages import LARGEST_LIMIT, Window
from glia.models.errors import ModelNotFound
from glia.models.types import ModelInfo
from glia.surfaces.shared.bodies import Out, TheHouse, ThePrincipal, WatchedRoute
from glia.surfaces.shared.money import usd

router = APIRouter(prefix="/v1/models", tags=["models"], route_class=WatchedRoute)

AGENT_PREFIX = "agent:"


class ModelOut(Out):
    """input_cost, output_cost: USD per million tokens; null when no price is known. capabilities: what it is for."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str
    name: str
    provider: str
    input_cost: float | None
    output_cost: float | None
    capabilities: list[str]
    is_default: bool
    is_local: bool


class ModelsOut(Out):
    """The same list twice: `models` for NeuralHub's clients, `data` for OpenAI's."""

    models: list[ModelOut]
    object: Literal["list"] = "list"
    data: list[ModelOut]


@router.get("")
async def list_models(house: TheHouse, principal: ThePrincipal) -> ModelsOut:
    """Every model that this server reaches, and the workspace's agents as `agent:<name>`."""
    found = [_model_out(model) for model in await house.models.list()]
    if principal.allows("agents:read"):
        agents = await house.agents.list(principal, Window(LARGEST_LIMIT))
        found += [_agent_out(agent) for agent in agents.items]
    return ModelsOut(models=found, data=found)


@router.get("/{id:path}")
async def get_model(id: str, house: TheHouse, principal: ThePrincipal) -> ModelOut:
    """One model, by its id or by a bare name that only one provider has; or an agent, as `agent:<name>`."""
    if id.startswith(AGENT_PREFIX):
        return _agent_out(await house.agents.find(principal, id.removeprefix(AGENT_PREFIX)))
    models = {model.id: model for model in await house.models.list()}
    found = models.get(id) or models.get((await house.models.resolve(id)).id)
    if found is None:
        raise ModelNotFound(id, models)
    return _model_out(found)


def _model_out(model: ModelInfo) -> ModelOut:
    capabilities = {"chat": ["chat", "streaming", "tools"], "embedding": ["embeddings"]}.get(model.purpose, [])
    return ModelOut(
        id=model.id,
        created=0,  # providers do not say it, and OpenAI's clients expect a number
        owned_by=model.provider,
        name=model.display_name,
        provider=model.provider,
        input_cost=usd(model.input_price_micros),
        output_cost=usd(model.output_price_micros),
        capabilities=list(capabilities),
        is_default=model.is_default,
        is_local=model.is_local,
    )


def _agent_out(agent: Agent) -> ModelOut:
    return ModelOut(
        id=f"{AGENT_PREFIX}{agent.slug}",
        created=int(agent.created_at.timestamp()),
        owned_by="agents",
        name=agent.current.name,
        provider="agents",
        input_cost=None,
        output_cost=None,
        capabilities=["chat", "streaming"],
        is_default=False,
        is_local=True,
    )
