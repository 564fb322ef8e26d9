"""The commands' client against a server that does what the test says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from glia.cli import api as module
from glia.cli.api import Refused, ServerAbsent, connect
from glia.kit.errors import Unauthorized

Answer = Callable[[str], list[bytes]]


@asynccontextmanager
async def server(answer: Answer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[str]]:
    """answer: gets `METHOD path`, gives the pieces of the response; the connection is cut after the last."""
    asked: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        line = " ".join(head.split(" ")[:2])
        asked.append(line)
        for piece in answer(line):
            writer.write(piece)
            await writer.drain()
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    monkeypatch.setenv("GLIA_URL", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("GLIA_API_KEY", "a-key")
    async with listening:
        yield asked


def plain(status: int, body: object) -> list[bytes]:
    content = json.dumps(body).encode()
    return [f"HTTP/1.1 {status} x\r\ncontent-length: {len(content)}\r\nconnection: close\r\n\r\n".encode() + content]


def stream(*events: dict[str, Any]) -> list[bytes]:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    blocks = [f"data: {json.dumps(event)}\n\n".encode() for event in events]
    return [head, *(f"{len(block):x}\r\n".encode() + block + b"\r\n" for block in blocks)]


def event(seq: int, type: str) -> dict[str, Any]:
    return {"seq": seq, "type": type, "run_id": "r", "data": {}}


async def test_a_broken_stream_goes_on_where_it_broke(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(line: str) -> list[bytes]:
        if line.startswith("POST"):
            return stream(event(1, "run.started"), event(2, "text.delta"))
        return stream(event(3, "text.delta"), event(4, "run.completed"))

    async with server(answer, monkeypatch) as asked, connect() as api:
        seen = [found["seq"] async for found in api.ask("s", "Hello")]

    assert seen == [1, 2, 3, 4]
    assert asked[1].endswith("/v1/sessions/s/events/stream?after=2&previews=true")


async def test_a_message_that_may_have_arrived_is_not_said_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    async with server(lambda _line: [], monkeypatch) as asked, connect() as api:
        with pytest.raises(Exception, match=r"closed|connection|lost"):
            [found async for found in api.ask("s", "Hello")]

    assert len(asked) == 1


async def test_an_absent_server_is_told_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLIA_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("GLIA_API_KEY", "a-key")

    async with connect() as api:
        with pytest.raises(ServerAbsent, match="glia serve"):
            await api.get("/v1/agents")


async def test_a_refused_key_is_told_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    async with server(lambda _line: plain(401, {}), monkeypatch), connect() as api:
        with pytest.raises(Unauthorized, match="glia key create"):
            await api.get("/v1/agents")


async def test_an_error_of_the_server_is_shown_in_its_words(monkeypatch: pytest.MonkeyPatch) -> None:
    body = {"error": {"code": "not_found", "message": "There is no agent 'x'."}}
    async with server(lambda _line: plain(404, body), monkeypatch), connect() as api:
        with pytest.raises(Refused, match="There is no agent 'x'") as caught:
            await api.get("/v1/agents/x")

    assert (caught.value.status, caught.value.code) == (404, "not_found")


async def test_lists_are_read_to_their_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(line: str) -> list[bytes]:
        if "cursor=more" in line:
            return plain(200, {"data": [{"n": 2}], "has_more": False, "next_cursor": None})
        return plain(200, {"data": [{"n": 1}], "has_more": True, "next_cursor": "more"})

    async with server(answer, monkeypatch), connect() as api:
        assert await api.all("/v1/agents") == [{"n": 1}, {"n": 2}]


async def test_the_key_comes_from_the_data_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("GLIA_API_KEY", raising=False)
    with pytest.raises(Unauthorized, match="does not exist"):
        async with connect(str(tmp_path)):
            pass

    (tmp_path / "credentials.json").write_text('{"api_key": "kept"}')

    assert module._key(str(tmp_path)) == ("kept", str(tmp_path / "credentials.json"))
