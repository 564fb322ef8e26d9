"""The one HTTP client of Glia. Everything that leaves the process by HTTP passes here."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType, TracebackType

from glia import __version__
from glia.kit.errors import InvalidRequest
from glia.kit.outbound import headers as fields
from glia.kit.outbound.connection import Connection
from glia.kit.outbound.dialer import Dialer
from glia.kit.outbound.errors import OutboundFailed
from glia.kit.outbound.exchange import Exchange
from glia.kit.outbound.policy import OutboundPolicy
from glia.kit.outbound.pool import Pool
from glia.kit.outbound.resolver import Resolver, SystemResolver
from glia.kit.outbound.response import Response, StreamedResponse, Timeouts, whole
from glia.kit.outbound.target import Target, follow, parse

LARGEST_BODY_BYTES = 10 * 1024 * 1024
DEFAULT_TIMEOUTS = Timeouts()
NO_HEADERS: Mapping[str, str] = MappingProxyType({})

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_REPEATABLE = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS"})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(slots=True)
class Call:
    """One hop of a request: everything needed to send it. deadline: in loop time, for all hops together."""

    method: str
    target: Target
    headers: Mapping[str, str]
    body: bytes | None
    timeouts: Timeouts
    deadline: float | None
    collect_limit: int | None
    is_trusted: bool
    may_repeat: bool = True

    def head(self, user_agent: str) -> bytes:
        """The request line and all header fields. Raises InvalidRequest."""
        length = ""
        if self.body is not None:
            length = f"Content-Length: {len(self.body)}\r\n"
        elif self.method in _WITH_BODY:
            length = "Content-Length: 0\r\n"
        lines = fields.render(self.headers, user_agent)
        return (
            f"{self.method} {self.target.path} HTTP/1.1\r\nHost: {self.target.authority}\r\n"
            f"{lines}Accept-Encoding: identity\r\n{length}\r\n"
        ).encode("latin-1")

    def connect_seconds(self) -> float:
        if self.deadline is None:
            return self.timeouts.connect_seconds
        left = self.deadline - asyncio.get_running_loop().time()
        return max(0.0, min(self.timeouts.connect_seconds, left))

    def redirected(self, status: int, location: str) -> Call:
        """The next hop. Another origin sees no credentials and enjoys no trust."""
        target = follow(self.target, location)
        method, headers, body = self.method, self.headers, self.body
        if (status == 303 and method != "HEAD") or (status in {301, 302} and method == "POST"):
            method, headers, body = "GET", fields.without_body_fields(headers), None
        is_same_origin = target.has_origin_of(self.target)
        if not is_same_origin:
            headers = fields.for_another_origin(headers)
        return replace(
            self,
            method=method,
            target=target,
            headers=headers,
            body=body,
            is_trusted=self.is_trusted and is_same_origin,
        )


class Outbound:
    """Calls http and https addresses under one policy. One instance per event loop.

    `trusted=True` says that the operator configured this very address, which may then be a private one.
    Errors: OutboundRefused (UrlRefused when the URL is at fault), OutboundFailed, InvalidRequest for headers.
    """

    def __init__(
        self,
        policy: OutboundPolicy,
        *,
        resolver: Resolver | None = None,
        user_agent: str = f"glia/{__version__}",
    ) -> None:
        self._own_resolver = SystemResolver() if resolver is None else None
        self._dialer = Dialer(policy, resolver or self._own_resolver or SystemResolver())
        self._pool = Pool()
        self._user_agent = user_agent
        self._is_closed = False

    def check(self, url: str) -> None:
        """Refuses now what any call would be refused for: UrlRefused, or OutboundRefused for an address that is written
        out and may not be called. A name passes: what it leads to may change, and is judged with each call."""
        self._dialer.check(parse(url))

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] = NO_HEADERS,
        body: bytes | None = None,
        timeouts: Timeouts = DEFAULT_TIMEOUTS,
        largest_body_bytes: int = LARGEST_BODY_BYTES,
        redirects: int = 0,
        trusted: bool = False,
        may_repeat: bool = True,
    ) -> Response:
        """The whole answer, whatever its status.

        redirects: how many to follow; with 0 the redirecting answer itself is returned.
        largest_body_bytes: counted after decompression.
        may_repeat: False opens a fresh connection and sends once, whatever the method: a kept connection may turn out
        to be closed only after the request was written, and then nobody can tell whether it was read.
        """
        call = self._call(method, url, headers, body, timeouts, trusted, largest_body_bytes)
        call.may_repeat = may_repeat
        call, exchange, connection = await self._follow(call, redirects)
        self._pool.give(connection, exchange)
        return whole(exchange, call.target.name, call.target.url, largest_body_bytes)

    def stream(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] = NO_HEADERS,
        body: bytes | None = None,
        timeouts: Timeouts = DEFAULT_TIMEOUTS,
        redirects: int = 0,
        trusted: bool = False,
    ) -> Stream:
        """An `async with` block around the answer while it arrives. Leaving the block early closes the connection,
        which tells the server to stop."""
        call = self._call(method, url, headers, body, timeouts, trusted, None)
        return Stream(self, call, redirects)

    async def close(self) -> None:
        """Closes every connection; calls under way fail."""
        self._is_closed = True
        self._pool.close()
        if self._own_resolver is not None:
            self._own_resolver.close()

    async def open_stream(self, call: Call, redirects: int) -> tuple[StreamedResponse, Exchange, Connection]:
        call, exchange, connection = await self._follow(call, redirects)
        try:
            return StreamedResponse(exchange, call.target.name, call.target.url), exchange, connection
        except OutboundFailed:
            connection.abort()
            raise

    def leave_stream(self, exchange: Exchange, connection: Connection) -> None:
        self._pool.give(connection, exchange)

    def _call(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        timeouts: Timeouts,
        is_trusted: bool,
        collect_limit: int | None,
    ) -> Call:
        if method not in _METHODS:
            raise InvalidRequest(f"{method!r} is not one of {', '.join(sorted(_METHODS))}.", field="method")
        deadline = None
        if timeouts.total_seconds is not None:
            deadline = asyncio.get_running_loop().time() + timeouts.total_seconds
        return Call(method, parse(url), headers, body, timeouts, deadline, collect_limit, is_trusted)

    async def _follow(self, call: Call, redirects: int) -> tuple[Call, Exchange, Connection]:
        for left in range(redirects, -1, -1):
            try:
                exchange, connection = await self._answer(call)
            except OutboundFailed as failure:
                # The hop before this one was sent, and may have had its effect.
                failure.is_sent = failure.is_sent or left < redirects
                raise
            if redirects == 0 or exchange.status not in _REDIRECTS:
                return call, exchange, connection
            location = fields.Headers(exchange.fields).get("location")
            if location is None:
                return call, exchange, connection
            self._pool.give(connection, exchange)
            if left:
                call = call.redirected(exchange.status, location)
        raise OutboundFailed(
            f"{call.target.name} redirects again after {redirects} redirects.", kind="protocol", is_sent=True
        )

    async def _answer(self, call: Call) -> tuple[Exchange, Connection]:
        """Sends one hop, on a resting connection if there is one."""
        if self._is_closed:
            raise OutboundFailed("The HTTP client is closed.", kind="connect", is_sent=False)
        head = call.head(self._user_agent)
        addresses = await self._dialer.addresses(
            call.target, is_trusted=call.is_trusted, seconds=call.connect_seconds()
        )
        for address in addresses:
            connection = self._pool.take(self._key(call, address)) if call.may_repeat else None
            if connection is None:
                continue
            exchange = self._exchange(call, connection)
            try:
                await self._run(exchange, connection, head, call.body)
            except OutboundFailed as failure:
                if not _is_stale(call, exchange, failure):
                    raise
                break
            return exchange, connection
        connection = await self._dial(call, addresses)
        exchange = self._exchange(call, connection)
        await self._run(exchange, connection, head, call.body)
        return exchange, connection

    async def _run(self, exchange: Exchange, connection: Connection, head: bytes, body: bytes | None) -> None:
        is_answered = False
        try:
            await connection.send(exchange, head, body)
            await exchange.answered()
            is_answered = True
        finally:
            if not is_answered:  # failed or cancelled
                connection.abort()

    def _exchange(self, call: Call, connection: Connection) -> Exchange:
        return Exchange(
            asyncio.get_running_loop(),
            connection.transport,
            name=call.target.name,
            method=call.method,
            collect_limit=call.collect_limit,
            idle_seconds=call.timeouts.idle_seconds,
            deadline=call.deadline,
        )

    async def _dial(self, call: Call, addresses: tuple[str, ...]) -> Connection:
        connection, address = await self._dialer.connect(
            call.target, addresses, seconds=call.connect_seconds(), on_lost=self._pool.forget
        )
        self._pool.add(connection, self._key(call, address))
        return connection

    @staticmethod
    def _key(call: Call, address: str) -> tuple[str, str, int, str, bool]:
        return call.target.scheme, call.target.host, call.target.port, address, call.is_trusted


class Stream:
    """Opens a streamed answer on entry and gives its connection back, or closes it, on exit."""

    def __init__(self, client: Outbound, call: Call, redirects: int) -> None:
        self._client = client
        self._call = call
        self._redirects = redirects
        self._opened: tuple[Exchange, Connection] | None = None

    async def __aenter__(self) -> StreamedResponse:
        response, exchange, connection = await self._client.open_stream(self._call, self._redirects)
        self._opened = (exchange, connection)
        return response

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._opened is not None:
            self._client.leave_stream(*self._opened)
            self._opened = None


def _is_stale(call: Call, exchange: Exchange, failure: OutboundFailed) -> bool:
    """Whether a kept connection broke before it brought a byte, and repeating the request is harmless."""
    if failure.kind != "disconnect" or exchange.has_received:
        return False
    return (call.may_repeat and call.method in _REPEATABLE) or not failure.is_sent
