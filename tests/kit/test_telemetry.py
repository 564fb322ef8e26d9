"""Metrics: what is counted, under few labels."""

from __future__ import annotations

import subprocess
import sys

from prometheus_client import generate_latest
from tests.conftest import DatabaseUrls
from tests.runs.rig import Say, ScriptedModel, make_tool, rig

from glia.identity.types import Principal
from glia.kit import telemetry
from glia.kit.db import Database
from glia.models import counting
from glia.models.counting import MOST_MODELS, count_call
from glia.models.types import TokenUsage
from glia.tools.types import ToolContext, ToolResult


def value(name: str, **labels: str) -> float:
    return telemetry.registry.get_sample_value(name, labels) or 0.0


async def _look(_context: ToolContext, _arguments: str) -> ToolResult:
    return ToolResult("No.", is_error=True)


async def test_a_run_is_counted_with_its_model_and_its_tools(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    glia = {"provider": "glia", "model": "embedded"}
    before = [
        value("glia_model_calls_total", **glia, outcome="ok"),
        value("glia_model_tokens_total", **glia, kind="input"),
        value("glia_model_cost_micros_total", **glia),
        value("glia_model_seconds_count", **glia),
        value("glia_tool_calls_total", tool="counted_look", outcome="error"),
    ]
    model = ScriptedModel(Say(calls=(("counted_look", {}),)), Say("Done."))
    async with rig(db, database_urls.app, model, [make_tool("counted_look", _look)]) as house:
        session = await house.session(principal, tools=("counted_look",))
        await house.finish(principal, await house.send(principal, session))

    assert [
        value("glia_model_calls_total", **glia, outcome="ok"),
        value("glia_model_tokens_total", **glia, kind="input"),
        value("glia_model_cost_micros_total", **glia),
        value("glia_model_seconds_count", **glia),
        value("glia_tool_calls_total", tool="counted_look", outcome="error"),
    ] == [before[0] + 2, before[1] + 20, before[2] + 14, before[3] + 2, before[4] + 1]


def test_names_that_clients_make_up_do_not_become_labels_without_end(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(counting, "_known", {})
    for number in range(MOST_MODELS * 3):
        count_call(f"made-up/{number}", "ok", seconds=0.1, usage=TokenUsage(1, 1), cost_micros=1)

    lines = [line for line in generate_latest(telemetry.registry).decode().splitlines() if "made-up" in line]
    assert len({line.split('model="')[1].split('"')[0] for line in lines}) == MOST_MODELS
    assert value("glia_model_calls_total", provider="other", model="other", outcome="ok") == MOST_MODELS * 2


async def test_waits_for_the_pool_are_known(database_urls: DatabaseUrls) -> None:
    db = Database(database_urls.app, largest_pool=1)
    await db.open()
    import asyncio

    async def hold() -> None:
        async with db.across_workspaces() as tx:
            await tx.value("select pg_sleep(0.05)::text")

    await asyncio.gather(hold(), hold(), hold())
    stats = db.pool_stats()
    await db.close()

    assert stats.waits >= 2
    assert stats.wait_seconds >= 0.05
    assert stats.size == 1


def test_tracing_is_not_loaded_unless_it_is_wanted() -> None:
    code = "import sys, glia.server, glia.worker; assert not [m for m in sys.modules if m.startswith('glia.traces')]"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
