"""Deployments: make, change, start, stop, restart, scale, look at them. Who makes it so are the nodes (`node.py`)."""

from __future__ import annotations

import asyncio
import secrets as random
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import fields, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Protocol
from uuid import UUID

import orjson

from glia.deployments import checks, metering_queries, queries
from glia.deployments.checks import level_number, refused
from glia.deployments.errors import DeploymentNameTaken, DeploymentNotFound, TooManyDeployments
from glia.deployments.feed import DeploymentFeed
from glia.deployments.readings import Readings
from glia.deployments.types import (
    Deployment,
    DeploymentSpec,
    DeploymentStatus,
    LogLine,
    Point,
    Program,
    Replica,
    Usage,
    Version,
)
from glia.identity.types import Principal
from glia.kit.db import Database, Transaction
from glia.kit.errors import InvalidRequest
from glia.kit.ids import new_id
from glia.kit.pages import Page, Window, page_of

__all__ = ["METRICS", "MOST_DEPLOYMENTS", "MOST_LINES", "PERIODS", "Deployments"]

MOST_DEPLOYMENTS = 1000
"""Per workspace."""

MOST_LINES = 10_000
MOST_VERSIONS = 100
PERIODS = {"1h": 3600, "24h": 86_400, "7d": 7 * 86_400}
MOST_USAGE = 10_000
LONGEST_USAGE = timedelta(days=31)
_MOST_ROWS = 10_000_000
METRICS = ("cpu", "memory", "network")
_SAMPLE_SECONDS = 15
_MOST_POINTS = 500
_FOLLOW_SECONDS = 0.2
_READ_AT_ONCE = 500
_PROGRAM_FIELDS = frozenset(field.name for field in fields(Program))
_OWN_FIELDS = frozenset({"replicas", "region", "environment", "metadata"})


class Seals(Protocol):
    def seal(self, secret: bytes, context: str) -> bytes: ...

    def open(self, sealed: bytes, context: str) -> bytes: ...


def seal_context(deployment_id: UUID) -> str:
    return f"deployment:{deployment_id}"


class Deployments:
    def __init__(self, db: Database, secrets: Seals) -> None:
        """secrets: seals the values of environment variables."""
        self._db = db
        self._secrets = secrets
        self.readings = Readings(DeploymentFeed(db))

    async def create(self, principal: Principal, spec: DeploymentSpec) -> Deployment:
        """Raises InvalidRequest, which names the field and, in its details, the reason; DeploymentNameTaken,
        TooManyDeployments."""
        principal.require("deployments:write")
        spec = checks.check_spec(spec)
        id, version_id = new_id(), new_id()
        route = await self._free_route(spec.name)
        async with self._db.transaction(principal.workspace_id) as tx:
            if await queries.count(tx) >= MOST_DEPLOYMENTS:
                raise TooManyDeployments(f"This workspace has {MOST_DEPLOYMENTS} deployments, the most; delete some.")
            row = {
                "id": id,
                "workspace_id": principal.workspace_id,
                "project_id": principal.project_id,
                "name": spec.name,
                "route": route,
                "replicas": spec.replicas,
                "region": spec.region,
                "version_id": version_id,
                "metadata": dict(spec.metadata),
                "created_by": principal.name,
            }
            if await queries.name_exists(tx, spec.name) or not await queries.insert(tx, row):
                raise DeploymentNameTaken(
                    f"There is a deployment {spec.name!r} already; choose another name, or change that one.",
                    field="name",
                )
            await self._insert_version(tx, principal, id, version_id, spec.program, dict(spec.environment))
            await queries.tell(tx, id)
            return _there(await queries.get(tx, id), id)

    async def _free_route(self, name: str) -> str:
        """The name, if no other workspace has its address; else the name with something behind it."""
        async with self._db.across_workspaces() as tx:
            return name if await queries.is_route_free(tx, name) else f"{name}-{random.token_hex(4)}"

    async def _insert_version(
        self,
        tx: Transaction,
        principal: Principal,
        deployment_id: UUID,
        version_id: UUID,
        program: Program,
        environment: Mapping[str, str],
    ) -> None:
        row = {name: getattr(program, name) for name in _PROGRAM_FIELDS}
        await queries.insert_version(
            tx,
            {
                **row,
                "id": version_id,
                "workspace_id": principal.workspace_id,
                "deployment_id": deployment_id,
                "command": list(program.command),
                "network_hosts": list(program.network_hosts),
                "environment_names": sorted(environment),
                "sealed_environment": self._secrets.seal(orjson.dumps(environment), seal_context(deployment_id)),
            },
        )

    async def get(self, principal: Principal, reference: str) -> Deployment:
        """reference: the id or the name."""
        principal.require("deployments:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            return await _found(tx, reference)

    async def list(
        self,
        principal: Principal,
        window: Window,
        *,
        status: DeploymentStatus | None = None,
        region: str | None = None,
        name: str | None = None,
    ) -> Page[Deployment]:
        principal.require("deployments:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            rows = await queries.list_page(tx, window, status=status, region=region, name=name)
        return page_of(rows, window, lambda found: found.id)

    async def replicas(self, principal: Principal, reference: str) -> list[Replica]:
        principal.require("deployments:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            return await queries.replicas(tx, (await _found(tx, reference)).id)

    async def versions(self, principal: Principal, reference: str) -> list[Version]:
        """What its program was, the newest 100 changes first."""
        principal.require("deployments:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            return await queries.versions(tx, (await _found(tx, reference)).id, limit=MOST_VERSIONS)

    async def roll_to(self, principal: Principal, reference: str, number: int) -> Deployment:
        """Replaces every replica by that version, with the environment it had. Raises DeploymentNotFound."""
        principal.require("deployments:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            found = await _found(tx, reference, is_locked=True)
            version_id = await queries.version_id(tx, found.id, number)
            if version_id is None:
                raise DeploymentNotFound(f"The deployment {found.name!r} has no version {number}.")
            if number != found.version:
                await queries.set_target(tx, found.id, version_id=version_id, is_new_generation=True, is_rolled=True)
                await queries.tell(tx, found.id)
            return _there(await queries.get(tx, found.id), found.id)

    async def update(self, principal: Principal, reference: str, changes: Mapping[str, Any]) -> Deployment:
        """changes: fields of Program, and `replicas`, `region`, `environment`, `metadata`.

        A new program, environment or region replaces replica by replica; the old ones serve until the new ones are
        healthy, and when those never are, all stays as it was and `reason` says so.
        """
        principal.require("deployments:write")
        if unknown := set(changes) - _PROGRAM_FIELDS - _OWN_FIELDS:
            raise InvalidRequest(f"`{min(unknown)}` cannot be changed.", field=min(unknown))
        async with self._db.transaction(principal.workspace_id) as tx:
            before = await _found(tx, reference, is_locked=True)
            program = checks.check_program(_program(before, changes))
            replicas, region = changes.get("replicas", before.replicas), changes.get("region", before.region)
            environment = changes.get("environment")
            checks.check_spec(DeploymentSpec(before.name, program, replicas, region, environment or {}))
            await queries.set_fields(tx, before.id, replicas=replicas, region=region, metadata=changes.get("metadata"))
            is_new = program != _program(before, {}) or environment is not None or "binary_url" in changes
            version_id = None
            if is_new:
                version_id = new_id()
                if environment is None:
                    sealed = await queries.sealed_environment(tx, before.id)
                    environment = orjson.loads(self._secrets.open(sealed, seal_context(before.id)))
                await self._insert_version(tx, principal, before.id, version_id, program, environment)
            is_rolled = is_new or region != before.region
            if is_rolled:
                await queries.set_target(tx, before.id, version_id=version_id, is_new_generation=True, is_rolled=True)
            if is_rolled or replicas != before.replicas or changes.get("metadata", before.metadata) != before.metadata:
                await queries.tell_of_update(tx, before.id)
            await queries.tell(tx, before.id)
            return _there(await queries.get(tx, before.id), before.id)

    async def scale(self, principal: Principal, reference: str, replicas: int) -> Deployment:
        return await self.update(principal, reference, {"replicas": replicas})

    async def start(self, principal: Principal, reference: str) -> Deployment:
        return await self._want(principal, reference, is_wanted=True)

    async def stop(self, principal: Principal, reference: str) -> Deployment:
        """No request reaches it any more; each program is asked to end, and killed when it does not within 10 s."""
        return await self._want(principal, reference, is_wanted=False)

    async def _want(self, principal: Principal, reference: str, *, is_wanted: bool) -> Deployment:
        principal.require("deployments:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            found = await _found(tx, reference, is_locked=True)
            await queries.set_wanted(tx, found.id, is_wanted=is_wanted)
            await queries.tell(tx, found.id)
            return _there(await queries.get(tx, found.id), found.id)

    async def restart(self, principal: Principal, reference: str) -> Deployment:
        """Replaces every replica, one after the other; a stopped deployment is started."""
        principal.require("deployments:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            found = await _found(tx, reference, is_locked=True)
            await queries.set_wanted(tx, found.id, is_wanted=True)
            await queries.set_target(tx, found.id, version_id=None, is_new_generation=True, is_rolled=True)
            await queries.tell(tx, found.id)
            return _there(await queries.get(tx, found.id), found.id)

    async def delete(self, principal: Principal, reference: str) -> None:
        """With its logs and figures. Its programs are ended as by `stop`."""
        principal.require("deployments:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            found = await _found(tx, reference)
            await queries.lock_all(tx, found.id)
            if not await queries.delete(tx, found.id):
                raise _missing(reference)
            await queries.tell(tx, found.id)

    # --- Logs and figures ---------------------------------------------------------------------------------------------

    async def logs(
        self,
        principal: Principal,
        reference: str,
        *,
        tail: int = 100,
        since: datetime | None = None,
        level: str = "debug",
        text: str | None = None,
        replica_id: UUID | None = None,
    ) -> list[LogLine]:
        """The last lines, oldest first. level: that one and above. text: what they hold, in any case."""
        principal.require("deployments:read")
        if not 1 <= tail <= MOST_LINES:
            raise refused("tail", f"must be between 1 and {MOST_LINES}")
        async with self._db.transaction(principal.workspace_id) as tx:
            found = await _found(tx, reference)
            return await queries.last_lines(
                tx,
                found.id,
                tail=tail,
                since=since,
                level=level_number(level),
                text=text,
                replica_id=replica_id,
            )

    async def follow(
        self, principal: Principal, reference: str, *, after: int | None = None, level: str = "debug"
    ) -> AsyncGenerator[Sequence[LogLine]]:
        """Lines as they come, also an empty list now and then; ends when the deployment is deleted.
        after: the id of the last line that is known; None begins with what comes next."""
        principal.require("deployments:read")
        level_number(level)
        async with self._db.transaction(principal.workspace_id) as tx:
            id = (await _found(tx, reference)).id
            place = await queries.last_line_id(tx, id) if after is None else after
        while True:
            asked_at, ends = await self.readings.ends(principal, [id])
            if id not in ends:
                return
            lines: Sequence[LogLine] = ()
            if ends[id] > place:
                lines = await self.readings.lines(
                    principal, {id: place}, level=level, since=asked_at, limit=_READ_AT_ONCE
                )
            yield lines
            if len(lines) == _READ_AT_ONCE:
                place = lines[-1].id
                continue
            # What lies before the end and was not told is of a lower level.
            place = max(place, ends[id], lines[-1].id if lines else 0)
            await asyncio.sleep(_FOLLOW_SECONDS)

    async def metrics(
        self, principal: Principal, reference: str, *, period: str = "1h", metric: str | None = None
    ) -> dict[str, tuple[list[Point], list[Point]]]:
        """By metric: all replicas together, and one by one; at most about 500 points of each."""
        principal.require("deployments:read")
        seconds = PERIODS.get(period)
        if seconds is None:
            raise refused("period", f"must be one of {', '.join(PERIODS)}")
        if metric is not None and metric not in METRICS:
            raise refused("metric", f"must be one of {', '.join(METRICS)}")
        bucket = max(_SAMPLE_SECONDS, -(-seconds // _MOST_POINTS // _SAMPLE_SECONDS) * _SAMPLE_SECONDS)
        series: dict[str, tuple[list[Point], list[Point]]] = {}
        async with self._db.transaction(principal.workspace_id) as tx:
            id = (await _found(tx, reference)).id
            for name in METRICS if metric is None else (metric,):
                ask = partial(queries.points, tx, id, metric=name, seconds=seconds, bucket_seconds=bucket)
                series[name] = await ask(is_summed=True), await ask(is_summed=False)
        return series

    # --- What is billed -----------------------------------------------------------------------------------------------

    async def usage(
        self, workspace_id: UUID, since: datetime, until: datetime, *, deployment_id: UUID | None = None
    ) -> list[Usage]:
        """By hour and deployment, oldest first, from the hour that `since` lies in to the last that begins before
        `until`; also of what was deleted. The hour that is not over may still grow, and for a minute the one before.

        For the house itself; users ask by `used`."""
        async with self._db.transaction(workspace_id) as tx:
            return await metering_queries.usage(
                tx, since=since, until=until, deployment_id=deployment_id, limit=_MOST_ROWS
            )

    async def used(
        self, principal: Principal, *, since: datetime, until: datetime, deployment_id: UUID | None = None
    ) -> list[Usage]:
        """Raises InvalidRequest for more than 31 days, or more than 10,000 rows."""
        principal.require("deployments:read")
        if not timedelta(0) < until - since <= LONGEST_USAGE:
            raise refused("since", f"must lie before `until`, by {LONGEST_USAGE.days} days at most")
        async with self._db.transaction(principal.workspace_id) as tx:
            found = await metering_queries.usage(
                tx, since=since, until=until, deployment_id=deployment_id, limit=MOST_USAGE + 1
            )
        if len(found) > MOST_USAGE:
            raise refused("since", f"gives more than {MOST_USAGE} rows; ask for less time, or for one deployment")
        return found


async def _found(tx: Transaction, reference: str, *, is_locked: bool = False) -> Deployment:
    try:
        id: UUID | None = UUID(reference)
    except ValueError:
        id = None if "\0" in reference else await queries.id_of(tx, reference)
    if id is None or (is_locked and not await queries.lock(tx, id)):
        raise _missing(reference)
    return _there(await queries.get(tx, id), reference)


def _there(found: Deployment | None, reference: object) -> Deployment:
    if found is None:
        raise _missing(reference)
    return found


def _missing(reference: object) -> DeploymentNotFound:
    return DeploymentNotFound(f"There is no deployment {str(reference)[:100]!r} in this workspace.")


def _program(before: Deployment, changes: Mapping[str, Any]) -> Program:
    """A checksum belongs to its download: with another address it goes, unless a new one is given."""
    program = Program(**{name: getattr(before, name) for name in _PROGRAM_FIELDS})
    if changes.get("binary_url", program.binary_url) != program.binary_url:
        program = replace(program, sha256=None)
    return replace(program, **{name: value for name, value in changes.items() if name in _PROGRAM_FIELDS})
