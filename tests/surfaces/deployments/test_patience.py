"""A replica that does not take connections yet is waited for, and not for ever."""

from __future__ import annotations

import asyncio
import socket
from functools import partial
from typing import Any

import pytest

from glia.deployments.errors import ReplicaGone
from glia.deployments.rotation import Place
from glia.kit.errors import Unavailable
from glia.kit.ids import new_id
from glia.surfaces.deployments import forwarding, sockets
from glia.surfaces.deployments.app import choose
from glia.surfaces.deployments.forwarding import Forwarding
from glia.surfaces.shared.asgi import Message, Scope

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class Slow:
    """Stands for the rotation: one replica, to which a connection succeeds at last. refusals: before that."""

    def __init__(self, refusals: int) -> None:
        self.left, self.place = refusals, Place(new_id(), "/nowhere")

    async def places(self, _route: str) -> list[Place]:
        return [self.place]

    def least_loaded(self, places: list[Place]) -> Place:
        return places[0]

    def begin(self, _place: Place) -> None: ...

    def end(self, _place: Place) -> None: ...

    def tls(self, _place: Place) -> None: ...

    async def dial(self, _place: Place) -> socket.socket:
        self.left -= 1
        if self.left >= 0:
            raise ReplicaGone("not yet")
        near, far = socket.socketpair()
        near.setblocking(False)
        far.sendall(ANSWER)
        far.detach()  # it is the program's: closing it would be its end
        return near


def scope_of(kind: str) -> Scope:
    fields: dict[str, Any] = {"method": "GET", "raw_path": b"/", "headers": [], "prefix": "", "is_shared": False}
    return {"type": kind, **fields}


async def nothing_more() -> Message:
    await asyncio.Event().wait()
    raise AssertionError


async def test_a_request_waits_until_a_connection_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forwarding, "PATIENCE_SECONDS", 60.0)
    rotation: Any = Slow(refusals=6)
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    forward = Forwarding(rotation).forward(partial(choose, rotation, "web"), scope_of("http"), nothing_more, send)
    await asyncio.wait_for(forward, 50)

    assert sent[0]["status"] == 200
    assert b"".join(message.get("body", b"") for message in sent) == b"ok"


async def test_neither_a_request_nor_a_websocket_waits_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forwarding, "PATIENCE_SECONDS", 0.3)
    monkeypatch.setattr(sockets, "PATIENCE_SECONDS", 0.3)
    rotation: Any = Slow(refusals=1_000_000)
    to_it = partial(choose, rotation, "web")

    async def send(_message: Message) -> None: ...

    async def connecting() -> Message:
        return {"type": "websocket.connect"}

    with pytest.raises(Unavailable):
        await asyncio.wait_for(Forwarding(rotation).forward(to_it, scope_of("http"), nothing_more, send), 30)
    with pytest.raises(Unavailable):
        await asyncio.wait_for(sockets.relay(rotation, to_it, scope_of("websocket"), connecting, send), 30)
