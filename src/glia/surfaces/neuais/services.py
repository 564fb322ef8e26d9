"""/v1/services: how the services of this server are, found out by trying them."""

from __future__ import annotations

from typing import Final, Literal

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from glia.health.types import Health, ServiceStatus
from glia.surfaces.neuais.pages import TellingRoute, TheListing, page_model
from glia.surfaces.shared.bodies import Out, TheHouse, ThePrincipal, Time

router = APIRouter(prefix="/v1/services", tags=["services"], route_class=TellingRoute)

HealthName = Literal["healthy", "degraded", "down"]

_STATUSES: Final = tuple(health.value for health in Health)


class ServiceOut(Out):
    """uptime: since it was last found down, or the server began, as `5d 12h 30m`."""

    name: str
    status: HealthName
    version: str
    uptime: str


class ServiceCheckOut(Out):
    """One thing that was tried. message: for people; empty when there is nothing to say."""

    name: str
    status: HealthName
    latency_ms: float
    message: str


class ServiceStatusOut(ServiceOut):
    """latency_ms: all checks together."""

    uptime_seconds: float
    latency_ms: float
    checked_at: Time
    checks: list[ServiceCheckOut]


@router.get("", response_model=page_model("services", ServiceOut))
async def list_services(house: TheHouse, principal: ThePrincipal, listing: TheListing) -> JSONResponse:
    """Try every service now, each of its checks for at most 3 seconds."""
    found = await house.health.list(principal)
    return listing.answer("services", [service_out(one) for one in found], ServiceOut, statuses=_STATUSES)


@router.get("/{name}/status")
async def status(name: str, house: TheHouse, principal: ThePrincipal) -> ServiceStatusOut:
    """Try one service now."""
    found = await house.health.get(principal, name)
    return ServiceStatusOut(
        **service_out(found).__dict__,
        uptime_seconds=round(found.uptime_seconds, 3),
        latency_ms=round(found.latency_ms, 3),
        checked_at=found.checked_at,
        checks=[
            ServiceCheckOut(
                name=check.name, status=check.status.value, latency_ms=check.latency_ms, message=check.detail
            )
            for check in found.checks
        ],
    )


def service_out(status: ServiceStatus) -> ServiceOut:
    return ServiceOut(
        name=status.name, status=status.status.value, version=status.version, uptime=uptime_of(status.uptime_seconds)
    )


def uptime_of(seconds: float) -> str:
    """`5d 12h 30m`."""
    minutes = int(seconds // 60)
    return f"{minutes // 1440}d {minutes // 60 % 24}h {minutes % 60}m"
