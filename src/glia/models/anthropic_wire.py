"""The words of Anthropic's Messages API: what is sent, and the parts of an answer that matter."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec
import orjson

from glia.models.openai_wire import plain
from glia.models.providers import Provider
from glia.models.structured import format_instruction
from glia.models.types import (
    AssistantMessage,
    FinishReason,
    Image,
    Message,
    ModelRequest,
    SystemMessage,
    TokenUsage,
    ToolCall,
    ToolMessage,
    UserMessage,
)

Block = dict[str, object]

# The API insists on a cap. Models since Claude 4 write at least 32,000 tokens, the ones before as few as 4,096.
DEFAULT_OUTPUT_TOKENS = 16_384
DEFAULT_OUTPUT_TOKENS_CLAUDE_3 = 4_096
THINKING_BUDGETS: Mapping[str, int] = {"low": 2_048, "medium": 8_192, "high": 24_576}
MIN_THINKING_BUDGET = 1_024

_EARLIER = "[What came before is summarised in your instructions.]"
"""Stands for the user's turn that the API wants first, where a summary has replaced the beginning."""

_EPHEMERAL: Block = {"type": "ephemeral"}
_VERSION = re.compile(r"claude-(?:opus|sonnet|haiku)-(\d+)(?:-(\d{1,2}))?(?!\d)")
_UNSAFE_ID = re.compile(r"[^a-zA-Z0-9_-]")


class WireUsage(msgspec.Struct, gc=False):
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    output_tokens_details: OutputDetails | None = None


class OutputDetails(msgspec.Struct, gc=False):
    thinking_tokens: int | None = None


class WireBlock(msgspec.Struct, gc=False):
    type: str = ""
    id: str = ""
    name: str = ""
    text: str = ""
    thinking: str = ""
    signature: str = ""
    data: str = ""
    input: msgspec.Raw = msgspec.Raw()


class WireDelta(msgspec.Struct, gc=False):
    type: str = ""
    text: str = ""
    thinking: str = ""
    signature: str = ""
    partial_json: str = ""
    stop_reason: str | None = None


class WireMessage(msgspec.Struct, gc=False):
    usage: WireUsage | None = None
    content: list[WireBlock] = msgspec.field(default_factory=list[WireBlock])
    stop_reason: str | None = None


class WireEvent(msgspec.Struct, gc=False):
    """Any event of a stream; also a whole message, of which only `type`, `content` and the rest are filled."""

    type: str
    index: int = 0
    message: WireMessage | None = None
    content_block: WireBlock | None = None
    delta: WireDelta | None = None
    usage: WireUsage | None = None
    error: msgspec.Raw = msgspec.Raw()
    content: list[WireBlock] | None = None
    stop_reason: str | None = None


decode_event = msgspec.json.Decoder(WireEvent).decode


class State(msgspec.Struct, gc=False):
    """Signed thoughts, which must come back unchanged before the tool calls they led to."""

    provider: str
    thinking: list[msgspec.Raw]


_decode_state = msgspec.json.Decoder(State).decode

_FINISH: Mapping[str, FinishReason] = {
    "max_tokens": FinishReason.LENGTH,
    "model_context_window_exceeded": FinishReason.LENGTH,
    "tool_use": FinishReason.TOOL_CALLS,
    "refusal": FinishReason.CONTENT_FILTER,
}


def read_finish(word: str | None, *, has_calls: bool) -> FinishReason:
    if has_calls:
        return FinishReason.TOOL_CALLS
    return _FINISH.get(word or "", FinishReason.STOP)


def merge_usage(older: WireUsage | None, newer: WireUsage) -> WireUsage:
    """Figures are cumulative: what a later event names replaces what an earlier one said."""
    if older is None:
        return newer
    for name in newer.__struct_fields__:
        value: object = getattr(newer, name)
        if value is not None:
            setattr(older, name, value)
    return older


def read_usage(usage: WireUsage) -> TokenUsage:
    """Usage in our words. The API counts cached input beside `input_tokens`, we count it within."""
    read, written = usage.cache_read_input_tokens or 0, usage.cache_creation_input_tokens or 0
    details = usage.output_tokens_details
    return TokenUsage(
        input_tokens=(usage.input_tokens or 0) + read + written,
        output_tokens=usage.output_tokens or 0,
        cached_input_tokens=read,
        thinking_tokens=(details.thinking_tokens if details else None) or 0,
        cache_write_tokens=written,
    )


def write_request(request: ModelRequest, provider: Provider) -> bytes:
    """The body of a streaming message. A seed cannot be given to this API and is left out."""
    system, rest = _split_system(request.messages)
    system += _text(format_instruction(request.settings.response_format))
    tools: list[Block] = [
        {"name": tool.name, "description": tool.description, "input_schema": tool.schema} for tool in request.tools
    ]
    _mark_stable_prefix(system, tools)
    body: dict[str, object] = {"model": request.model, "messages": _turns(rest, provider), "stream": True}
    if system:
        body["system"] = system
    settings = _settings(request)
    if tools:
        body["tools"] = tools
        body.update(_tool_choice(request, is_thinking="thinking" in settings))
    body.update(settings)
    return orjson.dumps(body, default=plain)


def _mark_stable_prefix(system: list[Block], tools: list[Block]) -> None:
    """Asks for caching up to the end of the system text; tools come before it and are cached with it."""
    last = system[-1] if system else tools[-1] if tools else None
    if last is not None:
        last["cache_control"] = _EPHEMERAL


def _tool_choice(request: ModelRequest, *, is_thinking: bool) -> Block:
    """A tool cannot be demanded of a model that thinks first."""
    settings = request.settings
    kinds = {"auto": "auto", "none": "none", "required": "any"}
    choice: Block = {"type": "auto"}
    if settings.tool_choice is not None and not (is_thinking and settings.tool_choice not in ("auto", "none")):
        kind = kinds.get(settings.tool_choice)
        choice = {"type": kind} if kind else {"type": "tool", "name": settings.tool_choice}
    if settings.parallel_tool_calls is False and choice["type"] != "none":
        choice["disable_parallel_tool_use"] = True
    return {} if choice == {"type": "auto"} else {"tool_choice": choice}


def _settings(request: ModelRequest) -> dict[str, object]:
    settings = request.settings
    is_old = request.model.startswith(("claude-3", "claude-2"))
    limit = settings.max_output_tokens or (DEFAULT_OUTPUT_TOKENS_CLAUDE_3 if is_old else DEFAULT_OUTPUT_TOKENS)
    body: dict[str, object] = {"max_tokens": limit}
    if settings.stop:
        body["stop_sequences"] = list(settings.stop)
    if settings.thinking_effort:
        body.update(
            _thinking(request.model, settings.thinking_effort, limit, is_cap_fixed=bool(settings.max_output_tokens))
        )
    if "thinking" in body:
        return body  # With thinking on, the API refuses any temperature but its own.
    if settings.temperature is not None:
        body["temperature"] = min(settings.temperature, 1.0)
    if settings.top_p is not None:
        body["top_p"] = settings.top_p
    return body


def _thinking(
    model: str, effort: Literal["low", "medium", "high"], limit: int, *, is_cap_fixed: bool
) -> dict[str, object]:
    """Newer models decide themselves how much to think, older ones take a budget within the cap on output."""
    if thinks_adaptively(model):
        return {"thinking": {"type": "adaptive"}, "output_config": {"effort": effort}}
    budget = THINKING_BUDGETS[effort]
    if is_cap_fixed:
        budget = min(budget, limit - MIN_THINKING_BUDGET)
        if budget < MIN_THINKING_BUDGET:
            return {}
        return {"thinking": {"type": "enabled", "budget_tokens": budget}}
    return {"thinking": {"type": "enabled", "budget_tokens": budget}, "max_tokens": limit + budget}


def thinks_adaptively(model: str) -> bool:
    """Whether a model takes `adaptive` thinking: from version 4.6 on, and every family named since."""
    if model.startswith(("claude-3", "claude-2")):
        return False
    version = _VERSION.match(model)
    return version is None or (int(version[1]), int(version[2] or 0)) >= (4, 6)


def _split_system(messages: Sequence[Message]) -> tuple[list[Block], list[Message]]:
    """The system texts at the beginning, as blocks, and all that follows."""
    count = 0
    while count < len(messages) and isinstance(messages[count], SystemMessage):
        count += 1
    blocks: list[Block] = [{"type": "text", "text": message.text} for message in messages[:count] if message.text]
    return blocks, list(messages[count:])


def _turns(messages: Sequence[Message], provider: Provider) -> list[Block]:
    """Messages grouped into turns that alternate, tool results first in theirs as the API demands."""
    turns: list[tuple[str, list[Block]]] = []
    for message in messages:
        role = "assistant" if isinstance(message, AssistantMessage) else "user"
        blocks = _blocks(message, provider)
        if not blocks:
            continue
        if turns and turns[-1][0] == role:
            turns[-1][1].extend(blocks)
        else:
            turns.append((role, blocks))
    if turns and turns[0][0] == "assistant":
        turns.insert(0, ("user", [{"type": "text", "text": _EARLIER}]))
    for role, blocks in turns:
        if role == "user":
            blocks.sort(key=lambda block: block["type"] != "tool_result")
    # In a conversation of several turns the next call repeats this one, so its end is worth caching as well.
    if len(turns) > 1:
        turns[-1][1][-1]["cache_control"] = _EPHEMERAL
    return [{"role": role, "content": blocks} for role, blocks in turns]


def _blocks(message: Message, provider: Provider) -> list[Block]:
    match message:
        case SystemMessage(text=text):
            return _text(text)
        case UserMessage(text=text, images=images):
            return [*map(_image, images), *_text(text)]
        case ToolMessage(tool_call_id=id, text=text, is_error=is_error):
            block: Block = {"type": "tool_result", "tool_use_id": _UNSAFE_ID.sub("_", id), "content": text}
            if is_error:
                block["is_error"] = True
            return [block]
        case AssistantMessage():
            return _assistant(message, provider)


def _text(text: str) -> list[Block]:
    return [{"type": "text", "text": text}] if text.strip() else []


def _image(image: Image) -> Block:
    return {"type": "image", "source": {"type": "base64", "media_type": image.media_type, "data": image.data}}


def _assistant(message: AssistantMessage, provider: Provider) -> list[Block]:
    blocks: list[Block] = []
    if message.text.strip():
        blocks.append({"type": "text", "text": message.text})
    blocks.extend(_tool_use(call) for call in message.tool_calls)
    if not blocks or not message.tool_calls:
        return blocks
    return [*_thoughts(message.provider_state, provider), *blocks]


def _thoughts(state: str, provider: Provider) -> list[Block]:
    if not state:
        return []
    try:
        kept = _decode_state(state)
    except msgspec.DecodeError:
        return []
    return [orjson.loads(bytes(raw)) for raw in kept.thinking] if kept.provider == provider.name else []


def _tool_use(call: ToolCall) -> Block:
    try:
        arguments: object = orjson.loads(call.arguments)
    except orjson.JSONDecodeError:
        arguments = None
    # The API takes only objects; what a model wrote wrongly is shown to it as it was.
    if not isinstance(arguments, dict):
        arguments = {"invalid_arguments": call.arguments}
    return {"type": "tool_use", "id": _UNSAFE_ID.sub("_", call.provider_id), "name": call.name, "input": arguments}
