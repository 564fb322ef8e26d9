"""Puts the OpenAI surface together: four routes on bare ASGI, the gate around them."""

from __future__ import annotations

from glia.kit.errors import MethodNotAllowed, NotFound
from glia.models.errors import ModelFailed
from glia.surfaces.openai.chat import chat_completions
from glia.surfaces.openai.embeddings import embeddings
from glia.surfaces.openai.leaving import Patience
from glia.surfaces.openai.models import get_model, list_models
from glia.surfaces.openai.openapi import openapi_paths
from glia.surfaces.openai.words import openai_error, provider_failed
from glia.surfaces.shared.asgi import App, Receive, Request, Scope, Send
from glia.surfaces.shared.gate import Gate
from glia.wiring import House

__all__ = ["openai_surface", "openapi_paths", "owns"]

_CHAT, _EMBEDDINGS, _MODELS = "/v1/chat/completions", "/v1/embeddings", "/v1/models"
_METHODS = {_CHAT: "POST", _EMBEDDINGS: "POST", _MODELS: "GET"}


def owns(method: str, path: str) -> bool:
    """Whether a request of the shared /v1 belongs to this surface. Wrong methods do too, to be told so here."""
    return path in _METHODS or path.startswith(f"{_MODELS}/")


def openai_surface(house: House) -> App:
    return Gate(_Routes(house), house.identity, house.rate_limits, surface="openai", error_body=openai_error)


class _Routes:
    """Not HotRoutes, because the id of a model may hold slashes."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._patience = Patience()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            await self._answer(request, send)
        except ModelFailed as failure:
            raise provider_failed(failure) from failure

    async def _answer(self, request: Request, send: Send) -> None:
        path = request.path
        model_id = path.removeprefix(f"{_MODELS}/") if path.startswith(f"{_MODELS}/") else ""
        expected = "GET" if model_id else _METHODS.get(path)
        if expected is None:
            raise NotFound(f"There is no route {request.method} {path}; /openapi.json lists them all.")
        if request.method != expected:
            raise MethodNotAllowed(f"{request.method} is not possible on {path}; use {expected}.")
        if path == _CHAT:
            await chat_completions(self._house, self._patience, request, send)
        elif path == _EMBEDDINGS:
            await embeddings(self._house, self._patience, request, send)
        elif model_id:
            await get_model(self._house, request, send, model_id)
        else:
            await list_models(self._house, request, send)
