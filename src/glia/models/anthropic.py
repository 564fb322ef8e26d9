"""A lean client for Anthropic's Messages API."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

import msgspec
import orjson

from glia.kit.outbound import Outbound, Timeouts
from glia.models.answers import raise_for_status, read_events
from glia.models.anthropic_wire import (
    State,
    WireBlock,
    WireEvent,
    WireUsage,
    decode_event,
    merge_usage,
    read_finish,
    read_usage,
    write_request,
)
from glia.models.estimate import estimated_usage
from glia.models.failures import cut_short, failed_in_stream, garbled
from glia.models.providers import Provider
from glia.models.tool_calls import ToolCallAssembler
from glia.models.transport import CALL_TIMEOUTS, open_answer
from glia.models.types import ModelEvent, ModelRequest, ModelResponse, TextDelta, ThinkingDelta


class AnthropicMessages:
    """Implements `Model` for Anthropic and for servers that speak its API."""

    def __init__(self, provider: Provider, outbound: Outbound, timeouts: Timeouts = CALL_TIMEOUTS) -> None:
        self._provider = provider
        self._outbound = outbound
        self._timeouts = timeouts

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        """See `Model.stream`. The cost is left open: prices are the service's business."""
        started = time.perf_counter()
        reader = _MessageReader(self._provider, request)
        async with open_answer(
            self._outbound,
            self._provider,
            "/messages",
            body=write_request(request, self._provider),
            timeouts=self._timeouts,
            accept="text/event-stream",
        ) as answer:
            await raise_for_status(answer, self._provider, request.model)
            async for event in read_events(answer, self._provider, reader):
                yield event
        yield reader.response(latency_ms=round((time.perf_counter() - started) * 1000))


@dataclass(slots=True)
class _Thought:
    text: list[str] = field(default_factory=list[str])
    signature: str = ""
    redacted: str = ""

    def wire(self) -> bytes:
        if self.redacted:
            return orjson.dumps({"type": "redacted_thinking", "data": self.redacted})
        return orjson.dumps({"type": "thinking", "thinking": "".join(self.text), "signature": self.signature})


class _MessageReader:
    """Reads the events of one message, gives deltas, and knows the whole at the end."""

    def __init__(self, provider: Provider, request: ModelRequest) -> None:
        self._provider = provider
        self._request = request
        self._text: list[str] = []
        self._thoughts: dict[int, _Thought] = {}
        self._calls = ToolCallAssembler()
        self._stop: str | None = None
        self._usage: WireUsage | None = None
        self._has_begun = False
        self.is_done = False

    @property
    def is_complete(self) -> bool:
        return self.is_done or self._stop is not None

    def read(self, data: bytes) -> list[ModelEvent]:
        """The deltas one event brings. Raises ModelFailed when it reports an error or is no event."""
        try:
            event = decode_event(data)
        except msgspec.DecodeError:
            # A last event cut in two is a cut connection; before anything was said it is garbage.
            if not self._has_begun:
                raise garbled(self._provider, data) from None
            raise cut_short(self._provider) from None
        match event.type:
            case "content_block_delta":
                return self._read_delta(event)
            case "content_block_start" if event.content_block:
                return self._begin(event.index, event.content_block)
            case "message_start":
                self._begin_message(event)
            case "message_delta":
                self._end_of_message(event)
            case "message_stop":
                self.is_done = True
            case "message":
                return self._read_whole(event)
            case "error":
                raise failed_in_stream(self._provider, data, model=self._request.model)
            case _:  # `ping`, `content_block_stop`, and whatever the API adds later
                pass
        return []

    def response(self, *, latency_ms: int) -> ModelResponse:
        """The finished answer. Raises ModelFailed when the stream ended before the answer did."""
        if not self._has_begun:
            raise garbled(self._provider, b"")
        if not self.is_complete:
            raise cut_short(self._provider)
        calls = self._calls.finish()
        text = "".join(self._text)
        thinking = "".join(piece for thought in self._thoughts.values() for piece in thought.text)
        called = "".join(call.name + call.arguments for call in calls)
        usage = read_usage(self._usage) if self._usage else None
        return ModelResponse(
            text=text,
            thinking=thinking,
            tool_calls=calls,
            usage=usage or estimated_usage(self._request, said=text, thought=thinking, called=called),
            finish_reason=read_finish(self._stop, has_calls=bool(calls)),
            model=f"{self._provider.name}/{self._request.model}",
            cost_micros=None,
            latency_ms=latency_ms,
            provider_state=self._state(),
        )

    def _read_delta(self, event: WireEvent) -> list[ModelEvent]:
        delta = event.delta
        if delta is None:
            return []
        match delta.type:
            case "text_delta" if delta.text:
                self._text.append(delta.text)
                return [TextDelta(delta.text)]
            case "input_json_delta":
                self._calls.add(index=event.index, provider_id="", name="", arguments=delta.partial_json)
            case "thinking_delta" if delta.thinking:
                self._thought(event.index).text.append(delta.thinking)
                return [ThinkingDelta(delta.thinking)]
            case "signature_delta":
                self._thought(event.index).signature += delta.signature
            case _:
                pass
        return []

    def _begin(self, index: int, block: WireBlock) -> list[ModelEvent]:
        match block.type:
            case "text" if block.text:
                self._text.append(block.text)
                return [TextDelta(block.text)]
            case "tool_use":
                whole = bytes(block.input).decode()
                arguments = "" if whole in {"{}", "null"} else whole
                self._calls.add(index=index, provider_id=block.id, name=block.name, arguments=arguments)
            case "thinking":
                thought = self._thought(index)
                thought.signature = block.signature
                if block.thinking:
                    thought.text.append(block.thinking)
                    return [ThinkingDelta(block.thinking)]
            case "redacted_thinking":
                self._thought(index).redacted = block.data
            case _:
                pass
        return []

    def _begin_message(self, event: WireEvent) -> None:
        self._has_begun = True
        if event.message and event.message.usage:
            self._usage = merge_usage(self._usage, event.message.usage)

    def _end_of_message(self, event: WireEvent) -> None:
        if event.delta and event.delta.stop_reason:
            self._stop = event.delta.stop_reason
        if event.usage:
            self._usage = merge_usage(self._usage, event.usage)

    def _read_whole(self, event: WireEvent) -> list[ModelEvent]:
        """A message in one piece, from a server that would not stream."""
        self._has_begun = self.is_done = True
        self._stop, self._usage = event.stop_reason, event.usage
        return [said for index, block in enumerate(event.content or ()) for said in self._begin(index, block)]

    def _thought(self, index: int) -> _Thought:
        return self._thoughts.setdefault(index, _Thought())

    def _state(self) -> str:
        signed = [
            msgspec.Raw(thought.wire()) for thought in self._thoughts.values() if thought.signature or thought.redacted
        ]
        if not signed:
            return ""
        return msgspec.json.encode(State(provider=self._provider.name, thinking=signed)).decode()
