"""CPU time of a durable run, in our process, against a model server that costs nothing.

    python bench/runs.py --model-url http://127.0.0.1:9100/v1 [--database-url URL] [--runs 500] [--clients 16]

The model server must answer a model whose name contains `tool` first with a call of the first tool and then in text;
every run is then two model calls and one tool call, committed to PostgreSQL before the answer. Prints CPU-ms of this
process per run (the API's HTTP layer is not in it: bench/serve.py measures that), and PostgreSQL's beside it.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path

import uvloop

from glia.agents.types import AgentSpec
from glia.identity.types import Principal
from glia.kit.migrate import migrate
from glia.kit.telemetry import configure_logs
from glia.runs.events import RunCompleted
from glia.runs.service import Said
from glia.settings import Settings
from glia.wiring import House, build


async def one(house: House, principal: Principal, agent_id: object) -> float:
    session = await house.sessions.create(principal, agent_id=agent_id)  # type: ignore[arg-type]
    started = time.perf_counter()
    with house.runs.watch(session.id) as watcher:
        accepted = await house.runs.accept(principal, session.id, [Said("user", "What time is it?")])
        last = await house.runs.outcome(principal, accepted, watcher)
    if last.type != RunCompleted.type:
        raise SystemExit(f"A run ended badly: {last.data}")
    return time.perf_counter() - started


async def measure(house: House, principal: Principal, agent_id: object, runs: int, clients: int) -> None:
    async def client(count: int) -> list[float]:
        return [await one(house, principal, agent_id) for _ in range(count)]

    cpu, wall = time.process_time(), time.perf_counter()
    times = sorted(t for part in await asyncio.gather(*(client(runs // clients) for _ in range(clients))) for t in part)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    print(
        f"clients {clients:3d}  runs {len(times):5d}  cpu {cpu / len(times) * 1000:6.2f} ms/run"
        f"  p50 {statistics.median(times) * 1000:6.1f} ms  p99 {times[int(len(times) * 0.99)] * 1000:6.1f} ms"
        f"  {len(times) / wall:6.0f} runs/s"
    )


async def main(arguments: argparse.Namespace) -> None:
    configure_logs(level="warning")
    migrate(arguments.database_url)
    environment = {"OPENAI_BASE_URL": arguments.model_url, "OPENAI_API_KEY": "none", "GLIA_MODEL_DISCOVERY": "off"}
    with tempfile.TemporaryDirectory() as folder:
        house = await build(Settings(), arguments.database_url, Path(folder), environment)
        await house.identity.bootstrap()
        await house.open()
        principal = await house.identity.operator()
        for model in ("mock-n16", "mock-n16-tool"):
            spec = AgentSpec(name="Bench", model=model, tools=("current_time",))
            agent = await house.agents.create(principal, spec)
            await measure(house, principal, agent.id, 64, 8)
            print(model)
            for clients in (1, arguments.clients):
                for _ in range(arguments.rounds):
                    await measure(house, principal, agent.id, arguments.runs, clients)
        await house.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model-url", required=True)
    parser.add_argument("--database-url", required=True)
    parser.add_argument("--runs", type=int, default=400)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    sys.exit(uvloop.run(main(parser.parse_args())))
