"""/v1/deployments: programs that are kept running, and their figures."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import Field, WithJsonSchema

from glia.deployments.types import (
    Deployment,
    DeploymentSpec,
    DeploymentStatus,
    Point,
    Program,
)
from glia.kit.errors import InvalidRequest
from glia.surfaces.native.deployment_logs import since_of
from glia.surfaces.native.times import moment_of
from glia.surfaces.native.words import ListOf, TheWindow, page_of
from glia.surfaces.shared.bodies import (
    Body,
    Changes,
    Out,
    TheHouse,
    ThePrincipal,
    Time,
    WatchedRoute,
    given,
    id_of,
)

router = APIRouter(prefix="/v1/deployments", tags=["deployments"], route_class=WatchedRoute)

usage_router = APIRouter(prefix="/v1/deployment-usage", tags=["deployments"], route_class=WatchedRoute)


class DeploymentBody(Body):
    """runtime: `rust`, `go` or `native` for an executable; `python` or `node` for a script, or a zip or tar.gz.

    binary_url: http(s), or `storage://<pathname>`. sha256: what the download must be. cpu: decimal cores. memory: with
    Ki, Mi or Gi. command: arguments; for an archive the first is its entry point. port: given to the program as PORT.
    health_path: asked whether the program is well; once given, the program must answer there. network: whom it may
    reach: `none`, `public`, or `hosts` for those of network_hosts: `api.example.org`, `*.example.org`, `x.org:8443`.
    """

    name: str
    runtime: str
    binary_url: str
    sha256: str | None = None
    replicas: int = 1
    cpu: str = "1.0"
    memory: str = "512Mi"
    region: str = ""
    command: list[str] = Field(default_factory=list, max_length=100)
    port: int = 8080
    health_path: str | None = None
    network: str = "none"
    network_hosts: list[str] = Field(default_factory=list, max_length=200)
    environment: dict[str, str] = Field(default_factory=dict)
    metadata: dict[str, Any] = Field(default_factory=dict)


class DeploymentPatch(Changes):
    """What is not given stays. environment: replaces all variables."""

    runtime: str = ""
    binary_url: str = ""
    sha256: str = ""
    replicas: int = 1
    cpu: str = ""
    memory: str = ""
    region: str = ""
    command: list[str] = Field(default_factory=list, max_length=100)
    port: int = 8080
    health_path: str = "/health"
    network: str = "none"
    network_hosts: list[str] = Field(default_factory=list, max_length=200)
    environment: dict[str, str] = Field(default_factory=dict)
    metadata: dict[str, Any] = Field(default_factory=dict)


class ScaleBody(Body):
    replicas: int


class DeploymentOut(Out):
    """status: deploying, running, stopped or error. reason: why it is not as it was wanted.

    version: counts the changes of the program. digest: sha256 of what was downloaded. endpoint: its address on this
    server. environment_names: values are never shown.
    """

    id: UUID
    name: str
    status: DeploymentStatus
    reason: str
    replicas: int
    ready_replicas: int
    region: str
    runtime: str
    binary_url: str
    sha256: str | None
    digest: str | None
    cpu: str
    memory: str
    command: list[str]
    port: int
    health_path: str
    network: str
    network_hosts: list[str]
    environment_names: list[str]
    version: int
    endpoint: str
    metadata: dict[str, Any]
    created_by: str
    created_at: Time
    updated_at: Time


class ReplicaOut(Out):
    """state: pending, starting, running, unhealthy, backoff, failed or stopping. is_ready: gets requests.
    last_failure: why it ended the last time, also once it runs again; empty when it never did."""

    id: UUID
    state: str
    is_ready: bool
    reason: str
    last_failure: str
    restarts: int
    node: str
    version: int
    created_at: Time
    started_at: Time | None


class DeploymentVersionOut(Out):
    """number: grows with each change of the program. is_current: what should run now. size_bytes: of the download."""

    number: int
    is_current: bool
    runtime: str
    binary_url: str
    sha256: str | None
    digest: str | None
    size_bytes: int | None
    cpu: str
    memory: str
    command: list[str]
    port: int
    health_path: str
    environment_names: list[str]
    created_at: Time


class PointOut(Out):
    at: Time
    value: float


class ReplicaSeriesOut(Out):
    replica_id: UUID
    points: list[PointOut]


class SeriesOut(Out):
    """cpu: percent of a core. memory: MiB. network: bytes a second. total: all replicas together."""

    total: list[PointOut]
    replicas: list[ReplicaSeriesOut]


class MetricsOut(Out):
    metrics: dict[str, SeriesOut]


class DeploymentUsageOut(Out):
    """What a deployment used in the hour that begins at `hour`; also of one that was deleted since.

    replica_seconds: for which replicas ran, added up. cpu_core_seconds, memory_byte_seconds: reserved meanwhile.
    cpu_seconds: really used. storage_byte_seconds: what its programs took on disk. network_bytes: both ways.
    """

    deployment_id: UUID
    name: str
    hour: Time
    replica_seconds: float
    cpu_core_seconds: float
    cpu_seconds: float
    memory_byte_seconds: int
    storage_byte_seconds: int
    network_bytes: int


@router.post("", status_code=201)
async def create(body: DeploymentBody, house: TheHouse, principal: ThePrincipal) -> DeploymentOut:
    """Deploy a program. The answer does not wait for it to run."""
    program = Program(
        runtime=body.runtime,
        binary_url=body.binary_url,
        sha256=body.sha256,
        cpu=body.cpu,
        memory=body.memory,
        command=tuple(body.command),
        port=body.port,
        health_path=body.health_path if body.health_path is not None else "/health",
        must_listen=body.health_path is not None,
        network=body.network,
        network_hosts=tuple(body.network_hosts),
    )
    spec = DeploymentSpec(body.name, program, body.replicas, body.region, body.environment, body.metadata)
    return _out(await house.deployments.create(principal, spec))


@router.get("")
async def list_deployments(
    house: TheHouse,
    principal: ThePrincipal,
    window: TheWindow,
    status: Annotated[
        str | None,
        WithJsonSchema({"type": "string", "enum": [status.value for status in DeploymentStatus]}),
        Query(description="Only deployments in this state."),
    ] = None,
    region: Annotated[str | None, Query(description="Only those of this region.")] = None,
    name: Annotated[str | None, Query(description="Only the one of this name.")] = None,
) -> ListOf[DeploymentOut]:
    """List deployments, newest first."""
    if status is not None and status not in {known.value for known in DeploymentStatus}:
        raise InvalidRequest(f"`status` {status[:100]!r} is none of {', '.join(DeploymentStatus)}.", field="status")
    for field, text in (("region", region), ("name", name)):
        if text is not None and "\0" in text:
            raise InvalidRequest(f"`{field}` has a zero byte.", field=field)
    wanted = None if status is None else DeploymentStatus(status)
    found = await house.deployments.list(principal, window, status=wanted, region=region, name=name)
    return page_of(found, _out)


@router.get("/{deployment}")
async def get(deployment: str, house: TheHouse, principal: ThePrincipal) -> DeploymentOut:
    """One deployment, by its id or name."""
    return _out(await house.deployments.get(principal, deployment))


@router.patch("/{deployment}")
async def update(deployment: str, body: DeploymentPatch, house: TheHouse, principal: ThePrincipal) -> DeploymentOut:
    """Change a deployment. A new program or environment replaces replica by replica, and is undone when it never
    becomes healthy."""
    changes = given(body)
    if "command" in changes:
        changes["command"] = tuple(body.command)
    if "network_hosts" in changes:
        changes["network_hosts"] = tuple(body.network_hosts)
    elif "network" in changes:
        changes["network_hosts"] = ()
    if "health_path" in changes:
        changes["must_listen"] = True
    return _out(await house.deployments.update(principal, deployment, changes))


@router.delete("/{deployment}", status_code=204, response_class=Response)
async def delete(deployment: str, house: TheHouse, principal: ThePrincipal) -> Response:
    """Delete a deployment with its logs and figures. Its programs are ended."""
    await house.deployments.delete(principal, deployment)
    return Response(status_code=204)


@router.post("/{deployment}/start")
async def start(deployment: str, house: TheHouse, principal: ThePrincipal) -> DeploymentOut:
    """Start a stopped deployment."""
    return _out(await house.deployments.start(principal, deployment))


@router.post("/{deployment}/stop")
async def stop(deployment: str, house: TheHouse, principal: ThePrincipal) -> DeploymentOut:
    """Stop a deployment: SIGTERM, and SIGKILL after 10 s."""
    return _out(await house.deployments.stop(principal, deployment))


@router.post("/{deployment}/restart")
async def restart(deployment: str, house: TheHouse, principal: ThePrincipal) -> DeploymentOut:
    """Replace every replica, one after the other."""
    return _out(await house.deployments.restart(principal, deployment))


@router.post("/{deployment}/scale")
async def scale(deployment: str, body: ScaleBody, house: TheHouse, principal: ThePrincipal) -> DeploymentOut:
    """Run more or fewer replicas."""
    return _out(await house.deployments.scale(principal, deployment, body.replicas))


@router.get("/{deployment}/replicas")
async def replicas(deployment: str, house: TheHouse, principal: ThePrincipal) -> ListOf[ReplicaOut]:
    """What runs of it."""
    found = await house.deployments.replicas(principal, deployment)
    return ListOf(data=[ReplicaOut.of(replica) for replica in found])


@router.get("/{deployment}/versions")
async def versions(deployment: str, house: TheHouse, principal: ThePrincipal) -> ListOf[DeploymentVersionOut]:
    """What its program was: the last 100 changes, newest first."""
    found = await house.deployments.versions(principal, deployment)
    return ListOf(data=[DeploymentVersionOut.of(version) for version in found])


@router.post("/{deployment}/versions/{version}/roll")
async def roll(deployment: str, version: str, house: TheHouse, principal: ThePrincipal) -> DeploymentOut:
    """Go to another version of the program, with the environment it had; replica by replica."""
    number = int(version[:9]) if version.isascii() and version.isdigit() else 0
    return _out(await house.deployments.roll_to(principal, deployment, number))


@router.get("/{deployment}/metrics")
async def metrics(
    deployment: str,
    house: TheHouse,
    principal: ThePrincipal,
    period: Annotated[
        str,
        WithJsonSchema({"type": "string", "enum": ["1h", "24h", "7d"], "default": "1h"}),
        Query(description="How far back."),
    ] = "1h",
    metric: Annotated[
        str | None,
        WithJsonSchema({"type": "string", "enum": ["cpu", "memory", "network"]}),
        Query(description="Only this one."),
    ] = None,
) -> MetricsOut:
    """What its programs used, at most about 500 points a series."""
    found = await house.deployments.metrics(principal, deployment, period=period, metric=metric)
    return MetricsOut(metrics={name: _series(*both) for name, both in found.items()})


@usage_router.get("")
async def usage(
    house: TheHouse,
    principal: ThePrincipal,
    since: Annotated[str | None, Query(description="`6h`, `2d`, or a time; `24h` without it.")] = None,
    until: Annotated[str | None, Query(description="A time; now without it.")] = None,
    deployment: Annotated[str | None, Query(description="Only of the deployment with this id.")] = None,
) -> ListOf[DeploymentUsageOut]:
    """What deployments used, hour by hour in UTC, oldest first; at most 31 days and 10,000 rows."""
    end = datetime.now(UTC) if until is None else moment_of(until, "until")
    begin = since_of(since) or end - timedelta(days=1)
    only = None if deployment is None else id_of(deployment, "deployment")
    found = await house.deployments.used(principal, since=begin, until=end, deployment_id=only)
    return ListOf(data=[DeploymentUsageOut.of(row) for row in found])


def _series(total: list[Point], single: list[Point]) -> SeriesOut:
    by_replica: dict[UUID, list[PointOut]] = {}
    for point in single:
        if point.replica_id is not None:
            by_replica.setdefault(point.replica_id, []).append(PointOut(at=point.at, value=round(point.value, 3)))
    return SeriesOut(
        total=[PointOut(at=point.at, value=round(point.value, 3)) for point in total],
        replicas=[ReplicaSeriesOut(replica_id=id, points=points) for id, points in by_replica.items()],
    )


def _out(found: Deployment) -> DeploymentOut:
    shown: dict[str, Any] = {name: getattr(found, name) for name in DeploymentOut.model_fields}
    shown |= {"command": list(found.command), "environment_names": list(found.environment_names)}
    shown["network_hosts"] = list(found.network_hosts)
    return DeploymentOut(**shown)
