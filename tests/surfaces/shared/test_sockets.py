from __future__ import annotations

import asyncio
from typing import Any, NoReturn

import pytest

from glia.kit.errors import Unavailable
from glia.surfaces.shared.sockets import POLICY, Closed, Room, Session


class Wire:
    """What reaches the client. is_read: a client that does not read keeps the server waiting."""

    def __init__(self, *, is_read: bool = True) -> None:
        self.is_read = is_read
        self.sent: list[dict[str, Any]] = []

    async def send(self, message: Any) -> None:
        if not self.is_read:
            await asyncio.Event().wait()
        self.sent.append(message)

    async def receive(self) -> Any:
        return {"type": "websocket.disconnect", "code": 1000}

    def session(self, write_seconds: float = 60) -> Session:
        return Session(self.receive, self.send, write_seconds=write_seconds)


async def refused(reason: str) -> NoReturn:
    raise Closed(POLICY, reason)


async def test_a_reader_that_does_not_read_is_let_go() -> None:
    await Wire().session().write("x")

    with pytest.raises(Closed) as closed:
        await Wire(is_read=False).session(0.01).write("x")

    assert closed.value.code == POLICY


async def test_what_is_still_to_be_said_comes_before_the_end() -> None:
    wire = Wire()

    await wire.session().run(refused("é" * 100), unsaid=lambda: ["last words"])

    words, end = wire.sent
    assert words == {"type": "websocket.send", "text": "last words"}
    assert (end["type"], end["code"]) == ("websocket.close", POLICY)
    assert 120 < len(end["reason"].encode()) <= 123  # a longer one is no frame


async def test_nothing_is_closed_for_a_client_that_has_gone() -> None:
    wire = Wire()
    session = wire.session()

    async def hears() -> None:
        await session.heard()

    async def is_refused_meanwhile() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise Closed(POLICY)

    await session.run(hears(), is_refused_meanwhile(), unsaid=lambda: ["never"])

    assert wire.sent == []


def test_there_is_room_for_so_many_and_no_more() -> None:
    room = Room(1)

    with room.place(), pytest.raises(Unavailable), room.place():
        pass
    with room.place():
        pass
