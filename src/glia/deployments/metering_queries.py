"""The SQL of what deployments used. All but the reading for `across_workspaces`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from glia.deployments.types import Usage
from glia.kit.db import Transaction

_STORED_GAP_SECONDS = 60
"""No node has looked for longer: what was kept meanwhile is not counted."""


@dataclass(frozen=True)
class Counted:
    """Use of one deployment in one hour."""

    workspace_id: UUID
    project_id: UUID
    deployment_id: UUID
    name: str
    hour: datetime
    replica_seconds: float
    cpu_core_seconds: float
    cpu_seconds: float
    memory_byte_seconds: int
    network_bytes: int

    def plus(self, other: Counted) -> Counted:
        return replace(
            self,
            replica_seconds=self.replica_seconds + other.replica_seconds,
            cpu_core_seconds=self.cpu_core_seconds + other.cpu_core_seconds,
            cpu_seconds=self.cpu_seconds + other.cpu_seconds,
            memory_byte_seconds=self.memory_byte_seconds + other.memory_byte_seconds,
            network_bytes=self.network_bytes + other.network_bytes,
        )


@dataclass(frozen=True)
class _Until:
    id: UUID
    metered_until: datetime | None


async def counted_until(tx: Transaction, ids: Collection[UUID]) -> dict[UUID, datetime | None]:
    """Of the replicas that are known; holds them until the end of the transaction."""
    found = await tx.many(
        _Until,
        "select id, metered_until from deployment_replicas where id = any(%(ids)s) order by id for update",
        ids=list(ids),
    )
    return {row.id: row.metered_until for row in found}


async def still_there(tx: Transaction, deployment_ids: Collection[UUID]) -> set[UUID]:
    if not deployment_ids:
        return set()
    return set(await tx.values("select id from deployments where id = any(%(ids)s)", ids=list(deployment_ids)))


async def note_until(tx: Transaction, until: Mapping[UUID, datetime]) -> None:
    if until:
        await tx.execute(
            """
            update deployment_replicas r set metered_until = n.until
            from unnest(%(ids)s::uuid[], %(until)s::timestamptz[]) n(id, until) where r.id = n.id""",
            ids=list(until),
            until=list(until.values()),
        )


async def add(tx: Transaction, counted: Sequence[Counted]) -> None:
    """counted: each deployment and hour once."""
    for one in counted:
        await tx.execute(
            """
            insert into deployment_usage as u (workspace_id, project_id, deployment_id, hour, name, replica_seconds,
              cpu_core_seconds, cpu_seconds, memory_byte_seconds, network_bytes)
            values (%(workspace_id)s, %(project_id)s, %(deployment_id)s, %(hour)s, %(name)s, %(replica_seconds)s,
              %(cpu_core_seconds)s, %(cpu_seconds)s, %(memory_byte_seconds)s, %(network_bytes)s)
            on conflict (workspace_id, hour, deployment_id) do update set
              replica_seconds = u.replica_seconds + excluded.replica_seconds,
              cpu_core_seconds = u.cpu_core_seconds + excluded.cpu_core_seconds,
              cpu_seconds = u.cpu_seconds + excluded.cpu_seconds,
              memory_byte_seconds = u.memory_byte_seconds + excluded.memory_byte_seconds,
              network_bytes = u.network_bytes + excluded.network_bytes""",
            **one.__dict__,
        )


async def add_stored(tx: Transaction, node_id: UUID) -> None:
    """What the programs of every deployment took on disk since the last time: of those that it runs, or would go back
    to, each once. For whichever node plans."""
    await tx.execute(
        """
        with noted as (
          update fleet_nodes set stored_until = now() where id = %(node_id)s
        ), last as (
          select max(stored_until) as at from fleet_nodes
        ), kept as (
          select distinct d.id, v.digest, v.size_bytes, greatest(last.at, v.created_at) as since
          from deployments d cross join last join deployment_versions v on v.id in (d.version_id, d.good_version_id)
          where v.size_bytes > 0 and last.at < now() and last.at > now() - make_interval(secs => %(gap)s)
        ), sums as (
          select id, sum(size_bytes * greatest(0, extract(epoch from now() - since))) as stored from kept group by id
        )
        insert into deployment_usage as u (workspace_id, project_id, deployment_id, hour, name, storage_byte_seconds)
        select d.workspace_id, d.project_id, d.id, date_trunc('hour', now(), 'UTC'), d.name, round(sums.stored)::bigint
        from sums join deployments d on d.id = sums.id where sums.stored > 0
        on conflict (workspace_id, hour, deployment_id) do update set
          storage_byte_seconds = u.storage_byte_seconds + excluded.storage_byte_seconds""",
        node_id=node_id,
        gap=_STORED_GAP_SECONDS,
    )


async def usage(
    tx: Transaction, *, since: datetime, until: datetime, deployment_id: UUID | None, limit: int
) -> list[Usage]:
    """Inside a workspace; by hour, then by deployment."""
    return await tx.many(
        Usage,
        """
        select deployment_id, name, hour, replica_seconds, cpu_core_seconds, cpu_seconds, memory_byte_seconds,
               storage_byte_seconds, network_bytes
        from deployment_usage
        where hour >= date_trunc('hour', %(since)s::timestamptz, 'UTC') and hour < %(until)s
          and (%(deployment_id)s::uuid is null or deployment_id = %(deployment_id)s)
        order by hour, deployment_id limit %(limit)s""",
        since=since,
        until=until,
        deployment_id=deployment_id,
        limit=limit,
    )
