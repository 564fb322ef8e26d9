from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest
import uvicorn

from glia import server


async def _stopped_while_asked(app: Any) -> bytes:
    """What a client got from a server that was told to stop after its first bytes."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = server._config(app)
    config.timeout_graceful_shutdown = 0
    running: uvicorn.Server = server._Quiet(config)
    serving = asyncio.create_task(running.serve(sockets=[listener]))
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.getsockname()[1])
    writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    got = await reader.readuntil(b"\r\n\r\n")
    running.should_exit = True
    await serving
    writer.close()
    return got


async def _streams(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"a", "more_body": True})
    await asyncio.Event().wait()


async def _breaks(_scope: Any, _receive: Any, _send: Any) -> None:
    raise ValueError("a bug")


async def test_a_stream_that_is_open_when_the_server_stops_is_no_error_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert b"200" in await _stopped_while_asked(_streams)
    assert not [record for record in caplog.records if record.exc_info]

    assert b"500" in await _stopped_while_asked(_breaks)
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [ValueError]
