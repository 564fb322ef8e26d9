"""`glia worker`: a process that only executes runs. Add as many as you like, wherever the database is reached."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import structlog

from glia.settings import Settings
from glia.wiring import House, build

log = structlog.get_logger(__name__)


Beside = Callable[[House, asyncio.Event], Awaitable[None]]
"""Something that goes on beside the work, until the event is set."""


async def work(settings: Settings, app_url: str, data_dir: Path, beside: Beside | None = None) -> None:
    """Executes runs until asked to stop, then hands back what it has not finished."""
    stop = stop_event()
    house = await build(settings, app_url, data_dir)
    await house.open()
    log.info("worker ready", name=house.lease.worker_id and str(house.lease.worker_id))
    try:
        if beside is not None:
            await beside(house, stop)
        await stop.wait()
    finally:
        await house.close()


def stop_event() -> asyncio.Event:
    """Set by the first SIGINT or SIGTERM from now on. Made before anything is built, so that none comes too early."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    return stop
