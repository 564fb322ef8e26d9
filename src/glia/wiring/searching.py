"""How documents are embedded, found and cited, from what is configured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import orjson
import structlog

from glia.agents.service import Agents
from glia.identity.types import Principal, system_principal
from glia.kit.errors import NotFound, Unavailable, UpstreamFailed
from glia.kit.jobs import Job
from glia.kit.outbound import Outbound, Timeouts
from glia.knowledge.citations import read_citations
from glia.knowledge.embedding.minilm import MiniLmEmbedder
from glia.knowledge.embedding.opening import Endpoints
from glia.knowledge.embedding.registry import EmbedderRegistry
from glia.knowledge.embedding.types import Embedder
from glia.knowledge.importing import Import
from glia.knowledge.jobs import IMPORT_KIND, Ingest
from glia.knowledge.jobs import KIND as INGEST
from glia.knowledge.renewal import (
    FILL_KIND,
    PACK_KIND,
    REEMBED_KIND,
    REINDEX_KIND,
    Fill,
    Pack,
    Reembed,
    Reindex,
)
from glia.knowledge.reranking import EndpointReranker
from glia.knowledge.service import Knowledge
from glia.knowledge.types import FollowUp
from glia.knowledge.vectors import embed
from glia.memory.types import Embedding
from glia.runs.events import Citation
from glia.runs.work import JobKind
from glia.search.types import Found as FoundThing
from glia.search.types import Kind, Passages
from glia.settings import Settings
from glia.tools.types import Source

log = structlog.get_logger(__name__)

_RERANK_TIMEOUTS = Timeouts(connect_seconds=3, idle_seconds=10, total_seconds=15)


async def open_embedder(settings: Settings, endpoints: Endpoints, data_dir: Path) -> Embedder | None:
    """The endpoint that is configured, else the built-in model; without either, documents are found by their words."""
    if settings.embedding_model is not None:
        try:
            found = await endpoints.open(settings.embedding_model)
        except Unavailable as error:
            log.error("documents are found by their words until the embedding model answers", error=error.message)
            return None
        if found is None:
            log.error("no provider has this embedding model", model=settings.embedding_model)
        return found
    embedder = MiniLmEmbedder(data_dir / "models")
    if reason := embedder.unavailable_reason():
        log.warning("documents are found by their words only", reason=reason)
        return None
    return embedder


def embedding_of(embedder: Embedder | None) -> Embedding | None:
    """The same embedder, as memory wants it: memory and knowledge do not know each other."""
    return None if embedder is None else Embedding(embedder.model_id, partial(embed, embedder))


def embedders_of(
    settings: Settings, endpoints: Endpoints, embedder: Embedder | None, data_dir: Path
) -> EmbedderRegistry:
    """The server's embedder, the built-in one beside it, and every endpoint that the model layer knows."""
    minilm = minilm_of(embedder, data_dir)
    return EmbedderRegistry(
        embedder,
        *([] if minilm is None else [minilm]),
        open_endpoint=endpoints.open,
        default_endpoint=settings.embedding_model,
    )


def reranker_of(settings: Settings, outbound: Outbound) -> EndpointReranker | None:
    """A reranking endpoint when both its address and its model are set."""
    url, model, key = settings.rerank_url, settings.rerank_model, settings.rerank_key
    if url is None or model is None:
        return None

    async def post(body: Mapping[str, object]) -> bytes:
        headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})}
        answer = await outbound.request(
            "POST", url, headers=headers, body=orjson.dumps(body), timeouts=_RERANK_TIMEOUTS, trusted=True
        )
        if answer.status // 100 != 2:
            raise UpstreamFailed(f"The reranking model {model!r} answered with HTTP {answer.status}.")
        return answer.body

    return EndpointReranker(post, model=model)


def knowledge_jobs(knowledge: Knowledge, ingest: Ingest, outbound: Outbound) -> dict[str, JobKind]:
    reindex = Reindex(ingest.files, ingest.read, ingest.embedders)
    jobs: dict[str, Job] = {
        INGEST: ingest,
        REINDEX_KIND: reindex,
        REEMBED_KIND: Reembed(ingest.embedders),
        PACK_KIND: Pack(),
        FILL_KIND: Fill(ingest),
        IMPORT_KIND: Import(knowledge, outbound),
    }
    return {kind: JobKind(job, knowledge.run_ended) for kind, job in jobs.items()}


def minilm_of(embedder: Embedder | None, data_dir: Path) -> MiniLmEmbedder | None:
    """What the gateway serves as `glia/minilm`, also when documents are embedded elsewhere."""
    if isinstance(embedder, MiniLmEmbedder):
        return embedder
    minilm = MiniLmEmbedder(data_dir / "models")
    return minilm if minilm.unavailable_reason() is None else None


async def model_of(agents: Agents, follow_up: FollowUp) -> str | None:
    """The model that the asking agent is set to; None for the default one, also of an agent that is gone."""
    if follow_up.agent_id is not None:
        principal = system_principal(follow_up.workspace_id, follow_up.project_id)
        with suppress(NotFound):
            return (await agents.get(principal, follow_up.agent_id)).current.model
    return None


def cite(text: str, sources: Sequence[Source]) -> tuple[list[Citation], int]:
    found = read_citations(text, sources)
    kept = [Citation(c.uri, c.document_id, c.document_name, c.chunk, c.page, c.quote) for c in found.found]
    return kept, found.unknown


_LONGEST_EXCERPT = 300
_BEFORE_THE_WORD = 80


def passages_in(knowledge: Knowledge) -> Passages:
    """What documents say, for the search of everything."""

    async def find(principal: Principal, text: str, limit: int) -> Sequence[FoundThing]:
        found = await knowledge.passages(principal, text, limit=limit)
        return [
            FoundThing(
                Kind.PASSAGE,
                passage.hit.chunk.document_id,
                passage.hit.document_title or passage.hit.document_name,
                excerpt(passage.hit.chunk.text, text),
                passage.hit.chunk.knowledge_base_id,
                passage.at,
                passage.hit.chunk.page,
                passage.hit.chunk.ordinal,
            )
            for passage in found
        ]

    return find


def excerpt(text: str, asked: str) -> str:
    """The part of a text around the first of the words, on one line."""
    line = " ".join(text.split())
    places = [line.lower().find(word) for word in asked.lower().split()]
    start = max(0, min((place for place in places if place >= 0), default=0) - _BEFORE_THE_WORD)
    if start:
        start = line.find(" ", start) + 1
    cut = line[start : start + _LONGEST_EXCERPT]
    return f"{'…' if start else ''}{cut}{'…' if len(line) > start + _LONGEST_EXCERPT else ''}"
