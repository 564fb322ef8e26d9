"""Embeddings computed in this process, in the shape of the embeddings API."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import msgspec
import orjson

from glia.gateway.calls import read_as
from glia.gateway.types import MINILM, EmbeddingCall, TextEmbedder
from glia.kit.errors import InvalidRequest
from glia.models.types import TokenUsage

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_MOST_INPUTS = 2048
_KNOWN = {"model", "input", "encoding_format", "dimensions"}


class _Wanted(msgspec.Struct):
    input: str | list[str | int | list[int]]
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: int | None = None


async def embed_here(embedder: TextEmbedder, call: EmbeddingCall) -> tuple[bytes, TokenUsage]:
    """The answer's body and its usage. Raises InvalidRequest and Unavailable."""
    wanted = read_as(call.body, _Wanted)
    texts = _texts(wanted)
    if wanted.dimensions not in (None, embedder.dimensions):
        raise InvalidRequest(
            f"`dimensions` is {wanted.dimensions}; {MINILM} always gives {embedder.dimensions}.", field="dimensions"
        )
    vectors = await embedder.embed(texts)
    tokens = await asyncio.to_thread(lambda: sum(map(embedder.count_tokens, texts)))
    body = await asyncio.to_thread(_body, vectors, wanted.encoding_format == "base64", tokens)
    return body, TokenUsage(input_tokens=tokens)


def fields_ignored_here(call: EmbeddingCall) -> tuple[str, ...]:
    return tuple(name for name, raw in call.fields.items() if name not in _KNOWN and bytes(raw) != b"null")


def _texts(wanted: _Wanted) -> Sequence[str]:
    given = [wanted.input] if isinstance(wanted.input, str) else wanted.input
    texts = [text for text in given if isinstance(text, str)]
    if len(texts) < len(given):
        raise InvalidRequest(f"`input` holds token numbers, which {MINILM} does not read; send texts.", field="input")
    if not 1 <= len(texts) <= _MOST_INPUTS:
        raise InvalidRequest(f"`input` holds {len(texts)} texts; send 1 to {_MOST_INPUTS}.", field="input")
    if not all(texts):
        raise InvalidRequest(f"`input[{texts.index('')}]` is empty; every text needs a character.", field="input")
    return texts


def _body(vectors: NDArray[np.float32], is_base64: bool, tokens: int) -> bytes:
    data: list[dict[str, object]] = []
    for index, vector in enumerate(vectors):
        # Little-endian 32-bit floats, as the API has it.
        embedding = base64.b64encode(vector.astype("<f4").tobytes()).decode() if is_base64 else vector.tolist()
        data.append({"object": "embedding", "index": index, "embedding": embedding})
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return orjson.dumps({"object": "list", "data": data, "model": MINILM, "usage": usage})
