"""/api/agent/models, and the models in OpenAI's form."""

from __future__ import annotations

import re
from typing import Any

from fastapi import APIRouter

from glia.models.types import ModelInfo
from glia.surfaces.neura.words import DEFAULT_MODEL
from glia.surfaces.shared.bodies import Out, TheHouse, ThePrincipal, WatchedRoute
from glia.wiring import House

router = APIRouter(tags=["models"], route_class=WatchedRoute)

_FAMILY = re.compile(r"[a-z]+")
_CONTEXTS = {"anthropic": 200_000, "google": 1_000_000}
"""Tokens that every chat model of these providers reads."""


class ModelOut(Out):
    """id: what `model_id` takes. category: the family. context_length: null where nobody says it."""

    id: str
    name: str
    provider: str
    category: str
    context_length: int | None
    description: str


class ModelsOut(Out):
    models: list[ModelOut]
    default: str


class OpenAiModelOut(Out):
    id: str
    object: str = "model"
    created: int = 0
    owned_by: str


class OpenAiModelsOut(Out):
    object: str = "list"
    data: list[OpenAiModelOut]


@router.get("/api/agent/models")
async def list_models(house: TheHouse, principal: ThePrincipal) -> ModelsOut:
    """List the models that agents can have."""
    principal.require("models:read")
    return ModelsOut(models=await _models(house), default=DEFAULT_MODEL)


@router.get("/api/v1/models")
async def list_openai_models(house: TheHouse, principal: ThePrincipal) -> OpenAiModelsOut:
    """List the models in OpenAI's form."""
    principal.require("models:read")
    found = await _models(house)
    return OpenAiModelsOut(data=[OpenAiModelOut(id=model.id, owned_by=model.provider) for model in found])


async def _models(house: House) -> list[ModelOut]:
    """Every chat model, and the default one also where no provider has it: then another answers, which is said."""
    known = [model for model in await house.models.list() if model.purpose == "chat"]
    names = [model.name for model in known]
    found = [_shown(model, is_alone=names.count(model.name) == 1) for model in known]
    if all(model.id != DEFAULT_MODEL for model in found):
        answers = next((model.id for model in known if model.is_default), "another model")
        said = f"No provider of this server has it: {answers} answers."
        found.insert(0, ModelOut(**_named(DEFAULT_MODEL, "deepseek-ai"), context_length=None, description=said))
    return found


def _shown(model: ModelInfo, *, is_alone: bool) -> ModelOut:
    """is_alone: no other provider has a model of this name. Then a maker in the name says enough."""
    by_maker = is_alone and "/" in model.name
    owner = model.name.partition("/")[0] if by_maker else model.provider
    context = _CONTEXTS.get(model.provider)
    if context is not None:
        said = f"Context: {context:,} tokens"
    else:
        said = model.display_name if model.display_name != model.name else ""
    id = model.name if by_maker else model.id
    return ModelOut(**_named(id, owner), context_length=context, description=said)


def _named(id: str, provider: str) -> dict[str, Any]:
    own = id.rpartition("/")[2]
    family = _FAMILY.match(own.lower())
    title = re.sub(r"[-_]+", " ", own).strip()
    return {"id": id, "name": title, "provider": provider, "category": family.group() if family else "other"}
