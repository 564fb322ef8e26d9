"""The browser's only way out: a proxy on this machine that asks the outbound client for every connection.

Chromium is told to resolve nothing itself and to send everything here, loopback included. Redirects, images, scripts
and sockets of a page are therefore judged by the address that is really dialled, like its first request.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from urllib.parse import urlsplit

from glia.kit.errors import GliaError
from glia.kit.outbound import Outbound, OutboundFailed, OutboundRefused

MOST_CONNECTIONS = 64
_HEAD_SECONDS = 30.0
_IDLE_SECONDS = 120.0
_LARGEST_HEAD = 64 * 1024
_PIECE = 64 * 1024
_NOT_PASSED_ON = frozenset({"proxy-connection", "connection", "keep-alive", "proxy-authorization", "upgrade"})
_PLACE = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]/@\s]+):(\d{1,5})")


class WayOut:
    def __init__(self, outbound: Outbound) -> None:
        self._outbound = outbound
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()
        self.refusals: dict[str, str] = {}
        """Why a host was refused or not reached, by host."""

    async def start(self) -> int:
        """The port, on 127.0.0.1."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=_LARGEST_HEAD)
        return self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or len(self._open) >= MOST_CONNECTIONS:
            writer.close()
            return
        self._open.add(task)
        try:
            await self._answer(reader, writer)
        except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # the browser left, or said what no browser says
        finally:
            self._open.discard(task)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(_HEAD_SECONDS):
            head = await reader.readuntil(b"\r\n\r\n")
        method, target, _version = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)
        host, port = _place(method, target)
        try:
            far_reader, far_writer = await self._outbound.tunnel(host, port)
        except (OutboundRefused, OutboundFailed) as error:
            return await self._refuse(writer, host, error)
        try:
            if method == "CONNECT":
                writer.write(b"HTTP/1.1 200 Connection Established\r\n\r\n")
                await _both_ways(reader, writer, far_reader, far_writer)
            else:
                await _one_request(head, target, (reader, writer), (far_reader, far_writer))
        finally:
            far_writer.transport.abort()

    async def _refuse(self, writer: asyncio.StreamWriter, host: str, error: GliaError) -> None:
        if len(self.refusals) < 1000:
            self.refusals[host.strip("[]").lower()] = error.message
        status = b"403 Forbidden" if isinstance(error, OutboundRefused) else b"502 Bad Gateway"
        body = error.message.encode()
        kind = b"Content-Type: text/plain; charset=utf-8"
        head = b"HTTP/1.1 %s\r\n%s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % (status, kind, len(body))
        writer.write(head + body)
        with contextlib.suppress(OSError):
            await writer.drain()


def _place(method: str, target: str) -> tuple[str, int]:
    """Host and port that are asked for. Raises ValueError."""
    if method == "CONNECT":
        found = _PLACE.fullmatch(target)
        if found is None:
            raise ValueError("The authority cannot be read.")
        return found[1], int(found[2])
    parts = urlsplit(target)
    if parts.scheme != "http" or not parts.hostname:
        raise ValueError("Only http comes without a tunnel.")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return host, parts.port or 80


Side = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _one_request(head: bytes, target: str, near: Side, far: Side) -> None:
    """Sends one request on, and its answer back. The next one comes on a connection of its own and is judged anew."""
    reader, writer = near
    far_reader, far_writer = far
    first, *fields = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    method = first.split(" ", 1)[0]
    parts = urlsplit(target)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    kept = [field for field in fields if field.partition(":")[0].strip().lower() not in _NOT_PASSED_ON]
    named = {field.partition(":")[0].strip().lower(): field.partition(":")[2].strip() for field in kept}
    if "transfer-encoding" in named:
        raise ValueError("Browsers send no chunked bodies.")
    left = int(named.get("content-length", "0"))
    far_writer.write("\r\n".join([f"{method} {path} HTTP/1.1", *kept, "Connection: close", "", ""]).encode("latin-1"))
    while left > 0:
        piece = await _read(reader, min(left, _PIECE))
        if not piece:
            return
        left -= len(piece)
        far_writer.write(piece)
        await far_writer.drain()
    while piece := await _read(far_reader, _PIECE):
        writer.write(piece)
        await writer.drain()


async def _both_ways(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    far_reader: asyncio.StreamReader,
    far_writer: asyncio.StreamWriter,
) -> None:
    async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while piece := await _read(source, _PIECE):
            target.write(piece)
            await target.drain()
        if target.can_write_eof() and not target.is_closing():
            target.write_eof()

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(pump(reader, far_writer))
            group.create_task(pump(far_reader, writer))
    except* (OSError, TimeoutError):
        pass  # one side is gone, and the connection ends


async def _read(source: asyncio.StreamReader, most: int) -> bytes:
    async with asyncio.timeout(_IDLE_SECONDS):
        return await source.read(most)
