"""/api/agent/knowledge-bases and /api/kb/upload."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from fastapi import APIRouter
from pydantic import Field

from glia.identity.service import IdempotentAnswers
from glia.identity.types import Principal
from glia.kit.errors import InvalidRequest
from glia.kit.ids import parse_id
from glia.kit.pages import LARGEST_LIMIT, Window
from glia.knowledge.types import Document, KnowledgeBase
from glia.surfaces.neura.words import Success
from glia.surfaces.shared.asgi import Request, Send, ignored_header, send_bytes
from glia.surfaces.shared.bodies import Body, Out, TheHouse, ThePrincipal, Time, WatchedRoute
from glia.surfaces.shared.idempotency import answer_once, key_of
from glia.surfaces.shared.json_body import Fields
from glia.surfaces.shared.multipart import Upload, received_file
from glia.surfaces.shared.routes import Route
from glia.wiring import House

router = APIRouter(prefix="/api/agent/knowledge-bases", tags=["knowledge bases"], route_class=WatchedRoute)

_FIELDS = frozenset({"kb_id"})


class BaseBody(Body):
    name: str = Field(min_length=1, max_length=200)
    description: str = Field("", max_length=10_000)


class BaseOut(Out):
    """documents: how many it has. chunks: how many passages are searchable now."""

    kb_id: UUID
    name: str
    description: str
    documents: int
    chunks: int
    embedding_model: str | None
    created_at: Time
    updated_at: Time


class BasesOut(Out):
    knowledge_bases: list[BaseOut]
    total: int


class DocumentOut(Out):
    """status: processing, ready or failed; error says why. chunks: searchable passages."""

    document_id: UUID
    kb_id: UUID
    name: str
    status: str
    chunks: int
    pages: int | None
    media_type: str
    size_bytes: int
    error: str | None
    created_at: Time
    updated_at: Time


class DocumentsOut(Out):
    documents: list[DocumentOut]
    total: int


@router.get("")
async def list_bases(house: TheHouse, principal: ThePrincipal) -> BasesOut:
    """List your knowledge bases, newest first, at most 1,000."""
    found = (await house.knowledge.list(principal, Window(LARGEST_LIMIT))).items
    return BasesOut(knowledge_bases=[base_out(base) for base in found], total=len(found))


@router.post("", status_code=201)
async def create(body: BaseBody, house: TheHouse, principal: ThePrincipal) -> BaseOut:
    """Make a knowledge base."""
    return base_out(await house.knowledge.create(principal, name=body.name, description=body.description))


@router.get("/{kb_id}")
async def get(kb_id: str, house: TheHouse, principal: ThePrincipal) -> BaseOut:
    """One knowledge base."""
    return base_out(await house.knowledge.get(principal, _base_id(kb_id)))


@router.delete("/{kb_id}")
async def delete(kb_id: str, house: TheHouse, principal: ThePrincipal) -> Success:
    """Delete a knowledge base with its documents."""
    await house.knowledge.delete(principal, _base_id(kb_id))
    return Success()


@router.get("/{kb_id}/documents")
async def list_documents(kb_id: str, house: TheHouse, principal: ThePrincipal) -> DocumentsOut:
    """The documents of a knowledge base, newest first, at most 1,000."""
    found = (await house.knowledge.documents(principal, _base_id(kb_id), Window(LARGEST_LIMIT))).items
    return DocumentsOut(documents=[document_out(document) for document in found], total=len(found))


@router.get("/{kb_id}/documents/{document_id}")
async def get_document(kb_id: str, document_id: str, house: TheHouse, principal: ThePrincipal) -> DocumentOut:
    """One document, and how far it is."""
    id = parse_id(document_id, "document")
    return document_out(await house.knowledge.document(principal, _base_id(kb_id), id))


@router.delete("/{kb_id}/documents/{document_id}")
async def delete_document(kb_id: str, document_id: str, house: TheHouse, principal: ThePrincipal) -> Success:
    """Delete a document."""
    await house.knowledge.delete_document(principal, _base_id(kb_id), parse_id(document_id, "document"))
    return Success()


def _base_id(text: str) -> UUID:
    return parse_id(text, "knowledge base")


def base_out(base: KnowledgeBase) -> BaseOut:
    return BaseOut(
        kb_id=base.id,
        name=base.name,
        description=base.description,
        documents=base.documents,
        chunks=base.chunks,
        embedding_model=base.embedding_model,
        created_at=base.created_at,
        updated_at=base.updated_at,
    )


def document_out(document: Document) -> DocumentOut:
    return DocumentOut(
        document_id=document.id,
        kb_id=document.knowledge_base_id,
        name=document.name,
        status=document.status.value,
        chunks=document.chunks,
        pages=document.pages,
        media_type=document.media_type,
        size_bytes=document.size_bytes,
        error=document.error_message,
        created_at=document.created_at,
        updated_at=document.updated_at,
    )


@dataclass(frozen=True)
class Uploads:
    """Receives files on bare ASGI: they go to disk as they arrive, then into a knowledge base."""

    house: House

    def routes(self) -> list[Route]:
        return [Route("POST", "/api/kb/upload", self.upload)]

    async def upload(self, request: Request, send: Send) -> None:
        house, principal = self.house, request.principal
        principal.require("knowledge:write")
        key_of(request)
        settings = house.settings
        answers = IdempotentAnswers(house.db, settings.secret_key)
        largest = settings.limits.upload_bytes
        async with received_file(request, house.spool, largest_bytes=largest, wanted=_FIELDS) as upload:
            Fields(settings.strict_fields).ignore(upload.ignored)

            async def answer(send: Send) -> None:
                body = orjson.dumps(await self._added(principal, upload))
                await send_bytes(send, 201, body, b"application/json", ignored_header(upload.ignored))

            content = f"{upload.sha256} {upload.name} {sorted(upload.fields.items())}".encode()
            await answer_once(answers, request, content, send, answer)

    async def _added(self, principal: Principal, upload: Upload) -> dict[str, Any]:
        if not upload.name:
            raise InvalidRequest('The file has no name; send one, as `filename="report.pdf"`.', field="file")
        document = await self.house.knowledge.add(
            principal,
            await self._base(principal, upload),
            upload.path,
            name=upload.name,
            media_type=upload.media_type,
        )
        return document_out(document).model_dump(mode="json")

    async def _base(self, principal: Principal, upload: Upload) -> UUID:
        """The one that is named, or a new one named after the file."""
        given = upload.fields.get("kb_id", "").strip()
        if given:
            return _base_id(given)
        return (await self.house.knowledge.create(principal, name=upload.name[:200])).id
