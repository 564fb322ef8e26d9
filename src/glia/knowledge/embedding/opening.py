"""Opens embedding models that the model layer knows, and records what their calls take."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import cast

import orjson

from glia.kit.errors import GliaError, InvalidRequest, NotFound, Unavailable
from glia.knowledge.embedding.endpoint import EndpointEmbedder, Post
from glia.models.service import Models
from glia.usage.service import Meter
from glia.usage.types import Payer, UsageRecord

_PROBE_SECONDS = 10.0


class Endpoints:
    """meter: takes a usage record for each call that somebody pays for."""

    def __init__(self, models: Models, meter: Meter) -> None:
        self._models = models
        self._meter = meter

    async def open(self, name: str) -> EndpointEmbedder | None:
        """The embedder for a model as it is configured, `provider/name`, asked once for its dimensions.

        None when no provider has it, or it makes no embeddings. Raises Unavailable when it does not answer.
        """
        try:
            async with asyncio.timeout(_PROBE_SECONDS):
                return await EndpointEmbedder.probe(
                    self._post(name, None), model=name, post_for=lambda payer: self._post(name, payer)
                )
        except (NotFound, InvalidRequest):
            return None
        except TimeoutError:
            raise Unavailable(
                f"The embedding model {name!r} did not answer within {_PROBE_SECONDS:g} seconds."
            ) from None
        except GliaError as error:
            raise Unavailable(f"The embedding model {name!r} does not answer: {error.message}") from error

    def _post(self, name: str, payer: Payer | None) -> Post:
        async def post(_path: str, body: Mapping[str, object]) -> bytes:
            begun = time.perf_counter()
            vectors, usage = await self._models.embed(name, cast(list[str], body["input"]))
            if payer is not None:
                resolved = await self._models.resolve(name)
                self._meter.add(
                    UsageRecord(
                        workspace_id=payer.workspace_id,
                        project_id=payer.project_id,
                        run_id=payer.run_id,
                        agent_id=payer.agent_id,
                        operation="embeddings",
                        model=resolved.id,
                        input_tokens=usage.input_tokens,
                        output_tokens=0,
                        latency_ms=round((time.perf_counter() - begun) * 1000),
                        is_estimated=usage.is_estimated,
                        is_streamed=False,
                        cost_micros=resolved.cost_micros(usage),
                    )
                )
            return orjson.dumps({"data": [{"index": i, "embedding": vector} for i, vector in enumerate(vectors)]})

        return post
