"""Processes that bench/serve.py measures: `glia serve` on a data directory of its own, and what stands beside it."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
READY_SECONDS = 180
STOP_SECONDS = 20


def free_port() -> int:
    """Below the range from which the system takes ports for clients, so that none of those takes it meanwhile."""
    while True:
        port = random.randint(12_000, 30_000)
        with socket.socket() as listener, suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port


@contextmanager
def process(
    command: Sequence[str], core: int, environment: dict[str, str], log: Path
) -> Generator[subprocess.Popen[bytes], None, None]:
    """Runs a command on one core while the block runs. It is asked to stop, then killed."""
    pinned = ["taskset", "--cpu-list", str(core), *command]
    with log.open("ab") as output:
        started = subprocess.Popen(pinned, stdout=output, stderr=output, env={**os.environ, **environment})
    try:
        yield started
    finally:
        started.send_signal(signal.SIGTERM)
        try:
            started.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()


def wait_until_ready(started: subprocess.Popen[bytes], url: str, log: Path) -> None:
    until = time.monotonic() + READY_SECONDS
    while time.monotonic() < until and started.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.01)
    raise SystemExit(f"Nothing answers at {url}:\n{log.read_text()[-2000:]}")


@contextmanager
def model_server(core: int, folder: Path) -> Generator[str, None, None]:
    """The mock, and the address under which it is a provider."""
    port = free_port()
    log = folder / "model.log"
    with process([sys.executable, str(HERE / "mock_model.py"), "--port", str(port)], core, {}, log) as started:
        wait_until_ready(started, f"http://127.0.0.1:{port}/v1/models", log)
        yield f"http://127.0.0.1:{port}/v1"


@contextmanager
def naive_gateway(core: int, folder: Path, model_url: str) -> Generator[tuple[int, int], None, None]:
    """Its port and its pid."""
    port = free_port()
    log = folder / "naive.log"
    with process([sys.executable, str(HERE / "naive_gateway.py"), str(port), model_url], core, {}, log) as started:
        wait_until_ready(started, f"http://127.0.0.1:{port}/health", log)
        yield port, started.pid


class Glia:
    """A running `glia serve`."""

    def __init__(self, pid: int, port: int, data_dir: Path, ready_seconds: float) -> None:
        self.pid = pid
        self.port = port
        self.ready_seconds = ready_seconds
        self.key: str = json.loads((data_dir / "credentials.json").read_text())["api_key"]

    def post(self, path: str, body: dict[str, object]) -> dict[str, Any]:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            data=json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def agent(self, model: str) -> str:
        made = self.post("/v1/agents", {"name": f"Bench {model}", "model": model, "tools": ["current_time"]})
        return made["id"]

    def limited_key(self) -> str:
        """A key with a rate limit that is kept count of and never reached."""
        return self.post("/v1/keys", {"name": "bench", "rate_per_minute": 1_000_000})["key"]


@contextmanager
def glia(core: int, folder: Path, model_url: str) -> Generator[Glia, None, None]:
    """Started on the data directory below `folder`, which may hold one already; the embedded database too."""
    port = free_port()
    data_dir, log = folder / "data", folder / "glia.log"
    environment = {
        "OPENAI_BASE_URL": model_url,
        "OPENAI_API_KEY": "none",
        "GLIA_MODEL_DISCOVERY": "off",
        "GLIA_LOG__LEVEL": "warning",
    }
    command = [sys.executable, "-m", "glia", "serve", "--port", str(port), "--data-dir", str(data_dir)]
    began = time.perf_counter()
    with process(command, core, environment, log) as started:
        wait_until_ready(started, f"http://127.0.0.1:{port}/ready", log)
        yield Glia(started.pid, port, data_dir, time.perf_counter() - began)


def import_seconds(core: int) -> float:
    """CPU and waiting together, the interpreter's own start left out."""
    timed = "import time; t = time.perf_counter(); import glia.cli.serve; print(time.perf_counter() - t)"
    output = subprocess.run(
        ["taskset", "--cpu-list", str(core), sys.executable, "-c", timed], capture_output=True, text=True, check=True
    )
    return float(output.stdout)


@contextmanager
def idle_readers(core: int, port: int, streams: int, key: str, sessions: Sequence[str]) -> Generator[int, None, None]:
    """Holds open event streams while the block runs; gives how many began."""
    command = ["taskset", "--cpu-list", str(core), sys.executable, str(HERE / "idle_readers.py")]
    readers = subprocess.Popen(
        [*command, str(port), str(streams), key, *sessions], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert readers.stdin is not None and readers.stdout is not None
    try:
        told = readers.stdout.readline()
        if not told:
            raise SystemExit("The readers ended before all streams were open.")
        yield json.loads(told)["open"]
    finally:
        readers.stdin.close()
        readers.wait(STOP_SECONDS)


def session_id_in(body: bytes) -> str:
    """The first id of a JSON body; cheaper than reading all of it."""
    found = re.search(rb'"id":"([^"]+)"', body)
    assert found is not None, body
    return found[1].decode()
