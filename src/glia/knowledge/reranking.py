"""Orders the best hits anew by a model that reads question and passage together, where one is configured."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace

import msgspec
import structlog

from glia.kit.errors import GliaError, UpstreamFailed
from glia.knowledge.types import Hit, Reranker
from glia.knowledge.words import embedded_text

_LONGEST_PASSAGE = 4000

log = structlog.stdlib.get_logger(__name__)


class _Result(msgspec.Struct):
    index: int
    relevance_score: float | None = None
    score: float | None = None


class _Answer(msgspec.Struct):
    results: list[_Result] | None = None
    data: list[_Result] | None = None


class EndpointReranker:
    """A reranking model behind an endpoint that speaks Cohere's `/rerank`, as Jina, vLLM, LocalAI and others do.

    post: sends JSON and returns the body of a 2xx answer; it owns address, authentication, timeouts and caps.
    """

    def __init__(self, post: Callable[[Mapping[str, object]], Awaitable[bytes]], *, model: str) -> None:
        self._post = post
        self._model = model

    async def rerank(self, query: str, texts: Sequence[str]) -> Sequence[float]:
        """One score per text, higher is better. Raises UpstreamFailed."""
        body = {"model": self._model, "query": query, "documents": list(texts), "top_n": len(texts)}
        try:
            answer = msgspec.json.decode(await self._post(body), type=_Answer)
        except msgspec.DecodeError as error:
            raise UpstreamFailed(
                f"The reranking model {self._model!r} answered with something else: {error}."
            ) from error
        found: dict[int, float] = {}
        for result in answer.results or answer.data or []:
            score = result.relevance_score if result.relevance_score is not None else result.score
            if score is not None:
                found[result.index] = score
        if set(found) != set(range(len(texts))):
            raise UpstreamFailed(f"The reranking model {self._model!r} scored {len(found)} of {len(texts)} passages.")
        return [found[index] for index in range(len(texts))]


async def reranked(reranker: Reranker, query: str, hits: Sequence[Hit]) -> Sequence[Hit]:
    """The hits by the model's scores; as they came when it cannot be reached."""
    if len(hits) < 2:
        return hits
    texts = [embedded_text(hit.document_title, hit.chunk.heading, hit.chunk.text)[:_LONGEST_PASSAGE] for hit in hits]
    try:
        scores = await reranker.rerank(query, texts)
    except GliaError as error:
        log.warning("hits not reranked", code=error.code)
        return hits
    scored = [replace(hit, scores=replace(hit.scores, reranked=s)) for hit, s in zip(hits, scores, strict=True)]
    return sorted(scored, key=lambda hit: -(hit.scores.reranked or 0.0))
