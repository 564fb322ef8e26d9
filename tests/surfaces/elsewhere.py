"""A web server elsewhere that has pictures, and what is none; the shared server may call it to fetch them."""

from __future__ import annotations

import threading
from base64 import b64decode
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from glia.kit.outbound import Outbound, OutboundPolicy
from glia.pictures.service import Pictures
from glia.wiring import House
from tests.surfaces.conftest import Server

GIF = b64decode("R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw==")
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'
BODIES = {"/page": b"<script>alert(1)</script>", "/svg": SVG, "/big": GIF + bytes(11_000_000)}


@dataclass
class Elsewhere:
    """asked: path and query of every request. headers: of the last one, names in lower case."""

    port: int
    asked: list[str] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@pytest.fixture(scope="module")
def elsewhere(server: Server) -> Iterator[Elsewhere]:
    """Whatever its path says nothing else about is a GIF that is called a page. `/away` leads to the shared server."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.asked.append(self.path)
            found.headers = {name.lower(): value for name, value in self.headers.items()}
            body = BODIES.get(self.path, GIF)
            self.send_response({"/away": 302, "/none": 404}.get(self.path, 200))
            if self.path == "/away":
                self.send_header("Location", f"http://127.0.0.1:{server.port}/v1/agents")
            self.send_header("Content-Type", "text/html")
            self.send_header("Set-Cookie", "theirs=1")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with suppress(ConnectionError):  # who is told too much leaves
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = Elsewhere(listener.server_address[1])
    threading.Thread(target=listener.serve_forever, daemon=True).start()
    before, opened = server.house.pictures, server.do(lambda house: _opened(house, found.port))
    yield found
    server.house.pictures = before
    server.do(lambda house: opened.close())
    listener.shutdown()
    listener.server_close()


async def _opened(house: House, port: int) -> Outbound:
    outbound = Outbound(OutboundPolicy(frozenset({f"127.0.0.1:{port}"})))
    house.pictures = Pictures(outbound)
    return outbound
