"""POST /v1/chat/completions: models here, agents in agent_chat.py."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from glia.gateway.service import read_chat
from glia.gateway.types import Answer, ChatCall
from glia.identity.service import IdempotentAnswers
from glia.kit.errors import GliaError
from glia.models.errors import ModelFailed
from glia.surfaces.openai.agent_chat import AgentChat
from glia.surfaces.openai.leaving import Patience, WhileClientWaits
from glia.surfaces.openai.words import AGENT_PREFIX, error_event, provider_failed
from glia.surfaces.shared import sse
from glia.surfaces.shared.asgi import Request, Send, ignored_header, send_bytes
from glia.surfaces.shared.idempotency import answer_once, key_of
from glia.wiring import House

LARGEST_BODY_BYTES = 32 * 1024 * 1024
"""Conversations with pictures are large."""


class ChatCompletions:
    def __init__(self, house: House, patience: Patience, answers: IdempotentAnswers) -> None:
        self._house = house
        self._patience = patience
        self._answers = answers
        self._agents = AgentChat(house, patience, answers)

    async def create(self, request: Request, send: Send) -> None:
        body = await request.body(LARGEST_BODY_BYTES)
        call = read_chat(body)
        if call.model.startswith(AGENT_PREFIX):
            await self._agents.answer(request, send, call, body)
        elif key_of(request) is None:
            await self._answer(request, send, call)
        else:

            async def once(send: Send) -> bool:
                return await self._answer(request, send, call)

            await answer_once(self._answers, request, body, send, once, is_streamed=call.is_streamed)

    async def _answer(self, request: Request, send: Send, call: ChatCall) -> bool:
        """Whether the model has answered to the end, as far as the status does not say so."""
        gateway = self._house.gateway
        if not call.is_streamed:
            with WhileClientWaits(self._patience, request.receive):
                answer = await gateway.complete(request.principal, call)
            await send_answer(send, answer)
            return True
        with WhileClientWaits(self._patience, request.receive):
            begun = await gateway.stream(request.principal, call)
        if isinstance(begun, Answer):
            await send_answer(send, begun)
            return True
        events, ignored = begun
        failures: list[GliaError] = []
        chunks = _with_failure(events, request.request_id, failures)
        await sse.stream(request.receive, send, chunks, ignored_header(ignored))
        return not failures


async def send_answer(send: Send, answer: Answer) -> None:
    headers = ignored_header(answer.ignored)
    if answer.retry_after is not None:
        headers.append((b"retry-after", answer.retry_after.encode("latin-1", "replace")))
    await send_bytes(send, answer.status, answer.body, b"application/json", headers)


async def _with_failure(
    events: AsyncGenerator[bytes, None], request_id: str, failures: list[GliaError]
) -> AsyncGenerator[bytes, None]:
    """The events, and an error as the last one, noted in `failures`, when the provider breaks off."""
    async with aclosing(events):
        try:
            async for event in events:
                yield event
        except GliaError as error:
            failures.append(provider_failed(error) if isinstance(error, ModelFailed) else error)
            yield error_event(failures[-1], request_id)
