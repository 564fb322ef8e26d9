"""What a running `glia serve` costs: start, memory, CPU time per run, per gateway call and per chunk, idle streams.

    python bench/serve.py [--only start,runs,gateway,streams] [--rounds 3] [--units 400] [--streams 10000]
                          [--model-url URL] [--csv FILE]

Starts a real server with the embedded PostgreSQL on one core (`--core`, with the database) and loads it from the
other, over 127.0.0.1 only. The figure to trust is CPU time per unit, from the scheduler's own count: wall time on a
shared machine says little. Everything is measured in interleaved rounds, with something cheaper and something dearer
in the same job, and the least of the rounds is shown, because other work on the machine only ever adds.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import orjson
import uvloop

from http_load import Connection, Unit, always, connect, latencies, request_bytes
from processes import Watched
from serving import Glia, glia, idle_readers, import_seconds, model_server, naive_gateway, session_id_in

CHUNKS = 50
SAID = b'{"content":"What time is it?"}'
QUIET_SECONDS = 90


@dataclass
class Report:
    """Figures in the order they were found."""

    rows: list[tuple[str, int | None, str, float]] = field(default_factory=list[tuple[str, int | None, str, float]])

    def add(self, what: str, name: str, value: float, clients: int | None = None) -> None:
        self.rows.append((what, clients, name, value))
        print(f"{what:44} {clients or '':>3}  {name:24} {value:10.4g}", flush=True)

    def write(self, file: Path) -> None:
        with file.open("w", newline="") as output:
            writer = csv.writer(output)
            writer.writerow(["what", "clients", "figure", "value"])
            writer.writerows(self.rows)


@dataclass(frozen=True)
class Cost:
    cpu_ms: float
    database_cpu_ms: float
    p50_ms: float
    p99_ms: float
    per_second: float


def cost_of(found: list[float], cpu: float, database: float, wall: float) -> Cost:
    count = len(found)
    return Cost(
        cpu / count * 1000,
        database / count * 1000,
        found[count // 2] * 1000,
        found[int(count * 0.99)] * 1000,
        count / wall,
    )


class Rounds:
    """Units that take turns; the least of each figure counts."""

    def __init__(self, report: Report, rounds: int) -> None:
        self._report = report
        self._rounds = rounds

    def measure(self, subjects: list[Subject], *, clients: int) -> dict[str, Cost]:
        found: dict[str, list[Cost]] = {subject.name: [] for subject in subjects}
        for _ in range(self._rounds):
            for subject in subjects:
                found[subject.name].append(subject.measure(clients))
        best = {name: _least(costs) for name, costs in found.items()}
        for name, cost in best.items():
            self._report.add(name, "CPU ms", cost.cpu_ms, clients)
            self._report.add(name, "database CPU ms", cost.database_cpu_ms, clients)
            self._report.add(name, "p50 ms", cost.p50_ms, clients)
            self._report.add(name, "p99 ms", cost.p99_ms, clients)
            self._report.add(name, "a second", cost.per_second, clients)
        return best


def _least(costs: list[Cost]) -> Cost:
    return Cost(
        min(cost.cpu_ms for cost in costs),
        min(cost.database_cpu_ms for cost in costs),
        min(cost.p50_ms for cost in costs),
        min(cost.p99_ms for cost in costs),
        max(cost.per_second for cost in costs),
    )


class Subject:
    """One kind of unit against one server."""

    def __init__(self, name: str, server: Server, units: int, prepare: Prepare) -> None:
        self.name = name
        self._server = server
        self._units = units
        self._prepare = prepare

    def measure(self, clients: int) -> Cost:
        return uvloop.run(self._measure(clients))

    async def _measure(self, clients: int) -> Cost:
        unit = await self._prepare.unit(self._units)
        began, (cpu, database) = time.perf_counter(), self._server.cpu_seconds()
        found = await latencies(self._server.port, unit, units=self._units, clients=clients)
        wall, (cpu_after, database_after) = time.perf_counter() - began, self._server.cpu_seconds()
        return cost_of(found, cpu_after - cpu, database_after - database, wall)


@dataclass(frozen=True)
class Server:
    """A pid whose CPU time is counted; PostgreSQL below it apart."""

    port: int
    pid: int
    watched: Watched | None

    def cpu_seconds(self) -> tuple[float, float]:
        return self.watched.cpu_seconds() if self.watched else (Watched.of_tree(self.pid), 0.0)


class Prepare:
    """Makes the unit, and whatever it needs that must not be counted."""

    async def unit(self, units: int) -> Unit:
        raise NotImplementedError


@dataclass(frozen=True)
class Same(Prepare):
    request: bytes

    async def unit(self, units: int) -> Unit:
        return always(self.request)


@dataclass(frozen=True)
class Run(Prepare):
    """A message to an agent, answered when the run has ended. Each run has a session of its own."""

    server: Glia
    agent: str
    makes_session: bool

    async def unit(self, units: int) -> Unit:
        if self.makes_session:
            return self._with_session
        connection = await connect(self.server.port)
        sessions = iter([await self._session(connection) for _ in range(units)])
        connection.close()
        return self._in(sessions)

    async def _session(self, connection: Connection) -> str:
        body = orjson.dumps({"agent_id": self.agent})
        return session_id_in(await connection.ask(request_bytes("POST", "/v1/sessions", self.server.key, body)))

    async def _send(self, connection: Connection, session: str) -> float:
        request = request_bytes("POST", f"/v1/sessions/{session}/messages", self.server.key, SAID)
        began = time.perf_counter()
        answer = await connection.ask(request)
        if b'"status":"completed"' not in answer:
            raise RuntimeError(f"A run did not complete: {answer[:300]!r}")
        return time.perf_counter() - began

    async def _with_session(self, connection: Connection) -> float:
        began = time.perf_counter()
        await self._send(connection, await self._session(connection))
        return time.perf_counter() - began

    def _in(self, sessions: Iterator[str]) -> Unit:
        async def unit(connection: Connection) -> float:
            return await self._send(connection, next(sessions))

        return unit


def wait_until_quiet(watched: Watched) -> None:
    """A fresh server builds its embedding model in the background first."""
    until = time.monotonic() + QUIET_SECONDS
    while time.monotonic() < until:
        before = sum(watched.cpu_seconds())
        time.sleep(2)
        if sum(watched.cpu_seconds()) - before < 0.3:
            return


def add_idle(report: Report, what: str, watched: Watched, seconds: float = 10) -> None:
    before, before_database = watched.cpu_seconds()
    time.sleep(seconds)
    after, after_database = watched.cpu_seconds()
    report.add(what, "CPU % of a core", (after - before) / seconds * 100)
    report.add(what, "database CPU %", (after_database - before_database) / seconds * 100)
    ours, database = watched.memory()
    for name, value in (("RSS MB", ours.rss), ("PSS MB", ours.pss), ("database PSS MB", database.pss)):
        report.add(what, name, value)


def start(report: Report, core: int, folder: Path, model_url: str) -> None:
    report.add("import", "seconds", min(import_seconds(core) for _ in range(5)))
    with glia(core, folder, model_url) as server:
        report.add("start, fresh data directory", "seconds", server.ready_seconds)
        wait_until_quiet(Watched(server.pid))
    warm: list[float] = []
    for _ in range(3):
        with glia(core, folder, model_url) as server:
            warm.append(server.ready_seconds)
            if len(warm) == 3:
                watched = Watched(server.pid)
                wait_until_quiet(watched)
                add_idle(report, "idle", watched)
    report.add("start, warm", "seconds", min(warm))


def runs(report: Report, rounds: int, units: int, server: Glia) -> None:
    place = Server(server.port, server.pid, Watched(server.pid))
    plain, tool = server.agent("mock-n16"), server.agent("mock-n16-tool")
    health = Subject("GET /health", place, units * 5, Same(request_bytes("GET", "/health", server.key)))
    subjects = [
        health,
        Subject("run without a tool", place, units, Run(server, plain, makes_session=False)),
        Subject("run with one tool", place, units, Run(server, tool, makes_session=False)),
        Subject("session and run with one tool", place, units, Run(server, tool, makes_session=True)),
    ]
    for subject in subjects:
        subject.measure(8)  # warm: statements prepared, connections open
    for clients in (1, 16):
        Rounds(report, rounds).measure(subjects, clients=clients)


def gateway(report: Report, rounds: int, units: int, server: Glia, naive: Server | None) -> None:
    key = server.limited_key()
    place = Server(server.port, server.pid, Watched(server.pid))
    said = {"messages": [{"role": "user", "content": "Tell me something short about gateways."}], "temperature": 0.7}
    whole = orjson.dumps({"model": "openai/mock-n16", **said})
    streamed = orjson.dumps({"model": f"openai/mock-n{CHUNKS}", "stream": True, **said})
    path = "/v1/chat/completions"
    subjects = [
        Subject("chat completion", place, units * 5, Same(request_bytes("POST", path, key, whole))),
        Subject("streamed completion", place, units, Same(request_bytes("POST", path, key, streamed))),
    ]
    if naive is not None:
        whole, streamed = whole.replace(b"openai/", b""), streamed.replace(b"openai/", b"")
        subjects += [
            Subject("naive chat completion", naive, units // 4, Same(request_bytes("POST", path, key, whole))),
            Subject("naive streamed completion", naive, units // 8, Same(request_bytes("POST", path, key, streamed))),
        ]
    for subject in subjects:
        subject.measure(8)
    for clients in (1, 16):
        best = Rounds(report, rounds).measure(subjects, clients=clients)
        for name, cost in best.items():
            if "streamed" in name:
                report.add(name, "CPU us a chunk", cost.cpu_ms * 1000 / (CHUNKS + 2), clients)


def streams(report: Report, count: int, load_core: int, server: Glia) -> None:
    watched = Watched(server.pid)
    agent = server.agent("mock-n16")
    sessions = [server.post("/v1/sessions", {"agent_id": agent})["id"] for _ in range(min(count, 1000))]
    wait_until_quiet(watched)
    before, _ = watched.memory()
    with idle_readers(load_core, server.port, count, server.key, sessions) as begun:
        time.sleep(3)
        report.add("idle streams", "open", begun)
        add_idle(report, "idle streams", watched, 20)
        ours, _ = watched.memory()
        report.add("idle streams", "MB per 1,000", (ours.pss - before.pss) / max(begun, 1) * 1000)


def main(chosen: argparse.Namespace) -> None:
    report = Report()
    parts = chosen.only.split(",")
    load_core = 1 - chosen.core if chosen.core in (0, 1) else 0
    os.sched_setaffinity(0, {load_core})
    with tempfile.TemporaryDirectory(prefix="glia-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # the embedded PostgreSQL runs as a user of its own
        with model_server(load_core, folder) as own:
            model_url = chosen.model_url or own
            if "start" in parts:
                start(report, chosen.core, folder, model_url)
            with glia(chosen.core, folder, model_url) as server:
                wait_until_quiet(Watched(server.pid))
                if "runs" in parts:
                    runs(report, chosen.rounds, chosen.units, server)
                if "gateway" in parts:
                    with naive_gateway(chosen.core, folder, model_url) as (port, pid):
                        gateway(report, chosen.rounds, chosen.units, server, Server(port, pid, None))
                if "streams" in parts:
                    streams(report, chosen.streams, load_core, server)
    if chosen.csv:
        report.write(chosen.csv)


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--only", default="start,runs,gateway,streams")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--units", type=int, default=400)
    options.add_argument("--streams", type=int, default=10_000)
    options.add_argument("--core", type=int, default=1)
    options.add_argument("--model-url")
    options.add_argument("--csv", type=Path)
    sys.exit(main(options.parse_args()))
