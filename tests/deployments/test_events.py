"""What webhooks are told of deployments: each change once, with the change or not at all."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from glia.deployments import node_queries
from glia.deployments.node_queries import Wish
from glia.deployments.service import Deployments
from glia.deployments.types import DeploymentSpec, Program
from glia.kit.db import Transaction
from tests.runs.rig import rig  # noqa: F401
from tests.webhooks.conftest import Post, post  # noqa: F401

SEALS: Any = SimpleNamespace(seal=lambda secret, context: secret, open=lambda sealed, context: sealed)
WEB = DeploymentSpec("web", Program("python", "http://example.org/x"), metadata={"team": "blue"})


class Died(Exception):
    pass


async def settle(tx: Transaction, wish: Wish, **changes: Any) -> None:
    """As the node that plans does."""
    after = replace(wish, **changes)
    fields = ("status", "reason", "version_id", "generation", "good_version_id", "good_generation")
    await node_queries.settle(tx, wish, {name: getattr(after, name) for name in fields})


async def wish_of(tx: Transaction, id: Any) -> Wish:
    return next(wish for wish in await node_queries.wishes(tx) if wish.id == id)


async def test_each_step_of_a_life_is_told_once_in_order(post: Post) -> None:  # noqa: F811
    webhook = await post.register("/hook", "deployment.*")
    others = await post.register("/other", "agent.*", "*")
    deployments, db = Deployments(post.db, SEALS), post.db
    id = (await deployments.create(post.principal, WEB)).id

    for status in ("running", "running", "error"):
        async with db.across_workspaces() as tx:
            await settle(tx, await wish_of(tx, id), status=status, reason="it crashed" if status == "error" else "")
    await deployments.update(post.principal, "web", {"replicas": 2, "cpu": "0.5"})
    await deployments.update(post.principal, "web", {"replicas": 2})
    async with db.across_workspaces() as tx:
        await settle(tx, await wish_of(tx, id), status="running", generation=1, reason="undone")
    await deployments.stop(post.principal, "web")
    await deployments.stop(post.principal, "web")
    await deployments.delete(post.principal, "web")
    found = await post.until_settled(webhook, 7)

    assert [one.type.partition(".")[2] for one in found] == [
        "created",
        "started",
        "error",
        "updated",
        "error",
        "stopped",
        "deleted",
    ]
    assert all(one.status == "delivered" for one in found)
    first, failed = found[0].data, found[2].data
    assert (first["deployment_id"], first["name"], first["metadata"]) == (str(id), "web", {"team": "blue"})
    assert (failed["status"], failed["reason"], failed["version"]) == ("error", "it crashed", 1)
    assert found[3].data["version"] == 2
    assert await post.deliveries(others) == []


async def test_a_change_that_did_not_happen_is_not_told(post: Post) -> None:  # noqa: F811
    webhook = await post.register("/hook", "deployment.started")
    id = (await Deployments(post.db, SEALS).create(post.principal, WEB)).id

    with pytest.raises(Died):
        async with post.db.across_workspaces() as tx:
            await settle(tx, await wish_of(tx, id), status="running")
            raise Died
    nothing = await post.deliveries(webhook)
    async with post.db.across_workspaces() as tx:
        await settle(tx, await wish_of(tx, id), status="running")

    assert nothing == []
    assert len(await post.until_settled(webhook)) == 1
