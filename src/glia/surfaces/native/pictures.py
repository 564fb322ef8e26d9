"""GET /v1/pictures: a picture from elsewhere, fetched by the server, so that its owner learns nothing of who looks."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from glia.pictures.service import LARGEST_BYTES
from glia.surfaces.shared.bodies import TheHouse, ThePrincipal, WatchedRoute

router = APIRouter(prefix="/v1/pictures", tags=["pictures"], route_class=WatchedRoute)

_KEPT_SECONDS = 3600
_HEADERS = {
    # Another person at the same browser has to ask for themselves.
    "Cache-Control": f"private, max-age={_KEPT_SECONDS}",
    "Vary": "Authorization",
    "Content-Disposition": "inline",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
_BINARY = {"schema": {"type": "string", "format": "binary"}}


@router.get(
    "",
    response_class=Response,
    responses={
        200: {
            "content": {f"image/{kind}": _BINARY for kind in ("png", "jpeg", "gif", "webp", "avif")},
            "description": "The picture as it came, under the type that its bytes have.",
        }
    },
)
async def picture(
    house: TheHouse,
    principal: ThePrincipal,
    url: Annotated[
        str,
        Query(description=f"An http or https address; what is there may have {LARGEST_BYTES // 1024 // 1024} MiB."),
    ],
) -> Response:
    """A PNG, JPEG, GIF, WebP or AVIF from a public address. Nothing of the caller is sent there."""
    found = await house.pictures.fetch(principal, url)
    return Response(found.content, media_type=found.media_type, headers=_HEADERS)
