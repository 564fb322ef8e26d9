"""A lean client for every server that speaks the chat-completions API."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator

import msgspec
import orjson

from glia.kit.outbound import Outbound, Timeouts
from glia.models.answers import raise_for_status, read_events
from glia.models.estimate import estimated_usage
from glia.models.failures import cut_short, failed_in_stream, garbled
from glia.models.openai_wire import (
    NOTHING,
    Choice,
    Chunk,
    ContentPart,
    Delta,
    State,
    ToolCallDelta,
    Usage,
    decode_chunk,
    read_finish,
    read_usage,
    write_request,
)
from glia.models.providers import Provider
from glia.models.tool_calls import ToolCallAssembler, arguments_text
from glia.models.transport import CALL_TIMEOUTS, open_answer
from glia.models.types import FinishReason, ModelEvent, ModelRequest, ModelResponse, TextDelta, ThinkingDelta, ToolCall


class OpenAiChat:
    """Implements `Model` for one provider."""

    def __init__(self, provider: Provider, outbound: Outbound, timeouts: Timeouts = CALL_TIMEOUTS) -> None:
        self._provider = provider
        self._outbound = outbound
        self._timeouts = timeouts

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        """See `Model.stream`. The cost is left open: prices are the service's business."""
        started = time.perf_counter()
        reader = _AnswerReader(self._provider, request)
        async with open_answer(
            self._outbound,
            self._provider,
            "/chat/completions",
            body=write_request(request, self._provider),
            timeouts=self._timeouts,
            accept="text/event-stream",
        ) as answer:
            await raise_for_status(answer, self._provider, request.model)
            async for event in read_events(answer, self._provider, reader):
                yield event
        yield reader.response(latency_ms=round((time.perf_counter() - started) * 1000))


class _AnswerReader:
    """Reads the documents of one answer, gives deltas, and knows the whole at the end."""

    def __init__(self, provider: Provider, request: ModelRequest) -> None:
        self._provider = provider
        self._request = request
        self._text: list[str] = []
        self._thinking: list[str] = []
        self._calls: ToolCallAssembler | None = None
        self._finish: str | None = None
        self._usage: Usage | None = None
        self._thinking_field = ""
        self._has_choices = False
        self._broken: bytes | None = None
        self.is_done = False

    @property
    def is_complete(self) -> bool:
        return self.is_done or self._finish is not None

    def read(self, data: bytes) -> list[ModelEvent]:
        """The deltas one document brings. Raises ModelFailed when it reports an error or is no chunk."""
        if data == b"[DONE]":
            self.is_done = True
            return []
        try:
            chunk = decode_chunk(data)
        except msgspec.DecodeError:
            chunk = self._not_a_chunk(data)
            if chunk is None:
                return []
        if self._broken is not None:
            raise garbled(self._provider, self._broken)
        if bytes(chunk.error) not in NOTHING:
            raise failed_in_stream(self._provider, data, model=self._request.model)
        if chunk.usage is not None:
            self._usage = chunk.usage
        if not chunk.choices:
            return []
        self._has_choices = True
        return self._read_choice(chunk.choices[0])

    def response(self, *, latency_ms: int) -> ModelResponse:
        """The finished answer. Raises ModelFailed when the stream ended before the answer did."""
        if not self._has_choices:
            raise garbled(self._provider, self._broken or b"")
        if not self.is_complete:
            raise cut_short(self._provider)
        calls = self._calls.finish() if self._calls else ()
        text, thinking = "".join(self._text), "".join(self._thinking)
        usage = read_usage(self._usage) if self._usage else None
        return ModelResponse(
            text=text,
            thinking=thinking,
            tool_calls=calls,
            usage=usage or estimated_usage(self._request, said=text, thought=thinking, called=_called(calls)),
            finish_reason=read_finish(self._finish, has_calls=bool(calls)),
            model=f"{self._provider.name}/{self._request.model}",
            cost_micros=None,
            latency_ms=latency_ms,
            provider_state=self._state(),
        )

    def _read_choice(self, choice: Choice) -> list[ModelEvent]:
        if choice.finish_reason:
            self._finish = choice.finish_reason
        delta = choice.delta or choice.message
        if delta is None:
            return []
        if choice.message is not None and self._finish is None:
            self._finish = FinishReason.STOP
        return self._read_delta(delta)

    def _read_delta(self, delta: Delta) -> list[ModelEvent]:
        content = delta.content
        # Nearly every document is a piece of text and nothing else.
        if isinstance(content, str) and content and delta.tool_calls is None and not delta.reasoning_content:
            self._text.append(content)
            return [TextDelta(content)]
        return self._read_rich(delta)

    def _read_rich(self, delta: Delta) -> list[ModelEvent]:
        events: list[ModelEvent] = []
        if thought := delta.reasoning_content or delta.reasoning:
            self._thinking_field = "reasoning_content" if delta.reasoning_content else "reasoning"
            self._think(thought, events)
        if isinstance(delta.content, str):
            self._say(delta.content, events)
        elif delta.content:
            for part in delta.content:
                self._read_part(part, events)
        if delta.refusal:
            self._say(delta.refusal, events)
        for call in delta.tool_calls or ():
            self._add_call(call)
        return events

    def _read_part(self, part: ContentPart, events: list[ModelEvent]) -> None:
        if isinstance(part.thinking, str):
            self._think(part.thinking, events)
        elif part.thinking:
            self._think("".join(thought.text for thought in part.thinking), events)
        self._say(part.text or "", events)

    def _say(self, text: str, events: list[ModelEvent]) -> None:
        if text:
            self._text.append(text)
            events.append(TextDelta(text))

    def _think(self, text: str, events: list[ModelEvent]) -> None:
        if text:
            self._thinking.append(text)
            events.append(ThinkingDelta(text))

    def _add_call(self, call: ToolCallDelta) -> None:
        if self._calls is None:
            self._calls = ToolCallAssembler()
        function = call.function
        self._calls.add(
            index=call.index,
            provider_id=call.id or "",
            name=(function.name if function else None) or "",
            arguments=arguments_text(function.arguments) if function else "",
            extra=b"" if (extra := bytes(call.extra_content)) in NOTHING else extra,
        )

    def _not_a_chunk(self, data: bytes) -> Chunk | None:
        """What to do with a document that is no chunk: an error in another shape, or garbage.

        Broken JSON is only remembered: at the very end of a stream it means that the connection was cut.
        """
        try:
            orjson.loads(data)
        except orjson.JSONDecodeError:
            if self._broken is not None or not self._has_choices:
                raise garbled(self._provider, data) from None
            self._broken = data
            return None
        if b'"error"' in data[:200]:
            raise failed_in_stream(self._provider, data, model=self._request.model)
        raise garbled(self._provider, data)

    def _state(self) -> str:
        if self._calls is None:
            return ""
        extras = {id: msgspec.Raw(extra) for id, extra in self._calls.extras().items()}
        if not extras and not self._thinking_field:
            return ""
        state = State(provider=self._provider.name, thinking_field=self._thinking_field, extras=extras)
        return msgspec.json.encode(state).decode()


def _called(calls: tuple[ToolCall, ...]) -> str:
    return "".join(call.name + call.arguments for call in calls)
