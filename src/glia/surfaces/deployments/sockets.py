"""A WebSocket to a replica and back, message by message."""

from __future__ import annotations

import asyncio
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.typing import Subprotocol

from glia.deployments.rotation import NAME, Place, ReplicaGone, Rotation
from glia.kit.errors import Unavailable
from glia.surfaces.deployments.forwarding import PATIENCE_SECONDS, Choose
from glia.surfaces.shared.asgi import Receive, Scope, Send

_OPEN_SECONDS = 30.0
_LARGEST_MESSAGE = 1024 * 1024
_NOT_SENT_ON = frozenset(
    {
        b"host", b"connection", b"upgrade", b"sec-websocket-key", b"sec-websocket-version", b"sec-websocket-extensions",
        b"sec-websocket-protocol", b"content-length", b"transfer-encoding",
    }
)  # fmt: skip
_NO_CODES = frozenset({1005, 1006, 1015})
"""That mean what happened and may not be sent."""


async def relay(rotation: Rotation, choose: Choose, scope: Scope, receive: Receive, send: Send) -> None:
    """Raises NotFound, Unavailable before it is accepted."""
    await receive()  # websocket.connect
    tried: set[Place] = set()
    loop = asyncio.get_running_loop()
    deadline = loop.time() + PATIENCE_SECONDS
    while True:
        place = await choose(tried)
        rotation.begin(place)
        try:
            async with await _opened(rotation, place, scope) as inner:
                chosen = inner.subprotocol
                await send({"type": "websocket.accept", "subprotocol": chosen})
                await _both_ways(inner, receive, send)
        except ReplicaGone:
            tried.add(place)
            if loop.time() > deadline:
                raise Unavailable("No replica takes connections at its port.") from None
        except (InvalidHandshake, OSError, TimeoutError):
            await send({"type": "websocket.close", "code": 1011, "reason": "The program did not take the WebSocket."})
            return
        else:
            return
        finally:
            rotation.end(place)


async def _opened(rotation: Rotation, place: Place, scope: Scope) -> connect:
    """Raises ReplicaGone."""
    found = await rotation.dial(place)
    query: bytes = scope.get("query_string", b"")
    target = scope["raw_path"].decode("latin-1") + (f"?{query.decode('latin-1')}" if query else "")
    left_out = _NOT_SENT_ON | {b"cookie"} if scope["is_shared"] else _NOT_SENT_ON
    sent = [(n.decode("latin-1"), v.decode("latin-1")) for n, v in scope["headers"] if n not in left_out]
    sent.append(("X-Forwarded-Prefix", scope["prefix"]))
    tls = rotation.tls(place)
    return connect(
        f"{'wss' if tls else 'ws'}://localhost{target}",
        sock=found,
        ssl=tls,
        server_hostname=NAME if tls else None,
        additional_headers=sent,
        subprotocols=[Subprotocol(name) for name in scope.get("subprotocols", [])] or None,
        compression=None,
        open_timeout=_OPEN_SECONDS,
        ping_interval=None,
        max_size=_LARGEST_MESSAGE,
        proxy=None,
    )


async def _both_ways(inner: ClientConnection, receive: Receive, send: Send) -> None:
    """Until either side closes; the other then is told the same."""
    inwards = asyncio.create_task(_inwards(inner, receive))
    outwards = asyncio.create_task(_outwards(inner, send))
    try:
        await asyncio.wait((inwards, outwards), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (inwards, outwards):
            task.cancel()
        await asyncio.gather(inwards, outwards, return_exceptions=True)


async def _inwards(inner: ClientConnection, receive: Receive) -> None:
    while True:
        message: Any = await receive()
        if message["type"] == "websocket.disconnect":
            code = message.get("code") or 1000
            await inner.close(1000 if code in _NO_CODES else code, message.get("reason") or "")
            return
        text = message.get("text")
        try:
            await inner.send(text if text is not None else message.get("bytes") or b"")
        except ConnectionClosed:
            return


async def _outwards(inner: ClientConnection, send: Send) -> None:
    try:
        while True:
            message = await inner.recv()
            await send({"type": "websocket.send", "text" if isinstance(message, str) else "bytes": message})
    except ConnectionClosed:
        code = inner.close_code or 1000
        code = 1011 if code in (1006, 1015) else 1000 if code == 1005 else code
        await send({"type": "websocket.close", "code": code, "reason": inner.close_reason or ""})
