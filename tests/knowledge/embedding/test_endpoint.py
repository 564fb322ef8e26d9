"""An embedding endpoint, well and badly behaved."""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np
import pytest

from glia.kit.errors import UpstreamFailed
from glia.knowledge.embedding.endpoint import EndpointEmbedder


class Endpoint:
    """Gives each text the vector (its length, 1, 0), and remembers what it was asked."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []

    async def post(self, path: str, body: Mapping[str, object]) -> bytes:
        assert path == "embeddings"
        texts = body["input"]
        assert isinstance(texts, list)
        self.batches.append(texts)
        data = [{"index": index, "embedding": [len(text), 1, 0]} for index, text in enumerate(texts)]
        return json.dumps({"data": data[::-1], "model": body["model"], "usage": {"total_tokens": 3}}).encode()


async def test_texts_go_out_in_batches_and_come_back_in_order() -> None:
    endpoint = Endpoint()
    embedder = await EndpointEmbedder.probe(endpoint.post, model="m")

    vectors = await embedder.embed(["x" * length for length in range(130)])

    assert embedder.dimensions == 3
    assert embedder.model_id == "endpoint:m"
    assert [len(batch) for batch in endpoint.batches] == [1, 64, 64, 2]
    assert endpoint.batches[1][0] == " "
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1)
    assert np.allclose(vectors[100] * np.hypot(100, 1), [100, 1, 0], atol=1e-3)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b"<html>oops</html>", "something else"),
        (b'{"data": []}', "0 vectors for 2 texts"),
        (b'{"data": [{"embedding": [1, 0]}]}', "1 vectors for 2 texts"),
        (b'{"data": [{"index": 0, "embedding": [1, 0]}, {"index": 0, "embedding": [1, 0]}]}', "2 vectors for 2"),
        (b'{"data": [{"embedding": [1, 0]}, {"embedding": [1, 0, 0]}]}', "3 dimensions where 2"),
        (b'{"data": [{"embedding": [1, 0]}, {"embedding": [0, 0]}]}', "zero or not a number"),
        (b'{"data": [{"embedding": [1, 0]}, {"embedding": ["x", 0]}]}', "something else"),
    ],
)
async def test_a_wrong_answer_is_the_endpoints_failure(answer: bytes, says: str) -> None:
    async def post(path: str, body: Mapping[str, object]) -> bytes:
        return answer

    embedder = EndpointEmbedder(post, model="m", dimensions=2)

    with pytest.raises(UpstreamFailed, match=says):
        await embedder.embed(["a", "b"])


def test_tokens_are_estimated() -> None:
    embedder = EndpointEmbedder(Endpoint().post, model="m", dimensions=3, max_tokens=10)

    assert embedder.count_tokens("x" * 41) == 11
    assert embedder.is_truncated("x" * 41)
    assert not embedder.is_truncated("x" * 40)
