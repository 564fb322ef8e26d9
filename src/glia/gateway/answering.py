"""Writes answers as chat completions: whole ones, and the chunks of a stream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import orjson

from glia.kit.ids import new_id
from glia.models.types import ModelResponse, TokenUsage, ToolCall

DONE = b"data: [DONE]\n\n"


class Chunks:
    """Writes the events of one choice of a stream. The first one also names the role.

    id: of what the answer is named after, made when it was begun; None for a new one.
    """

    def __init__(self, model: str, id: UUID | None = None, index: int = 0) -> None:
        self._head = orjson.dumps({**_head("chat.completion.chunk", id or new_id()), "model": model})[:-1]
        self._index = index
        self._is_first = True

    def delta(self, delta: Mapping[str, object], finish_reason: str | None = None) -> bytes:
        if self._is_first:
            self._is_first = False
            delta = {"role": "assistant", **delta}
        choice = {"index": self._index, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return b'data: %s,"choices":[%s]}\n\n' % (self._head, orjson.dumps(choice))

    def text(self, text: str) -> bytes:
        return self.delta({"content": text})

    def thinking(self, text: str) -> bytes:
        return self.delta({"reasoning_content": text})

    def tool_calls(self, calls: tuple[ToolCall, ...]) -> bytes:
        return self.delta({"tool_calls": [{"index": index, **_call(call)} for index, call in enumerate(calls)]})

    def usage(self, usage: TokenUsage) -> bytes:
        return b'data: %s,"choices":[],"usage":%s}\n\n' % (self._head, orjson.dumps(usage_json(usage)))


@dataclass(frozen=True)
class Choice:
    message: Mapping[str, object]
    finish_reason: str


def completion(model: str, choices: Sequence[Choice], usage: TokenUsage, id: UUID | None = None) -> bytes:
    """id: as for Chunks."""
    return orjson.dumps(
        {
            **_head("chat.completion", id or new_id()),
            "model": model,
            "choices": [
                {
                    "index": index,
                    "message": {"role": "assistant", **choice.message},
                    "logprobs": None,
                    "finish_reason": choice.finish_reason,
                }
                for index, choice in enumerate(choices)
            ],
            "usage": usage_json(usage),
        }
    )


def completion_of(response: ModelResponse) -> bytes:
    message: dict[str, object] = {"content": response.text or (None if response.tool_calls else ""), "refusal": None}
    if response.thinking:
        message["reasoning_content"] = response.thinking
    if response.tool_calls:
        message["tool_calls"] = [_call(call) for call in response.tool_calls]
    return completion(response.model, [Choice(message, response.finish_reason)], response.usage)


def usage_json(usage: TokenUsage) -> dict[str, object]:
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_input_tokens},
        "completion_tokens_details": {"reasoning_tokens": usage.thinking_tokens},
    }


def calls_json(calls: Sequence[ToolCall]) -> list[dict[str, object]]:
    return [_call(call) for call in calls]


def _call(call: ToolCall) -> dict[str, object]:
    # The provider's id, because the client's next request repeats it to the provider.
    return {"id": call.provider_id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def _head(kind: str, id: UUID) -> dict[str, object]:
    """A UUIDv7 begins with the milliseconds at which it was made."""
    return {"id": f"chatcmpl-{id.hex}", "object": kind, "created": (id.int >> 80) // 1000}
