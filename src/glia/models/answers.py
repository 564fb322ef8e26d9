"""Reads the body of a provider's answer, whatever form the provider chose for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Protocol

from glia.kit.outbound import OutboundFailed, StreamedResponse
from glia.kit.sse import SseParser, SseTooLong
from glia.models.failures import garbled, refused_answer
from glia.models.providers import Provider
from glia.models.types import ModelEvent

MAX_ANSWER_BYTES = 32 * 1024 * 1024
MAX_ERROR_BYTES = 64 * 1024


# How long to wait for the formal end of a body whose last event has come, to keep the connection for the next call.
DRAIN_SECONDS = 0.02


class Reader(Protocol):
    """What turns the documents of one answer into deltas.

    is_done: the provider said that nothing follows. is_complete: the answer is whole, although more may follow.
    """

    is_done: bool

    @property
    def is_complete(self) -> bool: ...
    def read(self, data: bytes) -> list[ModelEvent]: ...


async def read_events(answer: StreamedResponse, provider: Provider, reader: Reader) -> AsyncGenerator[ModelEvent, None]:
    """All deltas of an answer. A connection that breaks after the answer was whole does no harm."""
    documents = event_data(answer, provider)
    try:
        async for data in documents:
            for event in reader.read(data):
                yield event
            if reader.is_done:
                await _drain(documents)
                return
    except OutboundFailed:
        if not reader.is_complete:
            raise


async def _drain(documents: AsyncGenerator[bytes, None]) -> None:
    try:
        async with asyncio.timeout(DRAIN_SECONDS):
            async for _ in documents:
                pass
    except TimeoutError:
        return


async def raise_for_status(answer: StreamedResponse, provider: Provider, model: str) -> None:
    if 200 <= answer.status < 300:
        return
    body = await read_some(answer, MAX_ERROR_BYTES)
    raise refused_answer(provider, answer.status, body, retry_after=answer.headers.get("retry-after"), model=model)


async def read_some(answer: StreamedResponse, limit: int) -> bytes:
    """The beginning of a body, at most `limit` bytes: an error page needs no more."""
    collected = bytearray()
    async for chunk in answer.chunks():
        collected += chunk
        if len(collected) >= limit:
            break
    return bytes(collected[:limit])


async def event_data(answer: StreamedResponse, provider: Provider) -> AsyncGenerator[bytes, None]:
    """The JSON documents of an answer: of each event, or of the whole body when the server would not stream.

    Raises ModelFailed for a body that is neither.
    """
    chunks = answer.chunks()
    first = b""
    async for chunk in chunks:
        first += chunk
        if first.strip():
            break
    head = first.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    if head in {b"{", b"["}:
        yield await _whole_body(first, chunks, provider)
        return
    if not head or head == b"<":
        raise garbled(provider, first)
    parser = SseParser()
    try:
        found = parser.feed(first)
        for data in found:
            yield data
        async for chunk in chunks:
            for data in parser.feed(chunk):
                yield data
    except SseTooLong as error:
        raise garbled(provider, str(error).encode()) from error
    for data in parser.finish():
        yield data


async def _whole_body(first: bytes, chunks: AsyncIterator[bytes], provider: Provider) -> bytes:
    collected = bytearray(first)
    async for chunk in chunks:
        collected += chunk
        if len(collected) > MAX_ANSWER_BYTES:
            raise garbled(provider, bytes(collected[:MAX_ERROR_BYTES]))
    return bytes(collected)
