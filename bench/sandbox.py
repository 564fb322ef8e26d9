"""What sandboxes cost: start, commands, density, kill.

    python bench/sandbox.py [--rounds 40] [--many 100] [--data-dir DIR] [--template python]

Starts real sandboxes with the backend that this machine allows (as root: with every limit) and prints one JSON object,
milliseconds and MiB. `one_shot`: create, run `python -c pass`, killed in the background, as for an answer. `density`:
that many idle sandboxes at once, by the proportional set size of all their processes. On a noisy machine the least of
several runs is the steady figure; `load` says how busy it was.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from glia.sandboxes.backends import open_backend
from glia.sandboxes.bubblewrap.processes import tree
from glia.sandboxes.types import MIB, Command, Limits, Sandbox, SandboxBackend, SandboxId, SandboxSpec

REACH = {
    "one_shot_python_p50_ms": 80,
    "exec_in_live_p50_ms": 10,
    "idle_100_pss_mib": 1536,
    "kill_p99_ms": 100,
    "create_p50_ms": 250,
}


def spread(seconds: list[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    return {f"p{q}": round(ordered[min(len(ordered) - 1, len(ordered) * q // 100)] * 1000, 1) for q in (50, 90, 99)}


async def timed(work: Callable[[], Awaitable[object]]) -> float:
    started = time.perf_counter()
    await work()
    return time.perf_counter() - started


async def run(sandbox: Sandbox, *argv: str) -> None:
    async for _ in sandbox.exec(Command(argv)):
        pass


class Bench:
    def __init__(self, backend: SandboxBackend, spec: SandboxSpec) -> None:
        self.backend, self.spec = backend, spec
        self.made = 0

    async def create(self) -> Sandbox:
        self.made += 1
        return await self.backend.create(SandboxId(f"bench-{os.getpid()}-{self.made}"), self.spec)

    async def one_shot(self, rounds: int) -> dict[str, float]:
        seconds: list[float] = []
        for _ in range(rounds):
            started = time.perf_counter()
            sandbox = await self.create()
            await run(sandbox, "python", "-c", "pass")
            seconds.append(time.perf_counter() - started)
            await sandbox.kill()
        return spread(seconds)

    async def lives(self, rounds: int) -> dict[str, dict[str, float]]:
        create: list[float] = []
        kill: list[float] = []
        for _ in range(rounds):
            started = time.perf_counter()
            sandbox = await self.create()
            create.append(time.perf_counter() - started)
            kill.append(await timed(sandbox.kill))
        return {"create": spread(create), "kill": spread(kill)}

    async def commands(self, rounds: int) -> dict[str, dict[str, float]]:
        sandbox = await self.create()
        true = [await timed(lambda: run(sandbox, "true")) for _ in range(rounds)]
        python = [await timed(lambda: run(sandbox, "python", "-c", "pass")) for _ in range(rounds)]
        pause = [await timed(sandbox.pause) + await timed(sandbox.resume) for _ in range(rounds)]
        await sandbox.kill()
        return {"true": spread(true), "python": spread(python), "pause_and_resume": spread(pause)}

    async def density(self, many: int) -> dict[str, float]:
        gate = asyncio.Semaphore(4)

        async def one() -> Sandbox:
            async with gate:
                return await self.create()

        started = time.perf_counter()
        sandboxes = await asyncio.gather(*(one() for _ in range(many)))
        up = time.perf_counter() - started
        await asyncio.sleep(1)
        memory = sum(pss_bytes(pid) for pid in tree(os.getpid()) if pid != os.getpid())
        killed = await timed(lambda: asyncio.gather(*(sandbox.kill() for sandbox in sandboxes)))
        return {
            "sandboxes": many,
            "up_seconds": round(up, 2),
            "pss_mib": round(memory / MIB, 1),
            "pss_mib_each": round(memory / MIB / many, 2),
            "killed_together_seconds": round(killed, 2),
        }


def pss_bytes(pid: int) -> int:
    try:
        rows = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(row.split()[1]) * 1024 for row in rows if row.startswith("Pss:")), 0)


async def measure(options: argparse.Namespace) -> dict[str, Any]:
    backend = open_backend(options.data_dir)
    probe = await backend.probe()
    if not probe.is_available:
        raise SystemExit(f"{probe.reason} {probe.fix}")
    bench = Bench(backend, SandboxSpec(options.template, limits=Limits(cpus=2)))
    try:
        await bench.one_shot(3)  # templates, empty disk images and caches
        return {
            "limits": dict(probe.limits),
            "load": os.getloadavg()[0],
            "bare_python": spread([await timed(bare) for _ in range(options.rounds)]),
            "one_shot_python": await bench.one_shot(options.rounds),
            "lives": await bench.lives(options.rounds),
            "exec_in_live": await bench.commands(options.rounds * 3),
            "density": await bench.density(options.many),
            "reach": REACH,
        }
    finally:
        await backend.close()


async def bare() -> None:
    process = await asyncio.create_subprocess_exec("/usr/bin/python3", "-c", "pass")
    await process.wait()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--many", type=int, default=100)
    parser.add_argument("--data-dir", type=Path, default=Path("/var/tmp/glia-bench"))
    parser.add_argument("--template", default="python")
    print(json.dumps(asyncio.run(measure(parser.parse_args())), indent=1))


if __name__ == "__main__":
    main()
