"""POST /v1/chat/completions: models here, agents in agent_chat.py."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from glia.gateway.service import Gateway, read_chat
from glia.gateway.types import Answer, ChatCall
from glia.identity.service import IdempotentAnswers
from glia.kit.errors import GliaError
from glia.models.errors import ModelFailed
from glia.surfaces.openai.agent_chat import chat_with_agent
from glia.surfaces.openai.leaving import Patience, WhileClientWaits
from glia.surfaces.openai.words import AGENT_PREFIX, error_event, provider_failed
from glia.surfaces.shared import sse
from glia.surfaces.shared.asgi import Request, Send, ignored_header, send_bytes
from glia.surfaces.shared.idempotency import answer_once, key_of
from glia.wiring import House

LARGEST_BODY_BYTES = 32 * 1024 * 1024
"""Conversations with pictures are large."""


async def chat_completions(
    house: House, patience: Patience, answers: IdempotentAnswers, request: Request, send: Send
) -> None:
    body = await request.body(LARGEST_BODY_BYTES)
    call = read_chat(body)
    if not call.is_streamed and key_of(request) is not None:

        async def once(send: Send) -> None:
            await _answer(house, patience, request, send, call)

        await answer_once(answers, request, body, send, once)
    else:
        await _answer(house, patience, request, send, call)


async def _answer(house: House, patience: Patience, request: Request, send: Send, call: ChatCall) -> None:
    if call.model.startswith(AGENT_PREFIX):
        await chat_with_agent(house, patience, request, send, call)
    elif call.is_streamed:
        await _stream(house.gateway, patience, request, send, call)
    else:
        with WhileClientWaits(patience, request.receive):
            answer = await house.gateway.complete(request.principal, call)
        await send_answer(send, answer)


async def send_answer(send: Send, answer: Answer) -> None:
    headers = ignored_header(answer.ignored)
    if answer.retry_after is not None:
        headers.append((b"retry-after", answer.retry_after.encode("latin-1", "replace")))
    await send_bytes(send, answer.status, answer.body, b"application/json", headers)


async def _stream(gateway: Gateway, patience: Patience, request: Request, send: Send, call: ChatCall) -> None:
    with WhileClientWaits(patience, request.receive):
        begun = await gateway.stream(request.principal, call)
    if isinstance(begun, Answer):
        await send_answer(send, begun)
        return
    events, ignored = begun
    await sse.stream(request.receive, send, _with_failure(events, request.request_id), ignored_header(ignored))


async def _with_failure(events: AsyncGenerator[bytes, None], request_id: str) -> AsyncGenerator[bytes, None]:
    """The events, and an error as the last one when the provider breaks off."""
    async with aclosing(events):
        try:
            async for event in events:
                yield event
        except ModelFailed as failure:
            yield error_event(provider_failed(failure), request_id)
        except GliaError as error:
            yield error_event(error, request_id)
