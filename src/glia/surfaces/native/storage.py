"""/v1/storage: objects under a pathname. Contents go in and out in `surfaces/shared/objects.py`."""

from __future__ import annotations

from typing import Annotated, Any, NoReturn
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.requests import Request
from fastapi.responses import Response

from glia.storage.types import StoredObject
from glia.surfaces.native.words import LimitText, ListOf
from glia.surfaces.shared.asgi import Request as BareRequest
from glia.surfaces.shared.bodies import Body, Out, TheHouse, ThePrincipal, Time, WatchedRoute, number_of
from glia.surfaces.shared.objects import origin_of, signed_url

router = APIRouter(prefix="/v1/storage", tags=["storage"], route_class=WatchedRoute)


class ObjectOut(Out):
    """pathname: the workspace's id, then the name. sha256: of the content."""

    id: UUID
    pathname: str
    name: str
    media_type: str
    size_bytes: int
    sha256: str
    created_by: str
    created_at: Time
    updated_at: Time


class LinkBody(Body):
    """pathname: with the workspace's id in front, or without. expires_in: seconds, a week at most."""

    pathname: str
    expires_in: int = 3_600


class LinkOut(Out):
    """url: opens the object without a key until then."""

    pathname: str
    url: str


class TotalsOut(Out):
    """most_bytes: what the workspace may keep; null for no limit."""

    objects: int
    size_bytes: int
    most_bytes: int | None


_CONTENT: dict[str, Any] = {
    "requestBody": {
        "required": False,
        "content": {
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "format": "binary"}},
                }
            },
        },
    }
}


@router.post("/upload", status_code=201, response_model=ObjectOut, openapi_extra=_CONTENT)
async def upload(
    filename: Annotated[str | None, Query(description="The name, with folders; made up when left away.")] = None,
) -> NoReturn:
    """Keep a file of any size up to the server's cap: the body is the content, or a form with the field `file`."""
    raise LookupError(filename)  # answered before the framework sees it


@router.get("/objects")
async def list_objects(
    house: TheHouse,
    principal: ThePrincipal,
    prefix: Annotated[str, Query(description="Of the name or of the pathname.")] = "",
    limit: LimitText = None,
    cursor: Annotated[str | None, Query(description="`next_cursor` of the page before.")] = None,
) -> ListOf[ObjectOut]:
    """List objects by name."""
    page = await house.objects.list(principal, prefix=prefix, limit=number_of(limit, "limit", 20), cursor=cursor)
    return ListOf(
        data=[ObjectOut.of(each) for each in page.items], has_more=page.has_more, next_cursor=page.next_cursor
    )


@router.get("/usage")
async def totals(house: TheHouse, principal: ThePrincipal) -> TotalsOut:
    """How much the workspace keeps, and how much it may."""
    return TotalsOut.of(await house.objects.totals(principal))


@router.post("/links", status_code=201)
async def link(body: LinkBody, request: Request, house: TheHouse, principal: ThePrincipal) -> LinkOut:
    """Make an address that opens an object without a key for a while."""
    found = await house.objects.get(principal, body.pathname)
    origin = origin_of(request.scope, house.settings.public_url)
    return LinkOut(pathname=found.pathname, url=signed_url(house.objects, found, origin, body.expires_in))


@router.get(
    "/{owner}/{name:path}",
    response_model=None,
    response_class=Response,
    responses={
        200: {"content": {"*/*": {}}, "description": "The content, of the type it was stored with."},
        206: {"content": {"*/*": {}}, "description": "The part that `Range` asked for."},
        304: {"description": "Unchanged since `If-None-Match`."},
        416: {"description": "The range lies outside of the content."},
    },
)
async def download(owner: str, name: str) -> NoReturn:
    """An object's content; `Range` gives a part of it, HEAD only its headers. A signed address needs no key."""
    raise LookupError(owner, name)  # answered before the framework sees it


@router.delete("/{owner}/{name:path}", status_code=204, response_class=Response)
async def delete(owner: str, name: str, house: TheHouse, principal: ThePrincipal) -> Response:
    """Delete an object."""
    await house.objects.delete(principal, f"{owner}/{name}")
    return Response(status_code=204)


def object_json(_request: BareRequest, found: StoredObject) -> object:
    return ObjectOut.of(found).model_dump(mode="json")
