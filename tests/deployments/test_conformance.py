"""Sandboxes of this machine: what a user sees."""

from __future__ import annotations

import pytest

from tests.deployments.conformance import *  # noqa: F403
from tests.deployments.conformance import Place
from tests.deployments.conftest import Fleet


@pytest.fixture
def place(fleet: Fleet) -> Place:
    replicas = fleet.node.folder / "s" / "replicas"
    return Place(
        fleet,
        lambda: [each.name for each in replicas.iterdir()],
        lambda: fleet.node.start("--region", "north"),
        "north",
    )
