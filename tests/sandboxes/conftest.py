"""One backend per module of tests, in a folder that the sandboxes' users may pass."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from glia.sandboxes.backends import bubblewrap_places
from glia.sandboxes.bubblewrap.backend import BubblewrapBackend, Places

pytest.register_assert_rewrite(
    "tests.sandboxes.attacks", "tests.sandboxes.attacks_in_use", "tests.sandboxes.conformance", "tests.sandboxes.rig"
)

from tests.sandboxes.rig import Rig  # noqa: E402


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bubblewrap() -> AsyncIterator[Rig]:
    base = Path(tempfile.mkdtemp(prefix="glia-sandbox-test-"))
    base.chmod(0o711)
    folder = base / "host"
    folder.mkdir(mode=0o711)
    # Users are given out from one range for the whole machine, so there is one place that knows who has which.
    uids = bubblewrap_places(base).uids if os.geteuid() == 0 else base / "uids"
    places = (base / "state", base / "templates", uids)
    backend = BubblewrapBackend(Places(*places))
    probe = await backend.probe()
    try:
        if not probe.is_available:
            pytest.skip(f"{probe.reason} {probe.fix}")
        yield Rig(backend, folder, places, is_hard=all(hold == "enforced" for hold in probe.limits.values()))
    finally:
        await backend.close()
        shutil.rmtree(base, ignore_errors=True)
