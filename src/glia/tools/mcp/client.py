"""A connection to one MCP server: the only module, with `transport`, that knows the MCP package.

The package wants its connection opened and closed by one task, so each connection has a task of its own; calls come
from any other. It speaks revision 2026-07-28 (stateless) and falls back to the handshake of 2025-11-25 and older ones.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
import sys
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar, cast

from glia import __version__
from glia.kit.outbound import Outbound
from glia.tools.mcp.listing import MOST_TOOLS, usable
from glia.tools.mcp.results import result_of
from glia.tools.mcp.types import Command, Listing, McpFailed, Place
from glia.tools.types import ToolResult

if TYPE_CHECKING:
    from mcp import Client

    from glia.tools.mcp.transport import Fate, OutboundTransport

T = TypeVar("T")

LEGACY = "legacy"
_OPENING_SECONDS = 20.0
_CLOSING_SECONDS = 5.0
_MOST_PAGES = 50
_IDEMPOTENCY_META = "glia/idempotency-key"
# What a program of the operator's may see of our environment: nothing that could be a secret of ours.
_INHERITED = ("HOME", "LANG", "LC_ALL", "LOGNAME", "PATH", "SHELL", "TERM", "TMPDIR", "USER")


class Connection:
    """Opened at first use. `is_open` turns False for good when the server, or the way to it, has gone."""

    def __init__(self, place: Place, outbound: Outbound, *, on_tools_changed: Callable[[], None] | None = None) -> None:
        self.place = place
        self._outbound = outbound
        self._on_tools_changed = on_tools_changed
        self._leave = asyncio.Event()
        self._ready: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
        self._transport: OutboundTransport | None = None
        self._task = asyncio.create_task(self._own(), name=f"glia-mcp-{place.name}")
        self.calls = 0

    @property
    def is_open(self) -> bool:
        return not self._task.done() and not self._leave.is_set()

    async def listing(self) -> Listing:
        """All tools of the server. Raises McpFailed."""
        client = await self._client()
        found: list[dict[str, object]] = []
        cursor: str | None = None
        for _ in range(_MOST_PAGES):
            page = await self._asked(client.list_tools(cursor=cursor, cache_mode="bypass"))
            found += [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in page.tools]
            cursor = page.next_cursor
            if cursor is None or len(found) > MOST_TOOLS:
                break
        tools, left_out = usable(found)
        about = client.server_info
        return Listing(tools, client.protocol_version, (about.title or about.name) if about else None, left_out)

    async def call(self, tool: str, arguments: Mapping[str, object], key: str) -> ToolResult:
        """What the tool answered, be it an error of its own.

        Raises McpFailed when no answer came; it says whether the request was sent.
        """
        client = await self._client()
        self.calls += 1
        try:
            answer = await self._asked(client.call_tool(tool, dict(arguments), meta={_IDEMPOTENCY_META: key}), key)
        finally:
            self.calls -= 1
            if self._transport is not None:
                self._transport.fates.pop(key, None)
        return result_of(answer.model_dump(mode="json", by_alias=True, exclude_none=True))

    async def close(self) -> None:
        self._leave.set()
        await asyncio.wait((self._task,), timeout=_CLOSING_SECONDS)
        if not self._task.done():
            self._task.cancel()
            await asyncio.wait((self._task,), timeout=_CLOSING_SECONDS)

    async def _client(self) -> Client:
        try:
            async with asyncio.timeout(min(_OPENING_SECONDS, self.place.timeout_seconds)):
                client = await asyncio.shield(self._ready)
        except TimeoutError:
            self._leave.set()
            raise McpFailed(f"The MCP server {self.place.name!r} did not answer in time.", is_sent=False) from None
        if not self.is_open:
            said = f"The connection to the MCP server {self.place.name!r} was closed."
            raise McpFailed(said, is_sent=False, is_session_over=True)
        return client

    async def _asked(self, asking: Coroutine[Any, Any, T], key: str | None = None) -> T:
        """Waits for an answer, for the connection's end or for the time limit, whichever comes first."""
        work = asyncio.ensure_future(asking)
        try:
            async with asyncio.timeout(self.place.timeout_seconds):
                await asyncio.wait((work, self._task), return_when=asyncio.FIRST_COMPLETED)
        except TimeoutError:
            said = f"The MCP server {self.place.name!r} gave no answer within {self.place.timeout_seconds:g} s."
            raise McpFailed(said, is_sent=self._fate_of(key).is_sent) from None
        finally:
            if not work.done():
                work.cancel()
                await asyncio.wait((work,), timeout=_CLOSING_SECONDS)
        if work.cancelled():
            said = f"The connection to the MCP server {self.place.name!r} broke."
            raise McpFailed(said, is_sent=self._fate_of(key).is_sent)
        error = work.exception()
        if error is None:
            return work.result()
        raise self._failure(error, key) from error

    def _failure(self, error: BaseException, key: str | None) -> BaseException:
        """The package's errors in our words; a bug of ours stays what it is."""
        from mcp import InputRequiredRoundsExceededError, MCPError
        from pydantic import ValidationError

        fate, name = self._fate_of(key), self.place.name
        if fate.status in {401, 403}:
            return _unauthorized(name, fate.status)
        if isinstance(error, MCPError):
            is_over = fate.status == 404 and error.message == "Session terminated"
            if error.code in _MADE_UP or is_over:
                self._leave.set()
            # An error that the server sent is an answer; what the transport or a gateway made up is none.
            is_answered = fate.problem is None and fate.status not in _NO_ANSWER and error.code not in _MADE_UP
            said = fate.problem or error.message[:1000] or f"error {error.code}"
            is_sent = fate.is_sent and not is_answered
            return McpFailed(f"The MCP server {name!r} says: {said}", is_sent=is_sent, is_session_over=is_over)
        if isinstance(error, InputRequiredRoundsExceededError):
            return McpFailed(f"The MCP server {name!r} kept asking for input.", is_sent=False)
        if isinstance(error, ValidationError):
            return McpFailed(f"The MCP server {name!r} answered in a form that is not MCP.", is_sent=fate.is_sent)
        if isinstance(error, RuntimeError):  # the answer breaks the tool's own output schema
            return McpFailed(f"The answer of the MCP server {name!r} cannot be used: {error}"[:1000], is_sent=True)
        return error

    def _fate_of(self, key: str | None) -> Fate:
        from glia.tools.mcp.transport import Fate

        if self._transport is None:  # a program: what was written to it may have been read
            return Fate(is_sent=True, status=None if self._task.done() else 200)
        return self._transport.last if key is None else self._transport.fates.get(key, Fate())

    async def _own(self) -> None:
        """Holds the connection open until it is told to leave. Ends with its end."""
        await asyncio.to_thread(_load)
        import httpx2
        from mcp import MCPError

        try:
            await self._hold()
        except (MCPError, httpx2.HTTPError, ExceptionGroup, OSError, ValueError, RuntimeError) as error:
            if not self._ready.done():
                self._ready.set_exception(self._opening_failure(error))
                self._ready.exception()  # looked at, in case nobody waits for it any more
        finally:
            if not self._ready.done():
                self._ready.set_exception(McpFailed("The connection was closed.", is_sent=False))
                self._ready.exception()

    async def _hold(self) -> None:
        from mcp import Client
        from mcp_types import Implementation

        transport = self._program() if self.place.command else self._streams()
        client = Client(
            transport,
            mode=self._mode(),
            client_info=Implementation(name="glia", title="Glia", version=__version__),
            message_handler=self._heard,
            cache=None,
        )
        async with client:
            self._ready.set_result(client)
            listening = asyncio.create_task(self._listen(client), name=f"glia-mcp-listen-{self.place.name}")
            try:
                await self._leave.wait()
            finally:
                listening.cancel()
                await asyncio.wait((listening,), timeout=_CLOSING_SECONDS)

    def _mode(self) -> str:
        """What the server spoke last time; `auto` asks it."""
        from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS

        revision = self.place.revision
        if revision in MODERN_PROTOCOL_VERSIONS:
            return str(revision)
        return LEGACY if revision in HANDSHAKE_PROTOCOL_VERSIONS else "auto"

    def _streams(self) -> Any:
        """The package's HTTP transport over our client. Any: the package's own protocol of transports."""
        import httpx2
        from mcp.client.streamable_http import streamable_http_client

        from glia.tools.mcp.transport import LARGEST_ANSWER_BYTES, OutboundTransport

        self._transport = OutboundTransport(
            self._outbound,
            self.place.credentials,
            timeout_seconds=self.place.timeout_seconds,
            is_trusted=self.place.is_trusted,
        )
        http = httpx2.AsyncClient(transport=self._transport, timeout=None, trust_env=False)
        return streamable_http_client(str(self.place.url), http_client=http, max_sse_event_size=LARGEST_ANSWER_BYTES)

    def _program(self) -> Any:
        from mcp import StdioServerParameters, stdio_client

        command = self.place.command or Command("")
        clean = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        parameters = StdioServerParameters(
            command=command.command,
            args=list(command.arguments),
            env=clean | dict(command.environment),
            cwd=command.folder,
        )
        return _watched(stdio_client(parameters, errlog=sys.stderr), self._leave.set)

    async def _listen(self, client: Client) -> None:
        """Hears of changed tools on a stateless connection; the older revisions send that by themselves."""
        from mcp import MCPError
        from mcp_types.version import MODERN_PROTOCOL_VERSIONS

        offered = client.server_capabilities.tools
        is_modern = client.protocol_version in MODERN_PROTOCOL_VERSIONS
        # A connection that was opened without asking knows nothing of what is offered; the attempt tells.
        if self._on_tools_changed is None or not is_modern or (offered is not None and not offered.list_changed):
            return
        try:
            async with client.listen(tools_list_changed=True) as changes:
                async for _ in changes:
                    self._on_tools_changed()
        except (MCPError, ExceptionGroup, RuntimeError):
            pass  # the list is renewed from time to time in any case

    async def _heard(self, message: object) -> None:
        from mcp_types import ToolListChangedNotification

        if isinstance(message, ToolListChangedNotification) and self._on_tools_changed is not None:
            self._on_tools_changed()

    def _opening_failure(self, error: BaseException) -> McpFailed:
        name = self.place.name
        fate = self._transport.last if self._transport is not None else None
        if fate is not None and fate.status in {401, 403}:
            return _unauthorized(name, fate.status)
        if fate is not None and fate.problem is not None:
            return McpFailed(f"The MCP server {name!r} cannot be reached. {fate.problem}", is_sent=False)
        said = _innermost(error)
        if isinstance(said, FileNotFoundError | PermissionError):
            return McpFailed(f"The MCP server {name!r} cannot be started: {said}.", is_sent=False)
        status = f" (HTTP {fate.status})" if fate is not None and fate.status is not None else ""
        return McpFailed(
            f"The MCP server {name!r} does not answer as MCP asks{status}: {str(said)[:500]}", is_sent=False
        )


class _Watched:
    """A stream of messages that tells when it ends, so that a program that has gone is noticed while nobody calls."""

    def __init__(self, stream: Any, on_end: Callable[[], None]) -> None:
        """stream: the package's protocol of read streams."""
        self._stream = stream
        self._on_end = on_end

    async def receive(self) -> Any:
        import anyio

        try:
            return await self._stream.receive()
        except (anyio.EndOfStream, anyio.ClosedResourceError):
            self._on_end()
            raise

    async def aclose(self) -> None:
        await self._stream.aclose()

    def __aiter__(self) -> _Watched:
        return self

    async def __anext__(self) -> Any:
        import anyio

        try:
            return await self.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None

    async def __aenter__(self) -> _Watched:
        await self._stream.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> None:
        await self._stream.__aexit__(*error)


@asynccontextmanager
async def _watched(streams: Any, on_end: Callable[[], None]) -> AsyncGenerator[tuple[Any, Any], None]:
    async with streams as (reading, writing):
        yield _Watched(reading, on_end), writing


# Codes that the package's transport gives to what the server did not say: a broken or unreadable answer.
_MADE_UP = frozenset({-32000, -32700})
_NO_ANSWER = frozenset({None, 202, 502, 504})


def _unauthorized(name: str, status: int | None) -> McpFailed:
    why = "wants to know who calls" if status == 401 else "refuses these credentials"
    said = f"The MCP server {name!r} {why} (HTTP {status}). Set its headers, or authorize it anew."
    return McpFailed(said, is_sent=False, needs_authorization=True)


def _innermost(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = cast(BaseExceptionGroup[BaseException], error).exceptions[0]
    return error


def _load() -> None:
    """The package takes most of a second to import: in a thread, nobody waits for it but the first connection."""
    importlib.import_module("mcp.client.streamable_http")
    importlib.import_module("glia.tools.mcp.transport")
    _silence()


def _silence() -> None:
    """The package logs addresses and texts that belong to users; what matters is told by our own errors."""
    for name in ("mcp", "client", "httpx2", "httpcore2"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
