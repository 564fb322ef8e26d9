"""What every embedder offers, whoever computes the vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Embedder(Protocol):
    """model_id: names the model and how it is computed; vectors of different ids must not be mixed.

    max_tokens: what one text may have; more is cut off.
    """

    @property
    def model_id(self) -> str: ...
    @property
    def dimensions(self) -> int: ...
    @property
    def max_tokens(self) -> int: ...

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """One row per text, `(len(texts), dimensions)`, each of length 1, so that a dot product is the cosine."""
        ...

    def count_tokens(self, text: str) -> int: ...

    def is_truncated(self, text: str) -> bool:
        """Whether the end of the text has no part in its vector."""
        ...
