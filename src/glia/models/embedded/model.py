"""The embedded model behind the same interface as every other."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from uuid import uuid4

from glia.models.errors import ModelFailed
from glia.models.types import (
    AssistantMessage,
    FinishReason,
    ModelEvent,
    ModelRequest,
    ModelResponse,
    ModelSettings,
    TextDelta,
    ThinkingDelta,
    TokenUsage,
    ToolCall,
    UserMessage,
)

if TYPE_CHECKING:
    from glia.models.embedded.reply import Reply

MODEL_NAME = "glia/embedded"
_PIECE = re.compile(r"\s*\S+\s*")
_WORDS_PER_TOKEN = 0.75
_PIECES_PER_BREATH = 16
_LEAST_FOR_THINKING = 100


@dataclass(frozen=True)
class _Bounded:
    text: str
    finish_reason: FinishReason


class EmbeddedModel:
    """Chooses tools by rule and answers with quotations. It holds no state and needs no network."""

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        from glia.models.embedded.reply import (
            in_format,
            reply,
        )  # Its patterns take 50 ms to compile; most servers never need them.

        started = time.perf_counter()
        decided = in_format(request, reply(_offered(request)))
        thinking = _thinking(decided, request.settings)
        bounded = _bounded(decided.text, request.settings, _tokens(thinking))
        if thinking:
            yield ThinkingDelta(thinking)
        for number, piece in enumerate(_PIECE.findall(bounded.text)):
            if number % _PIECES_PER_BREATH == 0:
                await asyncio.sleep(0)
            yield TextDelta(piece)
        calls = tuple(_call(name, arguments) for name, arguments in decided.calls)
        yield ModelResponse(
            text=bounded.text,
            thinking=thinking,
            tool_calls=calls,
            usage=_usage(request, thinking, bounded.text, calls),
            finish_reason=FinishReason.TOOL_CALLS if calls else bounded.finish_reason,
            model=MODEL_NAME,
            cost_micros=0,  # Known to be free: it runs in this process.
            latency_ms=round((time.perf_counter() - started) * 1000),
        )


def _offered(request: ModelRequest) -> ModelRequest:
    """With the tools that it may call now. A picture it cannot see it must not pretend to have seen."""
    if any(isinstance(message, UserMessage) and message.images for message in request.messages):
        raise cannot("reads text only, so it cannot look at pictures")
    choice = request.settings.tool_choice
    if choice in (None, "auto", "required"):
        return request
    return replace(request, tools=[tool for tool in request.tools if tool.name == choice])


def cannot(what: str) -> ModelFailed:
    return ModelFailed(
        f"The built-in model {what}; choose another model, as GET /v1/models lists them.",
        kind="bad_request",
        provider="glia",
    )


def _call(name: str, arguments: str) -> ToolCall:
    id = f"call_{uuid4().hex}"
    return ToolCall(id=id, provider_id=id, name=name, arguments=arguments)


def _tokens(text: str) -> int:
    """An estimate: three words are about four tokens; unspaced scripts count by characters."""
    words = len(text.split()) if len(text) < 50_000 else text.count(" ") + text.count("\n")
    return max(round(words / _WORDS_PER_TOKEN), len(text) // 12)


def _thinking(decided: Reply, settings: ModelSettings) -> str:
    """The thought, unless the room is so small that the answer needs all of it."""
    limit = settings.max_output_tokens
    return "" if limit is not None and limit < _LEAST_FOR_THINKING else decided.thought


def _bounded(text: str, settings: ModelSettings, used_tokens: int) -> _Bounded:
    """The text up to the first stop sequence and within the token limit."""
    ends = [at for stop in settings.stop if stop and (at := text.find(stop)) >= 0]
    if ends:
        text = text[: min(ends)]
    if settings.max_output_tokens is None:
        return _Bounded(text, FinishReason.STOP)
    room = max(0, settings.max_output_tokens - used_tokens)
    pieces = _PIECE.findall(text)
    kept = pieces[: int(room * _WORDS_PER_TOKEN)]
    while kept and _tokens("".join(kept)) > room:
        kept.pop()
    if len(kept) == len(pieces):
        return _Bounded(text, FinishReason.STOP)
    return _Bounded("".join(kept).rstrip(), FinishReason.LENGTH)


def _usage(request: ModelRequest, thinking: str, text: str, calls: tuple[ToolCall, ...]) -> TokenUsage:
    received = sum(_tokens(message.text) for message in request.messages)
    received += sum(
        _tokens(call.arguments)
        for one in request.messages
        if isinstance(one, AssistantMessage)
        for call in one.tool_calls
    )
    received += sum(_tokens(tool.description) + 8 * (1 + len(tool.schema)) for tool in request.tools)
    thought = _tokens(thinking)
    written = _tokens(text) + sum(_tokens(call.arguments) + _tokens(call.name) for call in calls)
    return TokenUsage(
        input_tokens=received, output_tokens=written + thought, thinking_tokens=thought, is_estimated=True
    )
