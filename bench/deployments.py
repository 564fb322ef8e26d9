"""What deployments cost and bear: deployments.py [--only roll,kill,log,idle,proxy] [--rate 300] [--replicas 50]

Starts `glia serve` with its own PostgreSQL on one core, deploys small programs and measures them over HTTP from this
process on another. Needs a machine on which sandboxes can be made, as `glia doctor` says.

roll    a rolling change under `rate` requests a second: failed and all requests
kill    SIGKILL for a replica's program: until its next process is there, and until it answers
log     from a request that writes a line until a follower of the logs has it
idle    CPU of the node while `replicas` programs do nothing
proxy   CPU of the server for one request to a program, and for one to /health, over connections that are kept
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import statistics
import tempfile
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from http_load import connect, latencies, request_bytes
from processes import cpu_seconds
from serving import Glia, glia

SERVER_CORE, LOAD_CORE = 0, 1
ROUNDS, KILLS = 10, 5
IDLE_SECONDS = 60
UNITS, CLIENTS = 3000, 8

WEB = b"""
import asyncio, os
says = os.environ.get("SAYS", "hello").encode()
async def serve(reader, writer):
    try:
        while True:
            head = await reader.readuntil(b"\\r\\n\\r\\n")
            path = head.split(b" ", 2)[1]
            if path.startswith(b"/say"): print(path.decode(), flush=True)
            writer.write(b"HTTP/1.1 200 OK\\r\\ncontent-length: %d\\r\\n\\r\\n%s" % (len(says), says))
    except (asyncio.IncompleteReadError, ConnectionError): writer.close()
async def main():
    server = await asyncio.start_server(serve, "", int(os.environ["PORT"]), backlog=512)
    async with server: await server.serve_forever()
asyncio.run(main())
"""
IDLE = b"#!/bin/sh\nexec sleep 1000000\n"


class Fleet:
    def __init__(self, server: Glia) -> None:
        self.server = server

    def ask(self, method: str, path: str, body: bytes | dict[str, Any] | None = None) -> Any:
        data = json.dumps(body).encode() if isinstance(body, dict) else body
        headers = {"Authorization": f"Bearer {self.server.key}"}
        if isinstance(body, dict):
            headers["Content-Type"] = "application/json"
        url = f"http://127.0.0.1:{self.server.port}{path}"
        request = urllib.request.Request(url, data=data, headers=headers, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            content = answer.read()
        return json.loads(content) if content else None

    def upload(self, name: str, content: bytes) -> None:
        self.ask("POST", f"/v1/storage/upload?filename=bin/{name}", content)

    def deploy(self, name: str, runtime: str, program: str, **more: object) -> None:
        body = {"name": name, "runtime": runtime, "binary_url": f"storage://bin/{program}", "memory": "64Mi", **more}
        self.ask("POST", "/v1/deployments", body)
        self.until(name, lambda found: found["status"] == "running")

    def until(self, name: str, is_so: Callable[[dict[str, Any]], bool], seconds: float = 180) -> None:
        deadline = time.monotonic() + seconds
        while not is_so(found := self.ask("GET", f"/v1/deployments/{name}")):
            if time.monotonic() > deadline:
                raise SystemExit(f"{name} is not as it should be: {found['status']} {found['reason']}")
            time.sleep(0.05)

    def delete(self, name: str) -> None:
        self.ask("DELETE", f"/v1/deployments/{name}")


async def asked(port: int, path: str, key: str, rate: float, until: Callable[[], bool]) -> Counter[str]:
    """A request each 1/rate seconds over kept connections, whatever becomes of those before it; how each ended."""
    request, found, free, running = (
        request_bytes("GET", path, key),
        Counter[str](),
        list[Any](),
        set[asyncio.Task[None]](),
    )

    async def one() -> None:
        connection = free.pop() if free else None
        try:
            connection = connection or await connect(port)
            await connection.ask(request)
        except (OSError, RuntimeError, TimeoutError) as error:
            found[f"failed: {str(error)[:100]}"] += 1
            return
        found["answered"] += 1
        free.append(connection)

    began, count = time.monotonic(), 0
    while not until():
        task = asyncio.create_task(one())
        running.add(task)
        task.add_done_callback(running.discard)
        count += 1
        await asyncio.sleep(max(0, began + count / rate - time.monotonic()))
    await asyncio.gather(*running)
    for connection in free:
        connection.close()
    found["rate"] = round(count / (time.monotonic() - began))
    return found


def roll(fleet: Fleet, options: argparse.Namespace) -> None:
    fleet.deploy("roll", "python", "web.py", replicas=3, cpu="0.5", environment={"SAYS": "one"})

    async def run() -> Counter[str]:
        is_over = False
        load = asyncio.create_task(
            asked(fleet.server.port, "/deployments/roll/", fleet.server.key, options.rate, lambda: is_over)
        )
        await asyncio.sleep(2)
        for says in ("two", "three"):
            await asyncio.to_thread(fleet.ask, "PATCH", "/v1/deployments/roll", {"environment": {"SAYS": says}})
            await asyncio.to_thread(fleet.until, "roll", lambda found: found["status"] == "running")
            await asyncio.sleep(2)
        is_over = True
        return await load

    found = asyncio.run(run())
    rate, answered = found.pop("rate"), found.pop("answered")
    print(
        f"roll   {found.total()} failed of {answered + found.total()} requests at {rate} a second {dict(found) or ''}"
    )
    fleet.delete("roll")


def kill(fleet: Fleet, options: argparse.Namespace) -> None:
    fleet.deploy("kill", "python", "web.py", replicas=1)
    there, serving = list[float](), list[float]()
    mark = fleet.ask("GET", "/v1/deployments/kill/replicas")["data"][0]["id"].replace("-", "")
    for _ in range(KILLS):
        time.sleep(1)
        (pid,) = programs(mark)
        began = time.perf_counter()
        os.kill(pid, signal.SIGKILL)
        while not (programs(mark) - {pid}):
            time.sleep(0.002)
        there.append(time.perf_counter() - began)
        while not answers(fleet):
            time.sleep(0.002)
        serving.append(time.perf_counter() - began)
        time.sleep(11)  # so that it counts as its first failure again
    print(
        f"kill   its next process after {ms(there)} (largest {max(there) * 1000:.0f}), an answer after {ms(serving)}"
        f" (largest {max(serving) * 1000:.0f}) ms"
    )
    fleet.delete("kill")


def programs(mark: str) -> set[int]:
    """Processes of a replica's Python program. mark: its id, as its control group is called."""
    found = set[int]()
    for place in Path("/proc").glob("[0-9]*"):
        try:
            words = (place / "cmdline").read_bytes().rstrip(b"\0").split(b"\0")
            group = (place / "cgroup").read_text() if words[-1] == b"/app/program" else ""
        except OSError:
            continue
        if mark in group and b"python3" in words[0] and len(words) == 3:
            found.add(int(place.name))
    return found


def answers(fleet: Fleet) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{fleet.server.port}/deployments/kill/", timeout=5) as answer:
            return answer.status == 200
    except (urllib.error.URLError, ConnectionError):
        return False


def log(fleet: Fleet, options: argparse.Namespace) -> None:
    fleet.deploy("log", "python", "web.py", replicas=1)
    headers = {"Authorization": f"Bearer {fleet.server.key}"}
    base, seconds = f"http://127.0.0.1:{fleet.server.port}", list[float]()
    stream = urllib.request.urlopen(urllib.request.Request(f"{base}/v1/deployments/log/logs/stream", headers=headers))
    stream.readline()
    for number in range(ROUNDS * 3):
        time.sleep(0.05 + 0.013 * number)  # at all moments of whatever looks now and then
        began = time.perf_counter()
        urllib.request.urlopen(f"{base}/deployments/log/say-{number}").read()
        while f"say-{number}".encode() not in stream.readline():
            pass
        seconds.append(time.perf_counter() - began)
    print(f"log    a follower has a line after {ms(seconds)} (largest {max(seconds) * 1000:.0f}) ms")
    fleet.delete("log")


def idle(fleet: Fleet, options: argparse.Namespace) -> None:
    fleet.deploy("idle", "native", "idle", replicas=options.replicas, cpu="0.1")
    time.sleep(20)
    (node,) = [each for each in psutil.process_iter(["cmdline"]) if node_of(fleet, each)]
    began, before = time.perf_counter(), cpu_seconds(node.pid)
    time.sleep(IDLE_SECONDS)
    used = (cpu_seconds(node.pid) - before) / (time.perf_counter() - began)
    print(f"idle   the node takes {used * 100:.2f} % of a core with {options.replicas} idle replicas")
    fleet.delete("idle")


def node_of(fleet: Fleet, process: psutil.Process) -> bool:
    words: list[str] = process.info["cmdline"] or []
    return "node" in words and "glia" in words and process.ppid() == fleet.server.pid


def proxy(fleet: Fleet, options: argparse.Namespace) -> None:
    fleet.deploy("proxy", "python", "web.py", replicas=1)
    costs = dict[str, float]()
    for _ in range(3):
        for name, path in (("program", "/deployments/proxy/"), ("health", "/health")):
            request, before = request_bytes("GET", path, fleet.server.key), cpu_seconds(fleet.server.pid)
            asyncio.run(_load(fleet.server.port, request))
            cost = (cpu_seconds(fleet.server.pid) - before) / UNITS * 1000
            costs[name] = min(costs.get(name, cost), cost)
    added = costs["program"] - costs["health"]
    print(f"proxy  {costs['program']:.3f} ms CPU a request, {costs['health']:.3f} for /health: {added:+.3f}")
    fleet.delete("proxy")


async def _load(port: int, request: bytes) -> None:
    async def unit(connection: Any) -> float:
        await connection.ask(request)
        return 0.0

    await latencies(port, unit, units=UNITS, clients=CLIENTS)


def ms(seconds: list[float]) -> str:
    return f"{statistics.median(seconds) * 1000:.0f}"


PARTS: dict[str, Callable[[Fleet, argparse.Namespace], None]] = {
    "proxy": proxy,
    "log": log,
    "roll": roll,
    "idle": idle,
    "kill": kill,
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default=",".join(PARTS))
    parser.add_argument("--rate", type=float, default=300)
    parser.add_argument("--replicas", type=int, default=50)
    options = parser.parse_args()
    os.sched_setaffinity(0, {LOAD_CORE})
    with tempfile.TemporaryDirectory(prefix="glia-bench-") as folder:
        Path(folder).chmod(0o711)
        with glia(SERVER_CORE, Path(folder), "http://127.0.0.1:9/v1") as server:
            fleet = Fleet(server)
            fleet.upload("web.py", WEB)
            fleet.upload("idle", IDLE)
            for name in options.only.split(","):
                PARTS[name](fleet, options)
            time.sleep(3)  # the programs end before what they lie in


if __name__ == "__main__":
    main()
