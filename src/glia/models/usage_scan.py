"""Reads the usage out of answers that are passed on without being understood."""

from __future__ import annotations

import msgspec

from glia.kit.sse import SseParser, SseTooLong
from glia.models.estimate import tokens_of_bytes
from glia.models.openai_wire import NOTHING, Usage, read_usage
from glia.models.types import TokenUsage


class _Delta(msgspec.Struct, gc=False):
    content: msgspec.Raw = msgspec.Raw()


class _Choice(msgspec.Struct, gc=False):
    delta: _Delta | None = None
    finish_reason: msgspec.Raw = msgspec.Raw()


class _Chunk(msgspec.Struct, gc=False):
    choices: list[_Choice] | None = None
    usage: Usage | None = None


class _Answer(msgspec.Struct, gc=False):
    usage: Usage | None = None


_decode_chunk = msgspec.json.Decoder(_Chunk).decode
_decode_answer = msgspec.json.Decoder(_Answer).decode


class UsageScanner:
    """Watches the bytes of a forwarded chat-completions stream go by.

    Never raises: a stream it does not understand has an estimated usage.
    """

    def __init__(self, request_bytes: int = 0) -> None:
        """request_bytes: size of the request's text, from which the input is estimated when no usage comes."""
        self._parser = SseParser()
        self._request_bytes = request_bytes
        self._said_bytes = 0
        self._usage: Usage | None = None
        self._is_lost = False
        self._has_ended = False
        self.is_done = False
        """Whether the last event, `[DONE]`, has come."""

    def feed(self, data: bytes) -> None:
        if self._is_lost:
            self._said_bytes += len(data)
            return
        try:
            events = self._parser.feed(data)
        except SseTooLong:
            self._is_lost = True
            return
        for event in events:
            self._read(event)

    @property
    def is_cut_short(self) -> bool:
        """Whether the answer lacks its end: no reason to finish and no `[DONE]`. Ask when the stream has ended."""
        for event in self._parser.finish():
            self._read(event)
        return not (self._has_ended or self._is_lost)

    @property
    def usage(self) -> TokenUsage:
        """The provider's figures, or else an estimate from the sizes; ask when the stream has ended."""
        for event in self._parser.finish():
            self._read(event)
        usage = read_usage(self._usage) if self._usage else None
        if usage is not None:
            return usage
        return TokenUsage(
            input_tokens=tokens_of_bytes(self._request_bytes),
            output_tokens=tokens_of_bytes(self._said_bytes),
            is_estimated=True,
        )

    def _read(self, event: bytes) -> None:
        if event == b"[DONE]":
            self._has_ended = self.is_done = True
            return
        try:
            chunk = _decode_chunk(event)
        except msgspec.DecodeError:
            return
        if chunk.usage is not None:
            self._usage = chunk.usage
        for choice in chunk.choices or ():
            if bytes(choice.finish_reason) not in NOTHING:
                self._has_ended = True
            # Two quotes around the text; escapes make it a little long, which an estimate may be.
            if choice.delta is not None and (content := bytes(choice.delta.content)) not in NOTHING:
                self._said_bytes += len(content) - 2


def usage_of_answer(body: bytes) -> TokenUsage | None:
    """The usage of an answer that came in one piece, None when it names none."""
    try:
        answer = _decode_answer(body)
    except msgspec.DecodeError:
        return None
    return read_usage(answer.usage) if answer.usage else None
