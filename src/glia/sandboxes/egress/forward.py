"""Plain HTTP through the outbound client: one request, one answer, then the connection ends.

Each request is read whole and written anew, so a second one cannot hide behind the first, and the Host header is
always that of the host that was judged. Redirects are passed back: following one is another request, judged again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from glia.kit.errors import TooLarge
from glia.kit.outbound import Outbound
from glia.sandboxes.egress.types import Decision
from glia.sandboxes.http_head import BadHead, Head

LARGEST_BODY_BYTES = 10 * 1024 * 1024
_BODY_SECONDS = 120.0
_HOP_BY_HOP = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_NOT_PASSED_BACK = _HOP_BY_HOP - {"content-length"}


@dataclass
class Client:
    """The sandbox's side of one connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    has_answer: bool = False

    async def refuse(self, status: int, sentence: str) -> None:
        """Says why, unless the answer has begun already; then the connection breaks off, as the answer did."""
        if self.has_answer:
            self.writer.transport.abort()
            return
        self.has_answer = True
        body = sentence.encode() + b"\n"
        self.writer.write(
            b"HTTP/1.1 %d %s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\n"
            b"X-Glia-Egress: refused\r\nConnection: close\r\n\r\n%s" % (status, _PHRASES[status], len(body), body)
        )
        await self.writer.drain()


@dataclass(frozen=True)
class Request:
    """url: where it really goes. attached: headers that the sandbox must not see or choose."""

    head: Head
    url: str
    attached: Mapping[str, str] = field(repr=False)


async def forward(outbound: Outbound, client: Client, request: Request, decision: Decision) -> None:
    """Raises BadHead, TooLarge, OutboundRefused, OutboundFailed."""
    body = await _body(client, request.head)
    decision.sent_bytes += len(body)
    headers = _request_headers(request)
    method = request.head.method
    async with outbound.stream(method, request.url, headers=headers, body=body or None) as answer:
        client.has_answer = True
        lines = [f"HTTP/1.1 {answer.status} {'OK' if answer.status == 200 else 'Answer'}"]
        lines += [f"{name}: {value}" for name, value in answer.headers.items() if name not in _NOT_PASSED_BACK]
        lines.append("Connection: close")
        client.writer.write("\r\n".join([*lines, "", ""]).encode("latin-1"))
        async for piece in answer.chunks():
            decision.received_bytes += len(piece)
            client.writer.write(piece)
            await client.writer.drain()
    await client.writer.drain()


def _request_headers(request: Request) -> dict[str, str]:
    """The client's fields, repeated ones joined, without those that speak to a proxy; then what is attached."""
    dropped: set[str] = set(_HOP_BY_HOP)
    for name, value in request.head.fields:
        if name == "connection":
            dropped.update(each.strip().lower() for each in value.split(","))
    dropped.update(name.lower() for name in request.attached)
    headers: dict[str, str] = {}
    for name, value in request.head.fields:
        if name in dropped:
            continue
        joint = "; " if name == "cookie" else ", "
        headers[name] = f"{headers[name]}{joint}{value}" if name in headers else value
    return {**headers, **request.attached}


async def _body(client: Client, head: Head) -> bytes:
    length = head.body_length()
    if length == 0:
        return b""
    if length is not None and length > LARGEST_BODY_BYTES:
        raise _too_large()
    if (head.get("expect") or "").lower() == "100-continue":
        client.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    async with asyncio.timeout(_BODY_SECONDS):
        return await _chunked(client.reader) if length is None else await client.reader.readexactly(length)


async def _chunked(reader: asyncio.StreamReader) -> bytes:
    """Raises BadHead when the chunks do not add up."""
    body = bytearray()
    while True:
        line = (await reader.readuntil(b"\r\n")).removesuffix(b"\r\n").partition(b";")[0].strip()
        if not 0 < len(line) <= 8 or line.strip(b"0123456789abcdefABCDEF"):
            raise BadHead("its chunks do not add up")
        size = int(line, 16)
        if len(body) + size > LARGEST_BODY_BYTES:
            raise _too_large()
        body += await reader.readexactly(size)
        if size == 0:
            break
        if await reader.readexactly(2) != b"\r\n":
            raise BadHead("its chunks do not add up")
    for _ in range(100):  # trailers are read and dropped
        if await reader.readuntil(b"\r\n") == b"\r\n":
            return bytes(body)
    raise BadHead("it has too many trailers")


def _too_large() -> TooLarge:
    return TooLarge(
        f"A plain HTTP request through the sandbox's proxy may carry {LARGEST_BODY_BYTES} bytes; use https for more."
    )


_PHRASES = {
    400: b"Bad Request",
    403: b"Forbidden",
    413: b"Content Too Large",
    502: b"Bad Gateway",
    503: b"Service Unavailable",
}
