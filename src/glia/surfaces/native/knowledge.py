"""/v1/knowledge-bases: bases, their documents, and searching them. Uploading is in `upload.py`."""

from __future__ import annotations

import re
from typing import Annotated, Literal
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response, StreamingResponse
from pydantic import Field, Strict

from glia.kit.ids import parse_id
from glia.knowledge.types import Chunk, Document, Filter, Hit
from glia.surfaces.native.words import LimitText, ListOf, TheWindow, page_of
from glia.surfaces.shared.bodies import Body, Changes, Out, TheHouse, ThePrincipal, Time, WatchedRoute, given, number_of

router = APIRouter(prefix="/v1/knowledge-bases", tags=["knowledge"], route_class=WatchedRoute)

CHUNKS_AT_ONCE = 100
_MEDIA_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,100}/[A-Za-z0-9!#$&^_.+-]{1,100}")


class BaseBody(Body):
    """text_config: how words are cut and stemmed, such as `english`, `german` or `simple`; `auto` tells by document.

    embedding_model: one that is configured; left away, the server's own.

    dense_weight, lexical_weight: what meaning and words count in a search; only their ratio matters.
    """

    name: str
    description: str = ""
    text_config: str = Field("auto", max_length=63)
    embedding_model: str | None = Field(None, max_length=200)
    dense_weight: float = 1.5
    lexical_weight: float = 1.0


class BaseChanges(Changes):
    """embedding_model: makes all vectors anew in the background; searches use the old ones until that is done."""

    name: str = ""
    description: str = ""
    dense_weight: float = 1.5
    lexical_weight: float = 1.0
    embedding_model: str = Field("", min_length=1, max_length=200)


class BaseOut(Out):
    """embedding_model: null when only words are compared. chunks: how many are searchable now."""

    id: UUID
    project_id: UUID
    name: str
    description: str
    embedding_model: str | None
    dimensions: int | None
    next_embedding_model: str | None
    reembed_run_id: UUID | None
    text_config: str
    dense_weight: float
    lexical_weight: float
    documents: int
    chunks: int
    created_at: Time
    updated_at: Time


class DocumentErrorOut(Out):
    code: str
    message: str


class ProgressOut(Out):
    """phase: queued, reading, indexing, embedding or done. done of total: chunks of that phase."""

    phase: str
    done: int
    total: int


class DocumentOut(Out):
    """pages: null where the format has none. run_id: the run that processes it; its events tell how far it is."""

    id: UUID
    knowledge_base_id: UUID
    name: str
    media_type: str
    size_bytes: int
    sha256: str
    status: Literal["processing", "ready", "failed"]
    error: DocumentErrorOut | None
    progress: ProgressOut
    chunks: int
    pages: int | None
    run_id: UUID | None
    path: str
    title: str
    metadata: dict[str, object]
    source_url: str | None
    text_config: str | None
    created_at: Time
    updated_at: Time


class ChunkOut(Out):
    """A passage. chunk: its place in the document, from 0. page, last_page: from 1."""

    uri: str
    document_id: UUID
    chunk: int
    page: int | None
    last_page: int | None
    heading: str
    start_character: int
    end_character: int
    text: str


class SearchBody(Body):
    """path: a folder with all below it. metadata: what a document's metadata must contain.

    previous: the questions before this one, oldest first, which make a follow-up whole. rerank: false leaves the
    reranking model out, where one is configured.
    """

    query: str
    limit: int = 10
    path: str | None = Field(None, max_length=500)
    metadata: dict[str, object] | None = None
    document_ids: list[Annotated[UUID, Strict(False)]] | None = Field(None, max_length=1000)
    previous: list[str] = Field(default_factory=list, max_length=20)
    rerank: bool = True


class ScoresOut(Out):
    """dense: cosine similarity, null when it was not among the nearest. lexical: BM25, null when no word met."""

    dense: float | None
    lexical: float | None
    fused: float
    dense_rank: int | None
    lexical_rank: int | None
    reranked: float | None


class HitOut(ChunkOut):
    document_name: str
    document_title: str
    document_path: str
    scores: ScoresOut


class RewritingOut(Out):
    """query: what was searched for. by: what made a follow-up whole: `model`, `rules`, or `nothing` as it stood alone.

    problem: why the model did not do it; null when it did, or when none is configured.
    """

    query: str
    by: Literal["nothing", "rules", "model"]
    problem: str | None


class KnowledgeSearchOut(ListOf[HitOut]):
    rewriting: RewritingOut


@router.post("", status_code=201)
async def create(body: BaseBody, house: TheHouse, principal: ThePrincipal) -> BaseOut:
    """Make a knowledge base."""
    made = await house.knowledge.create(
        principal,
        body.name,
        description=body.description,
        text_config=body.text_config,
        embedding_model=body.embedding_model,
        dense_weight=body.dense_weight,
        lexical_weight=body.lexical_weight,
    )
    return BaseOut.of(made)


@router.get("")
async def list_bases(house: TheHouse, principal: ThePrincipal, window: TheWindow) -> ListOf[BaseOut]:
    """List knowledge bases, newest first."""
    return page_of(await house.knowledge.list(principal, window), BaseOut.of)


@router.get("/{knowledge_base}")
async def get(knowledge_base: str, house: TheHouse, principal: ThePrincipal) -> BaseOut:
    """One knowledge base."""
    return BaseOut.of(await house.knowledge.get(principal, _base_id(knowledge_base)))


@router.patch("/{knowledge_base}")
async def update(knowledge_base: str, body: BaseChanges, house: TheHouse, principal: ThePrincipal) -> BaseOut:
    """Change a knowledge base's name, description or weights."""
    return BaseOut.of(await house.knowledge.update(principal, _base_id(knowledge_base), **given(body)))


@router.delete("/{knowledge_base}", status_code=204, response_class=Response)
async def delete(knowledge_base: str, house: TheHouse, principal: ThePrincipal) -> Response:
    """Delete a knowledge base with all its documents and their files."""
    await house.knowledge.delete(principal, _base_id(knowledge_base))
    return Response(status_code=204)


@router.post("/{knowledge_base}/search")
async def search(knowledge_base: str, body: SearchBody, house: TheHouse, principal: ThePrincipal) -> KnowledgeSearchOut:
    """What a question finds, best first, with the scores that decided it. `limit` is at most 100."""
    found = await house.knowledge.find(
        principal,
        [_base_id(knowledge_base)],
        body.query,
        limit=body.limit,
        where=Filter(path=body.path, metadata=body.metadata, document_ids=body.document_ids),
        previous=body.previous,
        is_reranked=body.rerank,
    )
    return KnowledgeSearchOut(data=[hit_out(hit) for hit in found.hits], rewriting=RewritingOut.of(found.rewriting))


@router.get("/{knowledge_base}/documents")
async def documents(
    knowledge_base: str, house: TheHouse, principal: ThePrincipal, window: TheWindow, path: str | None = None
) -> ListOf[DocumentOut]:
    """List documents, newest first. path: only those in this folder and below it."""
    where = Filter(path=path)
    return page_of(await house.knowledge.documents(principal, _base_id(knowledge_base), window, where), document_out)


@router.get("/{knowledge_base}/documents/{document}")
async def get_document(knowledge_base: str, document: str, house: TheHouse, principal: ThePrincipal) -> DocumentOut:
    """One document, and how far its processing is."""
    return document_out(await house.knowledge.document(principal, _base_id(knowledge_base), _document_id(document)))


@router.delete("/{knowledge_base}/documents/{document}", status_code=204, response_class=Response)
async def delete_document(knowledge_base: str, document: str, house: TheHouse, principal: ThePrincipal) -> Response:
    """Delete a document, its chunks and its file."""
    await house.knowledge.delete_document(principal, _base_id(knowledge_base), _document_id(document))
    return Response(status_code=204)


@router.get("/{knowledge_base}/documents/{document}/chunks")
async def chunks(
    knowledge_base: str,
    document: str,
    house: TheHouse,
    principal: ThePrincipal,
    limit: LimitText = None,
    cursor: str | None = None,
) -> ListOf[ChunkOut]:
    """The passages of a document, in order."""
    number = number_of(limit, "limit", CHUNKS_AT_ONCE)
    after = number_of(cursor or None, "cursor", -1, smallest=0, largest=2**31 - 1)
    found = await house.knowledge.chunks(
        principal, _base_id(knowledge_base), _document_id(document), after=after, limit=number
    )
    # A full page may be the last one; then the next is empty.
    has_more = len(found) == number
    return ListOf(
        data=[chunk_out(chunk) for chunk in found],
        has_more=has_more,
        next_cursor=str(found[-1].ordinal) if has_more else None,
    )


@router.get(
    "/{knowledge_base}/documents/{document}/file",
    response_class=Response,
    responses={200: {"content": {"application/octet-stream": {}}, "description": "The file as it was uploaded."}},
)
async def download(knowledge_base: str, document: str, house: TheHouse, principal: ThePrincipal) -> Response:
    """The file as it was uploaded."""
    found = await house.knowledge.download(principal, _base_id(knowledge_base), _document_id(document))
    file = found.file
    # Never shown inline: what was uploaded must not run as a page of this server.
    return StreamingResponse(
        found.parts,
        media_type=file.media_type if _MEDIA_TYPE.fullmatch(file.media_type) else "application/octet-stream",
        headers={
            "Content-Length": str(file.size_bytes),
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(file.name, safe='')}",
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "sandbox",
        },
    )


def document_out(document: Document) -> DocumentOut:
    code = document.error_code
    return DocumentOut(
        id=document.id,
        knowledge_base_id=document.knowledge_base_id,
        name=document.name,
        media_type=document.media_type,
        size_bytes=document.size_bytes,
        sha256=document.sha256,
        status=document.status.value,
        error=None if code is None else DocumentErrorOut(code=code, message=document.error_message or ""),
        progress=ProgressOut(phase=document.phase, done=document.progress_done, total=document.progress_total),
        chunks=document.chunks,
        pages=document.pages,
        run_id=document.run_id,
        path=document.path,
        title=document.title,
        metadata=dict(document.metadata),
        source_url=document.source_url,
        text_config=document.text_config,
        created_at=document.created_at,
        updated_at=document.updated_at,
    )


def chunk_out(chunk: Chunk) -> ChunkOut:
    return ChunkOut(
        uri=chunk.uri,
        document_id=chunk.document_id,
        chunk=chunk.ordinal,
        page=chunk.page,
        last_page=chunk.last_page,
        heading=chunk.heading,
        start_character=chunk.start_character,
        end_character=chunk.end_character,
        text=chunk.text,
    )


def hit_out(hit: Hit) -> HitOut:
    shown = chunk_out(hit.chunk).model_dump()
    return HitOut(
        **shown,
        document_name=hit.document_name,
        document_title=hit.document_title,
        document_path=hit.document_path,
        scores=ScoresOut.of(hit.scores),
    )


def _base_id(text: str) -> UUID:
    return parse_id(text, "knowledge base")


def _document_id(text: str) -> UUID:
    return parse_id(text, "document")
