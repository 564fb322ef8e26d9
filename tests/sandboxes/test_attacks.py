"""Attacks on bubblewrap's sandboxes, as the user that runs the tests."""

from __future__ import annotations

import pytest

from tests.sandboxes import attacks, attacks_in_use
from tests.sandboxes.rig import Fact, Rig

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("fact", [*attacks.FACTS, *attacks_in_use.FACTS], ids=lambda fact: fact.__name__)
async def test_attack(bubblewrap: Rig, fact: Fact) -> None:
    await fact(bubblewrap)
