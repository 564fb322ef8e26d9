"""The MCP surface on a port of its own, in front of the shared house, and the official client to speak to it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import httpx2
import pytest
import uvicorn
from mcp import Client as McpClient
from mcp.client.streamable_http import streamable_http_client

from glia.surfaces.mcp.app import mcp_surface
from glia.wiring import House
from tests.surfaces.conftest import Client, Server

Connects = Callable[..., AbstractAsyncContextManager[McpClient]]


@pytest.fixture(scope="session")
def mcp_port(server: Server) -> Iterator[int]:
    async def start(house: House) -> tuple[uvicorn.Server, asyncio.Task[None], int]:
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        listener.listen(128)
        app: Any = mcp_surface(house)
        running = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None, access_log=False))
        running.capture_signals = _no_signals  # type: ignore[method-assign]
        serving = asyncio.create_task(running.serve(sockets=[listener]))
        return running, serving, listener.getsockname()[1]

    async def stop(_house: House) -> None:
        running.should_exit = True
        await serving

    running, serving, port = server.do(start)
    yield port
    server.do(stop)


def _no_signals() -> Any:
    from contextlib import nullcontext

    return nullcontext()


@pytest.fixture(params=["2026-07-28", "legacy"])
def revision(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def connects(mcp_port: int, client: Client) -> Connects:
    @asynccontextmanager
    async def connected(mode: str = "auto", key: str | None = None) -> AsyncIterator[McpClient]:
        headers = {"Authorization": f"Bearer {key or client.key}"}
        async with httpx2.AsyncClient(headers=headers, timeout=60) as http:
            transport = streamable_http_client(f"http://127.0.0.1:{mcp_port}/mcp", http_client=http)
            async with McpClient(transport, mode=mode) as speaking:
                yield speaking

    return connected
