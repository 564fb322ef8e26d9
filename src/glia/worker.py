"""`glia worker`: a process that only executes runs. Add as many as you like, wherever the database is reached."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import structlog

from glia.settings import Settings
from glia.wiring import build

log = structlog.get_logger(__name__)


async def work(settings: Settings, app_url: str, data_dir: Path) -> None:
    """Executes runs until asked to stop, then hands back what it has not finished."""
    house = await build(settings, app_url, data_dir)
    await house.open()
    log.info("worker ready", name=house.lease.worker_id and str(house.lease.worker_id))
    try:
        await stop_signal()
    finally:
        await house.close()


async def stop_signal() -> None:
    """Returns at the first SIGINT or SIGTERM."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await stop.wait()
