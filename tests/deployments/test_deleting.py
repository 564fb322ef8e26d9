"""Deleting while nodes write: nobody is told to try again."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from glia.deployments import node_queries
from glia.deployments.node_queries import NewLine, Wish
from glia.identity.types import Principal
from glia.kit.db import Database, Transaction
from glia.kit.ids import new_id
from tests.deployments.test_metering import deployed


async def until_it_waits(db: Database, tx: Transaction) -> None:
    """Until somebody waits for what `tx` holds."""
    holder = await tx.value("select pg_backend_pid()")
    async with asyncio.timeout(30), db.transaction(new_id()) as looking:
        while not await looking.value(
            "select exists (select from pg_stat_activity where %(pid)s = any(pg_blocking_pids(pid)))", pid=holder
        ):
            await asyncio.sleep(0.01)


async def test_deleting_waits_for_lines_that_are_being_kept(db: Database, principal: Principal) -> None:
    deployments, _, row = await deployed(db, principal)
    line = NewLine(datetime.now(UTC), 1, "here")

    async with asyncio.TaskGroup() as tasks, db.transaction(principal.workspace_id) as tx:
        await node_queries.keep_lines(tx, row.deployment_id, row.id, [], (1, 1))
        tasks.create_task(deployments.delete(principal, "web"))
        await until_it_waits(db, tx)
        is_known = await node_queries.keep_lines(tx, row.deployment_id, row.id, [line], (1, 2))

    assert is_known
    async with db.transaction(principal.workspace_id) as tx:
        assert await tx.values("select id from deployment_replicas") == []


async def test_deleting_waits_for_a_node_that_plans(db: Database, principal: Principal) -> None:
    deployments, node_id, row = await deployed(db, principal)
    shown = await deployments.get(principal, "web")

    async with asyncio.TaskGroup() as tasks, db.across_workspaces() as tx:
        await node_queries.retire_replica(tx, row.id)
        tasks.create_task(deployments.delete(principal, "web"))
        await until_it_waits(db, tx)
        version_id = await tx.value("select version_id from deployments where id = %(id)s", id=shown.id)
        wish = Wish(shown.id, principal.workspace_id, 1, "", True, "running", "", version_id, 1, None, None, False)
        await node_queries.add_replica(tx, wish, new_id(), node_id)

    async with db.across_workspaces() as tx:
        await node_queries.add_replica(tx, wish, new_id(), node_id)  # it is gone: nothing happens
        assert await tx.values("select id from deployment_replicas where node_id = %(id)s", id=node_id) == []
