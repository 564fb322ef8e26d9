"""The body of POST /v1/responses, and what of it a response shows again."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from glia.kit.errors import InvalidRequest
from glia.models.service import ResolvedModel, check_format

Positive = Annotated[int, msgspec.Meta(ge=1)]
Effort = Literal["low", "medium", "high"]

_EFFORTS: dict[str, Effort] = {"low": "low", "medium": "medium", "high": "high"}
THOUGHTS = "reasoning.encrypted_content"
_INCLUDED = frozenset(
    {"file_search_call.results", "code_interpreter_call.outputs", "web_search_call.action.sources", THOUGHTS}
)
_PASSED = (
    "user",
    "safety_identifier",
    "prompt_cache_key",
    "prompt_cache_retention",
    "service_tier",
)
_MOST_METADATA = 16


class ConversationRef(msgspec.Struct):
    id: str


class TextConfig(msgspec.Struct):
    format: dict[str, Any] | None = None
    verbosity: str | None = None


class Reasoning(msgspec.Struct):
    effort: str | None = None
    summary: str | None = None
    generate_summary: str | None = None
    context: str | None = None
    mode: str | None = None


class StreamOptions(msgspec.Struct):
    include_obfuscation: bool | None = None


class ResponseBody(msgspec.Struct, kw_only=True):
    model: str
    input: str | list[dict[str, Any]] | None = None
    instructions: str | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    background: bool | None = None
    store: bool | None = None
    previous_response_id: str | None = None
    conversation: str | ConversationRef | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_output_tokens: Positive | None = None
    max_tool_calls: Positive | None = None
    metadata: dict[str, str] | None = None
    text: TextConfig | None = None
    reasoning: Reasoning | None = None
    truncation: Literal["auto", "disabled"] | None = None
    include: list[str] | None = None
    top_logprobs: int | None = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None
    service_tier: str | None = None

    @property
    def is_stored(self) -> bool:
        return self.store is not False

    @property
    def conversation_id(self) -> str | None:
        return self.conversation.id if isinstance(self.conversation, ConversationRef) else self.conversation

    @property
    def form(self) -> dict[str, Any] | None:
        """`text.format` as chat completions say it. Raises InvalidRequest."""
        given = None if self.text is None else self.text.format
        if given is None:
            return None
        if given.get("type") == "json_schema":
            schema = {name: given[name] for name in ("name", "schema", "strict", "description") if name in given}
            given = {"type": "json_schema", "json_schema": {k: v for k, v in schema.items() if v is not None}}
        found = check_format(given, "text.format")
        return None if found is None else dict(found)

    @property
    def effort(self) -> Effort | None:
        """Ours for `reasoning.effort`; other words go to providers that know them."""
        return _EFFORTS.get(self.reasoning.effort or "") if self.reasoning else None

    def passed_on(self, model: ResolvedModel) -> dict[str, Any]:
        """What a provider of chat completions gets as it is."""
        if not model.is_forwardable:
            return {}
        found = {name: getattr(self, name) for name in _PASSED}
        found["verbosity"] = self.text.verbosity if self.text else None
        if self.reasoning and self.effort is None:
            found["reasoning_effort"] = self.reasoning.effort
        return {name: value for name, value in found.items() if value is not None}

    def ignored(self, model: ResolvedModel) -> list[str]:
        """Fields that were given and have no effect."""
        found = [name for name in _PASSED if getattr(self, name) is not None and not model.is_forwardable]
        if self.text and self.text.verbosity and not model.is_forwardable:
            found.append("text.verbosity")
        if self.reasoning and self.reasoning.effort and not model.is_forwardable and self.effort is None:
            found.append("reasoning.effort")
        if self.top_logprobs:
            found.append("top_logprobs")
        if any(name not in _INCLUDED for name in self.include or ()):
            found.append("include")
        return found

    def check(self) -> None:
        """Raises InvalidRequest for fields that do not go together."""
        if not self.model.strip():
            raise InvalidRequest("`model` is empty; GET /v1/models lists what there is.", field="model")
        if self.previous_response_id and self.conversation_id:
            raise InvalidRequest(
                "`previous_response_id` and `conversation` both say what goes before; send one of them.",
                field="previous_response_id",
            )
        if self.background and not self.is_stored:
            raise InvalidRequest("A response in the `background` must be stored; leave `store` out.", field="store")
        if len(self.metadata or {}) > _MOST_METADATA:
            raise InvalidRequest(
                f"`metadata` has {len(self.metadata or {})} entries; the most is {_MOST_METADATA}.", field="metadata"
            )
        for name, value in (self.metadata or {}).items():
            if len(name) > 64 or len(value) > 512:
                raise InvalidRequest(
                    "A name in `metadata` may have 64 characters and its value 512.", field=f"metadata.{name[:64]}"
                )

    def echo(self, tools: list[dict[str, Any]], truncation: str | None = None) -> dict[str, Any]:
        """What the response repeats of the request, as it is kept with the run."""
        text: dict[str, Any] = msgspec.to_builtins(self.text) if self.text else {}
        text = {name: value for name, value in text.items() if value is not None}
        return {
            "model": self.model,
            "instructions": self.instructions,
            "background": bool(self.background),
            "store": self.is_stored,
            "previous_response_id": self.previous_response_id,
            "tools": tools,
            "tool_choice": self.tool_choice or "auto",
            "parallel_tool_calls": self.parallel_tool_calls is not False,
            "temperature": 1.0 if self.temperature is None else self.temperature,
            "top_p": 1.0 if self.top_p is None else self.top_p,
            "max_output_tokens": self.max_output_tokens,
            "max_tool_calls": self.max_tool_calls,
            "metadata": self.metadata or {},
            "text": {"format": {"type": "text"}, **text},
            "reasoning": {
                "effort": self.reasoning.effort if self.reasoning else None,
                "summary": (self.reasoning.summary or self.reasoning.generate_summary) if self.reasoning else None,
            },
            "truncation": truncation or self.truncation or "disabled",
            "top_logprobs": self.top_logprobs or 0,
            "service_tier": self.service_tier or "default",
            "user": self.user,
            "safety_identifier": self.safety_identifier,
            "prompt_cache_key": self.prompt_cache_key,
            "include": self.include or [],
        }
