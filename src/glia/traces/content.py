"""What was said, as span attributes. Only for those who asked for it: it may be private."""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from glia.runs.events import MessageReceived, ModelResponded, RunCompleted, ToolCalled, ToolReturned
from glia.traces.types import Value

LARGEST_CHARACTERS = 32_000
"""Of one text; the rest is cut off."""

Found = dict[str, Value | None]
Message = dict[str, object]


def of_run(said: Sequence[MessageReceived], answers: Sequence[RunCompleted]) -> Found:
    asked: list[Message] = [{"role": one.role, "parts": [_text(one.content)]} for one in said]
    told: list[Message] = [
        {"role": "assistant", "parts": [_text(answer.message.content)], "finish_reason": "stop"}
        for answer in answers
        if answer.message is not None
    ]
    return {"gen_ai.input.messages": _json(asked), "gen_ai.output.messages": _json(told)}


def of_answer(response: ModelResponded) -> Found:
    parts: list[Message] = []
    if response.thinking:
        parts.append({"type": "reasoning", "content": _cut(response.thinking)})
    if response.text:
        parts.append(_text(response.text))
    parts.extend(
        {"type": "tool_call", "id": call.id, "name": call.name, "arguments": _cut(call.arguments)}
        for call in response.tool_calls
    )
    message: Message = {"role": "assistant", "parts": parts, "finish_reason": response.finish_reason}
    return {"gen_ai.output.messages": _json([message])}


def of_tool(called: ToolCalled, returned: ToolReturned | None) -> Found:
    return {
        "gen_ai.tool.call.arguments": _cut(orjson.dumps(called.arguments, default=str).decode()),
        "gen_ai.tool.call.result": None if returned is None else _cut(returned.text),
    }


def _text(text: str) -> Message:
    return {"type": "text", "content": _cut(text)}


def _json(messages: Sequence[Message]) -> str | None:
    return orjson.dumps(messages).decode() if messages else None


def _cut(text: str) -> str:
    return text if len(text) <= LARGEST_CHARACTERS else text[:LARGEST_CHARACTERS] + "…"
