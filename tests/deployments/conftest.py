"""A server, a node as a process of its own, and a place that programs are downloaded from."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psycopg
import pytest

from glia.kit.ids import new_id
from tests.forking import Forked
from tests.surfaces.conftest import Client, Server, client, credentials, server  # noqa: F401

pytest.register_assert_rewrite("tests.deployments.conformance")

WEB = b"""
import http.client, os, sys, time, json, socket, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        path = self.path.partition("?")[0]
        if path == "/say": print(self.path.partition("?")[2], flush=True)
        if path == "/env": return self.answer(200, json.dumps(dict(os.environ)))
        if path == "/ask":
            asking = http.client.HTTPConnection("127.0.0.1", 3128, timeout=40)
            try:
                asking.request("GET", self.path.partition("?")[2])
                answer = asking.getresponse()
                return self.answer(200, "%d %s" % (answer.status, answer.read().decode()))
            except OSError: return self.answer(200, "no way out")
        if path == "/out":
            try:
                socket.create_connection(("127.0.0.1", int(self.path.partition("?")[2])), 2)
                return self.answer(200, "in")
            except OSError: return self.answer(200, "out")
        if path == "/events":
            self.send_response(200); self.send_header("content-type", "text/event-stream"); self.end_headers()
            for n in range(3):
                self.wfile.write(b"data: %d\\n\\n" % n); self.wfile.flush(); time.sleep(0.05)
            self.close_connection = True; return
        if path == "/health" and (os.environ.get("SICK") or sick): return self.answer(503, "sick")
        if path == "/name": return self.answer(200, name)
        self.answer(200, os.environ.get("SAYS", "hello") + " " + self.path)
    def do_POST(self):
        if self.path == "/die": os._exit(3)
        if self.path == "/sicken": sick.append(1)
        if self.path == "/unread": return self.answer(200, "thank you")
        if self.path == "/eat":
            keep = bytearray(200 * 1024 * 1024); keep[::4096] = b"x" * len(keep[::4096])
        self.answer(200, str(len(self.rfile.read(int(self.headers["content-length"])))))
    def answer(self, status, text):
        self.send_response(status); self.send_header("content-length", str(len(text.encode()))); self.end_headers()
        self.wfile.write(text.encode())
    def log_message(self, *rest): pass
sick, name = [], os.urandom(8).hex()
class Server(ThreadingHTTPServer): request_queue_size = 128
print("started", flush=True)
Server(("0.0.0.0", int(os.environ["PORT"])), Handler).serve_forever()
"""

FILES: dict[str, bytes] = {
    "web.py": WEB,
    "sleep.py": b"import time\nprint('here', flush=True)\ntime.sleep(1e6)\n",
    "crash.py": b"import sys\nprint('ERROR no config', flush=True)\nsys.exit(4)\n",
    "stubborn.py": b"""
import signal, time
signal.signal(15, lambda *_: print("no", flush=True))
while True: time.sleep(1)
""",
    "socket.py": b"""
import base64, hashlib, os, socket
listener = socket.create_server(("", int(os.environ["PORT"])))
while True:
    other, _ = listener.accept()
    head = other.recv(65536).decode()
    if "websocket" not in head: other.close(); continue
    key = next(line.split(": ")[1] for line in head.split("\\r\\n") if line.lower().startswith("sec-websocket-key"))
    accept = base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()).decode()
    lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"]
    other.sendall("\\r\\n".join([*lines, "Sec-WebSocket-Accept: " + accept, "", ""]).encode())
    while (frame := other.recv(65536)):
        mask, data = frame[2:6], frame[6:6 + (frame[1] & 127)]
        text = bytes(byte ^ mask[n % 4] for n, byte in enumerate(data))
        if frame[0] & 15 == 8: other.sendall(bytes([0x88, len(text)]) + text); break
        other.sendall(bytes([frame[0], len(text)]) + text)
    other.close()
""",
    "loud.py": b"""
import os, sys, time
os.write(1, b"x" * (3 * 1024 * 1024) + b"\\nafter\\n")
os.write(1, bytes(range(256)) * 40 + b"\\n")
print('{"level": "warning", "msg": "json"}'); print("[DEBUG] low"); print("level=error high"); print("done", flush=True)
time.sleep(1e6)
""",
    "lines.py": b"""
import time
for n in range(500): print("line", n)
print("ERROR last", flush=True)
time.sleep(1e6)
""",
    "greedy.py": b"keep = bytearray(300 * 1024 * 1024); keep[::4096] = b'x' * len(keep[::4096])\n",
    "polite.py": b"""
import signal, sys, time
def end(*_): print("goodbye", flush=True); sys.exit(0)
signal.signal(15, end)
while True: time.sleep(1)
""",
    "six.py": b"""
import os, socket
from http.server import BaseHTTPRequestHandler, HTTPServer
class Server(HTTPServer): address_family = socket.AF_INET6
class Handler(BaseHTTPRequestHandler):
    def do_GET(self): self.send_response(200); self.end_headers(); self.wfile.write(b"six")
Server(("::1", int(os.environ["PORT"])), Handler).serve_forever()
""",
    "tape": b"main.py" + bytes(505),
    "text": b"just text",
    "empty": b"",
    "promised": b"",
    "native": b"#!/bin/sh\necho from the shell; exec sleep 1000000\n",
    "wrong-processor": b"\x7fELF\x02\x01" + bytes(12) + b"\xf3\x00" + bytes(40),
}


@pytest.fixture(scope="session")
def shop() -> Iterator[str]:
    """Where programs are downloaded from."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = FILES.get(self.path[1:])
            self.send_response(404 if content is None else 200)
            self.send_header("content-length", "1000000000" if self.path == "/promised" else str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *_: Any) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as found:
        threading.Thread(target=found.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{found.server_port}"
        found.shutdown()


@dataclass
class NodeProcess:
    """A supervisor of one folder. `start` it again after `kill`."""

    database: str
    allow: str
    data_dir: Path | None = None
    settings: dict[str, str] = field(default_factory=dict)
    folder: Path = field(init=False)
    process: Forked | None = None

    def __post_init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="glia-node-"))
        self.folder.chmod(0o711)
        self.data_dir = self.data_dir or self.folder / "data"

    def run(self, *options: str) -> Forked:
        url = psycopg.conninfo.make_conninfo(os.environ["GLIA_TEST_APP_URL"], dbname=self.database)
        environment = {
            **os.environ,
            "GLIA_DATABASE_URL": url,
            "GLIA_OUTBOUND_ALLOW": self.allow,
            "GLIA_SANDBOX__STATE_DIR": str(self.folder / "s"),
            "GLIA_FLEET__SETTLE_SECONDS": "1",
            "GLIA_FLEET__START_SECONDS": "4",
            "GLIA_FLEET__STOP_SECONDS": "2",
            "GLIA_FLEET__LEASE_SECONDS": "3",
            "GLIA_FLEET__HEALTH_SECONDS": "1",
            "GLIA_FLEET__SAMPLE_SECONDS": "1",
            "GLIA_FLEET__BINARY_MIB": "2",
            "GLIA_FLEET__LISTEN": "127.0.0.1:0",
            **self.settings,
        }
        return Forked(["node", "--data-dir", str(self.data_dir), *options], environment, self.folder / "log")

    def start(self, *options: str) -> None:
        self.process = self.run(*options)

    def kill(self, number: int = signal.SIGKILL) -> None:
        assert self.process is not None
        self.process.send_signal(number)
        self.process.wait(20)

    def end(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.kill()
        self.run("--stop-programs").wait(60)
        shutil.rmtree(self.folder, ignore_errors=True)

    def pids(self, mark: str) -> list[int]:
        """Of the host, of processes of this node's replicas whose command line ends with that."""
        found: list[int] = []
        for place in Path("/proc").glob("[0-9]*"):
            try:
                words = (place / "cmdline").read_bytes().rstrip(b"\0").split(b"\0")
            except OSError:
                continue
            if words[-1].decode(errors="replace") == mark and words[0] in (b"python3", b"/opt/py/bin/python3"):
                found.append(int(place.name))
        return found


@pytest.fixture(scope="session")
def node(server: Server, shop: str) -> Iterator[NodeProcess]:  # noqa: F811
    found = NodeProcess(server.database, shop.removeprefix("http://"), server.folder)
    found.start("--region", "north")
    try:
        problem = problem_of(server, found)
        if problem:
            pytest.skip(f"Programs cannot be run on this machine. {problem}")
        yield found
    finally:
        found.end()


def problem_of(server: Server, node: NodeProcess, region: str = "north") -> str:  # noqa: F811
    """Why it cannot run programs, once it has said so; empty when it can."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert node.process is not None
        assert node.process.poll() is None, (node.folder / "log").read_text()
        with server.admin() as admin:
            row = admin.execute("select problem from fleet_nodes where region = %s", (region,)).fetchone()
        if row is not None:
            return str(row[0])
        time.sleep(0.1)
    raise AssertionError((node.folder / "log").read_text())


@dataclass
class Fleet:
    """One workspace's deployments, over the wire."""

    client: Client
    node: NodeProcess
    shop: str

    def deploy(self, program: str, runtime: str = "python", name: str = "", **more: Any) -> str:
        """The name."""
        name = name or f"d-{new_id().hex[-12:]}"
        body = {"name": name, "runtime": runtime, "binary_url": f"{self.shop}/{program}", "memory": "64Mi", **more}
        self.client.made("/v1/deployments", body)
        return name

    def until(self, name: str, status: str, seconds: float = 60, **fields: Any) -> dict[str, Any]:
        wanted = {"status": status, **fields}
        return self.client.until(
            f"/v1/deployments/{name}",
            lambda found: all(found.get(field) == value for field, value in wanted.items()),
            seconds,
        )

    def running(self, name: str, ready: int = 1) -> dict[str, Any]:
        return self.until(name, "running", ready_replicas=ready)

    def call(self, name: str, path: str = "") -> bytes:
        return Client(self.client.port).get(f"/deployments/{name}/{path}").body

    def post(self, name: str, path: str) -> int:
        """The status. Such a request is not repeated when its replica dies."""
        return Client(self.client.port).request("POST", f"/deployments/{name}/{path}", raw=b"x").status

    def replicas(self, name: str) -> list[dict[str, Any]]:
        return self.client.get(f"/v1/deployments/{name}/replicas").json["data"]

    def until_true(self, is_done: Callable[[], bool], seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not is_done():
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def replicas_on_disk(self) -> list[Path]:
        """All that this node keeps of replicas, of whatever deployment."""
        return list((self.node.folder / "s" / "replicas").iterdir())

    def lines(self, name: str, query: str = "tail=1000") -> list[dict[str, Any]]:
        found = self.client.get(f"/v1/deployments/{name}/logs?{query}")
        assert found.status == 200, found.body
        return found.json["data"]

    def said(self, name: str, text: str, seconds: float = 60) -> list[dict[str, Any]]:
        deadline = time.monotonic() + seconds
        while not any(text in line["message"] for line in self.lines(name)):
            assert time.monotonic() < deadline, [line["message"][:200] for line in self.lines(name)[-20:]]
            time.sleep(0.05)
        return self.lines(name)


@pytest.fixture
def fleet(server: Server, node: NodeProcess, shop: str) -> Iterator[Fleet]:  # noqa: F811
    owner = server.client(server.workspace().api_key)
    yield Fleet(owner, node, shop)
    for found in owner.get("/v1/deployments?limit=100").json["data"]:
        owner.delete(f"/v1/deployments/{found['id']}")
