"""Asks an OpenAI-compatible server for embeddings."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import orjson

from glia.kit.outbound import Outbound, Timeouts
from glia.models.answers import MAX_ANSWER_BYTES, raise_for_status
from glia.models.estimate import estimate_tokens
from glia.models.failures import garbled
from glia.models.openai_wire import Usage
from glia.models.providers import Provider
from glia.models.transport import CALL_TIMEOUTS, open_answer
from glia.models.types import TokenUsage

# The largest number of texts every known server takes in one request.
BATCH_SIZE = 96


class _Embedding(msgspec.Struct, gc=False):
    embedding: list[float]
    index: int | None = None


class _Answer(msgspec.Struct, gc=False):
    data: list[_Embedding]
    usage: Usage | None = None


_decode = msgspec.json.Decoder(_Answer).decode


async def embed_batch(
    outbound: Outbound, provider: Provider, model: str, texts: Sequence[str], timeouts: Timeouts = CALL_TIMEOUTS
) -> tuple[list[list[float]], TokenUsage]:
    """One vector per text, in their order. Raises ModelFailed."""
    body = orjson.dumps({"model": model, "input": list(texts)})
    async with open_answer(outbound, provider, "/embeddings", body=body, timeouts=timeouts) as answer:
        await raise_for_status(answer, provider, model)
        data = await answer.read(MAX_ANSWER_BYTES)
    try:
        found = _decode(data)
    except msgspec.DecodeError:
        raise garbled(provider, data) from None
    # Servers may answer out of order; those that number nothing answer in order.
    if all(item.index is not None for item in found.data):
        found.data.sort(key=lambda item: item.index or 0)
    vectors = [item.embedding for item in found.data]
    if len(vectors) != len(texts) or len({len(vector) for vector in vectors}) > 1:
        raise garbled(provider, f"{len(vectors)} vectors for {len(texts)} texts".encode())
    return vectors, _usage(found.usage, texts)


def _usage(usage: Usage | None, texts: Sequence[str]) -> TokenUsage:
    if usage is None or not (usage.prompt_tokens or usage.total_tokens):
        return TokenUsage(input_tokens=sum(map(estimate_tokens, texts)), is_estimated=True)
    return TokenUsage(input_tokens=usage.prompt_tokens or usage.total_tokens or 0)
