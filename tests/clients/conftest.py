"""One live server with a node that runs programs, for the clients of every language."""

from __future__ import annotations

import json
import re
import select
import socket
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from glia.kit.ids import new_id
from glia.settings import Settings
from tests.deployments.conftest import NodeProcess, node, shop  # noqa: F401
from tests.surfaces.conftest import Server, start_server


@dataclass
class Place:
    """Where a client finds the API, and a workspace of its own.

    program: says on its log what `/say?<text>` asks it to. receiver: an address for webhooks; to a GET it answers with
    the headers and body of everything that came for `?<mark>`.
    """

    url: str
    key: str
    program: str
    receiver: str


@pytest.fixture(scope="session")
def receiver() -> Iterator[str]:
    found: dict[str, list[dict[str, Any]]] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            found.setdefault(self.path, []).append({"headers": dict(self.headers), "body": body})
            self._answer(204, b"")

        def do_GET(self) -> None:
            self._answer(200, json.dumps(found.get(self.path, [])).encode())

        def _answer(self, status: int, content: bytes) -> None:
            self.send_response(status)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}/hook"
        running.shutdown()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, receiver: str) -> Iterator[Server]:
    """As everywhere, but webhooks may go to the receiver."""
    settings = Settings(outbound_allow=urlsplit(receiver).netloc)
    yield from start_server(tmp_path_factory.mktemp("clients"), settings)


@pytest.fixture
def place(server: Server, node: NodeProcess, shop: str, receiver: str) -> Iterator[Place]:  # noqa: F811
    key = server.workspace().api_key
    yield Place(f"http://127.0.0.1:{server.port}/neuais", key, f"{shop}/web.py", f"{receiver}?{new_id()}")
    client = server.client(key)
    for found in client.get("/v1/deployments?limit=100").json["data"]:
        client.delete(f"/v1/deployments/{found['id']}")


@pytest.fixture
def hello(place: Place, server: Server, shop: str) -> Place:  # noqa: F811
    """A workspace with the program that the pages deploy."""
    with urllib.request.urlopen(f"{shop}/web.py", timeout=10) as program:
        content = program.read()
    headers = {"Content-Type": "text/x-python"}
    answer = server.client(place.key).post("/v1/storage/upload?filename=bin/hello.py", raw=content, headers=headers)
    assert answer.status == 201, answer.body
    return place


def blocks_of(page: Path, language: str) -> list[str]:
    """The examples of a page."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)


@dataclass
class CuttingProxy:
    """Hands bytes on to a server until it is told to cut all lines."""

    target: int
    listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))
    lines: list[tuple[socket.socket, socket.socket]] = field(default_factory=list)

    @property
    def port(self) -> int:
        return int(self.listener.getsockname()[1])

    def serve(self) -> None:
        with suppress(OSError):  # the listener was closed
            while True:
                near, _ = self.listener.accept()
                far = socket.create_connection(("127.0.0.1", self.target))
                self.lines.append((near, far))
                threading.Thread(target=self._carry, args=(near, far), daemon=True).start()

    def cut(self) -> None:
        lines, self.lines = self.lines, []
        for line in lines:
            for end in line:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def _carry(self, near: socket.socket, far: socket.socket) -> None:
        with near, far, suppress(OSError, ValueError):
            while True:
                for end in select.select([near, far], [], [])[0]:
                    content = end.recv(65536)
                    if not content:
                        return
                    (far if end is near else near).sendall(content)


@pytest.fixture
def cutting(server: Server) -> Iterator[CuttingProxy]:
    proxy = CuttingProxy(server.port)
    threading.Thread(target=proxy.serve, daemon=True).start()
    yield proxy
    proxy.listener.close()
    proxy.cut()
