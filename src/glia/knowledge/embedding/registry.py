"""Finds the embedder that a knowledge base names: the server's own, the built-in one, or any configured endpoint."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from glia.kit.errors import Unavailable
from glia.knowledge.embedding.types import Embedder

ENDPOINT = "endpoint:"
_TRY_AGAIN_SECONDS = 30.0


class EmbedderRegistry:
    """others: embedders that are there beside the default one.

    open_endpoint: makes the embedder for a model's name as it is configured; None when there is none of that name.
    Raises Unavailable when it does not answer.
    """

    def __init__(
        self,
        default: Embedder | None,
        *others: Embedder,
        open_endpoint: Callable[[str], Awaitable[Embedder | None]] | None = None,
        default_endpoint: str | None = None,
    ) -> None:
        """default_endpoint: takes the default's place once it answers, when it did not at the start."""
        self._default = default
        self._default_endpoint = default_endpoint
        self._known = {embedder.model_id: embedder for embedder in (*others, default) if embedder is not None}
        self._open_endpoint = open_endpoint
        self._failed: dict[str, tuple[float, str | None]] = {}
        self._opening = asyncio.Lock()

    async def default(self) -> Embedder | None:
        """What new bases use. Raises Unavailable when it is an endpoint that has not answered yet."""
        if self._default is None and self._default_endpoint is not None:
            self._default = await self.required(self._default_endpoint)
        return None if self._default is None else self._known[self._default.model_id]

    async def named(self, model_id: str, *, is_fresh: bool = False) -> Embedder | None:
        """model_id: as a base keeps it, or an endpoint's model as it is configured.

        None when there is none, or it does not answer. is_fresh: asks an endpoint anew what vectors it gives.
        """
        try:
            return await self.required(model_id, is_fresh=is_fresh)
        except Unavailable:
            return None

    async def required(self, model_id: str, *, is_fresh: bool = False) -> Embedder | None:
        """As `named`, but raises Unavailable when the model is configured and does not answer."""
        name = model_id.removeprefix(ENDPOINT)
        known = self._known.get(model_id) or self._known.get(ENDPOINT + name)
        is_endpoint = known is None or known.model_id.startswith(ENDPOINT)
        if self._open_endpoint is None or (known is not None and not (is_fresh and is_endpoint)):
            return known
        async with self._opening:
            if not is_fresh and ENDPOINT + name in self._known:  # somebody else opened it meanwhile
                return self._known[ENDPOINT + name]
            return await self._open(name, self._open_endpoint)

    async def _open(self, name: str, open_endpoint: Callable[[str], Awaitable[Embedder | None]]) -> Embedder | None:
        failed_at, complaint = self._failed.get(name, (-1e9, None))
        if time.monotonic() - failed_at < _TRY_AGAIN_SECONDS:
            if complaint is not None:
                raise Unavailable(complaint)
            return None
        try:
            opened = await open_endpoint(name)
        except Unavailable as failure:
            self._failed[name] = (time.monotonic(), failure.message)
            raise
        if opened is None:
            self._failed[name] = (time.monotonic(), None)
        else:
            self._known[opened.model_id] = opened
        return opened
