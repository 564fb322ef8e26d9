"""/api/v1/rag and /api/v1/embeddings, on the workspace's knowledge bases and embedding models."""

from __future__ import annotations

from typing import Any, Literal, cast
from uuid import UUID

import msgspec
from fastapi import APIRouter
from pydantic import Field

from glia.gateway.types import MINILM, EmbeddingCall
from glia.identity.types import Principal
from glia.kit.errors import InvalidRequest, UpstreamFailed
from glia.knowledge.types import Hit, KnowledgeBase
from glia.surfaces.neuronagent import retrieving
from glia.surfaces.neuronagent.auth import TheUser
from glia.surfaces.neuronagent.words import ThePart, part_from, uuid_in
from glia.surfaces.shared.bodies import Body, Out, TheHouse, Time, WatchedRoute
from glia.wiring import House

router = APIRouter(prefix="/api/v1", tags=["rag"], route_class=WatchedRoute)

Architecture = Literal["naive", "hyde", "corrective", "hybrid", "contextual", "modular"]


class IngestBody(Body):
    """table_name: the name of a knowledge base, which is made when it is not there. How a text is cut into chunks is
    the server's own business."""

    document_text: str = Field(min_length=1, max_length=10_000_000)
    table_name: str = Field(min_length=1, max_length=200)
    metadata: dict[str, Any] = Field(default_factory=dict[str, Any])


class IngestOut(Out):
    chunks_created: int
    chunk_ids: list[str]
    document_id: UUID
    message: str


class QueryBody(Body):
    """architecture: `hyde` searches for passages that a model made up as well, `contextual` makes a follow-up whole by
    `conversation_history`, `corrective` searches again by the query's words when nothing is found, `modular` does all
    of it; every search compares meaning and words. rerank: with the reranking model, where one is configured."""

    query: str = Field(min_length=1, max_length=10_000)
    table_name: str = Field(min_length=1, max_length=200)
    top_k: int = Field(5, ge=1, le=100)
    architecture: Architecture = "hybrid"
    rerank: bool = False
    num_hypotheticals: int = Field(1, ge=1, le=5)
    conversation_history: list[str | dict[str, Any]] = Field(default_factory=list[Any])


class QueryOut(Out):
    answer: str
    documents: list[str]
    count: int
    method: str
    metadata: dict[str, Any]


class EvaluateBody(Body):
    query: str
    answer: str
    context_chunks: list[str] = Field(default_factory=list[str])


class EvaluateOut(Out):
    """Each from 0 to 1, told by the words that they share."""

    faithfulness: float
    relevancy: float
    context_precision: float
    context_recall: float
    semantic_similarity: float
    overall_score: float


class PipelineBody(Body):
    name: str = Field(min_length=1, max_length=200)
    description: str = ""


class PipelineOut(Out):
    """A knowledge base: texts go in by `/rag/ingest` and answers come out by `/rag/query`, by its name."""

    id: UUID
    name: str
    description: str
    embedding_model: str | None
    chunks: int
    created_at: Time


class EmbedBody(Body):
    text: str = Field(min_length=1, max_length=100_000)
    model: str = "default"


class EmbedManyBody(Body):
    texts: list[str] = Field(min_length=1, max_length=100)
    model: str = "default"


class EmbeddingOut(Out):
    embedding: list[float]
    model: str
    dimension: int
    metadata: dict[str, Any]


class EmbeddingsOut(Out):
    embeddings: list[list[float]]
    model: str
    dimension: int
    count: int
    metadata: dict[str, Any]


class EmbeddingModelsOut(Out):
    models: list[str]
    default: str
    metadata: dict[str, Any]


@router.post("/rag/ingest")
async def ingest(body: IngestBody, house: TheHouse, principal: TheUser) -> IngestOut:
    """Keep a text, and answer when it can be found."""
    base = await retrieving.base_named(house, principal, body.table_name, is_made=True)
    document, chunks = await retrieving.ingest(house, principal, base, body.document_text, body.metadata)
    return IngestOut(
        chunks_created=len(chunks),
        chunk_ids=chunks,
        document_id=document.id,
        message=f"{len(chunks)} chunks can be found in {base.name!r}.",
    )


@router.post("/rag/query")
async def query(body: QueryBody, house: TheHouse, principal: TheUser) -> QueryOut:
    """An answer from what was ingested, with the passages behind it."""
    base = await retrieving.base_named(house, principal, body.table_name, is_made=False)
    hits = await _found(house, principal, base, body)
    said = await retrieving.answer(house, principal, body.query, hits)
    sources = [{"document": hit.document_name, "chunk": hit.chunk.ordinal, "score": hit.scores.fused} for hit in hits]
    return QueryOut(
        answer=said,
        documents=[hit.chunk.text for hit in hits],
        count=len(hits),
        method=body.architecture,
        metadata={"table_name": base.name, "sources": sources},
    )


async def _found(house: House, principal: Principal, base: KnowledgeBase, body: QueryBody) -> list[Hit]:
    does = {body.architecture} if body.architecture != "modular" else {"hyde", "contextual", "corrective"}
    previous = [_question(one) for one in body.conversation_history] if "contextual" in does else []

    async def search(text: str) -> list[Hit]:
        hits = await house.knowledge.search(
            principal,
            [base.id],
            text[:2000],
            limit=body.top_k,
            previous=[text for text in previous if text],
            is_reranked=body.rerank or body.architecture == "modular",
        )
        return list(hits)

    rankings = [await search(body.query)]
    if "hyde" in does:
        guesses = await retrieving.hypothetical(house, principal, body.query, body.num_hypotheticals)
        rankings += [await search(guess or body.query) for guess in guesses]
    if "corrective" in does and not rankings[0]:
        rankings += [await search(word) for word in body.query.split()[:5]]
    return retrieving.fused(rankings, body.top_k)


def _question(one: str | dict[str, Any]) -> str:
    if isinstance(one, str):
        return one
    return str(one.get("content", "")) if one.get("role", "user") == "user" else ""


@router.post("/rag/evaluate")
async def evaluate(body: EvaluateBody, house: TheHouse, principal: TheUser) -> EvaluateOut:
    """How well an answer rests on its passages."""
    del house, principal  # it takes a key, and nothing that is kept
    return EvaluateOut(**retrieving.scores_of(body.query, body.answer, body.context_chunks))


@router.get("/rag/pipelines")
async def pipelines(house: TheHouse, principal: TheUser, part: ThePart) -> list[PipelineOut]:
    """The knowledge bases, newest first."""
    found = await part_from(lambda window: house.knowledge.list(principal, window), part)
    return [PipelineOut.of(base) for base in found]


@router.post("/rag/pipelines", status_code=201)
async def add_pipeline(body: PipelineBody, house: TheHouse, principal: TheUser) -> PipelineOut:
    """Make a knowledge base."""
    return PipelineOut.of(await house.knowledge.create(principal, body.name, description=body.description))


@router.get("/rag/pipelines/{pipeline_id}")
async def pipeline(pipeline_id: str, house: TheHouse, principal: TheUser) -> PipelineOut:
    """One knowledge base."""
    return PipelineOut.of(await house.knowledge.get(principal, uuid_in(pipeline_id, "pipeline_id")))


@router.post("/embeddings/generate", tags=["embeddings"])
async def embed(body: EmbedBody, house: TheHouse, principal: TheUser) -> EmbeddingOut:
    """The vector of a text."""
    vectors, model = await _embedded(house, principal, [body.text], body.model)
    return EmbeddingOut(embedding=vectors[0], model=model, dimension=len(vectors[0]), metadata={})


@router.post("/embeddings/batch", tags=["embeddings"])
async def embed_many(body: EmbedManyBody, house: TheHouse, principal: TheUser) -> EmbeddingsOut:
    """The vectors of up to 100 texts."""
    vectors, model = await _embedded(house, principal, body.texts, body.model)
    count = len(vectors)
    return EmbeddingsOut(embeddings=vectors, model=model, dimension=len(vectors[0]), count=count, metadata={})


@router.get("/embeddings/models", tags=["embeddings"])
async def embedding_models(house: TheHouse, principal: TheUser) -> EmbeddingModelsOut:
    """Models that give vectors here; those of providers can be named as well."""
    del principal
    names = [_default(house)] + ([MINILM] if house.gateway.has_minilm else [])
    return EmbeddingModelsOut(models=list(dict.fromkeys(names)), default=_default(house), metadata={})


def _default(house: House) -> str:
    named = house.settings.embedding_model
    return MINILM if named is None or named in ("", "minilm", "off") else named


async def _embedded(house: House, principal: Principal, texts: list[str], model: str) -> tuple[list[list[float]], str]:
    if any(not text.strip() for text in texts):
        raise InvalidRequest("A text is empty.", field="texts")
    name = _default(house) if model == "default" else model
    body = msgspec.json.encode({"model": name, "input": texts})
    fields = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    done = await house.gateway.embed(principal, EmbeddingCall(body, fields, name))
    if done.status != 200:
        raise UpstreamFailed(f"The model {name!r} answered with status {done.status}.")
    data = cast(list[dict[str, Any]], msgspec.json.decode(done.body)["data"])
    return [one["embedding"] for one in data], name
