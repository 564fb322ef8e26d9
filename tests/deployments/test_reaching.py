"""Connections through the node of another machine: who may have them, and that nothing is lost on the way."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from uuid import UUID

import pytest

from glia.deployments.certificates import NAME, caller_context, certificate_of, node_context
from glia.deployments.errors import ReplicaGone
from glia.deployments.reaching import Door, known_as, place_of, reach
from glia.kit.errors import InvalidRequest
from glia.kit.ids import new_id

KEY = b"k" * 32
REPLICA = new_id()


@dataclass
class Program:
    """Gives back what it gets, in capitals, and after a full stop says that it is over."""

    port: int = 0
    visits: list[UUID] = field(default_factory=list[UUID])
    heard: bytes = b""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            self.heard += data
            writer.write(data.upper())
            await writer.drain()
            if data.endswith(b"."):
                writer.write(b"over")
                break
        writer.close()

    async def dial(self, replica_id: UUID) -> socket.socket:
        self.visits.append(replica_id)
        if replica_id != REPLICA:
            raise ReplicaGone("no")
        found = socket.create_connection(("127.0.0.1", self.port))
        found.setblocking(False)
        return found


@asynccontextmanager
async def machine(key: bytes = KEY) -> AsyncIterator[tuple[str, Program]]:
    program = Program()
    server = await asyncio.start_server(program.serve, "127.0.0.1", 0)
    program.port = server.sockets[0].getsockname()[1]
    door = Door(key, program.dial)
    try:
        yield f"127.0.0.1:{await door.open('127.0.0.1:0')}", program
    finally:
        door.close()
        server.close()


async def connected(address: str, key: bytes = KEY) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    found = await reach(address, REPLICA, KEY)
    return await asyncio.open_connection(sock=found, ssl=caller_context(key), server_hostname=NAME)


async def test_bytes_are_carried_both_ways_until_the_program_ends() -> None:
    sent = bytes(range(97, 123)) * 200_000 + b"."

    async with machine() as (address, _):
        reader, writer = await connected(address)
        back = asyncio.create_task(reader.read(-1))
        writer.write(sent)
        await writer.drain()
        found = await asyncio.wait_for(back, 20)
        writer.close()

    assert found == sent.upper() + b"over"


async def test_only_the_installations_servers_are_let_in_and_only_its_nodes_are_believed() -> None:
    async with machine() as (address, program), machine(b"another" * 5) as (elsewhere, other):
        with pytest.raises(ReplicaGone):
            await reach(address, REPLICA, b"another" * 5)
        with pytest.raises(ReplicaGone):
            await reach(elsewhere, REPLICA, KEY)
        with pytest.raises(ReplicaGone):
            await reach(address, new_id(), KEY)
        refused = list(program.visits)
        (await reach(address, REPLICA, KEY)).close()

    assert len(refused) == 1
    assert other.visits == []
    assert program.visits[-1] == REPLICA


async def test_what_was_overheard_opens_nothing() -> None:
    heard = b""

    async def overhear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Stands between, and passes all on."""
        nonlocal heard
        there, back = await asyncio.open_connection("127.0.0.1", port)
        writer.write(await there.readexactly(32))
        heard = await reader.readexactly(64)
        back.write(heard)
        writer.write(await there.readexactly(33))
        writer.close()
        back.close()

    async with machine() as (address, program):
        port = place_of(address)[1]
        between = await asyncio.start_server(overhear, "127.0.0.1", 0)
        with closing(await reach(f"127.0.0.1:{between.sockets[0].getsockname()[1]}", REPLICA, KEY)):
            pass
        between.close()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await reader.readexactly(32)
        writer.write(heard)
        answer = await asyncio.wait_for(_rest(reader), 10)
        writer.close()

    assert len(heard) == 64
    assert program.visits == [REPLICA]
    assert answer == b""


@asynccontextmanager
async def tapped(address: str) -> AsyncIterator[tuple[str, bytearray]]:
    """Another address of it, and all that is carried there, both ways."""
    heard = bytearray()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await _piece(reader):
            heard.extend(data)
            writer.write(data)
        writer.close()

    async def tap(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(*place_of(address))
        await asyncio.gather(carry(reader, back), carry(there, writer))

    between = await asyncio.start_server(tap, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{between.sockets[0].getsockname()[1]}", heard
    finally:
        between.close()


async def test_who_listens_on_the_way_reads_nothing() -> None:
    async with machine() as (address, _), tapped(address) as (tap, heard):
        reader, writer = await connected(tap)
        writer.write(b"a secret sentence.")
        answer = await asyncio.wait_for(reader.read(-1), 20)
        writer.close()

    assert answer == b"A SECRET SENTENCE.over"
    assert len(heard) > 1000
    assert b"secret" not in heard.lower()


async def test_a_node_carries_nothing_for_who_has_another_certificate_or_none() -> None:
    answers: list[bytes] = []
    async with machine() as (address, program):
        with suppress(OSError):
            reader, writer = await connected(address, b"another" * 5)
            writer.write(b"x.")
            answers.append(await asyncio.wait_for(_rest(reader), 20))
        reader, writer = await asyncio.open_connection(sock=await reach(address, REPLICA, KEY))
        writer.write(b"GET / HTTP/1.1\r\n\r\n.")
        answers.append(await asyncio.wait_for(_rest(reader), 20))
        writer.close()

    assert program.heard == b""
    assert not any(b"over" in answer or b"HTTP" in answer for answer in answers)


async def test_a_server_says_nothing_to_who_has_another_certificate() -> None:
    """Somebody who stands between passes on what proves them both, and then speaks for the node himself."""
    said = bytearray()

    async def pretend(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(*place_of(node))
        writer.write(await there.readexactly(32))
        back.write(await reader.readexactly(64))
        writer.write(await there.readexactly(33))
        with suppress(OSError):
            await writer.start_tls(node_context(b"another" * 5))
            said.extend(await _piece(reader))
        writer.close()
        back.close()

    async with machine() as (node, _):
        between = await asyncio.start_server(pretend, "127.0.0.1", 0)
        with pytest.raises(ssl.SSLCertVerificationError):
            await connected(f"127.0.0.1:{between.sockets[0].getsockname()[1]}")
        between.close()

    assert said == b""


def test_all_processes_make_the_same_certificate_and_other_secrets_another() -> None:
    certificates = [certificate_of(key) for key in (KEY, bytes(KEY), b"another" * 5)]

    assert certificates[0] == certificates[1] != certificates[2]


async def _piece(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read(65536)
    except OSError:
        return b""


async def _rest(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read(-1)
    except OSError:
        return b""


def test_addresses_are_read_and_told() -> None:
    assert place_of("[::1]:80") == ("::1", 80)
    assert known_as("0.0.0.0:0", 123, "") == f"{socket.gethostname()}:123"
    assert known_as("[::1]:0", 123, "") == "[::1]:123"
    assert known_as("0.0.0.0:9600", 9600, "node-7.example.org:9600") == "node-7.example.org:9600"
    for wrong in ("9600", "host:", "host:x", "host:70000"):
        with pytest.raises(InvalidRequest):
            place_of(wrong)
