"""What goes wrong with programs, nodes and servers, and what the others notice of it: nothing."""

from __future__ import annotations

import http.client
import io
import os
import signal
import threading
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.deployments.conftest import FILES, Fleet
from tests.failures.process import free_port
from tests.forking import Forked
from tests.surfaces.conftest import Client, Server

MIB = 1024 * 1024


def _bomb() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("main.py", b"#" * (5 * MIB))
    return packed.getvalue()


FILES |= {
    "huge.py": b"#" * (3 * MIB),
    "bomb.zip": _bomb(),
    "endless.py": b"""
import os, time
for _ in range(100): os.write(1, b"x" * (1024 * 1024))
os.write(1, b"\\nafter\\n" + bytes(range(256)) * 4000 + b"\\n")
while True:  # the first may be among what is dropped
    os.write(1, b"done\\n")
    time.sleep(0.3)
""",
}


@dataclass
class Load:
    """Asks all the time, from several threads. port: may change meanwhile."""

    port: Callable[[], int]
    path: str
    answers: Counter[bytes] = field(default_factory=Counter[bytes])
    failures: Counter[str] = field(default_factory=Counter[str])
    is_over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        while not self.is_over.is_set():
            connection = http.client.HTTPConnection("127.0.0.1", self.port(), timeout=20)
            try:
                while not self.is_over.is_set():
                    connection.request("GET", self.path)
                    answer = connection.getresponse()
                    body = answer.read()
                    if answer.status == 200:
                        self.answers[body] += 1
                    else:
                        self.failures[f"{answer.status} {body[:200]!r}"] += 1
            except (OSError, http.client.HTTPException) as error:
                self.failures[repr(error)[:60]] += 1
                time.sleep(0.02)
            finally:
                connection.close()

    def until(self, answers: int, seconds: float = 60) -> None:
        """So many more have come."""
        wanted, deadline = sum(self.answers.values()) + answers, time.monotonic() + seconds
        while sum(self.answers.values()) < wanted:
            assert time.monotonic() < deadline, (self.answers, self.failures)
            time.sleep(0.01)


@contextmanager
def load(port: int | Callable[[], int], path: str, threads: int = 3) -> Iterator[Load]:
    found = Load(port if callable(port) else lambda: port, path)
    working = [threading.Thread(target=found.run) for _ in range(threads)]
    for thread in working:
        thread.start()
    try:
        yield found
    finally:
        found.is_over.set()
        for thread in working:
            thread.join()


def test_a_replica_that_falls_ill_is_started_again_with_its_reason(fleet: Fleet) -> None:
    name = fleet.deploy("web.py", health_path="/health")
    fleet.running(name)

    assert fleet.post(name, "sicken") == 200
    found = fleet.client.until(f"/v1/deployments/{name}/replicas", lambda found: found["data"][0]["restarts"] > 0, 60)

    assert found["data"][0]["last_failure"] == "GET /health answered 503"
    fleet.running(name)


def test_a_killed_replica_does_not_fail_a_request_and_its_neighbours_serve_on(fleet: Fleet) -> None:
    name = fleet.deploy("web.py", replicas=2)
    fleet.running(name, 2)
    [victim, *_] = [pid for pid in fleet.node.pids("/app/program") if _serves(pid, name, fleet)]

    with load(fleet.client.port, f"/deployments/{name}/") as asking:
        asking.until(20)
        os.kill(victim, signal.SIGKILL)
        fleet.client.until(
            f"/v1/deployments/{name}/replicas",
            lambda found: (
                sum(row["restarts"] for row in found["data"]) == 1 and all(r["is_ready"] for r in found["data"])
            ),
        )
        asking.until(20)

    assert asking.failures == {}
    assert any("signal 9" in row["last_failure"] for row in fleet.replicas(name))


def _serves(pid: int, name: str, fleet: Fleet) -> bool:
    """Whether the process is of one of the deployment's replicas."""
    try:
        group = Path(f"/proc/{pid}/cgroup").read_text()
    except OSError:  # one of an earlier test, which has ended meanwhile
        return False
    return any(row["id"].replace("-", "") in group for row in fleet.replicas(name))


def test_programs_that_are_too_large_are_refused_before_they_fill_the_disk(fleet: Fleet) -> None:
    huge, bomb = fleet.deploy("huge.py"), fleet.deploy("bomb.zip")
    promised, small = fleet.deploy("promised"), fleet.deploy("web.py")

    assert f"larger than {2 * MIB} bytes" in fleet.until(huge, "error")["reason"]
    assert f"larger than {2 * MIB} bytes" in fleet.until(promised, "error")["reason"]
    assert "unpacks to more" in fleet.until(bomb, "error")["reason"]
    fleet.running(small)


def test_a_line_without_end_and_bytes_that_are_no_text_harm_nobody(fleet: Fleet) -> None:
    neighbour = fleet.deploy("web.py")
    fleet.running(neighbour)
    name = fleet.deploy("endless.py")

    fleet.said(name, "done", 60)
    lines = fleet.lines(name, "tail=10000")
    fleet.call(neighbour, "say?still-here")

    assert any(line["message"].endswith("(cut)") for line in lines)
    assert any(line["message"] == "after" or "bytes of output were dropped" in line["message"] for line in lines)
    assert max(len(line["message"]) for line in lines) < 20_000
    fleet.said(neighbour, "still-here")
    assert fleet.node.process is not None
    assert _peak_mib(fleet.node.process.pid) < 400


def _peak_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def test_a_broken_version_under_load_is_undone_without_a_failed_request(fleet: Fleet) -> None:
    name = fleet.deploy("web.py", replicas=2, environment={"SAYS": "one"}, health_path="/health")
    fleet.running(name, 2)

    with load(fleet.client.port, f"/deployments/{name}/") as asking:
        asking.until(20)
        fleet.client.patch(f"/v1/deployments/{name}", {"environment": {"SAYS": "broken", "SICK": "yes"}})
        undone = fleet.client.until(f"/v1/deployments/{name}", lambda found: "undone" in found["reason"], 60)
        fleet.client.patch(f"/v1/deployments/{name}", {"environment": {"SAYS": "two"}})
        fleet.client.until(f"/v1/deployments/{name}", lambda _: asking.answers[b"two /"] > 0, 60)
        fleet.running(name, 2)

    assert (undone["status"], undone["version"]) == ("running", 1)
    assert asking.failures == {}
    assert set(asking.answers) == {b"one /", b"two /"}


def test_a_node_killed_under_load_fails_no_request_and_bills_nothing_twice(fleet: Fleet) -> None:
    began = time.monotonic()
    name = fleet.deploy("web.py", cpu="0.5")
    fleet.running(name)

    with load(fleet.client.port, f"/deployments/{name}/") as asking:
        asking.until(20)
        _used(fleet, name, lambda use: use["replica_seconds"] > 0)
        fleet.node.kill()
        asking.until(20)
        fleet.node.start("--region", "north")
        before = _used(fleet, name, lambda _: True)
        _used(fleet, name, lambda use: use["replica_seconds"] > before["replica_seconds"])
    fleet.client.delete(f"/v1/deployments/{name}")
    deadline = time.monotonic() + 60
    while fleet.replicas_on_disk():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    use = _used(fleet, name, lambda _: True)

    assert asking.failures == {}
    assert 1 < use["replica_seconds"] < time.monotonic() - began + 3
    assert use["cpu_core_seconds"] == pytest.approx(use["replica_seconds"] / 2)
    assert use["memory_byte_seconds"] == pytest.approx(use["replica_seconds"] * 64 * MIB, rel=1e-6)
    assert use["cpu_seconds"] > 0
    assert use["network_bytes"] > 10_000


def _used(fleet: Fleet, name: str, is_done: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """What was billed of it, over all hours."""

    def summed(found: dict[str, Any]) -> dict[str, Any]:
        rows = [row for row in found["data"] if row["name"] == name]
        numbers = [key for key in (rows[0] if rows else ()) if key.endswith(("seconds", "bytes"))]
        return {"replica_seconds": 0, **{key: sum(row[key] for row in rows) for key in numbers}}

    return summed(fleet.client.until("/v1/deployment-usage", lambda found: is_done(summed(found))))


class OwnServer:
    """A `glia serve` of its own, on the database of the others."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server, self.folder = server, folder
        self.port = free_port()

    def start(self) -> None:
        url = psycopg.conninfo.make_conninfo(os.environ["GLIA_TEST_ADMIN_URL"], dbname=self.server.database)
        settings = {"GLIA_DATABASE_URL": url, "GLIA_FLEET__NODE": "off"}
        arguments = ["serve", "--data-dir", str(self.folder), "--port", str(self.port)]
        self.process = Forked(arguments, {**os.environ, **settings}, self.folder / "log")
        deadline = time.monotonic() + 60
        while True:
            with suppress(OSError):
                if Client(self.port).get("/health").status == 200:
                    return
            assert time.monotonic() < deadline, (self.folder / "log").read_text()
            time.sleep(0.05)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(20)


def test_a_server_killed_under_load_leaves_the_programs_alone(
    fleet: Fleet,
    server: Server,
    tmp_path: Path,
) -> None:
    name = fleet.deploy("web.py", replicas=2)
    fleet.running(name, 2)
    before = fleet.replicas(name)
    own = OwnServer(server, tmp_path)
    own.start()

    try:
        with (
            load(own.port, f"/deployments/{name}/") as asking,
            load(fleet.client.port, f"/deployments/{name}/") as other,
        ):
            asking.until(20)
            own.kill()
            other.until(20)
            own.start()
            asking.until(20)
    finally:
        own.kill()

    assert other.failures == {}
    assert asking.failures  # the killed one did not answer
    assert [(row["id"], row["restarts"]) for row in fleet.replicas(name)] == [(r["id"], r["restarts"]) for r in before]


def test_the_last_words_of_a_program_are_kept_before_ours(fleet: Fleet) -> None:
    name = fleet.deploy("crash.py")

    lines = fleet.said(name, "started again")
    messages = [line["message"] for line in lines]

    assert messages[:2] == ["ERROR no config", "This replica ended, and is started again: it ended with exit status 4."]
