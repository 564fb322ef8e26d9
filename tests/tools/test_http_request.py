import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from glia.kit.ids import new_id
from glia.kit.outbound import Outbound, OutboundPolicy
from glia.tools.http_request import http_request
from glia.tools.types import ToolContext, ToolResult


class Echo:
    """Answers with what it was sent; breaks off at /break."""

    def __init__(self) -> None:
        self.heads: list[str] = []

    async def start(self) -> int:
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self.server.sockets[0].getsockname()[1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.heads.append(head)
        sizes = [line.partition(":")[2] for line in head.split("\r\n") if line.lower().startswith("content-length")]
        body = await reader.readexactly(int(sizes[0])) if sizes else b""
        if " /break " not in head:
            writer.write(b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nX-Own: 1\r\n")
            writer.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        writer.close()


@pytest.fixture
async def echo() -> AsyncIterator[tuple[Echo, int]]:
    echo = Echo()
    port = await echo.start()
    yield echo, port
    echo.server.close()


async def call(port: int, **arguments: object) -> ToolResult:
    outbound = Outbound(OutboundPolicy.from_setting(f"127.0.0.1:{port}"))
    context = ToolContext(new_id(), new_id(), None, new_id(), new_id(), idempotency_key="k")
    try:
        return await http_request(outbound).call(context, json.dumps(arguments))
    finally:
        await outbound.close()


async def test_status_headers_and_body_come_back(echo: tuple[Echo, int]) -> None:
    server, port = echo

    result = await call(
        port,
        url=f"http://127.0.0.1:{port}/a",
        method="POST",
        headers={"X-Mine": "yes", "Host": "other.example", "Transfer-Encoding": "chunked"},
        body={"a": [1]},
    )

    answer = json.loads(result.text)
    assert (answer["status"], answer["headers"]["x-own"], answer["body"]) == (201, "1", '{"a":[1]}')
    assert "X-Mine: yes" in server.heads[0]
    assert f"Host: 127.0.0.1:{port}" in server.heads[0]
    assert "chunked" not in server.heads[0]


async def test_private_addresses_are_refused(echo: tuple[Echo, int]) -> None:
    _server, port = echo

    result = await call(port, url="http://127.0.0.1:1/")

    assert result.is_error
    assert "may not be called" in result.text


async def test_a_post_that_broke_off_is_unknown(echo: tuple[Echo, int]) -> None:
    _server, port = echo

    sent = await call(port, url=f"http://127.0.0.1:{port}/break", method="POST", body="x")

    assert sent.is_unknown
