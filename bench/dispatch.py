"""From accepting a run here to its start in another process.

    python bench/dispatch.py --database-url URL [--runs 200]

Two processes on one database: this one accepts background runs and has no room for any, the other is a worker. Prints
the milliseconds between a run's acceptance and its start, both by the database's clock. URL: a role that owns an empty
database with pgvector.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import statistics
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from glia.agents.types import AgentSpec
from glia.kit.migrate import migrate
from glia.kit.telemetry import configure_logs
from glia.runs.service import Said
from glia.settings import Settings
from glia.wiring import House, build


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database-url", required=True)
    parser.add_argument("--runs", type=int, default=200)
    arguments = parser.parse_args()
    configure_logs(level="error")
    migrate(arguments.database_url)
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings()
        here = replace(settings, runs=replace(settings.runs, most_at_once=0))
        house = await build(here, arguments.database_url, Path(folder), {"GLIA_MODEL_DISCOVERY": "off"})
        environment = os.environ | {"GLIA_DATABASE_URL": arguments.database_url, "GLIA_MODEL_DISCOVERY": "off"}
        command = [sys.executable, "-m", "glia", "worker"]
        worker = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            await house.open()
            print(_line(await _measured(house, arguments.runs)))
        finally:
            worker.send_signal(signal.SIGTERM)
            worker.wait(30)
            await house.close()


async def _measured(house: House, count: int) -> list[float]:
    await house.identity.bootstrap()
    principal = await house.identity.operator()
    agent = (await house.agents.create(principal, AgentSpec(name="Clerk", tools=()))).id
    waits: list[float] = []
    for number in range(count + 10):
        accepted = await house.runs.start(principal, agent, [Said("user", "Hello.")])
        await house.runs.outcome(principal, accepted)
        run = await house.runs.get(principal, accepted.run_id)
        if run.started_at is not None and number >= 10:
            waits.append((run.started_at - run.created_at).total_seconds() * 1000)
    return waits


def _line(waits: list[float]) -> str:
    ordered = sorted(waits)
    return f"runs {len(waits)}  p50 {statistics.median(waits):.1f} ms  p99 {ordered[int(len(ordered) * 0.99)]:.1f} ms"


if __name__ == "__main__":
    asyncio.run(main())
