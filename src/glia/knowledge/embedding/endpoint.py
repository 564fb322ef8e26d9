"""Embeddings from an endpoint that speaks OpenAI's `/embeddings`: a provider, Ollama, LM Studio, vLLM."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from glia.kit.errors import UpstreamFailed
from glia.knowledge.errors import EmbeddingUnusable
from glia.usage.types import Payer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Post = Callable[[str, Mapping[str, object]], Awaitable[bytes]]
_BATCH = 64
_BYTES_PER_TOKEN = 4


class _Item(msgspec.Struct):
    embedding: list[float]
    index: int | None = None


class _Answer(msgspec.Struct):
    data: list[_Item]


class EndpointEmbedder:
    """post: sends JSON to a path below the endpoint's base URL and returns the body of a 2xx answer; it owns
    authentication, timeouts, retries and the cap on the answer's size, and raises for any other answer.

    dimensions: what the model gives; `probe` finds out. max_tokens: what it reads of a text.
    post_for: makes a `post` whose calls are recorded for this payer; None records nothing.
    """

    def __init__(
        self,
        post: Post,
        *,
        model: str,
        dimensions: int,
        max_tokens: int = 8192,
        post_for: Callable[[Payer], Post] | None = None,
    ) -> None:
        self._post = post
        self._post_for = post_for
        self._model = model
        self.model_id = f"endpoint:{model}"
        self.dimensions = dimensions
        self.max_tokens = max_tokens

    @classmethod
    async def probe(
        cls, post: Post, *, model: str, max_tokens: int = 8192, post_for: Callable[[Payer], Post] | None = None
    ) -> EndpointEmbedder:
        """An embedder with the dimensions that the endpoint gives for one short text. Raises UpstreamFailed."""
        items = await _request(post, model, ["dimensions"])
        dimensions = len(items[0].embedding)
        return cls(post, model=model, dimensions=dimensions, max_tokens=max_tokens, post_for=post_for)

    def paid_by(self, payer: Payer) -> EndpointEmbedder:
        """The same, with its calls recorded for somebody."""
        if self._post_for is None:
            return self
        return EndpointEmbedder(
            self._post_for(payer), model=self._model, dimensions=self.dimensions, max_tokens=self.max_tokens
        )

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """One row of length 1 per text, asked for in batches of 64. Raises UpstreamFailed."""
        import numpy as np

        vectors = np.empty((len(texts), self.dimensions), np.float32)
        for start in range(0, len(texts), _BATCH):
            batch = texts[start : start + _BATCH]
            items = await _request(self._post, self._model, batch)
            for offset, item in enumerate(items):
                if len(item.embedding) != self.dimensions:
                    raise EmbeddingUnusable(
                        f"The embedding model {self._model!r} gave {len(item.embedding)} dimensions where "
                        f"{self.dimensions} were expected. Bring the old model back, or set the knowledge base's "
                        "`embedding_model` again, which makes all vectors anew."
                    )
                vectors[start + offset] = item.embedding
        return _normalized(vectors, self._model)

    def count_tokens(self, text: str) -> int:
        """An estimate: one token per four bytes of UTF-8. The endpoint's tokenizer is not known here."""
        return -(-len(text.encode("utf-8", "replace")) // _BYTES_PER_TOKEN)

    def is_truncated(self, text: str) -> bool:
        return self.count_tokens(text) > self.max_tokens


async def _request(post: Post, model: str, texts: Sequence[str]) -> list[_Item]:
    """The items in the order of the texts, as many as there are texts."""
    # Some endpoints refuse an empty string.
    body = {"model": model, "input": [text or " " for text in texts], "encoding_format": "float"}
    answer = await post("embeddings", body)
    try:
        items = msgspec.json.decode(answer, type=_Answer).data
    except msgspec.DecodeError as error:
        raise UpstreamFailed(f"The embedding model {model!r} answered with something else: {error}.") from error
    if all(item.index is not None for item in items):
        items.sort(key=lambda item: item.index or 0)
        is_complete = [item.index for item in items] == list(range(len(texts)))
    else:
        is_complete = len(items) == len(texts)
    if not is_complete:
        raise UpstreamFailed(f"The embedding model {model!r} gave {len(items)} vectors for {len(texts)} texts.")
    return items


def _normalized(vectors: NDArray[np.float32], model: str) -> NDArray[np.float32]:
    import numpy as np

    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not np.all(np.isfinite(lengths)) or not np.all(lengths > 0):
        raise EmbeddingUnusable(f"The embedding model {model!r} gave a vector that is zero or not a number.")
    return (vectors / lengths).astype(np.float32, copy=False)
