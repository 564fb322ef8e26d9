"""The surface on a port of its own, as `--listen openai=PORT` gives it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import httpx2 as httpx
import pytest

from glia.server import Server
from tests.surfaces.openai.conftest import Live


@pytest.fixture
def alone(here: Live) -> Iterator[str]:
    """Its base URL."""

    async def start() -> tuple[Server, asyncio.Event, asyncio.Task[None], int]:
        server = Server(here.house, host="127.0.0.1", port=0, listen={"openai": 0})
        server.listen()
        stop = asyncio.Event()
        port = server._sockets[1].getsockname()[1]
        return server, stop, asyncio.ensure_future(server.run(stop)), port

    _, stop, running, port = here.do(start())
    yield f"http://127.0.0.1:{port}"

    async def end() -> None:
        stop.set()
        await running

    here.do(end())


def test_it_answers_for_itself(here: Live, alone: str) -> None:
    headers = {"authorization": f"Bearer {here.api_key}", "OpenAI-Organization": "o", "OpenAI-Project": "p"}

    assert httpx.get(f"{alone}/v1/models", headers=headers).status_code == 200
    document = httpx.get(f"{alone}/openapi.json").json()
    assert "/v1/responses" in document["paths"]
    page = httpx.get(f"{alone}/docs")
    assert (page.status_code, "/v1/responses" in page.text) == (200, True)
    lost = httpx.get(f"{alone}/v1/nothing", headers=headers)
    assert (lost.status_code, set(lost.json()["error"]) >= {"message", "type", "param", "code"}) == (404, True)
