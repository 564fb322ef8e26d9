"""GET /v1/agents/{id}/metrics: what an agent's replicas used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse
from pydantic import WithJsonSchema

from glia.deployments.service import METRICS, PERIODS
from glia.deployments.types import Point
from glia.kit.clock import wire_time
from glia.surfaces.neuais.agents import reference_of
from glia.surfaces.neuais.pages import TellingRoute
from glia.surfaces.shared.bodies import Out, TheHouse, ThePrincipal, Time

router = APIRouter(prefix="/v1/agents", tags=["metrics"], route_class=TellingRoute)

DEFAULT_PERIOD: Final = "1h"
Series = Mapping[str, tuple[Sequence[Point], Sequence[Point]]]
"""As the core gives them: by metric, all replicas together, and one by one."""


class PointOut(Out):
    """value: percent of a core, MiB, or bytes a second."""

    timestamp: Time
    value: float


class ReplicaMetricsOut(Out):
    replica: UUID
    metrics: dict[str, list[PointOut]]


class MetricsOut(Out):
    """metrics: by name, cpu, memory and network, of all replicas together. replicas: the same of each."""

    period: str
    metrics: dict[str, list[PointOut]]
    replicas: list[ReplicaMetricsOut]


@router.get("/{id}/metrics", response_model=MetricsOut)
async def metrics(
    id: str,
    house: TheHouse,
    principal: ThePrincipal,
    period: Annotated[
        str,
        WithJsonSchema({"type": "string", "enum": list(PERIODS), "default": DEFAULT_PERIOD}),
        Query(description="How far back."),
    ] = DEFAULT_PERIOD,
    metric: Annotated[
        str | None,
        WithJsonSchema({"type": "string", "enum": list(METRICS)}),
        Query(description="Only this one."),
    ] = None,
) -> JSONResponse:
    """What an agent's replicas used, at most about 500 points a series, oldest first."""
    found = await house.deployments.metrics(principal, reference_of(id), period=period, metric=metric)
    return JSONResponse({"period": period, **series_json(found)})


def series_json(found: Series) -> dict[str, Any]:
    """`metrics` of all replicas together, and `replicas` one by one."""
    by_replica: dict[UUID, dict[str, list[dict[str, Any]]]] = {}
    for name, (_, single) in found.items():
        for point in single:
            if point.replica_id is not None:
                series = by_replica.setdefault(point.replica_id, {})
                series.setdefault(name, []).append(_point(point))
    return {
        "metrics": {name: [_point(point) for point in total] for name, (total, _) in found.items()},
        "replicas": [{"replica": str(id), "metrics": series} for id, series in sorted(by_replica.items())],
    }


def _point(point: Point) -> dict[str, Any]:
    return {"timestamp": wire_time(point.at), "value": round(point.value, 3)}
