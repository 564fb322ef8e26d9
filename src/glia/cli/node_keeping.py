"""Starts this machine's node beside `glia serve` as soon as there is a deployment, and again when it dies."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys

import structlog

from glia.cli.home import Home
from glia.deployments.rotation import Rotation
from glia.kit.errors import GliaError

log = structlog.get_logger(__name__)

_LOOK_SECONDS = 0.5
_PAUSE_SECONDS = 5.0
_LARGEST_LOG_BYTES = 10 * 1024 * 1024


async def keep_node(place: Home, rotation: Rotation) -> None:
    """A process of its own, in a session of its own: it outlives us."""
    child: subprocess.Popen[bytes] | None = None
    started_at = -_PAUSE_SECONDS
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        if child is not None and child.poll() is None:
            continue
        was_quick = child is not None and loop.time() - started_at < _PAUSE_SECONDS
        if child is not None:
            log.warning("the node has ended", status=child.returncode)
            child = None
        if was_quick:
            await asyncio.sleep(_PAUSE_SECONDS)
        try:
            if await rotation.is_needed() and not await asyncio.to_thread(_runs, place):
                child, started_at = await asyncio.to_thread(_start, place), loop.time()
        except (GliaError, OSError) as error:
            log.warning("the node could not be started", error=str(error))
            await asyncio.sleep(_PAUSE_SECONDS)


def _runs(place: Home) -> bool:
    from glia.wiring.fleet import node_runs

    return node_runs(place.data_dir)


def _start(place: Home) -> subprocess.Popen[bytes]:
    folder = place.data_dir / "fleet"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / "node.log"
    if path.exists() and path.stat().st_size > _LARGEST_LOG_BYTES:
        path.rename(folder / "node.log.1")
    with path.open("ab") as file:
        child = subprocess.Popen(
            [sys.executable, "-m", "glia", "node", "--data-dir", str(place.data_dir), "--while-needed"],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            env=dict(os.environ),
            start_new_session=True,
        )
    log.info("the node was started", pid=child.pid)
    return child
