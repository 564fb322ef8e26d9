"""What comes into the gateway and what leaves it: bodies of the chat-completions API, read no further than needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import msgspec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MINILM = "glia/minilm"
"""The built-in embedder, by the name that requests and lists give it."""


@dataclass(frozen=True, slots=True)
class ChatCall:
    """A chat completion that was asked for. fields: the top-level fields of the body, their values unread."""

    body: bytes
    fields: dict[str, msgspec.Raw]
    model: str
    is_streamed: bool
    wants_usage: bool


@dataclass(frozen=True, slots=True)
class EmbeddingCall:
    """Embeddings that were asked for; fields as in ChatCall."""

    body: bytes
    fields: dict[str, msgspec.Raw]
    model: str


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer, the provider's own or one in its shape. ignored: request fields that had no effect."""

    status: int
    body: bytes
    retry_after: str | None = None
    ignored: tuple[str, ...] = ()


class TextEmbedder(Protocol):
    """What `glia/minilm` is computed with."""

    @property
    def dimensions(self) -> int: ...

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """One row per text, each of length 1."""
        ...

    def count_tokens(self, text: str) -> int: ...
