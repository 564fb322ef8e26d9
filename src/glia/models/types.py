"""What is said to a model and what it answers, in one shape for every provider."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, Protocol


@dataclass(frozen=True)
class ToolCall:
    """A model's wish to call a tool.

    id: ours, unique for ever. provider_id: what the provider called it, which its next request must repeat.
    arguments: the raw JSON text as the model wrote it; it may be invalid.
    """

    id: str
    provider_id: str
    name: str
    arguments: str


@dataclass(frozen=True)
class SystemMessage:
    text: str


@dataclass(frozen=True)
class Image:
    """A picture in a message. data: its bytes in base64; empty for one that lies at url, or is stored as file_id, and
    has not been read yet.
    """

    media_type: str
    data: str = ""
    file_id: str = ""
    url: str = ""
    detail: str = ""


@dataclass(frozen=True)
class UserMessage:
    text: str
    images: tuple[Image, ...] = ()


@dataclass(frozen=True)
class AssistantMessage:
    """What the model said earlier.

    provider_state: copied from its ModelResponse, so that the provider recognises its own turn.
    """

    text: str
    tool_calls: tuple[ToolCall, ...] = ()
    thinking: str = ""
    provider_state: str = ""


@dataclass(frozen=True)
class ToolMessage:
    """What a tool call gave. `tool_call_id` is the provider's id of the call, `name` the tool's name."""

    tool_call_id: str
    name: str
    text: str
    is_error: bool = False


Message = SystemMessage | UserMessage | AssistantMessage | ToolMessage


@dataclass(frozen=True)
class ToolSpec:
    """A tool as the model sees it. schema: JSON Schema of the arguments, an object."""

    name: str
    description: str
    schema: Mapping[str, object]


@dataclass(frozen=True)
class ModelSettings:
    """tool_choice: `auto`, `none`, `required`, or the name of the tool that must be called.

    response_format: that the answer is JSON, as chat completions say it: `{"type": "json_object"}`, or
    `{"type": "json_schema", "json_schema": {"name", "schema", "strict"}}`. extra: further fields of the request, for
    providers that speak chat completions.
    """

    temperature: float | None = None
    top_p: float | None = None
    max_output_tokens: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    thinking_effort: Literal["low", "medium", "high"] | None = None
    tool_choice: str | None = None
    parallel_tool_calls: bool | None = None
    response_format: Mapping[str, object] | None = None
    extra: Mapping[str, object] = field(default_factory=dict[str, object])


@dataclass(frozen=True)
class ModelRequest:
    """One call. model: the provider's own name for it, without the provider prefix."""

    model: str
    messages: Sequence[Message]
    tools: Sequence[ToolSpec] = ()
    settings: ModelSettings = field(default_factory=ModelSettings)


@dataclass(frozen=True)
class TokenUsage:
    """Tokens of one call.

    cached_input_tokens and cache_write_tokens are parts of input_tokens, thinking_tokens is a part of output_tokens.
    is_estimated: the provider sent no usage, so the figures were guessed from the length of the text.
    reported_cost: what the provider says that the call cost, in a unit of its own; None where it says nothing.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cached_input_tokens: int = 0
    thinking_tokens: int = 0
    is_estimated: bool = False
    cache_write_tokens: int = 0
    reported_cost: float | None = None


class FinishReason(StrEnum):
    STOP = "stop"
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"
    CONTENT_FILTER = "content_filter"


@dataclass(frozen=True)
class TextDelta:
    text: str


@dataclass(frozen=True)
class ThinkingDelta:
    text: str


@dataclass(frozen=True)
class ModelResponse:
    """The finished answer. Always the last thing a stream yields.

    model: `provider/name` that really answered (a fallback may have stepped in).
    cost_micros: None when the price of the model is not known, never 0 for want of a price.
    provider_state: opaque text (signatures of thoughts and the like) that belongs into the AssistantMessage of this
    answer; a provider ignores what another one wrote.
    """

    text: str
    thinking: str
    tool_calls: tuple[ToolCall, ...]
    usage: TokenUsage
    finish_reason: FinishReason
    model: str
    cost_micros: int | None
    latency_ms: int
    provider_state: str = ""


ModelEvent = TextDelta | ThinkingDelta | ModelResponse


@dataclass(frozen=True)
class ModelInfo:
    """A model as a list shows it.

    id: `provider/name`. purpose: guessed from the name, since providers do not say it.
    input_price_micros, output_price_micros: per million tokens; None when not known.
    """

    id: str
    provider: str
    name: str
    display_name: str
    purpose: Literal["chat", "embedding", "other"]
    is_default: bool
    is_local: bool
    input_price_micros: int | None
    output_price_micros: int | None


@dataclass(frozen=True)
class ProviderInfo:
    """A provider as people see it, without its key. base_url: empty for the built-in one. problem: why it did not list
    its models when it was last asked.

    key_variable: the environment variable that sets its key; empty for one that takes none.
    """

    name: str
    kind: str
    base_url: str
    is_local: bool
    has_key: bool
    key_variable: str
    models: int
    problem: str | None


class Model(Protocol):
    """One provider's way to answer. Closing the generator cancels the call upstream."""

    def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        """Yields deltas as they come and ends with one ModelResponse.

        Raises `models.errors.ModelFailed` (a GliaError) when the provider fails.
        """
        ...
