"""Ports inside sandboxes, shown to browsers from a place of their own: another port, or another domain, than the API's.

What runs there is nobody's to trust. It never sees a cookie or a key of this server, cannot set one, and its pages run
as documents without an origin, unless each preview has a domain of its own. Only a token opens a preview; whatever
host or path a request names, without one it is refused.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import structlog

from glia.identity.types import Principal
from glia.kit.errors import GliaError, InvalidRequest, Unavailable
from glia.sandboxes.errors import SandboxGone
from glia.sandboxes.hosting import Hosting
from glia.sandboxes.http_head import LARGEST_HEAD_BYTES, BadHead, Head, read_head
from glia.sandboxes.live import Live, Use
from glia.sandboxes.preview_heads import Place, answer_head, preflight, refusal, request_head
from glia.sandboxes.preview_tokens import Pass, read, sign
from glia.sandboxes.splice import Pair
from glia.sandboxes.types import ByteStream

log = structlog.get_logger(__name__)

LONGEST_SECONDS = 7 * 86_400
USUAL_SECONDS = 3_600
MOST_CONNECTIONS = 1_000
MOST_OF_SANDBOX = 100
_HEAD_SECONDS = 30.0
_CONNECT_SECONDS = 10.0
_ANSWER_SECONDS = 300.0
_IDLE_SECONDS = 3_600.0
_GRACE_SECONDS = 2.0
_BUFFER_BYTES = 64 * 1024
_LARGEST_ANSWER_HEAD = 64 * 1024


@dataclass(frozen=True)
class Preview:
    """url: works for everyone who has it, until expires_at. origin_url: the same with an origin of its own, where the
    server has a domain for previews."""

    sandbox_id: UUID
    port: int
    token: str
    url: str
    origin_url: str | None
    expires_at: datetime


class Previews:
    def __init__(self, hosting: Hosting, use: Use, key: bytes) -> None:
        """key: signs the tokens; the same in every process of the installation."""
        self._hosting = hosting
        self._use = use
        self._key = key
        self._config = hosting.config
        self._server: asyncio.Server | None = None
        self._open: dict[asyncio.Task[None], UUID | None] = {}
        self._why_closed = "the server has not been started"

    async def start(self) -> None:
        host, port = self._config.preview_host, self._config.preview_port
        try:
            self._server = await asyncio.start_server(self._serve, host, port, limit=_BUFFER_BYTES)
        except OSError as error:
            self._why_closed = f"{host}:{port} cannot be listened on ({error.strerror})"
            log.warning("ports of sandboxes are not shown", reason=self._why_closed)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def create(self, principal: Principal, id: UUID, port: int, seconds: int = USUAL_SECONDS) -> Preview:
        """An address that opens this port for so long. Nothing need listen there yet."""
        preview = self.address(id, port, seconds)
        async with self._use(principal, id):
            return preview

    def address(self, id: UUID, port: int, seconds: int = USUAL_SECONDS) -> Preview:
        """As `create`, for a sandbox that the caller has looked up. It is neither used nor woken by this."""
        if not 1 <= port <= 65535:
            raise InvalidRequest(f"`port` is {port}; it must be between 1 and 65535.", field="port")
        if not 1 <= seconds <= LONGEST_SECONDS:
            raise InvalidRequest(
                f"`expires_in` is {seconds}; it must be between 1 and {LONGEST_SECONDS} seconds.", field="expires_in"
            )
        if self._server is None:
            raise Unavailable(
                f"Ports of sandboxes are not shown here: {self._why_closed}. Set GLIA_SANDBOX__PREVIEW_PORT."
            )
        opened = Pass(id, port, int(time.time()) + seconds)
        token = sign(self._key, opened)
        return Preview(
            sandbox_id=id,
            port=port,
            token=token,
            url=f"{self._base_url}/{token}/",
            origin_url=self._origin_url(token),
            expires_at=datetime.fromtimestamp(opened.expires_at, UTC),
        )

    @property
    def _port(self) -> int:
        return self._server.sockets[0].getsockname()[1] if self._server and self._server.sockets else 0

    @property
    def _base_url(self) -> str:
        if self._config.preview_url:
            return self._config.preview_url.rstrip("/")
        host = self._config.preview_host
        host = "127.0.0.1" if host in {"0.0.0.0", "::"} else f"[{host}]" if ":" in host else host  # noqa: S104
        return f"http://{host}:{self._port}"

    def _origin_url(self, token: str) -> str | None:
        domain = self._config.preview_domain
        if not domain:
            return None
        scheme, _, rest = self._base_url.partition("://")
        _, colon, port = rest.rpartition(":")
        return f"{scheme}://{token}.{domain}{f':{port}' if colon and port.isdigit() else ''}/"

    # --- serving ----------------------------------------------------------------------------------------------------

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or len(self._open) >= MOST_CONNECTIONS:
            writer.write(refusal(503, "Too many previews are open; try again shortly."))
            writer.close()
            return
        self._open[task] = None
        try:
            await self._answer(Pair(reader, writer), task)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # the reader left, or never said what it wants
        finally:
            del self._open[task]
            writer.close()

    async def _answer(self, near: Pair, task: asyncio.Task[None]) -> None:
        async with asyncio.timeout(_HEAD_SECONDS):
            raw = await near.reader.readuntil(b"\r\n\r\n")
        try:
            if len(raw) > LARGEST_HEAD_BYTES:
                raise BadHead(f"its head is larger than {LARGEST_HEAD_BYTES} bytes")
            head = read_head(raw)
        except BadHead as error:
            return await near.write(refusal(400, f"This request cannot be read: {error}."))
        place = self._place(head)
        if place is None:
            return await near.write(refusal(404, _NO_TOKEN))
        live = self._hosting.find(place.opened.sandbox_id)
        if live is None or not live.box.is_alive:
            return await near.write(refusal(410, "This sandbox does not live, or lives on another server."))
        if list(self._open.values()).count(live.id) >= MOST_OF_SANDBOX:
            return await near.write(refusal(503, f"This sandbox has {MOST_OF_SANDBOX} connections, the most it may."))
        self._open[task] = live.id
        if not place.has_own_origin and (allowed := preflight(head)):
            return await near.write(allowed)
        return await self._pass_on(near, live, head, place)

    def _place(self, head: Head) -> Place | None:
        """What the request's host or path opens; None when neither holds a good token."""
        host = (head.get("host") or "").lower().rpartition(":")[0] or (head.get("host") or "").lower()
        domain = self._config.preview_domain.lower()
        if domain and host.endswith(f".{domain}"):
            opened = read(self._key, host.removesuffix(f".{domain}"))
            return Place(opened, head.target, has_own_origin=True) if opened and head.target.startswith("/") else None
        token, slash, rest = head.target.removeprefix("/").partition("/")
        opened = read(self._key, token) if head.target.startswith("/") else None
        return Place(opened, slash + rest or "/", prefix=f"/{token}") if opened else None

    async def _pass_on(self, near: Pair, live: Live, head: Head, place: Place) -> None:
        with live.in_use():
            try:
                async with asyncio.timeout(_CONNECT_SECONDS):
                    far = await live.box.connect(place.opened.port)
            except TimeoutError:
                return await near.write(refusal(504, f"Port {place.opened.port} did not answer."))
            except SandboxGone as error:
                return await near.write(refusal(410, error.message))
            except GliaError as error:
                return await near.write(refusal(502, error.message))
            try:
                await self._exchange(near, far, head, place)
            finally:
                with contextlib.suppress(GliaError, OSError):
                    await far.close()
        return None

    async def _exchange(self, near: Pair, far: ByteStream, head: Head, place: Place) -> None:
        await far.write(request_head(head, place))
        sending = asyncio.create_task(_copy(near, far), name="glia-preview-request")
        answering = asyncio.create_task(_answered(near, far, place), name="glia-preview-answer")
        try:
            await asyncio.wait((sending, answering), return_when=asyncio.FIRST_COMPLETED)
            # Whoever asked may say that this was all and still wait for the answer; most have simply left.
            await asyncio.wait((answering,), timeout=_GRACE_SECONDS)
        finally:
            for task in (sending, answering):
                task.cancel()
            await asyncio.gather(sending, answering, return_exceptions=True)


async def _copy(source: ByteStream, target: ByteStream) -> None:
    while True:
        async with asyncio.timeout(_IDLE_SECONDS):
            piece = await source.read(_BUFFER_BYTES)
        if not piece:
            return await target.write_eof()
        await target.write(piece)


async def _answered(near: Pair, far: ByteStream, place: Place) -> None:
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            raw, rest = await _read_head(far)
        shown = answer_head(raw, place)
    except TimeoutError:
        return await near.write(refusal(504, f"Port {place.opened.port} did not answer."))
    except (BadHead, GliaError) as error:
        return await near.write(refusal(502, f"Port {place.opened.port} did not answer as HTTP asks: {error}."))
    await near.write(shown + rest)
    return await _copy(far, near)


async def _read_head(far: ByteStream) -> tuple[bytes, bytes]:
    """The answer's head, with those before it that only say `go on`, and what came behind it already."""
    held = b""
    while True:
        at = held.find(b"\r\n\r\n")
        if at >= 0:
            head, rest = held[: at + 4], held[at + 4 :]
            if not head.startswith((b"HTTP/1.1 100", b"HTTP/1.1 103")):
                return head, rest
            held = rest  # the body is sent without being asked for
            continue
        if len(held) > _LARGEST_ANSWER_HEAD:
            raise BadHead(f"its head is larger than {_LARGEST_ANSWER_HEAD} bytes")
        piece = await far.read(_BUFFER_BYTES)
        if not piece:
            raise BadHead("it closed the connection without an answer")
        held += piece


_NO_TOKEN = "There is nothing here without a token. Make one with POST /v1/sandboxes/{id}/ports/{port}/preview."  # noqa: S105
