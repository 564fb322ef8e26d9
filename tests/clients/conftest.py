"""One live server with a node that runs programs, for the clients of every language."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

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
