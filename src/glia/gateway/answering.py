"""Writes answers as chat completions: whole ones, and the chunks of a stream."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import orjson

from glia.kit.ids import new_id
from glia.models.types import ModelResponse, TokenUsage, ToolCall

DONE = b"data: [DONE]\n\n"


class Chunks:
    """Writes the events of one stream. The first one also names the role."""

    def __init__(self, model: str) -> None:
        head = {"id": _new_id(), "object": "chat.completion.chunk", "created": int(time.time())}
        self._head = orjson.dumps({**head, "model": model})[:-1]
        self._is_first = True

    def delta(self, delta: Mapping[str, object], finish_reason: str | None = None) -> bytes:
        if self._is_first:
            self._is_first = False
            delta = {"role": "assistant", **delta}
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return b'data: %s,"choices":[%s]}\n\n' % (self._head, orjson.dumps(choice))

    def text(self, text: str) -> bytes:
        return self.delta({"content": text})

    def thinking(self, text: str) -> bytes:
        return self.delta({"reasoning_content": text})

    def tool_calls(self, calls: tuple[ToolCall, ...]) -> bytes:
        return self.delta({"tool_calls": [{"index": index, **_call(call)} for index, call in enumerate(calls)]})

    def usage(self, usage: TokenUsage) -> bytes:
        return b'data: %s,"choices":[],"usage":%s}\n\n' % (self._head, orjson.dumps(usage_json(usage)))


def completion(model: str, message: Mapping[str, object], finish_reason: str, usage: TokenUsage) -> bytes:
    return orjson.dumps(
        {
            "id": _new_id(),
            "object": "chat.completion",
            "created": int(time.time()),
            "model": model,
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", **message},
                    "logprobs": None,
                    "finish_reason": finish_reason,
                }
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
    return completion(response.model, message, response.finish_reason, response.usage)


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


def _new_id() -> str:
    return f"chatcmpl-{new_id().hex}"
