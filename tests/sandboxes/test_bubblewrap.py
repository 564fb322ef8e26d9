"""The bubblewrap backend does what every backend has to."""

from __future__ import annotations

import pytest

from tests.sandboxes.conformance import FACTS
from tests.sandboxes.rig import Fact, Rig

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.__name__)
async def test_conformance(bubblewrap: Rig, fact: Fact) -> None:
    await fact(bubblewrap)
