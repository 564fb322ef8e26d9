"""/v1/storage, and the older /api/storage. What moves contents is shared; here is how NeuralHub tells of them."""

from __future__ import annotations

from typing import Annotated, Any, NoReturn
from urllib.parse import unquote, urlsplit

from fastapi import APIRouter, Depends, Query
from fastapi.requests import Request
from fastapi.responses import Response

from glia.identity.types import Principal
from glia.kit.errors import InvalidRequest
from glia.storage.types import StoredObject
from glia.surfaces.neuralhub.agents import LimitText
from glia.surfaces.neuralhub.scopes import needs
from glia.surfaces.shared.asgi import Request as BareRequest
from glia.surfaces.shared.asgi import Scope
from glia.surfaces.shared.bodies import Out, TheHouse, Time, WatchedRoute, number_of
from glia.surfaces.shared.objects import origin_of, signed_url
from glia.wiring import House

router = APIRouter(prefix="/v1/storage", tags=["storage"], route_class=WatchedRoute)

Reader = Annotated[Principal, Depends(needs("storage:read"))]
Writer = Annotated[Principal, Depends(needs("storage:write", "storage:read"))]


class BlobOut(Out):
    """url: signed; opens the object without a key for a while. pathname: the workspace's id, then the name."""

    url: str
    downloadUrl: str  # noqa: N815 - as in NeuralHub's clients
    pathname: str
    contentType: str  # noqa: N815
    size: int
    sha256: str
    uploadedAt: Time  # noqa: N815


class BlobsOut(Out):
    blobs: list[BlobOut]
    cursor: str | None
    hasMore: bool  # noqa: N815


_CONTENT: dict[str, Any] = {
    "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
    "multipart/form-data": {
        "schema": {
            "type": "object",
            "required": ["file"],
            "properties": {"file": {"type": "string", "format": "binary"}},
        }
    },
}
_FILE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"*/*": {}}, "description": "The content, of the type it was stored with."},
    206: {"content": {"*/*": {}}, "description": "The part that `Range` asked for."},
    304: {"description": "Unchanged since `If-None-Match`."},
}


@router.post(
    "/upload",
    status_code=201,
    response_model=BlobOut,
    openapi_extra={"requestBody": {"required": False, "content": _CONTENT}},
)
async def upload(
    filename: Annotated[str | None, Query(description="The name, with folders; made up when left away.")] = None,
) -> NoReturn:
    """Keep a file of any size up to the server's cap. The body is the content, or a form with the field `file`. What
    has the name already is replaced."""
    raise LookupError(filename)  # answered before the framework sees it


@router.get("/list")
async def list_blobs(
    request: Request,
    house: TheHouse,
    principal: Reader,
    prefix: Annotated[str, Query(description="Of the name or of the pathname.")] = "",
    limit: LimitText = None,
    cursor: str | None = None,
) -> BlobsOut:
    """The workspace's objects, by name."""
    page = await house.objects.list(principal, prefix=prefix, limit=number_of(limit, "limit", 100), cursor=cursor)
    blobs = [blob_out(house, request.scope, each) for each in page.items]
    return BlobsOut(blobs=blobs, cursor=page.next_cursor, hasMore=page.has_more)


@router.delete("/delete", status_code=204, response_class=Response)
async def delete(
    house: TheHouse,
    principal: Writer,
    url: Annotated[str | None, Query(description="As it was given out, expired or not.")] = None,
    pathname: Annotated[str | None, Query(description="Instead of `url`.")] = None,
) -> Response:
    """Delete an object. Exactly one of `url` and `pathname` is needed."""
    if (url is None) == (pathname is None):
        raise InvalidRequest("Give `url` or `pathname`; exactly one of the two.", field="pathname")
    await house.objects.delete(principal, pathname if pathname is not None else _pathname_in(url or ""))
    return Response(status_code=204)


@router.get("/{workspace}/{name:path}", response_model=None, response_class=Response, responses=_FILE)
async def download(workspace: str, name: str) -> NoReturn:
    """An object's content; `Range` gives a part of it, HEAD only its headers. A signed `url` needs no key."""
    raise LookupError(workspace, name)  # answered before the framework sees it


@router.head(
    "/{workspace}/{name:path}",
    response_model=None,
    response_class=Response,
    responses={200: {"description": "The headers."}},
)
async def look(workspace: str, name: str) -> NoReturn:
    """An object's size, type, hash and age."""
    raise LookupError(workspace, name)  # answered before the framework sees it


def blob_out(house: House, scope: Scope, found: StoredObject) -> BlobOut:
    url = signed_url(house.objects, found, origin_of(scope, house.settings.public_url))
    return BlobOut(
        url=url,
        downloadUrl=url,
        pathname=found.pathname,
        contentType=found.media_type,
        size=found.size_bytes,
        sha256=found.sha256,
        uploadedAt=found.updated_at,
    )


def blob_json(house: House, request: BareRequest, found: StoredObject) -> object:
    return blob_out(house, request.scope, found).model_dump(mode="json")


def _pathname_in(url: str) -> str:
    """What follows `/storage/` in an address of ours."""
    _, found, pathname = unquote(urlsplit(url).path).partition("/storage/")
    if not found or not pathname:
        raise InvalidRequest(f"`url` {url[:200]!r} is not one that this server gave out.", field="url")
    return pathname
