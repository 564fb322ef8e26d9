"""Which replicas requests go to, also while the database is away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from glia.deployments import rotation as module
from glia.deployments.rotation import Place, Rotation
from glia.deployments.rotation_queries import Ready
from glia.kit.errors import DatabaseUnavailable
from glia.kit.ids import new_id

OWN = Ready(new_id(), "/nowhere/dial", "10.0.0.5:9600")
POD = Ready(new_id(), "tcp://10.1.0.7:8080", "")


class Known:
    """Stands for the database. found: by route. state: it answers, is gone, or hangs."""

    def __init__(self) -> None:
        self.found = {"web": [OWN], "pod": [POD]}
        self.state, self.asked, self.thawed = "there", 0, asyncio.Event()

    @asynccontextmanager
    async def across_workspaces(self) -> AsyncGenerator[Known]:
        self.asked += 1
        if self.state == "gone":
            raise DatabaseUnavailable("gone")
        if self.state == "hangs":
            await self.thawed.wait()
        await asyncio.sleep(0)
        yield self

    async def value(self, _sql: str, route: str) -> bool:
        return route in self.found

    async def many(self, _type: Any, _sql: str, route: str) -> list[Ready]:
        return self.found[route]


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> Known:
    monkeypatch.setattr(module, "_PATIENCE_SECONDS", 0.05)
    return Known()


def rotation_of(known: Known) -> Rotation:
    db: Any = known
    return Rotation(db, b"key")


async def test_replicas_are_reached_while_the_database_is_away(known: Known) -> None:
    rotation = rotation_of(known)
    before = await rotation.places("web")

    away: list[list[Place] | None] = []
    for state in ("gone", "hangs"):
        known.state = state
        rotation.wake()
        away.append(await asyncio.wait_for(rotation.places("web"), 10))
    with pytest.raises(DatabaseUnavailable):
        known.state = "gone"
        await rotation_of(known).places("web")
    known.state, known.found["web"] = "there", []
    known.thawed.set()
    async with asyncio.timeout(10):
        while (after := await rotation.places("web")) == before:
            rotation.wake()
            await asyncio.sleep(0)

    assert before == [Place(OWN.id, OWN.address, OWN.node_address)]
    assert (away, after) == ([before, before], [])


async def test_an_address_in_a_cluster_may_be_anothers_by_then(known: Known) -> None:
    rotation = rotation_of(known)
    assert await rotation.places("pod") == [Place(POD.id, POD.address)]

    known.state = "gone"
    rotation.wake()

    with pytest.raises(DatabaseUnavailable):
        await rotation.places("pod")


async def test_many_requests_ask_once(known: Known) -> None:
    rotation = rotation_of(known)

    await asyncio.gather(*(rotation.places("web") for _ in range(100)))

    assert known.asked == 1
