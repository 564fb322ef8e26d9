"""A node that does not reach its database."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from typing import Any
from uuid import UUID

import pytest

from glia.deployments import node as nodes
from glia.deployments.config import FleetConfig
from glia.deployments.egress import WaysOut
from glia.deployments.node import Me, Node
from glia.kit.errors import Unavailable
from glia.kit.ids import new_id


class Nowhere:
    """A database that does not answer."""

    def across_workspaces(self) -> AbstractAsyncContextManager[Any]:
        raise Unavailable("The database is away.")

    transaction = across_workspaces


class Left:
    """What an earlier node left running. Any: nobody looks into it here."""

    def __init__(self, programs: dict[UUID, Any]) -> None:
        self._programs = programs

    async def probe(self) -> tuple[str, dict[str, str]]:
        return "", {}

    def adopt(self) -> dict[UUID, Any]:
        return self._programs


@pytest.mark.parametrize("programs", [0, 1])
async def test_a_lent_node_without_a_database_stays_as_long_as_a_program_runs(
    programs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nodes, "_NEEDLESS_SECONDS", 0.2)
    absent: Any = Nowhere()
    left: Any = Left({new_id(): object() for _ in range(programs)})
    node = Node(absent, left, absent, absent, FleetConfig(), Me(new_id(), "n", is_lent=True), WaysOut())
    stop = asyncio.Event()
    asyncio.get_running_loop().call_later(1.5 if programs else 60, stop.set)

    await node.run(stop)

    assert stop.is_set() is bool(programs)
