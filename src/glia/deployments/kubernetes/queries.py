"""The SQL of a cluster's node, for `across_workspaces`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from glia.deployments.kubernetes.wishes import Version
from glia.deployments.node_queries import Wish
from glia.kit.db import Transaction, json


@dataclass(frozen=True)
class Row:
    """A replica as it was last told of."""

    id: UUID
    workspace_id: UUID
    deployment_id: UUID
    version_id: UUID
    generation: int
    state: str
    is_ready: bool
    is_wanted: bool
    reason: str
    failures: int
    restarts: int
    address: str
    log_place: tuple[int, int]
    started_at: datetime | None
    last_failure: str


async def hold(tx: Transaction, row: Mapping[str, Any]) -> bool:
    """Whether we are the one that looks after the cluster, for the seconds of the lease."""
    return (
        await tx.value(
            """
        insert into fleet_nodes as n (id, name, region, limits, problem, kind, holder, lease_until)
        values (%(id)s, %(name)s, %(region)s, %(limits)s, %(problem)s, 'kubernetes', %(holder)s,
                now() + make_interval(secs => %(seconds)s))
        on conflict (id) do update set name = excluded.name, region = excluded.region, limits = excluded.limits,
          problem = excluded.problem, holder = excluded.holder, lease_until = excluded.lease_until
        where n.holder = excluded.holder or n.lease_until < now() or n.holder is null
        returning true""",
            **{**row, "limits": json(row["limits"])},
        )
        or False
    )


async def let_go(tx: Transaction, id: UUID, holder: UUID) -> None:
    """Another process may look after the cluster at once."""
    await tx.execute(
        "update fleet_nodes set lease_until = now(), holder = null where id = %(id)s and holder = %(holder)s",
        id=id,
        holder=holder,
    )


async def claim(tx: Transaction, id: UUID, region: str) -> None:
    """Takes deployments that run nowhere. region: only those of it, and those of none; empty for all."""
    await tx.execute(
        """
        update deployments d set cluster_id = %(id)s
        where d.cluster_id is null and d.is_wanted and (%(region)s = '' or d.region in ('', %(region)s))
          and not exists (select from deployment_replicas r where r.deployment_id = d.id)""",
        id=id,
        region=region,
    )


async def release(tx: Transaction, id: UUID) -> None:
    """Its deployments may run elsewhere."""
    await tx.execute("delete from deployment_replicas where node_id = %(id)s", id=id)
    await tx.execute("update deployments set cluster_id = null where cluster_id = %(id)s", id=id)


async def wishes(tx: Transaction, id: UUID) -> list[Wish]:
    return await tx.many(
        Wish,
        """
        select id, workspace_id, replicas, region, is_wanted, status, reason, version_id, generation, good_version_id,
               good_generation, listens
        from deployments where cluster_id = %(id)s order by id""",
        id=id,
    )


async def versions(tx: Transaction, ids: Sequence[UUID]) -> list[Version]:
    return await tx.many(
        Version,
        """
        select v.id, v.workspace_id, d.project_id, v.deployment_id, v.runtime, v.binary_url, v.sha256, v.digest, v.cpu,
               v.memory, v.command, v.port, v.health_path, v.must_listen, v.network,
               v.sealed_environment
        from deployment_versions v join deployments d on d.id = v.deployment_id where v.id = any(%(ids)s)""",
        ids=list(ids),
    )


async def version(tx: Transaction, id: UUID) -> Version | None:
    return next(iter(await versions(tx, [id])), None)


async def rows(tx: Transaction, id: UUID) -> list[Row]:
    return await tx.many(
        Row,
        """
        select id, workspace_id, deployment_id, version_id, generation, state, is_ready, is_wanted, reason, failures,
               restarts, address, log_place, started_at, last_failure
        from deployment_replicas where node_id = %(id)s""",
        id=id,
    )


async def put(tx: Transaction, node_id: UUID, row: Row, created_at: datetime) -> None:
    """Not the place in its output, which whoever reads that keeps. Nothing happens when its deployment or version has
    been deleted."""
    await tx.execute(
        """
        insert into deployment_replicas as r (id, workspace_id, deployment_id, version_id, generation, node_id,
          is_wanted, state, is_ready, reason, failures, restarts, address, started_at, created_at, last_failure)
        select %(id)s, v.workspace_id, v.deployment_id, v.id, %(generation)s, %(node_id)s, %(is_wanted)s, %(state)s,
          %(is_ready)s, %(reason)s, %(failures)s, %(restarts)s, %(address)s, %(started_at)s, %(created_at)s,
          %(last_failure)s
        from deployment_versions v where v.id = %(version_id)s and v.deployment_id = %(deployment_id)s
        on conflict (id) do update set is_wanted = excluded.is_wanted, state = excluded.state,
          is_ready = excluded.is_ready, reason = excluded.reason, failures = excluded.failures,
          restarts = excluded.restarts, address = excluded.address,
          started_at = coalesce(excluded.started_at, r.started_at), last_failure = excluded.last_failure""",
        id=row.id,
        node_id=node_id,
        deployment_id=row.deployment_id,
        version_id=row.version_id,
        generation=row.generation,
        is_wanted=row.is_wanted,
        state=row.state,
        is_ready=row.is_ready,
        reason=row.reason[:1000],
        failures=row.failures,
        restarts=row.restarts,
        address=row.address,
        started_at=row.started_at,
        last_failure=row.last_failure[:1000],
        created_at=created_at,
    )
