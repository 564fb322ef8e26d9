"""A reader that takes nothing holds up neither its run nor other readers, and costs no more than its inbox."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

import pytest

from glia.identity.types import Principal
from glia.kit.db import Database
from glia.runs import live
from glia.runs.live import Watcher
from glia.runs.types import RunStatus
from glia.surfaces.native.stream import Follower, session_chunks
from glia.surfaces.shared import sse
from tests.conftest import DatabaseUrls
from tests.failures.conftest import Installation
from tests.failures.process import Process, Reader
from tests.runs.mishaps import ended
from tests.runs.rig import Rig, Say, ScriptedModel, rig

WORDS = 2000


class Line:
    """One client's end. While `is_taking` is clear, what is sent to it waits, as with a full socket."""

    def __init__(self, *, is_taking: bool) -> None:
        self.is_taking = asyncio.Event()
        if is_taking:
            self.is_taking.set()
        self.ids: list[int] = []

    async def send(self, message: dict[str, object]) -> None:
        if message["type"] == "http.response.start":
            return
        await self.is_taking.wait()
        body = message.get("body")
        assert isinstance(body, bytes)
        self.ids += [int(line[4:]) for line in body.split(b"\n") if line.startswith(b"id: ")]

    async def receive(self) -> dict[str, object]:
        await asyncio.Event().wait()
        raise AssertionError("never")


@asynccontextmanager
async def _reading(house: Rig, principal: Principal, session: UUID, line: Line) -> AsyncIterator[Watcher]:
    with house.runs.watch(session, previews=True) as watcher:
        chunks = session_chunks(Follower(house.runs, principal, watcher), session, 0, [])
        streaming = asyncio.create_task(sse.stream(line.receive, line.send, chunks))  # type: ignore[arg-type]
        yield watcher
        streaming.cancel()
        await asyncio.gather(streaming, return_exceptions=True)


async def _largest_inbox(db: Database, urls: DatabaseUrls, principal: Principal) -> int:
    model = ScriptedModel(Say(" ".join(f"word{n}" for n in range(WORDS)), pause_seconds=0.0001))
    slow, quick = Line(is_taking=False), Line(is_taking=True)
    async with rig(db, urls.app, model) as house:
        session = await house.session(principal)
        async with (
            _reading(house, principal, session, slow) as watcher,
            _reading(house, principal, session, quick),
        ):
            accepted = await house.send(principal, session)
            run = await ended(house, principal, accepted.run_id, seconds=180)
            largest = len(watcher._inbox)
            events = await house.events(principal, session)
            await _has_all(quick, len(events))
            assert run.status is RunStatus.COMPLETED
            assert slow.ids == []

            slow.is_taking.set()
            await _has_all(slow, len(events))
    return largest


async def _has_all(line: Line, count: int) -> None:
    async with asyncio.timeout(60):
        while len(line.ids) < count:
            await asyncio.sleep(0.01)
    assert line.ids == list(range(1, count + 1))


async def test_a_reader_that_takes_nothing_has_a_small_inbox_and_later_sees_all(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    assert await _largest_inbox(db, database_urls, principal) <= 256


async def test_without_the_bound_the_inbox_would_hold_every_word(
    db: Database, database_urls: DatabaseUrls, principal: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "_LARGEST_BACKLOG", 1_000_000)

    assert await _largest_inbox(db, database_urls, principal) >= WORDS


async def test_sockets_that_nobody_reads_stall_nothing_and_cost_little(place: Installation) -> None:
    server = await place.serve()
    [session, other] = await place.sessions(2)
    place.outside.words = tuple(f"{n} {'x' * 2000} " for n in range(1000))
    place.outside.word_seconds = 0.001
    await place.all_ended([await place.send(server, other, "What a run of this size costs once is not counted.")], 60)
    deaf = [_deaf(server, session) for _ in range(20)]
    try:
        reader = Reader(server, session)
        reading = asyncio.create_task(reader.follow())
        async with asyncio.timeout(60):
            while not reader.connections:
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.5)  # the deaf ones cannot say that they are there
        before = server.memory_bytes()
        run = await place.send(server, session, "hello")

        [done] = await place.all_ended([run], 60)
        async with asyncio.timeout(60):
            await reading

        grown = server.memory_bytes() - before
        print(f"{grown / 1e6:.0f} MB for 20 readers that did not take 2 MB each")
        assert done.status is RunStatus.COMPLETED
        assert reader.seen == list(range(1, len(reader.seen) + 1))
        assert grown < 40_000_000
    finally:
        for line in deaf:
            line.close()


async def test_a_websocket_that_nobody_reads_stalls_nothing_and_is_let_go(place: Installation) -> None:
    server = await place.serve()
    [session, other] = await place.sessions(2)
    place.outside.words = tuple(f"{n} {'x' * 16000} " for n in range(400))  # more than sockets hold for us
    place.outside.word_seconds = 0.001
    with _deaf_websocket(server, session) as line:
        assert _holds(server, line)
        async with asyncio.timeout(60):
            while not any(event.type == "run.completed" for event in await place.events(session)):
                await asyncio.sleep(0.1)
        place.outside.words = ("hello",)
        [done] = await place.all_ended([await place.send(server, other, "hello")], 60)
        assert done.status is RunStatus.COMPLETED
        async with asyncio.timeout(120):
            while _holds(server, line):
                await asyncio.sleep(0.1)


def _holds(server: Process, line: socket.socket) -> bool:
    """Whether the server's end of the connection is still the server's, rather than the system's alone."""
    here, there = f":{server.port:04X}", f":{line.getsockname()[1]:04X}"
    for row in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, own, other, *_, inode = row.split()[:10]
        if own.endswith(here) and other.endswith(there):
            return inode != "0"
    return False


def _deaf_websocket(server: Process, session: UUID) -> socket.socket:
    """Sends a message over NeuronAgent's socket and reads nothing of the answer."""
    line = socket.socket()
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    line.connect(("127.0.0.1", server.port))
    head = {
        "Host": "x",
        "Authorization": server.headers()["authorization"],
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
    line.sendall(f"GET /neuronagent/ws?session_id={session} HTTP/1.1\r\n{lines}\r\n".encode())
    found = b""
    while b"\r\n\r\n" not in found:
        found += line.recv(1)
    assert b" 101 " in found
    frame = b'{"content": "hello"}'
    line.sendall(bytes([0x81, 0x80 | len(frame)]) + bytes(4) + frame)  # masked with zeros
    return line


def _deaf(server: Process, session: UUID) -> socket.socket:
    """Asks for the stream with every preview and never reads a byte of it."""
    line = socket.socket()
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    line.connect(("127.0.0.1", server.port))
    key = server.headers()["authorization"]
    path = f"/v1/sessions/{session}/events/stream?previews=1"
    line.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {key}\r\n\r\n".encode())
    return line
