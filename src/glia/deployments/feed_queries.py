"""The SQL of feeds: many deployments at once."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from uuid import UUID

from glia.deployments.types import DeploymentLine, Sample
from glia.kit.db import Transaction


@dataclass(frozen=True)
class _End:
    id: UUID
    place: int


async def ends(tx: Transaction, ids: Collection[UUID]) -> dict[UUID, int]:
    rows = await tx.many(
        _End,
        """
        select d.id, coalesce((select max(l.id) from deployment_logs l where l.deployment_id = d.id), 0) as place
        from deployments d where d.id = any(%(ids)s)""",
        ids=list(ids),
    )
    return {row.id: row.place for row in rows}


async def lines(tx: Transaction, places: Mapping[UUID, int], *, level: int, limit: int) -> list[DeploymentLine]:
    """By id, which within a deployment is the order in which they were kept; each deployment has a place of its own,
    since a line of another may be kept later under a smaller id."""
    return await tx.many(
        DeploymentLine,
        """
        select l.id, l.at, (array['debug', 'info', 'warn', 'error'])[l.level + 1] as level, l.message, l.replica_id,
               l.deployment_id
        from unnest(%(ids)s::uuid[], %(places)s::bigint[]) as d(id, place)
        cross join lateral (
          select * from deployment_logs k
          where k.deployment_id = d.id and k.id > d.place and k.level >= %(level)s order by k.id limit %(limit)s
        ) l
        order by l.id limit %(limit)s""",
        ids=list(places),
        places=list(places.values()),
        level=level,
        limit=limit,
    )


async def count(tx: Transaction, places: Mapping[UUID, int], ends: Mapping[UUID, int], *, level: int) -> int:
    return await tx.value(
        """
        select count(*) from unnest(%(ids)s::uuid[], %(places)s::bigint[], %(ends)s::bigint[]) as d(id, place, last)
        join deployment_logs l
          on l.deployment_id = d.id and l.id > d.place and l.id <= d.last and l.level >= %(level)s""",
        ids=list(places),
        places=list(places.values()),
        ends=[ends.get(id, 0) for id in places],
        level=level,
    )


async def samples(tx: Transaction, ids: Collection[UUID], *, seconds: int) -> list[Sample]:
    return await tx.many(
        Sample,
        """
        select distinct on (deployment_id, replica_id)
               deployment_id, replica_id, at, cpu_percent, memory_mib, network_bytes_per_second
        from deployment_metrics
        where deployment_id = any(%(ids)s) and at > now() - make_interval(secs => %(seconds)s)
        order by deployment_id, replica_id, at desc""",
        ids=list(ids),
        seconds=seconds,
    )
