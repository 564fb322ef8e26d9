"""Attacks on bubblewrap's sandboxes, as the user that runs the tests."""

from __future__ import annotations

import pytest

from tests.sandboxes.attacks import FACTS
from tests.sandboxes.rig import Fact, Rig

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.__name__)
async def test_attack(bubblewrap: Rig, fact: Fact) -> None:
    await fact(bubblewrap)
