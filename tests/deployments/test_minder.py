"""Who looks after one replica."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from glia.deployments import minder as minders
from glia.deployments.config import FleetConfig
from glia.deployments.metering import Stretch
from glia.deployments.minder import Minder
from glia.deployments.types import Ended, Used
from tests.deployments.test_metering import assigned


class Served:
    """Lives until it is told to end; what it sent and got is known only as long."""

    address = "nowhere"

    def __init__(self) -> None:
        self.network_bytes, self.end = 100, None

    def usage(self) -> Used:
        return Used(1.0, 0, self.network_bytes if self.end is None else 0)

    def ended(self) -> Any:
        return self.end

    def terminate(self) -> None:
        self.end: Any = Ended(0)

    def connections(self) -> int:
        return 0

    def forget(self) -> None: ...


async def test_what_went_over_the_network_before_a_stop_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minders, "_DRAIN_LEAST_SECONDS", 0.01)
    noted: list[Stretch] = []

    async def nothing(*_: object) -> None: ...

    tools: Any = SimpleNamespace(
        config=FleetConfig(),
        ways_out=SimpleNamespace(open=lambda *_: None, close=nothing),
        metered=noted.append,
        flushed=nothing,
        changed=lambda: None,
    )
    running: Any = Served()
    minder = Minder(assigned(state="running", is_ready=True, failures=0, log_place=(0, 0)), tools, running)

    running.network_bytes += 5000
    minder.want(None)
    await asyncio.wait_for(minder.task, 5)

    assert running.end is not None
    assert sum(stretch.network_bytes for stretch in noted) == 5000
