"""One live server with a node that runs programs, for the clients of every language."""

from __future__ import annotations

import re
import select
import socket
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.deployments.conftest import NodeProcess, node, server, shop  # noqa: F401
from tests.surfaces.conftest import Server


@dataclass
class Place:
    """Where a client finds the API, and a workspace of its own."""

    url: str
    key: str
    program: str
    """Says on its log what `/say?<text>` asks it to."""


@pytest.fixture
def place(server: Server, node: NodeProcess, shop: str) -> Iterator[Place]:  # noqa: F811
    key = server.workspace().api_key
    yield Place(f"http://127.0.0.1:{server.port}/neuais", key, f"{shop}/web.py")
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
def cutting(server: Server) -> Iterator[CuttingProxy]:  # noqa: F811
    proxy = CuttingProxy(server.port)
    threading.Thread(target=proxy.serve, daemon=True).start()
    yield proxy
    proxy.listener.close()
    proxy.cut()
