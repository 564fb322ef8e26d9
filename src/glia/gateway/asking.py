"""Reads a chat completion in full, for models that do not speak that API themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec

from glia.gateway.calls import read_as
from glia.gateway.types import ChatCall
from glia.kit.errors import InvalidRequest
from glia.models.service import check_format, image_of
from glia.models.types import (
    AssistantMessage,
    Image,
    Message,
    ModelRequest,
    ModelSettings,
    SystemMessage,
    ToolCall,
    ToolMessage,
    ToolSpec,
    UserMessage,
)


class _ImageUrl(msgspec.Struct):
    url: str
    detail: str | None = None


class _Part(msgspec.Struct):
    type: str
    text: str | None = None
    refusal: str | None = None
    image_url: _ImageUrl | None = None


class _CalledFunction(msgspec.Struct):
    name: str
    arguments: str = ""


class _Call(msgspec.Struct):
    id: str
    function: _CalledFunction


class ChatMessage(msgspec.Struct):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[_Part] | None = None
    tool_calls: list[_Call] | None = None
    tool_call_id: str | None = None
    reasoning_content: str | None = None


class _Function(msgspec.Struct):
    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None


class _Tool(msgspec.Struct):
    function: _Function
    type: Literal["function"] = "function"


class _NamedFunction(msgspec.Struct):
    name: str


class _NamedTool(msgspec.Struct):
    function: _NamedFunction


Effort = Literal["low", "medium", "high"]
_CHOICES = ("auto", "none", "required")
_EFFORTS: Mapping[str, Effort] = {
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "high",
}


class ChatOptions(msgspec.Struct):
    """Everything about an answer but what it answers."""

    tools: list[_Tool] | None = None
    tool_choice: str | _NamedTool | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: Annotated[int, msgspec.Meta(ge=1)] | None = None
    max_completion_tokens: Annotated[int, msgspec.Meta(ge=1)] | None = None
    stop: str | list[str] | None = None
    seed: int | None = None
    reasoning_effort: str | None = None
    n: int | None = None
    parallel_tool_calls: bool | None = None
    response_format: dict[str, Any] | None = None

    @property
    def effort(self) -> Effort | None:
        return _EFFORTS.get(self.reasoning_effort or "")

    @property
    def form(self) -> Mapping[str, object] | None:
        """Raises InvalidRequest for a format that makes no sense."""
        return check_format(self.response_format)

    @property
    def choice(self) -> str | None:
        """Raises InvalidRequest for one that is not among the tools."""
        choice = self.tool_choice.function.name if isinstance(self.tool_choice, _NamedTool) else self.tool_choice
        is_named = isinstance(self.tool_choice, _NamedTool)
        if not is_named and choice not in (None, *_CHOICES):
            raise InvalidRequest(
                f"`tool_choice` is {str(choice)[:50]!r}; it must be 'auto', 'none', 'required' or name a function.",
                field="tool_choice",
            )
        if is_named and choice not in {tool.function.name for tool in self.tools or ()}:
            raise InvalidRequest(f"`tool_choice` names {choice!r}, which is not in `tools`.", field="tool_choice")
        return choice

    def specs(self, *, is_offered: bool) -> list[ToolSpec]:
        """is_offered: also when `tool_choice` forbids to call them."""
        if self.choice == "none" and not is_offered:
            return []
        return [
            ToolSpec(one.name, one.description or "", one.parameters or {"type": "object", "properties": {}})
            for one in (tool.function for tool in self.tools or ())
        ]


class _Chat(ChatOptions, kw_only=True):
    messages: list[ChatMessage]


class _Conversation(msgspec.Struct):
    messages: list[ChatMessage]


_KNOWN = {"model", "stream", "stream_options", *_Chat.__struct_fields__}


def read_request(call: ChatCall, name: str) -> tuple[ModelRequest, tuple[str, ...]]:
    """The request in our words, and the fields that have no effect on it. name: the provider's for the model.

    Raises InvalidRequest that names the field at fault.
    """
    chat = read_as(call.body, _Chat)
    if chat.n is not None and chat.n != 1:
        raise InvalidRequest(f"`n` is {chat.n}; this model gives one answer at a time.", field="n")
    if not chat.messages:
        raise InvalidRequest("`messages` is empty; send at least one message.", field="messages")
    request = ModelRequest(
        model=name, messages=_messages(chat.messages), tools=chat.specs(is_offered=False), settings=_settings(chat)
    )
    ignored = [field for field, raw in call.fields.items() if field not in _KNOWN and bytes(raw) != b"null"]
    return request, tuple(ignored)


@dataclass(frozen=True)
class ReadMessage:
    """A message with its text and pictures apart."""

    message: ChatMessage
    text: str
    images: tuple[Image, ...]


def read_messages(call: ChatCall) -> list[ReadMessage]:
    """Raises InvalidRequest for a message that holds more than text and pictures."""
    messages = read_as(call.body, _Conversation).messages
    return [ReadMessage(message, *_content(message, index)) for index, message in enumerate(messages)]


def read_options(call: ChatCall) -> ChatOptions:
    """Raises InvalidRequest that names the field at fault."""
    return read_as(call.body, ChatOptions)


def _messages(messages: Sequence[ChatMessage]) -> list[Message]:
    tool_of: dict[str, str] = {}
    found: list[Message] = []
    for index, message in enumerate(messages):
        for call in message.tool_calls or ():
            tool_of[call.id] = call.function.name
        found.append(_message(message, index, tool_of))
    return found


def _message(message: ChatMessage, index: int, tool_of: Mapping[str, str]) -> Message:
    text, images = _content(message, index)
    match message.role:
        case "system" | "developer":
            return SystemMessage(text)
        case "user":
            return UserMessage(text, images)
        case "assistant":
            calls = tuple(
                ToolCall(id=call.id, provider_id=call.id, name=call.function.name, arguments=call.function.arguments)
                for call in message.tool_calls or ()
            )
            return AssistantMessage(text, calls, message.reasoning_content or "")
        case "tool":
            id = message.tool_call_id
            if not id:
                field = f"messages[{index}].tool_call_id"
                raise InvalidRequest(f"`{field}` is missing; name the call whose result this is.", field=field)
            return ToolMessage(id, tool_of.get(id, ""), text)


def _content(message: ChatMessage, index: int) -> tuple[str, tuple[Image, ...]]:
    content = message.content
    if content is None or isinstance(content, str):
        return content or "", ()
    texts: list[str] = []
    images: list[Image] = []
    for at, part in enumerate(content):
        field = f"messages[{index}].content[{at}]"
        text = part.text if part.type == "text" else part.refusal if part.type == "refusal" else None
        if text is not None:
            texts.append(text)
        elif part.type == "image_url" and part.image_url is not None and message.role == "user":
            images.append(image_of(part.image_url.url, f"{field}.image_url.url", part.image_url.detail or ""))
        else:
            raise InvalidRequest(
                f"`{field}` is of type {part.type[:50]!r}, which this model does not read here; send parts of type"
                " 'text', and 'image_url' in messages of the user.",
                field=field,
            )
    return "".join(texts), tuple(images)


def _settings(chat: _Chat) -> ModelSettings:
    stop = (chat.stop,) if isinstance(chat.stop, str) else tuple(chat.stop or ())
    return ModelSettings(
        temperature=chat.temperature,
        top_p=chat.top_p,
        max_output_tokens=chat.max_completion_tokens or chat.max_tokens,
        stop=stop,
        seed=chat.seed,
        thinking_effort=chat.effort,
        tool_choice=chat.choice,
        parallel_tool_calls=chat.parallel_tool_calls,
        response_format=chat.form,
    )
