"""The most that a call can take, known before it is made. Estimates elsewhere are likely; these are never too low.

Tokenizers of today's models work on bytes, so a text never has more tokens than its UTF-8 has bytes. What providers
add to each message, and to a request with tools, is covered by a generous allowance; pictures, sounds and files, whose
tokens do not follow their size, by the most that any provider is known to count for one.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import orjson

from glia.models.prices import MILLION, Price, Rates
from glia.models.resolving import ResolvedModel
from glia.models.types import AssistantMessage, ModelRequest, UserMessage
from glia.usage.types import CallBound

TOKENS_PER_REQUEST = 64
TOKENS_PER_MESSAGE = 16
TOKENS_FOR_TOOLS = 1024
TOKENS_PER_PICTURE = 50_000


class _Part(msgspec.Struct):
    type: str = "text"


class _Message(msgspec.Struct):
    content: msgspec.Raw = msgspec.Raw()


_read_messages = msgspec.json.Decoder(list[_Message]).decode
_read_parts = msgspec.json.Decoder(list[msgspec.Raw]).decode
_read_part = msgspec.json.Decoder(_Part).decode


def largest_input(request: ModelRequest) -> int:
    """Tokens of a request at most."""
    total = TOKENS_PER_REQUEST + TOKENS_PER_MESSAGE * len(request.messages)
    for message in request.messages:
        total += _size(message.text)
        if isinstance(message, UserMessage):
            total += TOKENS_PER_PICTURE * len(message.images)
        if isinstance(message, AssistantMessage):
            total += _size(message.thinking) + _size(message.provider_state)
            total += sum(TOKENS_PER_MESSAGE + _size(call.name) + _size(call.arguments) for call in message.tool_calls)
    if request.tools:
        total += TOKENS_FOR_TOOLS
        for tool in request.tools:
            schema = orjson.dumps(tool.schema, default=dict)
            total += TOKENS_PER_MESSAGE + _size(tool.name) + _size(tool.description) + len(schema)
    return total


def largest_forwarded_input(body: bytes, messages: bytes) -> int:
    """Tokens of a request that is passed on unread, at most. messages: the JSON list of its messages."""
    try:
        sizes = [_other_than_text(bytes(message.content)) for message in _read_messages(messages)]
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        sizes = [0]  # the provider will not understand it either
    tools = TOKENS_FOR_TOOLS if b'"tools"' in body or b'"functions"' in body else 0
    return TOKENS_PER_REQUEST + len(body) + tools + TOKENS_PER_MESSAGE * len(sizes) + sum(sizes)


def largest_call(
    models: Sequence[ResolvedModel], *, input_tokens: int, most_output: int, least_output: int
) -> CallBound:
    """models: those that may answer, the dearest of which counts. A local model without a price is free.

    most_output, least_output: tokens of the answer, as in CallBound.
    """
    is_known = all(model.price is not None or model.provider.is_local for model in models)
    rates = [_dearest(model.price, input_tokens) for model in models if model.price is not None]
    dearest_input = max((rate for rate, _ in rates), default=0)
    return CallBound(
        input_tokens=input_tokens,
        input_micros=-(-input_tokens * dearest_input // MILLION) if is_known else None,
        output_rate=max((rate for _, rate in rates), default=0),
        most_output_tokens=max(most_output, least_output),
        least_output_tokens=least_output,
    )


def _dearest(price: Price, input_tokens: int) -> tuple[int, int]:
    """The highest rates of input and output that can apply to a call with up to this many tokens of input."""
    long = price.long
    tiers: list[Rates] = [price]
    if long is not None and input_tokens > long.above_tokens:
        tiers.append(price.rates_for(input_tokens))
    into = max(max(tier.input, tier.cached_input or 0, tier.cache_write or 0) for tier in tiers)
    return into, max(tier.output for tier in tiers)


def _other_than_text(content: bytes) -> int:
    """What the parts of a message that are no text add to the size of the body: a picture's bytes do not count."""
    if not content.startswith(b"["):
        return 0
    total = 0
    for raw in _read_parts(content):
        kind = _read_part(raw).type
        if kind in {"image_url", "input_image"}:
            total += TOKENS_PER_PICTURE - len(bytes(raw))
        elif kind not in {"text", "refusal"}:
            total += TOKENS_PER_PICTURE
    return total


def _size(text: str) -> int:
    return len(text.encode("utf-8", "replace"))
