"""The words of the chat-completions API: what is sent, and the parts of an answer that matter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import msgspec
import orjson

from glia.models.providers import Provider
from glia.models.types import (
    AssistantMessage,
    FinishReason,
    Image,
    Message,
    ModelRequest,
    SystemMessage,
    TokenUsage,
    ToolMessage,
    ToolSpec,
    UserMessage,
)

# What a raw field holds that was left out, or sent as null.
NOTHING = (b"", b"null")


class ThoughtText(msgspec.Struct, gc=False):
    text: str = ""


class ContentPart(msgspec.Struct, gc=False):
    """Mistral's thinking models answer in parts rather than in a string."""

    type: str = "text"
    text: str | None = None
    thinking: list[ThoughtText] | str | None = None


class FunctionDelta(msgspec.Struct, gc=False):
    name: str | None = None
    arguments: msgspec.Raw = msgspec.Raw()


class ToolCallDelta(msgspec.Struct, gc=False):
    index: int | None = None
    id: str | None = None
    function: FunctionDelta | None = None
    # Gemini hangs the signature of its thoughts here and refuses the next request without it.
    extra_content: msgspec.Raw = msgspec.Raw()


class Delta(msgspec.Struct, gc=False):
    content: str | list[ContentPart] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: list[ToolCallDelta] | None = None


class Choice(msgspec.Struct, gc=False):
    """`delta` in a stream, `message` in an answer that came in one piece."""

    delta: Delta | None = None
    message: Delta | None = None
    finish_reason: str | None = None


class PromptDetails(msgspec.Struct, gc=False):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class CompletionDetails(msgspec.Struct, gc=False):
    reasoning_tokens: int | None = None


class Usage(msgspec.Struct, gc=False):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: PromptDetails | None = None
    completion_tokens_details: CompletionDetails | None = None
    prompt_cache_hit_tokens: int | None = None  # DeepSeek
    cached_tokens: int | None = None  # Moonshot
    cost: float | None = None  # OpenRouter, in USD


class Chunk(msgspec.Struct, gc=False):
    choices: list[Choice] | None = None
    usage: Usage | None = None
    error: msgspec.Raw = msgspec.Raw()


decode_chunk = msgspec.json.Decoder(Chunk, strict=False).decode

_CHOICES = ("auto", "none", "required")

_FINISH: Mapping[str, FinishReason] = {
    "stop": FinishReason.STOP,
    "length": FinishReason.LENGTH,
    "max_tokens": FinishReason.LENGTH,
    "model_length": FinishReason.LENGTH,
    "tool_calls": FinishReason.TOOL_CALLS,
    "function_call": FinishReason.TOOL_CALLS,
    "content_filter": FinishReason.CONTENT_FILTER,
}


def read_finish(word: str | None, *, has_calls: bool) -> FinishReason:
    """What an answer ended for. Some servers say `stop` although they called tools: the calls decide."""
    reason = _FINISH.get(word or "stop", FinishReason.STOP)
    if has_calls and reason is FinishReason.STOP:
        return FinishReason.TOOL_CALLS
    return reason


def read_usage(usage: Usage) -> TokenUsage | None:
    """Usage in our words, None when the figures are missing.

    Some providers count thoughts only in the total, though they bill them as output; so the total decides.
    """
    if usage.prompt_tokens is None and usage.completion_tokens is None:
        return None
    sent, said = usage.prompt_tokens or 0, usage.completion_tokens or 0
    prompt, completion = usage.prompt_tokens_details, usage.completion_tokens_details
    cached = (prompt.cached_tokens if prompt else None) or usage.prompt_cache_hit_tokens or usage.cached_tokens or 0
    return TokenUsage(
        input_tokens=sent,
        output_tokens=max(said, (usage.total_tokens or 0) - sent),
        cached_input_tokens=min(cached, sent),
        thinking_tokens=(completion.reasoning_tokens if completion else None) or 0,
        cache_write_tokens=(prompt.cache_write_tokens if prompt else None) or 0,
        reported_cost=usage.cost,
    )


def write_request(request: ModelRequest, provider: Provider) -> bytes:
    """The body of a streaming chat completion."""
    settings = request.settings
    body: dict[str, object] = {
        "model": request.model,
        "messages": [_message(message, provider) for message in request.messages],
        "stream": True,
    }
    if provider.takes_stream_options:
        body["stream_options"] = {"include_usage": True}
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
    optional: dict[str, object] = {
        "temperature": settings.temperature,
        "top_p": settings.top_p,
        provider.output_limit_field: settings.max_output_tokens,
        "stop": list(settings.stop) or None,
        "seed": settings.seed,
        "reasoning_effort": settings.thinking_effort,
        "response_format": settings.response_format,
    }
    if request.tools:
        optional |= {
            "tool_choice": _tool_choice(settings.tool_choice),
            "parallel_tool_calls": settings.parallel_tool_calls,
        }
    body.update(settings.extra)
    body.update({name: value for name, value in optional.items() if value is not None})
    return orjson.dumps(body, default=plain)


def _tool_choice(choice: str | None) -> object:
    if choice is None or choice in _CHOICES:
        return choice
    return {"type": "function", "function": {"name": choice}}


def plain(value: object) -> object:
    """Lets orjson write mappings that are no dicts, as schemas may be."""
    if isinstance(value, Mapping):
        return dict(cast("Mapping[str, object]", value))
    raise TypeError(f"{type(value).__name__} is not JSON")


class State(msgspec.Struct, gc=False, omit_defaults=True):
    """What a provider wants to see again of its own answer, kept as JSON in `provider_state`."""

    provider: str
    thinking_field: str = ""
    extras: dict[str, msgspec.Raw] = msgspec.field(default_factory=dict[str, msgspec.Raw])


_decode_state = msgspec.json.Decoder(State).decode


def read_state(text: str, provider: Provider) -> State | None:
    """The state, if this very provider wrote it."""
    if not text:
        return None
    try:
        state = _decode_state(text)
    except msgspec.DecodeError:
        return None
    return state if state.provider == provider.name else None


def _message(message: Message, provider: Provider) -> dict[str, object]:
    match message:
        case SystemMessage(text=text):
            return {"role": "system", "content": text}
        case UserMessage(text=text, images=images):
            return {"role": "user", "content": [*_text_part(text), *map(_image, images)] if images else text}
        case ToolMessage(tool_call_id=id, text=text):
            return {"role": "tool", "tool_call_id": id, "content": text}
        case AssistantMessage():
            return _assistant(message, provider)


def _assistant(message: AssistantMessage, provider: Provider) -> dict[str, object]:
    if not message.tool_calls:
        return {"role": "assistant", "content": message.text}
    state = read_state(message.provider_state, provider)
    extras = state.extras if state else {}
    calls: list[dict[str, object]] = []
    for call in message.tool_calls:
        wire: dict[str, object] = {
            "id": call.provider_id,
            "type": "function",
            "function": {"name": call.name, "arguments": call.arguments},
        }
        if extra := extras.get(call.provider_id):
            wire["extra_content"] = orjson.Fragment(bytes(extra))
        calls.append(wire)
    whole: dict[str, object] = {"role": "assistant", "content": message.text or None, "tool_calls": calls}
    if state and state.thinking_field and message.thinking:
        whole[state.thinking_field] = message.thinking
    return whole


def _text_part(text: str) -> list[dict[str, object]]:
    return [{"type": "text", "text": text}] if text else []


def _image(image: Image) -> dict[str, object]:
    url: dict[str, object] = {"url": f"data:{image.media_type};base64,{image.data}"}
    if image.detail:
        url["detail"] = image.detail
    return {"type": "image_url", "image_url": url}


def _tool(tool: ToolSpec) -> dict[str, object]:
    function = {"name": tool.name, "description": tool.description, "parameters": tool.schema}
    return {"type": "function", "function": function}
