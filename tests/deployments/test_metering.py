"""What is billed: counted once, cut at whole hours, kept when the deployment is gone."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from glia.deployments.errors import DeploymentNotFound
from glia.deployments.metering import Metering, Stretch, by_hour
from glia.deployments.metering_queries import add_stored
from glia.deployments.node_queries import Assigned
from glia.deployments.service import Deployments
from glia.deployments.types import DeploymentSpec, Program
from glia.identity.types import Principal
from glia.kit.db import Database
from glia.kit.errors import InvalidRequest
from glia.kit.ids import new_id

NOON = datetime(2031, 5, 1, 12, tzinfo=UTC)
SEALS: Any = SimpleNamespace(seal=lambda secret, context: secret, open=lambda sealed, context: sealed)


def assigned(**known: Any) -> Assigned:
    empty = {field.name: None for field in fields(Assigned)}
    return Assigned(**{**empty, "id": new_id(), "name": "web", "cpu": "0.5", "memory": "64Mi", **known})


def stretch(row: Assigned, since: datetime, until: datetime, cpu: float = 2.0, network: int = 1001) -> Stretch:
    return Stretch(row, since, until, cpu, network)


def test_a_stretch_is_cut_at_whole_hours_and_its_parts_add_up() -> None:
    begin = NOON - timedelta(seconds=20)

    parts = by_hour(stretch(assigned(), begin, NOON + timedelta(seconds=40)), begin)

    assert [(part.hour.hour, part.replica_seconds) for part in parts] == [(11, 20.0), (12, 40.0)]
    assert sum(part.network_bytes for part in parts) == 1001
    assert sum(part.memory_byte_seconds for part in parts) == 60 * 64 * 1024 * 1024
    assert [part.cpu_core_seconds for part in parts] == [10.0, 20.0]
    assert sum(part.cpu_seconds for part in parts) == pytest.approx(2.0)


async def deployed(db: Database, principal: Principal) -> tuple[Deployments, UUID, Assigned]:
    """A deployment with one replica on a node that says that it lives."""
    deployments = Deployments(db, SEALS)
    found = await deployments.create(principal, DeploymentSpec("web", Program("python", "http://example.org/x")))
    replica_id, node_id = new_id(), new_id()
    async with db.across_workspaces() as tx:
        await tx.execute(
            "insert into fleet_nodes (id, name, lease_until, stored_until) values (%(id)s, 'n', now(), now() - interval"
            " '10 seconds')",
            id=node_id,
        )
        await tx.execute(
            """
            insert into deployment_replicas (id, workspace_id, deployment_id, version_id, generation, node_id)
            select %(id)s, workspace_id, id, version_id, 1, %(node_id)s from deployments where id = %(of)s""",
            id=replica_id,
            node_id=node_id,
            of=found.id,
        )
    row = assigned(
        id=replica_id,
        workspace_id=principal.workspace_id,
        project_id=principal.project_id,
        deployment_id=found.id,
    )
    return deployments, node_id, row


async def test_what_is_written_twice_counts_once_and_outlives_the_deployment(
    db: Database, principal: Principal, stranger: Principal
) -> None:
    deployments, _, row = await deployed(db, principal)
    one = stretch(row, NOON, NOON + timedelta(seconds=10))
    more = stretch(row, NOON, NOON + timedelta(seconds=20), cpu=4.0, network=2002)
    first, second = Metering(db), Metering(db)
    first.note(one)
    await first.settle()
    second.note(one)
    second.note(more)
    await second.settle()

    await deployments.delete(principal, "web")
    found = await deployments.usage(principal.workspace_id, NOON, NOON + timedelta(hours=1))

    assert not second.is_behind
    assert [(use.name, use.hour, use.replica_seconds) for use in found] == [("web", NOON, 20.0)]
    assert found[0].cpu_seconds == pytest.approx(4.0)
    assert found[0].network_bytes == 2002
    assert await deployments.usage(stranger.workspace_id, NOON, NOON + timedelta(hours=1)) == []
    assert await deployments.usage(principal.workspace_id, NOON + timedelta(hours=1), NOON + timedelta(hours=2)) == []


async def test_the_end_of_a_deleted_deployment_is_paid_and_what_ran_on_a_lost_node_is_not(
    db: Database, principal: Principal
) -> None:
    deployments, _, row = await deployed(db, principal)
    metering = Metering(db)
    async with db.across_workspaces() as tx:
        await tx.execute("delete from deployment_replicas where id = %(id)s", id=row.id)

    metering.note(stretch(row, NOON, NOON + timedelta(seconds=10)))
    await metering.settle()
    lost = await deployments.used(principal, since=NOON, until=NOON + timedelta(hours=1))
    await deployments.delete(principal, "web")
    metering.note(stretch(row, NOON, NOON + timedelta(seconds=3)))
    await metering.settle()
    ended = await deployments.used(principal, since=NOON, until=NOON + timedelta(hours=1))

    assert lost == []
    assert [use.replica_seconds for use in ended] == [3.0]


async def test_programs_on_disk_are_counted_since_a_node_looked(db: Database, principal: Principal) -> None:
    deployments, node_id, row = await deployed(db, principal)
    async with db.across_workspaces() as tx:
        await tx.execute(
            "update deployment_versions set digest = repeat('a', 64), size_bytes = 1000, created_at = now() - interval"
            " '1 hour' where deployment_id = %(id)s",
            id=row.deployment_id,
        )
        await add_stored(tx, node_id)
    now = datetime.now(UTC)

    found = await deployments.usage(principal.workspace_id, now - timedelta(hours=1), now + timedelta(hours=1))

    assert 10_000 <= sum(use.storage_byte_seconds for use in found) < 40_000


async def test_too_long_a_period_is_refused(db: Database, principal: Principal) -> None:
    deployments = Deployments(db, SEALS)

    with pytest.raises(InvalidRequest, match="31 days"):
        await deployments.used(principal, since=NOON, until=NOON + timedelta(days=32))
    with pytest.raises(DeploymentNotFound):
        await deployments.get(principal, "web")
