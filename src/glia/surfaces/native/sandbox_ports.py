"""/v1/sandboxes/{id}/ports: addresses that show what listens inside. They are served by a listener of their own."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter

from glia.surfaces.native.sandboxes import sandbox_id
from glia.surfaces.shared.bodies import Body, Out, TheHouse, ThePrincipal, Time, WatchedRoute, number_of

router = APIRouter(prefix="/v1/sandboxes", tags=["sandboxes"], route_class=WatchedRoute)


class PortPreviewBody(Body):
    """expires_in: seconds that the address works."""

    expires_in: int = 3_600


class PreviewOut(Out):
    """url: opens the port for everyone who has it. origin_url: the same with an origin of its own, where the server
    has a domain for previews."""

    sandbox_id: UUID
    port: int
    token: str
    url: str
    origin_url: str | None
    expires_at: Time


@router.post("/{sandbox}/ports/{port}/preview", status_code=201)
async def preview(
    sandbox: str, port: str, body: PortPreviewBody, house: TheHouse, principal: ThePrincipal
) -> PreviewOut:
    """Make an address that shows a port inside, over HTTP and WebSocket."""
    id = sandbox_id(sandbox)
    await house.sandboxes.require(principal, id)
    number = number_of(port, "port", 0, smallest=1, largest=65_535)
    return PreviewOut.of(await house.sandboxes.previews.create(principal, id, number, body.expires_in))
