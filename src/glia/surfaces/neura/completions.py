"""POST /api/v1/chat/completions: the gateway, with Neura's defaults and errors."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

import orjson

from glia.gateway.service import read_chat
from glia.gateway.types import Answer, ChatCall
from glia.identity.service import IdempotentAnswers
from glia.kit.errors import GliaError, RateLimited
from glia.surfaces.neura.endings import RunEndedBadly
from glia.surfaces.neura.words import neura_error
from glia.surfaces.shared import sse
from glia.surfaces.shared.asgi import Request, Send, ignored_header, send_bytes
from glia.surfaces.shared.idempotency import answer_once, key_of
from glia.surfaces.shared.json_body import read_object
from glia.surfaces.shared.routes import Route
from glia.wiring import House

_LARGEST_BODY_BYTES = 32 * 1024 * 1024
_DEFAULTS = {"max_tokens": 512, "temperature": 0.7, "top_p": 0.9}
_CODES = {400: "invalid_request", 402: "payment_required", 404: "model_not_found", 413: "context_too_long"}


@dataclass(frozen=True)
class Completions:
    house: House

    def routes(self) -> list[Route]:
        return [Route("POST", "/api/v1/chat/completions", self.complete)]

    async def complete(self, request: Request, send: Send) -> None:
        body = await request.body(_LARGEST_BODY_BYTES)
        call = await self._read(body)
        if call.is_streamed:
            await self._stream(request, send, call)
        elif key_of(request) is None:
            await self._answer(request, send, call)
        else:
            answers = IdempotentAnswers(self.house.db, self.house.settings.secret_key)
            await answer_once(answers, request, body, send, lambda send: self._answer(request, send, call))

    async def _read(self, body: bytes) -> ChatCall:
        """The call with Neura's defaults. A model that nobody has is answered for by the default one."""
        given = read_object(body)
        read_chat(body)  # refuses what it would refuse without our changes
        limits = {"max_completion_tokens"} & given.keys()
        for name, value in _DEFAULTS.items():
            if given.get(name) is None and not (limits and name == "max_tokens"):
                given[name] = value
        given["model"] = (await self.house.models.resolve(str(given["model"]), or_default=True)).id
        return read_chat(orjson.dumps(given))

    async def _answer(self, request: Request, send: Send, call: ChatCall) -> None:
        answer = await self.house.gateway.complete(request.principal, call)
        _require_good(answer)
        await send_bytes(send, answer.status, answer.body, b"application/json", ignored_header(answer.ignored))

    async def _stream(self, request: Request, send: Send, call: ChatCall) -> None:
        begun = await self.house.gateway.stream(request.principal, call)
        if isinstance(begun, Answer):
            _require_good(begun)
            await send_bytes(send, begun.status, begun.body, b"application/json", ignored_header(begun.ignored))
            return
        events, ignored = begun
        chunks = _with_failure(events, request.request_id)
        await sse.stream(request.receive, send, chunks, ignored_header(ignored))


def _require_good(answer: Answer) -> None:
    """Raises what a provider refused, in its words."""
    if answer.status < 400:
        return
    message = f"The provider answered with status {answer.status}."
    try:
        found = orjson.loads(answer.body)
        message = str(found["error"]["message"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        pass
    if answer.status == 429:
        raise RateLimited(message, retry_after_seconds=float(answer.retry_after or 1))
    raise RunEndedBadly(_CODES.get(answer.status, "upstream_failed"), message)


async def _with_failure(events: AsyncGenerator[bytes, None], request_id: str) -> AsyncGenerator[bytes, None]:
    """The chunks, and an error as the last one when the provider breaks off."""
    async with aclosing(events):
        try:
            async for event in events:
                yield event
        except GliaError as error:
            yield sse.event(orjson.dumps(neura_error(error, request_id)))
