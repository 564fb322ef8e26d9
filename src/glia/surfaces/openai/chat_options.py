"""What a chat completion wants of an agent besides an answer to its messages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from glia.gateway.service import ChatOptions, read_options
from glia.gateway.types import ChatCall
from glia.kit.errors import InvalidRequest
from glia.models.service import ResolvedModel
from glia.runs.service import ClientTool, RunOptions
from glia.surfaces.shared.json_body import read_object

_HANDLED = frozenset(
    {"model", "messages", "stream", "stream_options", "metadata", "user", *ChatOptions.__struct_fields__}
)
_WITHOUT_EFFECT = frozenset(
    {
        "audio",
        "function_call",
        "functions",
        "logprobs",
        "modalities",
        "moderation",
        "prediction",
        "store",
        "top_logprobs",
        "web_search_options",
    }
)
"""They change what an answer of this API looks like, or where it is kept; an agent's answer has no such parts."""


MOST_ANSWERS = 8
"""Of an agent to one request, each a run of its own."""

_NOT_BUILT_IN = ("temperature", "top_p", "seed", "parallel_tool_calls", "reasoning_effort")
"""What the built-in model has no use for: it decides by rules."""


@dataclass(frozen=True)
class ChatWishes:
    """options: of each run. ignored: fields without effect. notes: what the sessions keep for the client.

    count: of runs, each one answer.
    """

    options: RunOptions
    ignored: list[str]
    notes: dict[str, object]
    count: int = 1


def read_wishes(call: ChatCall, model: ResolvedModel) -> ChatWishes:
    """model: the agent's. Raises InvalidRequest that names the field at fault."""
    if len(call.fields) == 2:  # a model and messages, as most have it
        return ChatWishes(RunOptions(), [], {})
    if b"\\u0000" in call.body:
        read_object(call.body)  # says where it is
    given = read_options(call)
    count = 1 if given.n is None else given.n
    if not 1 <= count <= MOST_ANSWERS:
        raise InvalidRequest(f"`n` is {count}; an agent gives between 1 and {MOST_ANSWERS} answers.", field="n")
    others = {name: raw for name, raw in call.fields.items() if name not in _HANDLED and bytes(raw) != b"null"}
    passed = [name for name in others if name not in _WITHOUT_EFFECT] if model.is_forwardable else []
    options = RunOptions(
        temperature=given.temperature,
        top_p=given.top_p,
        max_output_tokens=given.max_completion_tokens or given.max_tokens,
        stop=[given.stop] if isinstance(given.stop, str) else given.stop or [],
        seed=given.seed,
        thinking_effort=given.effort,
        response_format=_plain(given.form),
        tool_choice=given.choice,
        parallel_tool_calls=given.parallel_tool_calls,
        client_tools=[
            ClientTool(tool.name, tool.description, dict(tool.schema)) for tool in given.specs(is_offered=True)
        ],
        extra={name: msgspec.json.decode(others[name]) for name in passed},
    )
    ignored = [name for name in others if name not in passed]
    ignored += [name for name in without_use(model) if getattr(given, name) is not None]
    return ChatWishes(options, ignored, _notes(call), count)


def without_use(model: ResolvedModel) -> tuple[str, ...]:
    """Settings that the model has no use for."""
    if model.is_embedded:
        return _NOT_BUILT_IN
    return ("seed",) if model.provider.kind == "anthropic" else ()


def _plain(form: Mapping[str, object] | None) -> dict[str, Any] | None:
    return None if form is None else dict(form)


def _notes(call: ChatCall) -> dict[str, object]:
    """`metadata` and `user`, as the session keeps them."""
    notes: dict[str, object] = {}
    for name, kind in (("metadata", dict[str, str]), ("user", str)):
        raw = bytes(call.fields.get(name, b""))
        if raw in (b"", b"null"):
            continue
        try:
            notes[name] = msgspec.json.decode(raw, type=kind)
        except msgspec.DecodeError:
            kind_name = "a text" if kind is str else "an object of texts"
            raise InvalidRequest(f"`{name}` must be {kind_name}.", field=name) from None
    return notes
