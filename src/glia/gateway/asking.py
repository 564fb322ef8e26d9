"""Reads a chat completion in full, for models that do not speak that API themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from glia.gateway.calls import read_as
from glia.gateway.types import ChatCall
from glia.kit.errors import InvalidRequest
from glia.models.types import (
    AssistantMessage,
    Message,
    ModelRequest,
    ModelSettings,
    SystemMessage,
    ToolCall,
    ToolMessage,
    ToolSpec,
    UserMessage,
)


class _Part(msgspec.Struct):
    type: str
    text: str | None = None
    refusal: str | None = None


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


class _Chat(msgspec.Struct):
    messages: list[ChatMessage]
    tools: list[_Tool] | None = None
    tool_choice: str | _NamedTool | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    stop: str | list[str] | None = None
    seed: int | None = None
    reasoning_effort: str | None = None
    n: int | None = None


class _Conversation(msgspec.Struct):
    messages: list[ChatMessage]


_KNOWN = {"model", "stream", "stream_options", *_Chat.__struct_fields__}
_EFFORTS: Mapping[str, Literal["low", "medium", "high"]] = {
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "high",
}


def read_request(call: ChatCall, name: str) -> tuple[ModelRequest, tuple[str, ...]]:
    """The request in our words, and the fields that have no effect on it. name: the provider's for the model.

    Raises InvalidRequest that names the field at fault.
    """
    chat = read_as(call.body, _Chat)
    if chat.n is not None and chat.n != 1:
        raise InvalidRequest(f"`n` is {chat.n}; this model gives one answer at a time.", field="n")
    if not chat.messages:
        raise InvalidRequest("`messages` is empty; send at least one message.", field="messages")
    request = ModelRequest(model=name, messages=_messages(chat.messages), tools=_tools(chat), settings=_settings(chat))
    ignored = [field for field, raw in call.fields.items() if field not in _KNOWN and bytes(raw) != b"null"]
    if chat.tool_choice == "required":
        ignored.append("tool_choice")
    return request, tuple(ignored)


def read_messages(call: ChatCall) -> list[tuple[ChatMessage, str]]:
    """The messages with their text. Raises InvalidRequest for one that holds more than text."""
    messages = read_as(call.body, _Conversation).messages
    return [(message, _text(message, index)) for index, message in enumerate(messages)]


def _messages(messages: Sequence[ChatMessage]) -> list[Message]:
    tool_of: dict[str, str] = {}
    found: list[Message] = []
    for index, message in enumerate(messages):
        for call in message.tool_calls or ():
            tool_of[call.id] = call.function.name
        found.append(_message(message, index, tool_of))
    return found


def _message(message: ChatMessage, index: int, tool_of: Mapping[str, str]) -> Message:
    text = _text(message, index)
    match message.role:
        case "system" | "developer":
            return SystemMessage(text)
        case "user":
            return UserMessage(text)
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


def _text(message: ChatMessage, index: int) -> str:
    content = message.content
    if content is None or isinstance(content, str):
        return content or ""
    texts: list[str] = []
    for at, part in enumerate(content):
        text = part.text if part.type == "text" else part.refusal if part.type == "refusal" else None
        if text is None:
            field = f"messages[{index}].content[{at}]"
            raise InvalidRequest(
                f"`{field}` is of type {part.type[:50]!r}; this model reads text only, so send parts of type 'text'.",
                field=field,
            )
        texts.append(text)
    return "".join(texts)


def _tools(chat: _Chat) -> list[ToolSpec]:
    choice = chat.tool_choice
    if choice == "none":
        return []
    wanted = choice.function.name if isinstance(choice, _NamedTool) else None
    functions = [tool.function for tool in chat.tools or () if wanted is None or tool.function.name == wanted]
    if wanted is not None and not functions:
        raise InvalidRequest(f"`tool_choice` names {wanted!r}, which is not in `tools`.", field="tool_choice")
    return [
        ToolSpec(one.name, one.description or "", one.parameters or {"type": "object", "properties": {}})
        for one in functions
    ]


def _settings(chat: _Chat) -> ModelSettings:
    stop = (chat.stop,) if isinstance(chat.stop, str) else tuple(chat.stop or ())
    return ModelSettings(
        temperature=chat.temperature,
        top_p=chat.top_p,
        max_output_tokens=chat.max_completion_tokens or chat.max_tokens,
        stop=stop,
        seed=chat.seed,
        thinking_effort=_EFFORTS.get(chat.reasoning_effort or ""),
    )
