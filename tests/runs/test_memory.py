"""Agents are rows: what a run needs is built for it and gone with it."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc

import pytest

from glia.identity.types import Principal
from glia.kit.db import Database
from glia.runs import work
from tests.conftest import DatabaseUrls
from tests.runs.mishaps import until
from tests.runs.rig import Rig, Say, ScriptedModel, rig


async def _run_some(house: Rig, principal: Principal, count: int) -> None:
    """Each with an agent and a session of its own."""
    for _ in range(0, count, 20):
        sessions = [await house.session(principal) for _ in range(20)]
        accepted = [await house.send(principal, session) for session in sessions]
        await asyncio.gather(*[house.finish(principal, one) for one in accepted])

    async def is_idle() -> bool:
        return house.engine.running == 0

    await until(is_idle)
    house.model.requests.clear()
    gc.collect()


async def test_memory_stays_the_same_over_hundreds_of_agents_and_runs(
    db: Database, database_urls: DatabaseUrls, principal: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest thousand agent versions are kept, about 1 kB each; here fewer, so that the cache is full from the
    start and only what would grow for ever is seen."""
    monkeypatch.setattr(work, "_VERSIONS_KEPT", 40)
    async with rig(db, database_urls.app, ScriptedModel(*[Say("Done")] * 400)) as house:
        tracemalloc.start()
        try:
            await _run_some(house, principal, 60)  # fills caches and prepares statements
            before, _ = tracemalloc.get_traced_memory()
            await _run_some(house, principal, 200)
            after, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

        growth = (after - before) / 200
        print(f"{growth:.0f} bytes for each agent, session and run")
        assert growth < 1000
        assert house.live.watchers == 0


async def test_the_measure_notices_a_run_that_is_kept(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    kept: list[object] = []
    async with rig(db, database_urls.app, ScriptedModel(*[Say("Done")] * 120)) as house:
        begin = house.engine.begin

        def keep(run, *rest, **more) -> None:  # type: ignore[no-untyped-def]
            kept.append(bytearray(10_000))
            begin(run, *rest, **more)

        house.engine.begin = keep  # type: ignore[method-assign]
        await _run_some(house, principal, 20)
        tracemalloc.start()
        try:
            before, _ = tracemalloc.get_traced_memory()
            await _run_some(house, principal, 60)
            after, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

    assert (after - before) / 60 > 1000
