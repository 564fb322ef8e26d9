"""Sandboxes as the service gives them: on plain processes for rules of ours, on the real backend for what must hold."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from tests.kit.outbound_servers import Names
from tests.sandboxes.lives.bare import BareBackend

from glia.files.service import Files
from glia.identity.secrets import Secrets
from glia.kit.db import Database
from glia.kit.outbound import Outbound, OutboundPolicy
from glia.sandboxes import keeping
from glia.sandboxes.backends import bubblewrap_places, open_backend
from glia.sandboxes.config import SandboxConfig
from glia.sandboxes.hosting import Hosting
from glia.sandboxes.service import Sandboxes
from glia.sandboxes.types import SandboxBackend


@dataclass
class Rig:
    """One server process, as far as sandboxes go. names: what the egress proxy takes for the DNS."""

    db: Database
    sandboxes: Sandboxes
    hosting: Hosting
    backend: SandboxBackend
    folder: Path
    names: Names


def sandboxes_of(
    db: Database,
    backend: SandboxBackend,
    folder: Path,
    config: SandboxConfig = SandboxConfig(),  # noqa: B008 - frozen
    *,
    open_to: str = "",
) -> Rig:
    """open_to: what the operator has opened to the egress proxy."""
    names = Names(["127.0.0.1"])
    policy = replace(OutboundPolicy.from_setting(open_to), refuses_own=True)
    outbound = Outbound(policy, resolver=names)
    hosting = Hosting(
        db, backend, outbound=outbound, secrets=Secrets(b"k" * 32), config=config, folder=folder / "sandboxes"
    )
    spool = folder / "spool"
    spool.mkdir(exist_ok=True)
    return Rig(db, Sandboxes(hosting, Files(db), spool=spool, preview_key=b"p" * 32), hosting, backend, folder, names)


@asynccontextmanager
async def serving(rig: Rig) -> AsyncIterator[Rig]:
    await rig.sandboxes.open()
    try:
        yield rig
    finally:
        await rig.sandboxes.close()


@pytest.fixture
async def rig(db: Database, tmp_path: Path) -> AsyncIterator[Rig]:
    """On plain processes."""
    async with serving(sandboxes_of(db, BareBackend(tmp_path / "boxes"), tmp_path)) as found:
        yield found


@pytest.fixture
async def real_backend(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SandboxBackend]:
    """Skips, with the probe's reason, where no sandbox works."""
    data = tmp_path_factory.mktemp("data")
    backend = open_backend(data)
    probe = await backend.probe()
    if not probe.is_available:
        pytest.skip(f"No sandbox works here: {probe.reason}")
    yield backend
    await backend.sweep([])
    shutil.rmtree(bubblewrap_places(data, None).state, ignore_errors=True)


@pytest.fixture
async def real(db: Database, tmp_path: Path, real_backend: SandboxBackend) -> AsyncIterator[Rig]:
    """On the real backend."""
    async with serving(sandboxes_of(db, real_backend, tmp_path)) as found:
        yield found


@pytest.fixture
def quick_beats(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes look after what is theirs more often."""
    monkeypatch.setattr(keeping, "_BEAT_SECONDS", 0.2)


async def until(is_so: Callable[[], Awaitable[bool]], seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while not await is_so():
            await asyncio.sleep(0.02)
