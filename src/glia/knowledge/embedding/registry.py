"""Finds the embedder that a knowledge base names: the server's own, the built-in one, or any configured endpoint."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from glia.knowledge.embedding.types import Embedder

ENDPOINT = "endpoint:"
_TRY_AGAIN_SECONDS = 30.0


class EmbedderRegistry:
    """default: what new bases use. others: embedders that are there beside it.

    open_endpoint: makes the embedder for a model's name as it is configured, or None when it does not answer.
    """

    def __init__(
        self,
        default: Embedder | None,
        *others: Embedder,
        open_endpoint: Callable[[str], Awaitable[Embedder | None]] | None = None,
    ) -> None:
        self.default = default
        self._known = {embedder.model_id: embedder for embedder in (*others, default) if embedder is not None}
        self._open_endpoint = open_endpoint
        self._failed_at: dict[str, float] = {}
        self._opening = asyncio.Lock()

    async def named(self, model_id: str) -> Embedder | None:
        """model_id: as a base keeps it, or an endpoint's model as it is configured."""
        if model_id in self._known:
            return self._known[model_id]
        name = model_id.removeprefix(ENDPOINT)
        if self._open_endpoint is None or time.monotonic() - self._failed_at.get(name, -1e9) < _TRY_AGAIN_SECONDS:
            return self._known.get(ENDPOINT + name)
        async with self._opening:
            if ENDPOINT + name not in self._known:
                opened = await self._open_endpoint(name)
                if opened is None:
                    self._failed_at[name] = time.monotonic()
                    return None
                self._known[opened.model_id] = opened
        return self._known.get(ENDPOINT + name)
