"""/v1/public: what a public link of a receptor opens, without a key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import Field

from glia.kit.ids import parse_id
from glia.surfaces.auvy.receptor_words import FireBody, ShownChannel, channel_of
from glia.surfaces.auvy.receptors import fired_out, payload_of
from glia.surfaces.auvy.stream import JobStreams
from glia.surfaces.auvy.words import JobStatus, own
from glia.surfaces.shared.asgi import Request, Send, int_parameter
from glia.surfaces.shared.bodies import Body, Out, TheHouse, WatchedRoute
from glia.triggers.types import Status
from glia.wiring import House

router = APIRouter(prefix="/v1/public/receptors", tags=["public links"], route_class=WatchedRoute)

PREFIX = "/v1/public/"


class SharedOut(Out):
    """What a visitor may know of a receptor."""

    name: str
    description: str
    channel: ShownChannel
    is_active: bool


class SharedBody(Body):
    """message, data: what the target is given."""

    message: str | None = Field(None, max_length=100_000)
    data: dict[str, Any] | None = None


class SharedJobOut(Out):
    """stream_url: where this job's events are read with the same link."""

    job_id: UUID
    status: JobStatus
    stream_url: str


@router.get("/{token}")
async def look(token: str, house: TheHouse) -> SharedOut:
    """What a public link leads to. No key: whoever knows the link may."""
    found = await house.hooks.shared(token)
    return SharedOut(
        name=found.name,
        description=str(own(found.metadata).get("description", "")),
        channel=channel_of(found),
        is_active=found.status is Status.ACTIVE,
    )


@router.post("/{token}", status_code=202)
async def fire(token: str, body: SharedBody, house: TheHouse) -> SharedJobOut:
    """Set the target of a public link going. No key: whoever knows the link may."""
    found = await house.hooks.shared(token)
    payload = payload_of(found, FireBody(message=body.message, data=body.data))
    fired = fired_out(found, await house.hooks.fire_shared(token, payload or {}))
    url = f"/v1/public/receptors/{token}/jobs/{fired.job_id}/stream"
    return SharedJobOut(job_id=fired.job_id, status="pending", stream_url=url)


@dataclass(frozen=True)
class SharedStreams:
    """GET /v1/public/receptors/{token}/jobs/{job_id}/stream: only jobs that this link began."""

    house: House

    async def follow(self, request: Request, send: Send, token: str, job_id: str) -> None:
        query = dict(request.query)
        if last := request.headers.get("last-event-id"):
            query["after"] = last
        after = int_parameter(query, "after", 0, smallest=0, largest=2**62)
        run = parse_id(job_id, "job")
        principal = await self.house.hooks.shared_run(token, run)
        await JobStreams(self.house).stream(request, send, principal, run, after)
