"""Connections to replicas of another machine: its node takes them at a port, and carries their bytes.

Who connects proves that it belongs to the installation, and so does the node, by keys that both derive from the
installation's secret. Both sign a number that the other has just made up, so nothing that was overheard can be used
again, and strangers cost nothing. What is carried afterwards is encrypted: TLS 1.3, in which each side shows the
certificate that only the installation's processes can make.

On the wire: the node says 32 random bytes; the caller says 16 random bytes, the replica's id (16 bytes) and its proof
(32); the node says `k` or `x` and its proof (32); then both speak TLS, and in it come the bytes of the program.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import cast
from uuid import UUID

import structlog

from glia.deployments.certificates import node_context
from glia.deployments.dialling import DIAL_SECONDS
from glia.deployments.errors import ReplicaGone
from glia.kit.errors import InvalidRequest

log = structlog.get_logger(__name__)

PURPOSE = "fleet doors"
"""What the key is derived for."""

_CHALLENGE, _NONCE, _ID, _PROOF = 32, 16, 16, 32
_MOST_OPEN = 8192
_MOST_STRANGERS = 256
_BUFFER_BYTES = 256 * 1024
_LET_IN_BUFFERS = 16

Dial = Callable[[UUID], Awaitable[socket.socket]]


def place_of(address: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT` or `[IPV6]:PORT`. Raises InvalidRequest."""
    host, _, port = address.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or not 0 <= int(port[:6]) < 65536:
        raise InvalidRequest(f"{address!r} is not an address to listen on; write HOST:PORT, such as 10.0.0.5:9600.")
    return host.strip("[]"), int(port)


def known_as(address: str, port: int, advertised: str) -> str:
    """What servers elsewhere are told of a node that listens on `address`. port: the one that it got."""
    if advertised:
        place_of(advertised)
        return advertised
    host, _ = place_of(address)
    host = socket.gethostname() if host in ("0.0.0.0", "::", "*") else host  # noqa: S104 - compared, not bound
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _proof(key: bytes, who: bytes, challenge: bytes, said: bytes) -> bytes:
    return hmac.digest(key, b"glia fleet 2 " + who + challenge + said, "sha256")


async def reach(address: str, replica_id: UUID, key: bytes) -> socket.socket:
    """A socket to the node, which now expects `caller_context` of the key to speak TLS on it, and carries what comes to
    the program's port. The caller closes it. Raises ReplicaGone."""
    host, port = place_of(address)
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(DIAL_SECONDS):
            family, kind, protocol, _, place = (await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM))[0]
            found = socket.socket(family, kind, protocol)
            try:
                found.setblocking(False)
                found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                await loop.sock_connect(found, place)
                await _introduce(loop, found, replica_id, key)
            except BaseException:
                found.close()
                raise
            return found
    except (OSError, TimeoutError) as error:
        raise ReplicaGone(f"The node at {address} does not carry connections to the program.") from error


async def _introduce(loop: asyncio.AbstractEventLoop, found: socket.socket, replica_id: UUID, key: bytes) -> None:
    challenge = await _exactly(loop, found, _CHALLENGE)
    said = secrets.token_bytes(_NONCE) + replica_id.bytes
    await loop.sock_sendall(found, said + _proof(key, b"caller", challenge, said))
    answer = await _exactly(loop, found, 1 + _PROOF)
    is_ours = hmac.compare_digest(answer[1:], _proof(key, b"node" + answer[:1], challenge, said))
    if not is_ours or answer[:1] != b"k":
        raise ConnectionRefusedError


async def _exactly(loop: asyncio.AbstractEventLoop, found: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = await loop.sock_recv(found, size - len(data))
        if not piece:
            raise ConnectionResetError
        data += piece
    return data


class Door:
    """A node's side."""

    def __init__(self, key: bytes, dial: Dial) -> None:
        """dial: a connection to one of this node's replicas. It may raise ReplicaGone."""
        self._key, self._dial = key, dial
        self._server: asyncio.Server | None = None
        self._strangers: set[asyncio.Task[None]] = set()
        self._open = 0

    async def open(self, address: str) -> int:
        """The port. Raises OSError, InvalidRequest."""
        host, port = place_of(address)
        self._server = await asyncio.get_running_loop().create_server(lambda: _Visitor(self._visit), host, port)
        return int(self._server.sockets[0].getsockname()[1])

    def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._strangers:
            task.cancel()

    def _visit(self, visitor: _Visitor) -> None:
        if len(self._strangers) >= _MOST_STRANGERS or self._open >= _MOST_OPEN:
            visitor.transport.abort()
            return
        task = asyncio.create_task(self._admit(visitor), name="glia-fleet-visitor")
        self._strangers.add(task)
        task.add_done_callback(self._strangers.discard)

    async def _admit(self, visitor: _Visitor) -> None:
        challenge = secrets.token_bytes(_CHALLENGE)
        visitor.transport.write(challenge)
        said = b""
        try:
            async with asyncio.timeout(DIAL_SECONDS):
                said, proof = await visitor.heard(_NONCE + _ID), await visitor.heard(_PROOF)
                if not hmac.compare_digest(proof, _proof(self._key, b"caller", challenge, said)):
                    log.warning("somebody without the installation's key knocked", peer=visitor.peer)
                    visitor.transport.abort()
                    return
                found = await self._dial(UUID(bytes=said[_NONCE:]))
        except ReplicaGone:
            visitor.transport.write(b"x" + _proof(self._key, b"nodex", challenge, said))
            visitor.transport.close()
            return
        except (OSError, TimeoutError):
            visitor.transport.abort()
            return
        visitor.transport.write(b"k" + _proof(self._key, b"nodek", challenge, said))
        if await self._is_veiled(visitor):
            await self._join(visitor, found)
        else:
            visitor.transport.abort()
            found.close()

    async def _is_veiled(self, visitor: _Visitor) -> bool:
        """Whether TLS is spoken from here on."""
        if visitor.has_said_more:  # before it was let in
            return False
        visitor.is_let_in = True
        loop, context = asyncio.get_running_loop(), node_context(self._key)
        try:
            upgraded = await loop.start_tls(
                visitor.transport, visitor, context, server_side=True, ssl_handshake_timeout=DIAL_SECONDS
            )
        except (OSError, TimeoutError) as error:
            log.warning("a server did not speak TLS with this node", peer=visitor.peer, error=str(error))
            return False
        if upgraded is None:
            return False
        visitor.be_carried_by(upgraded)
        upgraded.pause_reading()  # until it is joined
        return True

    async def _join(self, visitor: _Visitor, found: socket.socket) -> None:
        inner = _End()
        try:
            await asyncio.get_running_loop().create_connection(lambda: inner, sock=found)
        except OSError:
            found.close()
            visitor.transport.abort()
            return
        self._open += 1
        inner.on_lost = self._left
        inner.join(visitor)
        visitor.join(inner)

    def _left(self) -> None:
        self._open -= 1


class _End(asyncio.Protocol):
    """One of two connections that carry each other's bytes, each as fast as the other takes them."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport
        self.other: _End | None = None
        self.on_lost: Callable[[], None] | None = None
        self._is_over = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.be_carried_by(cast(asyncio.Transport, transport))  # nothing else comes from connections
        sock: socket.socket | None = transport.get_extra_info("socket")
        if sock is not None and sock.family != socket.AF_UNIX:
            with suppress(OSError):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def be_carried_by(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        transport.set_write_buffer_limits(_BUFFER_BYTES)

    def join(self, other: _End) -> None:
        self.other = other
        if other.transport.is_closing():
            self.transport.abort()
        elif self._is_over:
            other.eof_from_other()

    def data_received(self, data: bytes) -> None:
        if self.other is not None:
            self.other.transport.write(data)

    def eof_received(self) -> bool:
        self._is_over = True
        if self.other is not None:
            self.other.eof_from_other()
        return self.transport.can_write_eof()  # what comes the other way is still carried, but in TLS

    def eof_from_other(self) -> None:
        if self._is_over:
            self.transport.close()
            if self.other is not None:
                self.other.transport.close()
        elif not self.transport.can_write_eof():  # TLS ends both ways at once
            self.transport.close()
        elif not self.transport.is_closing():
            self.transport.write_eof()

    def pause_writing(self) -> None:
        if self.other is not None and not self.other.transport.is_closing():
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other is not None and not self.other.transport.is_closing():
            self.other.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        if self.on_lost is not None:
            self.on_lost()
        if self.other is not None:
            if exc is None:
                self.other.transport.close()
            else:
                self.other.transport.abort()


class _Visitor(_End):
    """Whoever connects to the node; until it has been let in, its bytes are kept for whoever asks for them."""

    def __init__(self, visit: Callable[[_Visitor], None]) -> None:
        super().__init__()
        self._visit = visit
        self._said = bytearray()
        self._heard: asyncio.Future[None] | None = None
        self.peer, self.is_let_in = "", False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.peer = str(transport.get_extra_info("peername"))
        self._visit(self)

    @property
    def has_said_more(self) -> bool:
        return bool(self._said)

    async def heard(self, size: int) -> bytes:
        """Raises ConnectionResetError."""
        while len(self._said) < size:
            if self._is_over or self.transport.is_closing():
                raise ConnectionResetError
            self._heard = asyncio.get_running_loop().create_future()
            await self._heard
        found = bytes(self._said[:size])
        del self._said[:size]
        return found

    def join(self, other: _End) -> None:
        if not self.transport.is_closing():
            self.transport.resume_reading()
        if self._said:
            other.transport.write(bytes(self._said))
        super().join(other)

    def data_received(self, data: bytes) -> None:
        if self.other is not None:
            self.other.transport.write(data)
            return
        self._said += data
        if len(self._said) > _BUFFER_BYTES * (_LET_IN_BUFFERS if self.is_let_in else 1):
            self.transport.abort()
        self._woken()

    def eof_received(self) -> bool:
        self._woken()
        return super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._woken()
        super().connection_lost(exc)

    def _woken(self) -> None:
        if self._heard is not None and not self._heard.done():
            self._heard.set_result(None)
