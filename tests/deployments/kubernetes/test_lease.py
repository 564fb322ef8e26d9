"""One process looks after a cluster at a time."""

from __future__ import annotations

from uuid import UUID

from glia.deployments.kubernetes import queries
from glia.kit.ids import new_id
from glia.wiring import House
from tests.surfaces.conftest import Server


def test_a_cluster_is_held_by_one_until_it_lets_go_or_is_silent(kube_server: Server) -> None:
    cluster, one, other = new_id(), new_id(), new_id()

    async def hold(house: House, holder: UUID, seconds: float = 60.0) -> bool:
        row = {"id": cluster, "name": "test", "region": "nowhere", "limits": {}, "problem": "a test", "holder": holder}
        async with house.db.across_workspaces() as tx:
            return await queries.hold(tx, {**row, "seconds": seconds})

    async def let_go(house: House, holder: UUID) -> None:
        async with house.db.across_workspaces() as tx:
            await queries.let_go(tx, cluster, holder)

    assert kube_server.do(lambda house: hold(house, one))
    assert kube_server.do(lambda house: hold(house, one))
    assert not kube_server.do(lambda house: hold(house, other))
    kube_server.do(lambda house: let_go(house, other))
    assert not kube_server.do(lambda house: hold(house, other))
    kube_server.do(lambda house: let_go(house, one))
    assert kube_server.do(lambda house: hold(house, other, -1))
    assert kube_server.do(lambda house: hold(house, one))
    kube_server.do(lambda house: let_go(house, one))
