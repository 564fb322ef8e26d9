"""The routes that the console asks are the server's."""

from __future__ import annotations

from glia.console import build
from tests.surfaces.conftest import Server, server

__all__ = ["server"]  # a fixture


def test_every_route_the_console_asks_is_in_the_document(server: Server) -> None:
    paths = server.client().get("/openapi.json").json["paths"]
    lines = [line.split() for line in (build.SOURCE / "routes.txt").read_text().splitlines()]

    missing = [(method, path) for method, path in lines if method.lower() not in paths.get(path, {})]

    assert lines
    assert missing == []
