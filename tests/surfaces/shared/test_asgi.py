from __future__ import annotations

import asyncio
from typing import Any

import pytest

from glia.surfaces.shared import asgi
from glia.surfaces.shared.asgi import BodyTimeout, Request

SCOPE: Any = {"type": "http", "method": "POST", "path": "/v1/agents", "headers": []}


async def body(pause_seconds: float) -> bytes:
    pieces = iter((b'{"name":', b'"a"}'))

    async def receive() -> Any:
        piece = next(pieces)
        if piece.startswith(b'"'):
            await asyncio.sleep(pause_seconds)
        return {"type": "http.request", "body": piece, "more_body": not piece.endswith(b"}")}

    return await Request(SCOPE, receive).body()


async def test_a_body_that_stops_in_the_middle_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await body(0.02) == b'{"name":"a"}'

    monkeypatch.setattr(asgi, "LONGEST_PAUSE_SECONDS", 0.01)

    with pytest.raises(BodyTimeout, match="stopped in the middle"):
        await body(5.0)
