"""Routes outside /api/v1, which need no key: whether the server is well, what it is, and its documents."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter
from fastapi.requests import Request
from fastapi.responses import JSONResponse, Response
from prometheus_client import generate_latest
from pydantic import BaseModel

from glia import __version__
from glia.kit import telemetry
from glia.kit.migrate import migrations
from glia.surfaces.shared.bodies import TheHouse, WatchedRoute

router = APIRouter(tags=["service"], route_class=WatchedRoute)

DOCUMENTS = ("/openapi.yaml", "/docs/openapi.yaml", "/api/v1/openapi.yaml")
PUBLIC = frozenset({"/health", "/healthz", "/readyz", "/version", "/metrics", *DOCUMENTS})


class HealthOut(BaseModel):
    status: str


class ReadyOut(BaseModel):
    """reason: why not yet: `database_ping_failed`, or `no_worker` while this process may not work on runs."""

    ready: bool
    reason: str | None = None


class VersionOut(BaseModel):
    """neurondb_compatible: whether the database is NeuronDB's; PostgreSQL with pgvector is all that is needed here."""

    version: str
    build_date: str
    git_commit: str
    api_version: str
    runtime_mode: str
    neurondb_compatible: bool
    migration_version: str


@router.get("/health", responses={503: {"model": HealthOut, "description": "The database does not answer."}})
async def health(house: TheHouse) -> Response:
    """Whether the server and its database are well."""
    return await _health(house)


@router.get("/healthz", responses={503: {"model": HealthOut, "description": "The database does not answer."}})
async def healthz(house: TheHouse) -> Response:
    """The same under the name that orchestrators ask for."""
    return await _health(house)


async def _health(house: TheHouse) -> Response:
    if await house.db.is_reachable():
        return JSONResponse({"status": "ok"})
    return JSONResponse({"status": "unavailable"}, 503)


@router.get(
    "/readyz", response_model=ReadyOut, responses={503: {"model": ReadyOut, "description": "Not ready to take runs."}}
)
async def readyz(house: TheHouse) -> Response:
    """Whether this process can take runs."""
    if not await house.db.is_reachable():
        return JSONResponse({"ready": False, "reason": "database_ping_failed"}, 503)
    if house.lease.worker_id is None:
        return JSONResponse({"ready": False, "reason": "no_worker"}, 503)
    return JSONResponse({"ready": True})


@router.get("/version")
async def version() -> VersionOut:
    """What runs here."""
    return VersionOut(
        version=__version__,
        build_date="",
        git_commit="",
        api_version="v1",
        runtime_mode="glia",
        neurondb_compatible=False,
        migration_version=migrations()[-1].name.removesuffix(".sql"),
    )


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def metrics() -> Response:
    """For Prometheus; runs that ended also under the name that dashboards of NeuronAgent ask for."""
    text = generate_latest(telemetry.registry) + _executions().encode()
    return Response(text, media_type="text/plain; version=0.0.4")


def _executions() -> str:
    name = "neurondb_agent_executions_total"
    samples = [sample for metric in telemetry.runs_ended.collect() for sample in metric.samples]
    lines = [
        f"# HELP {name} Runs that ended, by status.",
        f"# TYPE {name} counter",
        *(f'{name}{{status="{one.labels["status"]}"}} {one.value}' for one in samples if one.name.endswith("_total")),
    ]
    return "\n".join(lines) + "\n"


async def openapi_yaml(request: Request) -> Response:
    """The document as YAML."""
    state = request.app.state
    if not hasattr(state, "openapi_yaml"):  # it stays the same, and anyone may ask
        state.openapi_yaml = await asyncio.to_thread(_yaml_of, request.app.openapi())
    return Response(state.openapi_yaml, media_type="application/yaml")


def _yaml_of(document: dict[str, Any]) -> str:
    import yaml

    dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)  # ten times as fast, where libyaml is there
    return yaml.dump(document, Dumper=dumper, sort_keys=False, allow_unicode=True)


for path in DOCUMENTS:
    router.add_api_route(
        path,
        openapi_yaml,
        response_class=Response,
        responses={200: {"content": {"application/yaml": {}}, "description": "OpenAPI 3.1."}},
        include_in_schema=path == DOCUMENTS[0],
    )
