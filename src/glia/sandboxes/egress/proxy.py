"""One sandbox's way out: CONNECT tunnels and plain HTTP requests, each judged before anything is dialled."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from pathlib import Path
from urllib.parse import urlsplit

from glia.kit.errors import GliaError, TooLarge
from glia.kit.outbound import Outbound, OutboundFailed, OutboundRefused
from glia.sandboxes.egress.forward import Client, Request, forward
from glia.sandboxes.egress.rules import AllowList, read_authority, read_host
from glia.sandboxes.egress.types import Attachment, Decision, Note, Verdict
from glia.sandboxes.http_head import LARGEST_HEAD_BYTES, BadHead, Head, read_head
from glia.sandboxes.splice import Pair, splice

MOST_CONNECTIONS = 64
_HEAD_SECONDS = 30.0
_BUFFER_BYTES = 64 * 1024
_SHOWN_CHARACTERS = 255


class EgressProxy:
    """Listens on a unix socket that only its sandbox can reach."""

    def __init__(
        self, outbound: Outbound, allow: AllowList, *, attachments: tuple[Attachment, ...] = (), note: Note
    ) -> None:
        self.allow = allow
        self.attachments = attachments
        self.sent_bytes = 0
        self.received_bytes = 0
        self._outbound = outbound
        self._note = note
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    async def start(self, place: Path) -> None:
        """place: a socket that is made here; it must not be there yet."""
        self._server = await asyncio.start_unix_server(self._serve, place, limit=_BUFFER_BYTES)

    async def take(self, listener: socket.socket) -> None:
        """listener: of the sandbox's own network; it is closed with the proxy."""
        self._server = await asyncio.start_server(self._serve, sock=listener, limit=_BUFFER_BYTES)

    async def close(self) -> None:
        """Cuts every connection, and returns when each has noted its bytes."""
        if self._server is not None:
            self._server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = Client(reader, writer)
        task = asyncio.current_task()
        if task is None:
            raise AssertionError("Connections are served by tasks.")
        if len(self._open) >= MOST_CONNECTIONS:
            with contextlib.suppress(OSError):
                await client.refuse(503, f"The sandbox has {MOST_CONNECTIONS} connections open, the most there may be.")
            writer.close()
            return
        self._open.add(task)
        try:
            await self._answer(client)
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            pass  # the sandbox left, or stopped talking
        finally:
            self._open.discard(task)
            writer.close()

    async def _answer(self, client: Client) -> None:
        try:
            async with asyncio.timeout(_HEAD_SECONDS):
                raw = await client.reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            raw = b""
        try:
            if not raw or len(raw) > LARGEST_HEAD_BYTES:
                raise BadHead(f"its head is larger than {LARGEST_HEAD_BYTES} bytes")
            head = read_head(raw)
        except BadHead as error:
            return await self._deny(client, Decision("", _shown(raw), None, "denied", f"the request: {error}"), 400)
        if head.method == "CONNECT":
            return await self._connect(client, head)
        return await self._request(client, head)

    async def _connect(self, client: Client, head: Head) -> None:
        place = read_authority(head.target)
        if place is None:
            return await self._deny(client, Decision("CONNECT", _named(head.target), None, "denied", _NOT_A_HOST))
        decision = self._judge("CONNECT", *place)
        if decision.verdict == "denied":
            return await self._deny(client, decision)
        try:
            far = Pair(*await self._outbound.tunnel(*place, buffer_bytes=_BUFFER_BYTES))
        except (OutboundRefused, OutboundFailed) as error:
            return await self._fail(client, decision, error)
        self._note(decision)
        try:
            client.writer.write(b"HTTP/1.1 200 Connection Established\r\n\r\n")
            await splice(Pair(client.reader, client.writer), far, decision)
        finally:
            await far.close()
            self._done(decision)

    async def _request(self, client: Client, head: Head) -> None:
        place = _plain_target(head.target)
        if place is None:
            return await self._deny(
                client, Decision(head.method, _named(head.target), None, "denied", _NOT_A_TARGET), 400
            )
        host, port, path = place
        attachments = [each for each in self.attachments if each.fits(host, 443 if port == 80 else port)]
        scheme = attachments[0].scheme if attachments else "http"
        if scheme == "https" and port == 80:
            port = 443
        decision = self._judge(head.method, host, port)
        if decision.verdict == "denied":
            return await self._deny(client, decision)
        self._note(decision)
        request = Request(head, f"{scheme}://{host}:{port}{path}", {each.header: each.value for each in attachments})
        try:
            await forward(self._outbound, client, request, decision)
        except BadHead as error:
            decision.verdict, decision.reason = "denied", f"the request: {error}"
            await client.refuse(400, f"The request cannot be passed on: {error}.")
        except GliaError as error:
            await self._fail(client, decision, error)
        finally:
            self._done(decision)

    def _judge(self, method: str, host: str, port: int) -> Decision:
        reason = self.allow.why_refused(host, port)
        return Decision(method, host, port, "denied" if reason else "allowed", reason or "")

    async def _deny(self, client: Client, decision: Decision, status: int = 403) -> None:
        self._note(decision)
        await client.refuse(status, f"The sandbox may not reach {decision.host or 'this'}: {decision.reason}.")

    async def _fail(self, client: Client, decision: Decision, error: GliaError) -> None:
        verdict: Verdict = "denied" if isinstance(error, OutboundRefused) else "failed"
        decision.verdict, decision.reason = verdict, error.message[:500]
        self._note(decision)
        status = 403 if verdict == "denied" else 413 if isinstance(error, TooLarge) else 502
        await client.refuse(status, error.message)

    def _done(self, decision: Decision) -> None:
        self.sent_bytes += decision.sent_bytes
        self.received_bytes += decision.received_bytes
        self._note(decision)


_NOT_A_HOST = "it is not a host name with a port; IP addresses are never allowed"
_NOT_A_TARGET = "plain requests name their host, as in `GET http://example.org/`; use CONNECT for https"


def _plain_target(target: str) -> tuple[str, int, str] | None:
    """Host, port and path of `http://host[:port]/path`."""
    if target[:7].lower() != "http://":
        return None
    try:
        parts = urlsplit(target)
    except ValueError:
        return None
    place = read_authority(parts.netloc) if ":" in parts.netloc else None
    host = read_host(parts.netloc)
    if place is None and host is None:
        return None
    name, port = place or (host or "", 80)
    return name, port, (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _named(target: str) -> str:
    """For the log: the host part of what could not be read, without characters that a log should not hold."""
    return _shown(target.partition("://")[2].partition("/")[0].encode() if "://" in target else target.encode())


def _shown(raw: bytes) -> str:
    line = raw.partition(b"\r\n")[0].decode("latin-1")
    return "".join(each if each.isprintable() else "?" for each in line)[:_SHOWN_CHARACTERS]
