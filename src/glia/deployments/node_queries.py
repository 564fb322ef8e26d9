"""The SQL of nodes: what all workspaces want, and what runs where. All but the logs for `across_workspaces`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from glia.kit.db import Transaction, json


@dataclass(frozen=True)
class NodeRow:
    id: UUID
    region: str
    problem: str
    replicas: int


@dataclass(frozen=True)
class Wish:
    """A deployment as the plan sees it. changed_seconds: since its target was changed."""

    id: UUID
    workspace_id: UUID
    replicas: int
    region: str
    is_wanted: bool
    status: str
    reason: str
    version_id: UUID
    generation: int
    good_version_id: UUID | None
    good_generation: int | None
    listens: bool


@dataclass(frozen=True)
class ReplicaRow:
    """is_held: its node has said recently that it lives. has_begun: its program was started once.
    age_seconds: since then, else since it was planned."""

    id: UUID
    workspace_id: UUID
    deployment_id: UUID
    version_id: UUID
    generation: int
    node_id: UUID
    is_wanted: bool
    state: str
    is_ready: bool
    reason: str
    failures: int
    is_held: bool
    has_begun: bool
    age_seconds: float


@dataclass(frozen=True)
class Assigned:
    """What a node needs to run one of its replicas."""

    id: UUID
    workspace_id: UUID
    project_id: UUID
    deployment_id: UUID
    name: str
    version_id: UUID
    is_wanted: bool
    state: str
    is_ready: bool
    failures: int
    log_place: tuple[int, int]
    runtime: str
    binary_url: str
    sha256: str | None
    digest: str | None
    cpu: str
    memory: str
    command: tuple[str, ...]
    port: int
    health_path: str
    must_listen: bool
    network: str
    network_hosts: tuple[str, ...]
    listens: bool
    sealed_environment: bytes


async def beat(tx: Transaction, row: Mapping[str, Any]) -> None:
    await tx.execute(
        """
        insert into fleet_nodes (id, name, region, limits, problem, address, lease_until)
        values (%(id)s, %(name)s, %(region)s, %(limits)s, %(problem)s, %(address)s,
                now() + make_interval(secs => %(seconds)s))
        on conflict (id) do update set name = excluded.name, region = excluded.region, limits = excluded.limits,
          problem = excluded.problem, address = excluded.address, lease_until = excluded.lease_until""",
        **{**row, "limits": json(row["limits"])},
    )


async def retire(tx: Transaction, id: UUID) -> None:
    """Its replicas belong to others at once."""
    await tx.execute("update fleet_nodes set lease_until = now() - interval '1 second' where id = %(id)s", id=id)


async def may_plan(tx: Transaction) -> bool:
    """One node plans at a time."""
    return await tx.value("select pg_try_advisory_xact_lock(hashtext('glia fleet plan'))")


async def nodes(tx: Transaction) -> list[NodeRow]:
    """Those that live, with how much they run."""
    return await tx.many(
        NodeRow,
        """
        select n.id, n.region, n.problem,
          (select count(*) from deployment_replicas r where r.node_id = n.id and r.is_wanted) as replicas
        from fleet_nodes n where n.lease_until > now() and n.kind = 'sandboxes' order by n.id""",
    )


async def wishes(tx: Transaction) -> list[Wish]:
    """But those of a cluster, and those that one will take."""
    return await tx.many(
        Wish,
        """
        select id, workspace_id, replicas, region, is_wanted, status, reason, version_id, generation, good_version_id,
               good_generation, listens
        from deployments d
        where cluster_id is null and (
          not exists (select from fleet_nodes n where n.kind = 'kubernetes' and n.lease_until > now() and n.problem = ''
                      and (n.region = '' or d.region in ('', n.region)))
          or not is_wanted or exists (select from deployment_replicas r where r.deployment_id = d.id))
        order by id""",
    )


async def replicas(tx: Transaction) -> list[ReplicaRow]:
    return await tx.many(
        ReplicaRow,
        """
        select r.id, r.workspace_id, r.deployment_id, r.version_id, r.generation, r.node_id, r.is_wanted, r.state,
               r.is_ready, r.reason, r.failures, n.lease_until > now() as is_held,
               r.begun_at is not null as has_begun,
               extract(epoch from now() - coalesce(r.begun_at, r.created_at))::float8 as age_seconds
        from deployment_replicas r join fleet_nodes n on n.id = r.node_id order by r.id""",
    )


async def add_replica(tx: Transaction, wish: Wish, id: UUID, node_id: UUID) -> None:
    """None when the deployment was deleted meanwhile."""
    await tx.execute(
        """
        insert into deployment_replicas (id, workspace_id, deployment_id, version_id, generation, node_id)
        select %(id)s, %(workspace_id)s, id, %(version_id)s, %(generation)s, %(node_id)s
        from deployments where id = %(deployment_id)s for key share""",
        id=id,
        workspace_id=wish.workspace_id,
        deployment_id=wish.id,
        version_id=wish.version_id,
        generation=wish.generation,
        node_id=node_id,
    )


async def retire_replica(tx: Transaction, id: UUID) -> None:
    await tx.execute("update deployment_replicas set is_wanted = false, is_ready = false where id = %(id)s", id=id)


async def drop_replica(tx: Transaction, id: UUID) -> None:
    await tx.execute("delete from deployment_replicas where id = %(id)s", id=id)


async def settle(tx: Transaction, wish: Wish, row: Mapping[str, Any]) -> None:
    """Writes what the plan found, unless somebody has changed what is wanted meanwhile."""
    await tx.execute(
        """
        update deployments set status = %(status)s, reason = %(reason)s, version_id = %(version_id)s,
          generation = %(generation)s, good_version_id = %(good_version_id)s, good_generation = %(good_generation)s
        where id = %(id)s and is_wanted = %(was_wanted)s and generation = %(was_generation)s
          and version_id = %(was_version)s""",
        **row,
        id=wish.id,
        was_wanted=wish.is_wanted,
        was_generation=wish.generation,
        was_version=wish.version_id,
    )


# --- A node's own -----------------------------------------------------------------------------------------------------


async def assigned(tx: Transaction, node_id: UUID) -> list[Assigned]:
    return await tx.many(
        Assigned,
        """
        select r.id, r.workspace_id, d.project_id, r.deployment_id, d.name, r.version_id, r.is_wanted, r.state,
               r.is_ready, r.failures, r.log_place, v.runtime, v.binary_url, v.sha256, v.digest, v.cpu, v.memory,
               v.command, v.port, v.health_path, v.must_listen, v.network, v.network_hosts, d.listens,
               v.sealed_environment
        from deployment_replicas r join deployments d on d.id = r.deployment_id
          join deployment_versions v on v.id = r.version_id
        where r.node_id = %(node_id)s""",
        node_id=node_id,
    )


async def report(tx: Transaction, id: UUID, row: Mapping[str, Any]) -> None:
    """A replica that is no longer wanted is not made ready again."""
    await tx.execute(
        """
        update deployment_replicas set state = %(state)s, is_ready = %(is_ready)s and is_wanted, reason = %(reason)s,
          failures = %(failures)s, address = %(address)s, restarts = restarts + %(restarted)s,
          started_at = case when %(started)s then now() else started_at end,
          begun_at = coalesce(begun_at, case when %(started)s then now() end),
          last_failure = coalesce(nullif(%(last_failure)s, ''), last_failure)
        where id = %(id)s""",
        **row,
        id=id,
    )


async def note_digest(tx: Transaction, version_id: UUID, digest: str, size_bytes: int) -> str:
    """The digest that counts: the first that was noted, so that all replicas run the same."""
    return await tx.value(
        """
        update deployment_versions
        set digest = coalesce(digest, %(digest)s), size_bytes = coalesce(size_bytes, %(size)s)
        where id = %(id)s returning digest""",
        id=version_id,
        digest=digest,
        size=size_bytes,
    )


async def note_listening(tx: Transaction, deployment_id: UUID) -> None:
    await tx.execute("update deployments set listens = true where id = %(id)s and not listens", id=deployment_id)


async def digests(tx: Transaction) -> list[str]:
    return await tx.values("select distinct digest from deployment_versions where digest is not null")


async def workspaces(tx: Transaction) -> list[UUID]:
    return await tx.values("select distinct workspace_id from deployments")


async def tell(tx: Transaction, id: UUID) -> None:
    await tx.execute("select pg_notify('glia_deployments', %(id)s)", id=str(id))


# --- Logs and figures: inside a workspace -----------------------------------------------------------------------------


@dataclass(frozen=True)
class NewLine:
    at: datetime
    level: int
    message: str


async def keep_lines(
    tx: Transaction, deployment_id: UUID, replica_id: UUID, lines: Sequence[NewLine], place: tuple[int, int]
) -> bool:
    """With the place up to which the output has been read. The lock keeps the order of ids that of commits, so that
    a follower skips none. False when the replica is no longer known."""
    await tx.execute("select pg_advisory_xact_lock(hashtext('glia logs ' || %(id)s))", id=str(deployment_id))
    is_known = await tx.execute(
        "update deployment_replicas set log_place = %(place)s where id = %(id)s", id=replica_id, place=list(place)
    )
    if is_known and lines:
        await tx.execute(
            """
            insert into deployment_logs (workspace_id, deployment_id, replica_id, at, level, message)
            select (select glia.current_workspace()), %(deployment_id)s, %(replica_id)s, at, level, message
            from unnest(%(at)s::timestamptz[], %(level)s::smallint[], %(message)s::text[])
              with ordinality as l(at, level, message, n) order by n""",
            deployment_id=deployment_id,
            replica_id=replica_id,
            at=[line.at for line in lines],
            level=[line.level for line in lines],
            message=[line.message for line in lines],
        )
    return bool(is_known)


@dataclass(frozen=True)
class Sample:
    deployment_id: UUID
    replica_id: UUID
    cpu_percent: float
    memory_mib: float
    network_bytes_per_second: float | None


async def keep_samples(tx: Transaction, samples: Sequence[Sample]) -> None:
    """Of the transaction's workspace."""
    await tx.execute(
        """
        insert into deployment_metrics
          (workspace_id, deployment_id, replica_id, at, cpu_percent, memory_mib, network_bytes_per_second)
        select d.workspace_id, d.id, s.replica_id, now(), s.cpu, s.memory, s.network
        from unnest(%(deployments)s::uuid[], %(replicas)s::uuid[], %(cpu)s::real[], %(memory)s::real[],
                    %(network)s::real[]) s(deployment_id, replica_id, cpu, memory, network)
          join deployments d on d.id = s.deployment_id
        on conflict do nothing""",
        deployments=[each.deployment_id for each in samples],
        replicas=[each.replica_id for each in samples],
        cpu=[each.cpu_percent for each in samples],
        memory=[each.memory_mib for each in samples],
        network=[each.network_bytes_per_second for each in samples],
    )


async def keep_sample(
    tx: Transaction, deployment_id: UUID, replica_id: UUID, *, cpu: float, memory_mib: float, network: float | None
) -> None:
    await keep_samples(tx, [Sample(deployment_id, replica_id, cpu, memory_mib, network)])


async def trim(tx: Transaction, *, log_lines: int, log_days: int) -> None:
    """Keeps the newest lines of each deployment, of the last days, and a week of figures.

    Where each deployment's lines end is asked once, not for each line: that would take the square of the time.
    """
    await tx.execute(
        """
        with cut as materialized (
          select d.id, (select k.id from deployment_logs k where k.deployment_id = d.id
                        order by k.id desc offset %(lines)s limit 1) as last
          from deployments d)
        delete from deployment_logs l using cut where l.deployment_id = cut.id and l.id <= cut.last""",
        lines=log_lines,
    )
    await tx.execute(
        """
        delete from deployment_logs l using deployments d
        where l.deployment_id = d.id and l.at < now() - make_interval(days => %(days)s)""",
        days=log_days,
    )
    await tx.execute("delete from deployment_metrics where at < now() - interval '7 days'")
