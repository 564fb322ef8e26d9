"""/v1/health: how the services of this server are, found out by trying them."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter

from glia.health.types import ServiceStatus
from glia.surfaces.native.words import ListOf
from glia.surfaces.shared.bodies import Out, TheHouse, ThePrincipal, Time, WatchedRoute

router = APIRouter(prefix="/v1/health", tags=["health"], route_class=WatchedRoute)

HealthName = Literal["healthy", "degraded", "down"]


class HealthCheckOut(Out):
    """detail: for people; empty when there is nothing to say."""

    name: str
    status: HealthName
    latency_ms: float
    detail: str


class ServiceOut(Out):
    """uptime_seconds: since the service was last found down, or the server began; 0 while it is down."""

    name: str
    status: HealthName
    version: str
    uptime_seconds: float
    latency_ms: float
    checked_at: Time
    checks: list[HealthCheckOut]


@router.get("/services")
async def services(house: TheHouse, principal: ThePrincipal) -> ListOf[ServiceOut]:
    """Try every service now: each of its checks for at most 3 seconds."""
    return ListOf(data=[_out(one) for one in await house.health.list(principal)])


@router.get("/services/{name}")
async def service(name: str, house: TheHouse, principal: ThePrincipal) -> ServiceOut:
    """Try one service now."""
    return _out(await house.health.get(principal, name))


def _out(status: ServiceStatus) -> ServiceOut:
    return ServiceOut.of(status)
