"""GET /v1/models and /v1/models/{id}: models, the built-in embedder and agents, for clients of this API and our own."""

from __future__ import annotations

from glia.agents.types import Agent
from glia.gateway.types import MINILM
from glia.identity.types import Principal
from glia.kit.pages import LARGEST_LIMIT, Window
from glia.models.errors import ModelNotFound
from glia.models.types import ModelInfo
from glia.surfaces.openai.agent_chat import find_agent
from glia.surfaces.openai.words import AGENT_PREFIX
from glia.surfaces.shared.asgi import Request, Send, send_json
from glia.wiring import House

_MINILM = ModelInfo(
    id=MINILM,
    provider="glia",
    name="minilm",
    display_name="built-in embedding model",
    purpose="embedding",
    is_default=False,
    is_local=True,
    input_price_micros=0,
    output_price_micros=0,
)


async def list_models(house: House, request: Request, send: Send) -> None:
    principal = request.principal
    principal.require("models:read")
    data = [model_json(model) for model in await _models(house)]
    data.extend(agent_json(agent) for agent in await _agents(house, principal))
    await send_json(send, 200, {"object": "list", "data": data, "has_more": False, "next_cursor": None})


async def get_model(house: House, request: Request, send: Send, id: str) -> None:
    """id: as in the list; an agent's id for its slug, and a bare name that only one provider has, mean the same."""
    principal = request.principal
    principal.require("models:read")
    if id.startswith(AGENT_PREFIX):
        await send_json(send, 200, agent_json(await find_agent(house, principal, id)))
        return
    models = {model.id: model for model in await _models(house)}
    found = models.get(id)
    if found is None:
        resolved = await house.models.resolve(id)
        found = models.get(resolved.id)
    if found is None:
        raise ModelNotFound(id, models)
    await send_json(send, 200, model_json(found))


def model_json(model: ModelInfo) -> dict[str, object]:
    """created: 0, because providers do not say it and clients expect a number. Prices are per million tokens."""
    return {
        "id": model.id,
        "object": "model",
        "created": 0,
        "owned_by": model.provider,
        "provider": model.provider,
        "name": model.name,
        "display_name": model.display_name,
        "purpose": model.purpose,
        "is_default": model.is_default,
        "is_local": model.is_local,
        "input_price_micros": model.input_price_micros,
        "output_price_micros": model.output_price_micros,
    }


def agent_json(agent: Agent) -> dict[str, object]:
    return {
        "id": f"{AGENT_PREFIX}{agent.slug}",
        "object": "model",
        "created": int(agent.created_at.timestamp()),
        "owned_by": "agents",
        "provider": "agents",
        "name": agent.slug,
        "display_name": agent.current.name,
        "purpose": "agent",
        "is_default": False,
        "is_local": False,
        "input_price_micros": None,
        "output_price_micros": None,
        "agent_id": str(agent.id),
    }


async def _models(house: House) -> list[ModelInfo]:
    models = await house.models.list()
    return [*models, _MINILM] if house.gateway.has_minilm else models


async def _agents(house: House, principal: Principal) -> list[Agent]:
    """The newest thousand; none for a key that may not see agents."""
    if not principal.allows("agents:read"):
        return []
    return (await house.agents.list(principal, Window(LARGEST_LIMIT))).items
