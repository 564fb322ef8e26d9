"""Ports inside sandboxes, shown to browsers from a place of their own: another port, or another domain, than the API's.

What runs there is nobody's to trust. It never sees a cookie or a key of this server, cannot set one, and its pages run
as documents without an origin, unless each preview has a domain of its own. Only a token opens a preview; whatever
host or path a request names, without one it is refused.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import structlog

from glia.identity.types import Principal
from glia.kit.errors import InvalidRequest, Unavailable
from glia.sandboxes.hosting import Hosting
from glia.sandboxes.live import Use
from glia.sandboxes.preview_tokens import Pass, sign

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
