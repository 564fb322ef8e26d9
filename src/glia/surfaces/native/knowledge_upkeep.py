"""/v1/knowledge-bases, second half: folders, moving and re-indexing documents, importing pages."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter
from pydantic import Field

from glia.kit.ids import parse_id
from glia.surfaces.native.knowledge import DocumentOut, document_out
from glia.surfaces.native.words import ListOf
from glia.surfaces.shared.bodies import Body, Changes, Out, TheHouse, ThePrincipal, WatchedRoute, given

router = APIRouter(prefix="/v1/knowledge-bases", tags=["knowledge"], route_class=WatchedRoute)


class DocumentChanges(Changes):
    """path: the folder it lies in; blank for the top. metadata: replaces what there was."""

    name: str = ""
    path: str = Field("", max_length=500)
    metadata: dict[str, object] = Field(default_factory=dict)


class FolderOut(Out):
    path: str
    documents: int


class ImportBody(Body):
    """sitemap: `url` names a sitemap, all of whose pages are wanted. path: the folder for what is fetched."""

    url: str = Field(max_length=2000)
    sitemap: bool = False
    path: str = Field("", max_length=500)
    max_pages: int = 500


class ImportOut(Out):
    run_id: UUID


@router.get("/{knowledge_base}/folders")
async def folders(knowledge_base: str, house: TheHouse, principal: ThePrincipal) -> ListOf[FolderOut]:
    """The folders that documents lie in, and how many lie in each itself."""
    found = await house.knowledge.folders(principal, parse_id(knowledge_base, "knowledge base"))
    return ListOf(data=[FolderOut.of(folder) for folder in found])


@router.post("/{knowledge_base}/imports", status_code=202)
async def start_import(knowledge_base: str, body: ImportBody, house: TheHouse, principal: ThePrincipal) -> ImportOut:
    """Fetch a page, or every page of a sitemap, and add each as a document. The run tells how far it is."""
    run_id = await house.knowledge.start_import(
        principal,
        parse_id(knowledge_base, "knowledge base"),
        body.url,
        is_sitemap=body.sitemap,
        folder=body.path,
        most_pages=body.max_pages,
    )
    return ImportOut(run_id=run_id)


@router.patch("/{knowledge_base}/documents/{document}")
async def update_document(
    knowledge_base: str, document: str, body: DocumentChanges, house: TheHouse, principal: ThePrincipal
) -> DocumentOut:
    """Rename a document, move it to another folder or change its metadata."""
    base_id, id = parse_id(knowledge_base, "knowledge base"), parse_id(document, "document")
    return document_out(await house.knowledge.update_document(principal, base_id, id, **given(body)))


@router.post("/{knowledge_base}/documents/{document}/reindex", status_code=202)
async def reindex(knowledge_base: str, document: str, house: TheHouse, principal: ThePrincipal) -> DocumentOut:
    """Read a document again. What was indexed before is found until the new is whole."""
    base_id, id = parse_id(knowledge_base, "knowledge base"), parse_id(document, "document")
    return document_out(await house.knowledge.reindex(principal, base_id, id))
