"""One HTTP request to a replica and its answer back, piece by piece in both directions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress

from glia.deployments.rotation import DIAL_SECONDS, NAME, Place, ReplicaGone, Rotation
from glia.kit.errors import GliaError, Unavailable
from glia.kit.outbound.connection import Connection
from glia.kit.outbound.errors import OutboundFailed
from glia.kit.outbound.exchange import Exchange
from glia.surfaces.shared.asgi import Receive, Scope, Send
from glia.surfaces.shared.sse import send_while_read

Choose = Callable[[set[Place]], Awaitable[Place]]

PATIENCE_SECONDS = 3.0
"""For a replica that takes a connection."""

_IDLE_SECONDS = 900.0
_BODY_PAUSE_SECONDS = 60.0
_REST_SECONDS = 2.0
_MOST_RESTING = 64
_REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS"})
_HOP = frozenset(
    {
        b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection", b"te",
        b"trailer", b"transfer-encoding", b"upgrade", b"expect",
    }
)  # fmt: skip
_NOT_BACK = _HOP | {b"date"}
"""Our own server says the date."""

_ALONE = [(b"content-security-policy", b"sandbox allow-scripts allow-forms allow-popups allow-modals allow-downloads")]
"""Under an address that others share, a program's pages get an origin of their own, and neither see nor set cookies:
they must not act as the console."""

_OURS = frozenset({b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-forwarded-prefix"})


class BadAnswer(GliaError):
    code, status = "bad_gateway", 502


class LateAnswer(GliaError):
    code, status = "gateway_timeout", 504


class Died(ReplicaGone):
    """The replica went away after it may have read the request."""


class Gone(Exception):
    """The client went away, or stopped in the middle of its body."""


class ReplicaConnection(Connection):
    async def write_piece(self, piece: bytes) -> None:
        if not self._can_write:
            await self._drained()
        if not self.transport.is_closing():
            self.transport.write(piece)


class Forwarding:
    def __init__(self, rotation: Rotation) -> None:
        self._rotation = rotation
        self._resting: dict[str, list[ReplicaConnection]] = {}

    async def forward(self, choose: Choose, scope: Scope, receive: Receive, send: Send) -> None:
        """A request that certainly reached no program, or that may be repeated, is given to another replica.
        Raises NotFound, Unavailable, BadAnswer, LateAnswer."""
        tried: set[Place] = set()
        has_died = False
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PATIENCE_SECONDS
        while True:
            place = await choose(tried)
            self._rotation.begin(place)
            try:
                await self._hand_over(place, scope, receive, send)
            except Died as error:
                if has_died:  # perhaps of this very request
                    raise BadAnswer(error.message) from None
                has_died = True
                tried.add(place)
            except ReplicaGone:
                tried.add(place)
                if loop.time() > deadline:
                    raise Unavailable("No replica takes connections at its port.") from None
            except Gone:
                return
            else:
                return
            finally:
                self._rotation.end(place)

    async def _hand_over(self, place: Place, scope: Scope, receive: Receive, send: Send) -> None:
        """Raises ReplicaGone while the request may go to another."""
        framing = _framing(scope)
        connection = await self._connection(place, may_rest=framing is None)
        is_fresh = connection.uses == 0
        exchange = _exchange(connection, scope["method"])
        is_done = False
        try:
            try:
                await connection.send(exchange, _head(scope, framing), None)
                if framing is not None:
                    await _send_body(connection, exchange, receive, is_chunked=framing == b"chunked")
                await exchange.answered()
            except OutboundFailed as failure:
                raise _said(failure, exchange, scope, is_fresh=is_fresh, has_body=framing is not None) from failure
            headers = [(name, value) for name, value in exchange.fields if name not in _NOT_BACK]
            if scope["is_shared"]:
                headers = [*(field for field in headers if field[0] != b"set-cookie"), *_ALONE]
            with suppress(OutboundFailed):  # the answer breaks off here as it did there
                await send_while_read(receive, send, exchange.status, headers, _pieces(exchange))
            is_done = True
        finally:
            # What a program leaves unread of a body it would take for the beginning of somebody else's request.
            if is_done and framing is None and exchange.is_complete and exchange.is_clean:
                self._rest(place, connection)
            else:
                connection.abort()

    async def _connection(self, place: Place, *, may_rest: bool) -> ReplicaConnection:
        """may_rest: one that rests may turn out to be closed, which only a request without a body survives."""
        resting = self._resting.get(place.address, [])
        while may_rest and resting:
            connection = resting.pop()
            if connection.is_usable():
                return connection
        loop = asyncio.get_running_loop()
        found = await self._rotation.dial(place)
        connection = ReplicaConnection(loop, self._lost)
        connection.key = place.address
        tls = self._rotation.tls(place)
        try:
            await loop.create_connection(
                lambda: connection,
                sock=found,
                ssl=tls,
                server_hostname=NAME if tls else None,
                ssl_handshake_timeout=DIAL_SECONDS if tls else None,
            )
        except OSError as error:
            found.close()
            raise ReplicaGone("The connection broke at once.") from error
        return connection

    def _rest(self, place: Place, connection: ReplicaConnection) -> None:
        resting = self._resting.setdefault(place.address, [])
        if len(resting) >= _MOST_RESTING or not connection.is_open:
            connection.abort()
            return
        connection.rest(_REST_SECONDS)
        resting.append(connection)

    def _lost(self, connection: Connection) -> None:
        resting = self._resting.get(str(connection.key))
        if resting is not None:
            with suppress(ValueError):
                resting.remove(connection)  # pyright: ignore[reportArgumentType]  # only ours rest there
            if not resting:
                del self._resting[str(connection.key)]


def _exchange(connection: ReplicaConnection, method: str) -> Exchange:
    loop = asyncio.get_running_loop()
    return Exchange(
        loop,
        connection.transport,
        name="The program",
        method=method,
        collect_limit=None,
        idle_seconds=_IDLE_SECONDS,
        deadline=None,
    )


def _said(failure: OutboundFailed, exchange: Exchange, scope: Scope, *, is_fresh: bool, has_body: bool) -> GliaError:
    if failure.kind == "timeout":
        return LateAnswer(f"The program did not answer within {_IDLE_SECONDS:g} s.")
    may_repeat = not has_body and (scope["method"] in _REPEATABLE or not is_fresh)
    if failure.kind == "disconnect" and not exchange.has_received and may_repeat:
        return Died(failure.message) if is_fresh else ReplicaGone(failure.message)
    return BadAnswer(failure.message)


def _framing(scope: Scope) -> bytes | None:
    """`chunked`, the length of the body, or None without a body."""
    found: bytes | None = None
    for name, value in scope["headers"]:
        if name == b"transfer-encoding":
            return b"chunked"
        if name == b"content-length" and value != b"0":
            found = value
    return found


def _head(scope: Scope, framing: bytes | None) -> bytes:
    query: bytes = scope.get("query_string", b"")
    target: bytes = scope["raw_path"] + (b"?" + query if query else b"")
    named = {
        part.strip().lower() for name, value in scope["headers"] if name == b"connection" for part in value.split(b",")
    }
    lines = [b"%s %s HTTP/1.1" % (scope["method"].encode(), target)]
    host = b"localhost"
    for name, value in scope["headers"]:
        if name == b"host":
            host = value
        elif name == b"cookie" and scope["is_shared"]:
            continue
        elif name not in _HOP and name not in _OURS and name not in named and name != b"content-length":
            lines.append(b"%s: %s" % (name, value))
    client = scope.get("client")
    lines.append(b"host: " + host)
    lines.append(b"x-forwarded-for: " + (str(client[0]).encode() if client else b"unknown"))
    lines.append(b"x-forwarded-proto: " + str(scope.get("scheme", "http")).encode())
    lines.append(b"x-forwarded-host: " + host)
    lines.append(b"x-forwarded-prefix: " + scope["prefix"].encode("ascii", "replace"))
    if framing == b"chunked":
        lines.append(b"transfer-encoding: chunked")
    elif framing is not None or scope["method"] in ("POST", "PUT", "PATCH"):
        lines.append(b"content-length: " + (framing or b"0"))
    return b"\r\n".join(lines) + b"\r\n\r\n"


async def _send_body(connection: ReplicaConnection, exchange: Exchange, receive: Receive, *, is_chunked: bool) -> None:
    has_more = True
    while has_more and not exchange.is_over:
        try:
            async with asyncio.timeout(_BODY_PAUSE_SECONDS):
                message = await receive()
        except TimeoutError:
            raise Gone from None
        if message["type"] == "http.disconnect":
            raise Gone
        piece, has_more = message.get("body", b""), message.get("more_body", False)
        exchange.touch()
        if piece:
            await connection.write_piece(b"%x\r\n%s\r\n" % (len(piece), piece) if is_chunked else piece)
    if is_chunked and not exchange.is_over:
        await connection.write_piece(b"0\r\n\r\n")


async def _pieces(exchange: Exchange) -> AsyncGenerator[bytes]:
    while piece := await exchange.next_piece():
        yield piece
