"""From an embedder's rows to what PostgreSQL reads."""

from __future__ import annotations

from collections.abc import Sequence

from glia.knowledge.embedding.endpoint import EndpointEmbedder
from glia.knowledge.embedding.types import Embedder
from glia.knowledge.errors import EmbeddingUnusable
from glia.usage.types import Payer


async def embed(embedder: Embedder, texts: Sequence[str], payer: Payer | None = None) -> list[str]:
    """One vector of length 1 per text, as halfvec literals.

    payer: whom an endpoint's tokens are recorded for. Raises EmbeddingUnusable when the model answers nonsense.
    """
    import numpy as np

    if payer is not None and isinstance(embedder, EndpointEmbedder):
        embedder = embedder.paid_by(payer)
    rows = np.asarray(await embedder.embed(texts), dtype=np.float32)
    expected = (len(texts), embedder.dimensions)
    if rows.shape != expected:
        raise EmbeddingUnusable(
            f"The embedding model {embedder.model_id!r} gave vectors of shape {rows.shape}, not {expected}; check its"
            " configured dimensions."
        )
    if not np.isfinite(rows).all():
        raise EmbeddingUnusable(
            f"The embedding model {embedder.model_id!r} gave vectors with values that are no numbers."
        )
    # The index compares by inner product, which is the cosine only for vectors of length 1.
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    rows = rows / np.where(lengths == 0, 1, lengths)
    return ["[" + ",".join([f"{value:.5g}" for value in row]) + "]" for row in rows.tolist()]
