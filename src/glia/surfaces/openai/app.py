"""Puts the OpenAI surface together: routes on bare ASGI, the gate around them."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

from glia.identity.service import IdempotentAnswers
from glia.kit.errors import MethodNotAllowed, NotFound
from glia.models.errors import ModelFailed
from glia.surfaces.openai.chat import ChatCompletions
from glia.surfaces.openai.conversations import ConversationRoutes
from glia.surfaces.openai.embeddings import embeddings
from glia.surfaces.openai.files import FileRoutes
from glia.surfaces.openai.leaving import Patience
from glia.surfaces.openai.models import get_model, list_models
from glia.surfaces.openai.openapi import openai_document, openapi_paths
from glia.surfaces.openai.responses import LARGEST_BODY_BYTES, Responses
from glia.surfaces.openai.words import limit_headers, openai_error, provider_failed
from glia.surfaces.shared.asgi import App, Receive, Request, Scope, Send
from glia.surfaces.shared.gate import Gate
from glia.surfaces.shared.idempotency import answer_once, key_of
from glia.surfaces.shared.json_body import replay
from glia.wiring import House

__all__ = ["openai_document", "openai_surface", "openapi_paths", "owns"]

_CHAT, _EMBEDDINGS, _MODELS = "/v1/chat/completions", "/v1/embeddings", "/v1/models"
_RESPONSES, _FILES, _CONVERSATIONS = "/v1/responses", "/v1/files", "/v1/conversations"
_ROOTS = (_CHAT, _EMBEDDINGS, _MODELS, _RESPONSES, _FILES, _CONVERSATIONS)
_BRANCHES = tuple(f"{root}/" for root in (_MODELS, _RESPONSES, _FILES, _CONVERSATIONS))

Handler = Callable[..., Awaitable[None]]


def owns(method: str, path: str) -> bool:
    """Whether a request of the shared /v1 belongs to this surface. Wrong methods do too, to be told so here."""
    return path in _ROOTS or path.startswith(_BRANCHES)


def openai_surface(house: House) -> App:
    return Gate(
        _Routes(house),
        house.identity,
        house.rate_limits,
        surface="openai",
        error_body=openai_error,
        limit_headers=limit_headers,
    )


class _Routes:
    """Not HotRoutes, because the id of a model may hold slashes, and a wrong method is told in this API's words."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._patience = Patience()
        self._answers = IdempotentAnswers(house.db, house.settings.secret_key)
        self._chat = ChatCompletions(house, self._patience, self._answers)
        self._table = [(re.compile(path), methods) for path, methods in self._routes().items()]

    def _routes(self) -> dict[str, dict[str, Handler]]:
        responses = Responses(self._house, self._patience, self._answers)
        files = FileRoutes(self._house, self._answers)
        conversations = ConversationRoutes(self._house)
        response, file, conversation = (f"{root}/([^/]+)" for root in (_RESPONSES, _FILES, _CONVERSATIONS))
        return {
            _EMBEDDINGS: {"POST": self._once(self._embeddings)},
            _MODELS: {"GET": self._list_models},
            f"{_MODELS}/(.+)": {"GET": self._get_model},
            _RESPONSES: {"POST": responses.create},
            f"{_RESPONSES}/compact": {"POST": self._once(responses.compact)},
            f"{response}": {"GET": responses.retrieve, "DELETE": responses.delete},
            f"{response}/cancel": {"POST": self._once(responses.cancel)},
            f"{response}/input_items": {"GET": responses.input_items},
            _FILES: {"GET": files.list, "POST": files.upload},
            file: {"GET": files.get, "DELETE": files.delete},
            f"{file}/content": {"GET": files.content},
            _CONVERSATIONS: {"POST": self._once(conversations.create)},
            conversation: {
                "GET": conversations.get,
                "POST": self._once(conversations.update),
                "DELETE": conversations.delete,
            },
            f"{conversation}/items": {"GET": conversations.list_items, "POST": self._once(conversations.add_items)},
            f"{conversation}/items/([^/]+)": {"GET": conversations.get_item, "DELETE": conversations.delete_item},
        }

    def _once(self, handler: Handler) -> Handler:
        """For routes with short answers, which are kept under the request's `Idempotency-Key`."""

        async def handle(request: Request, send: Send, *ids: str) -> None:
            if key_of(request) is None:
                return await handler(request, send, *ids)
            content = await request.body(LARGEST_BODY_BYTES)
            again = Request(request.scope, replay(content, request.receive))

            async def answer(send: Send) -> None:
                await handler(again, send, *ids)

            return await answer_once(self._answers, request, content, send, answer)

        return handle

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            if request.path == _CHAT and request.method == "POST":  # the hot one
                await self._chat.create(request, send)
            else:
                await self._answer(request, send)
        except ModelFailed as failure:
            raise provider_failed(failure) from failure

    async def _answer(self, request: Request, send: Send) -> None:
        path, method = request.path, request.method
        if path == _CHAT:
            raise _not_possible(method, path, ["POST"])
        for pattern, methods in self._table:
            if (found := pattern.fullmatch(path)) is None:
                continue
            handler = methods.get(method)
            if handler is None:
                raise _not_possible(method, path, list(methods))
            await handler(request, send, *found.groups())
            return
        raise NotFound(f"There is no route {method} {path}; /openapi.json lists them all.")

    async def _embeddings(self, request: Request, send: Send) -> None:
        await embeddings(self._house, self._patience, request, send)

    async def _list_models(self, request: Request, send: Send) -> None:
        await list_models(self._house, request, send)

    async def _get_model(self, request: Request, send: Send, id: str) -> None:
        await get_model(self._house, request, send, id)


def _not_possible(method: str, path: str, allowed: list[str]) -> MethodNotAllowed:
    ways = ", ".join(allowed)
    return MethodNotAllowed(f"{method} is not possible on {path}; use {ways}.", allow=ways)
