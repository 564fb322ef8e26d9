"""/v1/vault: the documents of a brain, as one tree of folders."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import Field

from glia.identity.types import Principal
from glia.kit.errors import InvalidRequest
from glia.kit.ids import new_id
from glia.knowledge.errors import DocumentNotFound
from glia.knowledge.types import Document
from glia.surfaces.auvy.auth import GivenBrain, InBrain
from glia.surfaces.auvy.words import LimitText, OffsetText, SearchText, id_in_path, page_of
from glia.surfaces.shared.bodies import Body, Changes, Out, TheHouse, Time, WatchedRoute
from glia.wiring import House

router = APIRouter(prefix="/v1/vault", tags=["vault"], route_class=WatchedRoute)


class DocumentBody(Body):
    """content: the text itself. name: with an ending that says what it is, such as `.md`. path: the folder it lies in,
    as `/policies/eu`."""

    name: str = Field(max_length=500)
    content: str
    path: str = Field("", max_length=500)
    metadata: dict[str, Any] = Field(default_factory=dict[str, Any])


class DocumentChanges(Changes):
    name: str | None = Field(None, max_length=500)
    path: str | None = Field(None, max_length=500)


class ResourceOut(Out):
    """id: what `resource_ids` of a neuron names. status: searched as far as it is indexed, from `processing` on."""

    id: UUID
    kind: str = "document"
    name: str
    title: str
    path: str
    media_type: str
    size_bytes: int
    status: Literal["processing", "ready", "failed"]
    error: str | None
    metadata: dict[str, Any]
    created_at: Time
    updated_at: Time


class FolderOut(Out):
    """documents: how many lie in it and below."""

    path: str
    name: str
    documents: int


class VaultOut(Out):
    """What lies in a folder: the folders in it, and its documents with those below."""

    path: str
    folders: list[FolderOut]
    documents: list[ResourceOut]
    total: int
    limit: int
    offset: int


class RemovedDocumentOut(Out):
    id: UUID
    deleted: bool = True


@router.get("")
async def look(
    house: TheHouse,
    principal: InBrain,
    path: Annotated[str, Query(max_length=500, description="A folder, as `/policies`.")] = "",
    search: SearchText = "",
    limit: LimitText = None,
    offset: OffsetText = None,
) -> VaultOut:
    """A folder of the brain's vault, newest documents first."""
    number, passed = page_of(limit, offset)
    found, total = await house.knowledge.vault_documents(principal, path=path, text=search, limit=number, offset=passed)
    here = "/".join(part for part in path.split("/") if part)
    return VaultOut(
        path=f"/{here}",
        folders=await _folders(house, principal, here),
        documents=[_out(document) for document in found],
        total=total,
        limit=number,
        offset=passed,
    )


@router.post("/documents", status_code=201)
async def add(body: DocumentBody, house: TheHouse, principal: InBrain) -> ResourceOut:
    """Put a text into the brain's vault. The same text is kept once."""
    if not body.content.strip():
        raise InvalidRequest("`content` is empty; give the document's text.", field="content")
    base = await house.knowledge.vault_base(principal)
    spooled = house.spool / f"vault-{new_id()}"
    try:
        await asyncio.to_thread(spooled.write_bytes, body.content.encode())
        added = await house.knowledge.add(
            principal,
            base.id,
            spooled,
            name=body.name,
            media_type=_media_type(body.name),
            folder=body.path,
            metadata=body.metadata,
        )
    finally:
        await asyncio.to_thread(_remove, spooled)
    return _out(added)


@router.get("/documents/{document_id}")
async def get(document_id: str, house: TheHouse, principal: InBrain, brain: GivenBrain) -> ResourceOut:
    """One document."""
    return _out(await _document(house, principal, document_id, brain))


@router.patch("/documents/{document_id}")
async def update(
    document_id: str, body: DocumentChanges, house: TheHouse, principal: InBrain, brain: GivenBrain
) -> ResourceOut:
    """Rename a document, or move it into another folder."""
    found = await _document(house, principal, document_id, brain)
    changed = await house.knowledge.update_document(
        principal, found.knowledge_base_id, found.id, name=body.name, path=body.path
    )
    return _out(changed)


@router.delete("/documents/{document_id}")
async def delete(document_id: str, house: TheHouse, principal: InBrain, brain: GivenBrain) -> RemovedDocumentOut:
    """Delete a document. Neurons find it no more."""
    found = await _document(house, principal, document_id, brain)
    await house.knowledge.delete_document(principal, found.knowledge_base_id, found.id)
    return RemovedDocumentOut(id=found.id)


async def _document(house: House, principal: Principal, text: str, brain: UUID | None) -> Document:
    found = await house.knowledge.find_document(principal, id_in_path(text, "document"))
    if brain is not None and (await house.knowledge.get(principal, found.knowledge_base_id)).project_id != brain:
        raise DocumentNotFound(f"There is no document '{found.id}' in this brain.")
    return found


async def _folders(house: House, principal: Principal, here: str) -> list[FolderOut]:
    """The folders directly below `here`, with all that lies below them."""
    counts: dict[str, int] = {}
    above = f"{here}/" if here else ""
    for folder in await house.knowledge.vault_folders(principal):
        if folder.path.startswith(above) and folder.path not in ("", here):
            name = folder.path[len(above) :].partition("/")[0]
            counts[name] = counts.get(name, 0) + folder.documents
    return [FolderOut(path=f"/{above}{name}", name=name, documents=count) for name, count in counts.items()]


def _out(document: Document) -> ResourceOut:
    return ResourceOut(
        id=document.id,
        name=document.name,
        title=document.title,
        path=f"/{document.path}",
        media_type=document.media_type,
        size_bytes=document.size_bytes,
        status=document.status.value,
        error=document.error_message,
        metadata=dict(document.metadata),
        created_at=document.created_at,
        updated_at=document.updated_at,
    )


def _media_type(name: str) -> str:
    endings = {"md": "text/markdown", "html": "text/html", "htm": "text/html", "csv": "text/csv"}
    return endings.get(name.rpartition(".")[2].lower(), "text/plain")


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
