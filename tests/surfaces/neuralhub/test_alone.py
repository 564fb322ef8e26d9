"""On a port of its own the surface answers without its prefix, with the MCP endpoint that its manifest names."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from glia.server import Server as Listener
from glia.wiring import House
from tests.failures.process import free_port
from tests.surfaces.conftest import Client, Server


@pytest.fixture
def own_port(server: Server) -> Iterator[int]:
    port = free_port()

    async def start(house: House) -> tuple[asyncio.Event, asyncio.Task[None]]:
        listener = Listener(house, host="127.0.0.1", port=free_port(), listen={"neuralhub": port})
        listener.listen()
        stop = asyncio.Event()
        return stop, asyncio.create_task(listener.run(stop))

    async def end(_house: House) -> None:
        stop.set()
        await serving

    stop, serving = server.do(start)
    yield port
    server.do(end)


def test_it_answers_without_its_prefix(own_port: int, client: Client) -> None:
    alone = Client(own_port, client.key)

    assert alone.post("/v1/run", {"input": "What is 2+3?", "async": False}).json["result"] == "2+3 = 5"
    assert alone.get("/v1/mcp/manifest").json["endpoint"]["url"] == f"http://127.0.0.1:{own_port}/mcp"
    listing = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    headers = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2025-11-25"}
    assert alone.post("/mcp", listing, headers=headers).status == 200
    url = alone.request("POST", "/v1/storage/upload?filename=a.txt", raw=b"mine").json["url"]
    assert url.startswith(f"http://127.0.0.1:{own_port}/v1/storage/")
    assert Client(own_port).get(url.removeprefix(f"http://127.0.0.1:{own_port}")).body == b"mine"
    assert alone.get("/neuralhub/v1/agents").status == 404
