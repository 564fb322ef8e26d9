"""The SQL of users' side: what is wanted, and looking at it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

from glia.deployments.types import Deployment, LogLine, Point, Replica, Version
from glia.kit.db import Transaction, json
from glia.kit.pages import Window

CHANNEL = "glia_deployments"

_SEEN: LiteralString = """
    select d.id, d.workspace_id, d.name, d.route, d.status, d.reason, d.replicas,
           (select count(*) from deployment_replicas r where r.deployment_id = d.id and r.is_wanted and r.is_ready)
             as ready_replicas,
           d.region, v.runtime, v.binary_url, v.sha256, v.digest, v.cpu, v.memory, v.command, v.port, v.health_path,
           v.must_listen, v.network, v.network_hosts,
           v.environment_names, v.number as version, d.metadata, d.created_by, d.created_at, d.updated_at
    from deployments d join deployment_versions v on v.id = d.version_id """


async def tell(tx: Transaction, id: UUID) -> None:
    await tx.execute("select pg_notify('glia_deployments', %(id)s)", id=str(id))


async def tell_of_update(tx: Transaction, id: UUID) -> None:
    """Those who asked for it by webhook. What else happens to deployments is told by triggers."""
    await tx.execute("select tell_of_deployment('deployment.updated', d) from deployments d where d.id = %(id)s", id=id)


async def count(tx: Transaction) -> int:
    return await tx.value("select count(*) from deployments")


async def is_route_free(tx: Transaction, route: str) -> bool:
    """Among all workspaces. For `across_workspaces`."""
    return not await tx.value("select exists (select from deployments where route = %(route)s)", route=route)


async def insert(tx: Transaction, row: Mapping[str, Any]) -> bool:
    """Whether the name and the route were free."""
    return bool(
        await tx.execute(
            """
            insert into deployments
              (id, workspace_id, project_id, name, route, replicas, region, status, version_id, metadata, created_by)
            values (%(id)s, %(workspace_id)s, %(project_id)s, %(name)s, %(route)s, %(replicas)s, %(region)s,
                    'deploying', %(version_id)s, %(metadata)s, %(created_by)s)
            on conflict do nothing""",
            **{**row, "metadata": json(row["metadata"])},
        )
    )


async def insert_version(tx: Transaction, row: Mapping[str, Any]) -> None:
    await tx.execute(
        """
        insert into deployment_versions
          (id, workspace_id, deployment_id, number, runtime, binary_url, sha256, cpu, memory, command, port,
           health_path, must_listen, network, network_hosts, environment_names, sealed_environment)
        values (%(id)s, %(workspace_id)s, %(deployment_id)s,
                (select coalesce(max(number), 0) + 1 from deployment_versions where deployment_id = %(deployment_id)s),
                %(runtime)s, %(binary_url)s, %(sha256)s, %(cpu)s, %(memory)s, %(command)s, %(port)s, %(health_path)s,
                %(must_listen)s, %(network)s, %(network_hosts)s, %(environment_names)s, %(sealed_environment)s)""",
        **row,
    )


async def sealed_environment(tx: Transaction, deployment_id: UUID) -> bytes:
    return await tx.value(
        """
        select v.sealed_environment from deployments d join deployment_versions v on v.id = d.version_id
        where d.id = %(id)s""",
        id=deployment_id,
    )


async def name_exists(tx: Transaction, name: str) -> bool:
    return await tx.value("select exists (select from deployments where name = %(name)s)", name=name)


async def lock(tx: Transaction, id: UUID) -> bool:
    return await tx.value("select id from deployments where id = %(id)s for update", id=id) is not None


async def lock_all(tx: Transaction, id: UUID) -> None:
    """Whatever is written of it at the same time, in the order in which nodes do: its lines, its replicas, itself."""
    await tx.execute("select pg_advisory_xact_lock(hashtext('glia logs ' || %(id)s))", id=str(id))
    await tx.execute("select from deployment_replicas where deployment_id = %(id)s order by id for update", id=id)


async def get(tx: Transaction, id: UUID) -> Deployment | None:
    return await tx.one_or_none(Deployment, _SEEN + "where d.id = %(id)s", id=id)


async def id_of(tx: Transaction, name: str) -> UUID | None:
    return await tx.value("select id from deployments where name = %(name)s", name=name)


async def list_page(
    tx: Transaction, window: Window, *, status: str | None, region: str | None, name: str | None
) -> list[Deployment]:
    return await tx.many(
        Deployment,
        _SEEN
        + """
        where (%(after)s::uuid is null or d.id < %(after)s)
          and (%(status)s::text is null or d.status = %(status)s)
          and (%(region)s::text is null or d.region = %(region)s)
          and (%(name)s::text is null or d.name = %(name)s)
        order by d.id desc limit %(limit)s""",
        after=window.after,
        status=status,
        region=region,
        name=name,
        limit=window.limit + 1,
    )


async def replicas(tx: Transaction, id: UUID) -> list[Replica]:
    """The node's name is its id: the list of nodes is not a workspace's business."""
    return await tx.many(
        Replica,
        """
        select r.id, r.state, r.is_ready, r.reason, r.restarts, r.node_id::text as node, v.number as version,
               r.created_at, r.started_at, r.last_failure
        from deployment_replicas r join deployment_versions v on v.id = r.version_id
        where r.deployment_id = %(id)s order by r.id""",
        id=id,
    )


async def versions(tx: Transaction, id: UUID, *, limit: int) -> list[Version]:
    """Newest first."""
    return await tx.many(
        Version,
        """
        select v.number, v.id = d.version_id as is_current, v.runtime, v.binary_url, v.sha256, v.digest, v.size_bytes,
               v.cpu, v.memory, v.command, v.port, v.health_path, v.environment_names, v.created_at
        from deployment_versions v join deployments d on d.id = v.deployment_id
        where v.deployment_id = %(id)s order by v.number desc limit %(limit)s""",
        id=id,
        limit=limit,
    )


async def version_id(tx: Transaction, id: UUID, number: int) -> UUID | None:
    return await tx.value(
        "select id from deployment_versions where deployment_id = %(id)s and number = %(number)s", id=id, number=number
    )


async def set_target(
    tx: Transaction, id: UUID, *, version_id: UUID | None, is_new_generation: bool, is_rolled: bool
) -> None:
    """is_new_generation: every replica is replaced. is_rolled: it is wanted to run from now on."""
    await tx.execute(
        """
        update deployments set version_id = coalesce(%(version_id)s, version_id),
          generation = generation + %(more)s, changed_at = now(), updated_at = now(),
          status = case when is_wanted and %(is_rolled)s then 'deploying' else status end,
          reason = case when %(is_rolled)s then '' else reason end
        where id = %(id)s""",
        id=id,
        version_id=version_id,
        more=1 if is_new_generation else 0,
        is_rolled=is_rolled,
    )


async def set_wanted(tx: Transaction, id: UUID, *, is_wanted: bool) -> None:
    """Asking for what is so already changes nothing."""
    await tx.execute(
        """
        update deployments set is_wanted = %(is_wanted)s, updated_at = now(), changed_at = now(), reason = '',
          status = case when %(is_wanted)s then 'deploying' else 'stopped' end
        where id = %(id)s and is_wanted <> %(is_wanted)s""",
        id=id,
        is_wanted=is_wanted,
    )


async def set_fields(
    tx: Transaction, id: UUID, *, replicas: int | None, region: str | None, metadata: Mapping[str, object] | None
) -> None:
    await tx.execute(
        """
        update deployments set replicas = coalesce(%(replicas)s, replicas), region = coalesce(%(region)s, region),
          metadata = coalesce(%(metadata)s, metadata), updated_at = now()
        where id = %(id)s""",
        id=id,
        replicas=replicas,
        region=region,
        metadata=None if metadata is None else json(metadata),
    )


async def delete(tx: Transaction, id: UUID) -> bool:
    return bool(await tx.execute("delete from deployments where id = %(id)s", id=id))


# --- Logs and figures -------------------------------------------------------------------------------------------------

_LINE: LiteralString = """
    select id, at, (array['debug', 'info', 'warn', 'error'])[level + 1] as level, message, replica_id
    from deployment_logs where deployment_id = %(deployment_id)s and level >= %(level)s"""


async def last_lines(
    tx: Transaction,
    deployment_id: UUID,
    *,
    tail: int,
    since: datetime | None,
    level: int,
    text: str | None = None,
    replica_id: UUID | None = None,
) -> list[LogLine]:
    """Oldest first. text: in any case, somewhere in the line."""
    found = await tx.many(
        LogLine,
        _LINE
        + """
          and (%(since)s::timestamptz is null or at >= %(since)s)
          and (%(text)s::text is null or position(lower(%(text)s) in lower(message)) > 0)
          and (%(replica_id)s::uuid is null or replica_id = %(replica_id)s)
        order by id desc limit %(tail)s""",
        text=text,
        replica_id=replica_id,
        deployment_id=deployment_id,
        tail=tail,
        since=since,
        level=level,
    )
    return found[::-1]


async def last_line_id(tx: Transaction, deployment_id: UUID) -> int:
    return await tx.value(
        "select coalesce(max(id), 0) from deployment_logs where deployment_id = %(id)s", id=deployment_id
    )


_COLUMNS: Mapping[str, LiteralString] = {
    "cpu": "cpu_percent",
    "memory": "memory_mib",
    "network": "network_bytes_per_second",
}


async def points(
    tx: Transaction, deployment_id: UUID, *, metric: str, seconds: int, bucket_seconds: int, is_summed: bool
) -> list[Point]:
    """Averages over buckets of time; summed over the replicas, or one by one."""
    column = _COLUMNS[metric]
    buckets: LiteralString = (
        "select date_bin(make_interval(secs => %(bucket)s), at, 'epoch') as slot, replica_id, avg("
        + column
        + """) as value from deployment_metrics
        where deployment_id = %(id)s and at > now() - make_interval(secs => %(seconds)s) and """
        + column
        + " is not null group by 1, 2"
    )
    if is_summed:
        sql: LiteralString = (
            "select slot as at, sum(value)::float8 as value, null::uuid as replica_id from ("
            + buckets
            + ") b group by slot order by slot"
        )
    else:
        sql = "select slot as at, value::float8 as value, replica_id from (" + buckets + ") b order by slot, replica_id"
    return await tx.many(Point, sql, id=deployment_id, seconds=seconds, bucket=bucket_seconds)
