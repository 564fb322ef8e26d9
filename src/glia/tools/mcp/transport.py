"""Carries the MCP package's HTTP requests through our own outbound client, which judges every address.

Failures become answers of status 502 with a JSON-RPC error in them: the package then reports them to the one call
they belong to, whereas an exception here would end the whole connection.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass

import httpx2
import orjson

from glia.kit.errors import GliaError
from glia.kit.outbound import Outbound, OutboundFailed, StreamedResponse, Timeouts
from glia.tools.mcp.types import Credentials

IDEMPOTENCY_META = "glia/idempotency-key"
LARGEST_ANSWER_BYTES = 4 * 1024 * 1024
LARGEST_STREAM_BYTES = 32 * 1024 * 1024
FAILED = -32080
"""Our own JSON-RPC code, for what happened on the way."""

_LEFT_TO_OUTBOUND = frozenset({"accept-encoding", "connection", "content-length", "host", "transfer-encoding", "te"})
_STREAM_IDLE_SECONDS = 600.0


@dataclass
class Fate:
    """What became of one tool call's request.

    is_sent: whether it may have reached the server. status: of the answer's head; None while there was none.
    """

    is_sent: bool = False
    status: int | None = None
    problem: str | None = None


class OutboundTransport(httpx2.AsyncBaseTransport):
    def __init__(
        self, outbound: Outbound, credentials: Credentials | None, *, timeout_seconds: float, is_trusted: bool
    ) -> None:
        self._outbound = outbound
        self._credentials = credentials
        self._timeout_seconds = timeout_seconds
        self._is_trusted = is_trusted
        self.fates: dict[str, Fate] = {}
        """By idempotency key; the caller takes them out."""
        self.last = Fate()
        """Of the newest request that was no tool call."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        body = await request.aread()
        key = _key_of(body) if request.method == "POST" else None
        fate = Fate()
        if key is None:
            self.last = fate
        else:
            self.fates[key] = fate
        try:
            return await self._send(request, body, key, fate)
        except OutboundFailed as error:
            fate.is_sent, fate.problem = fate.status is not None or error.is_sent, error.message
        except GliaError as error:  # an address that is refused, or credentials that cannot be had
            fate.is_sent, fate.problem = False, error.message
        return _failed(fate.problem or "")

    async def _send(self, request: httpx2.Request, body: bytes, key: str | None, fate: Fate) -> httpx2.Response:
        headers = {name: value for name, value in request.headers.items() if name not in _LEFT_TO_OUTBOUND}
        if key is not None:
            headers["Idempotency-Key"] = key
        own: Mapping[str, str] = {} if self._credentials is None else await self._credentials(False)
        stack, answer = await self._open(request, body, headers, own, fate)
        if answer.status == 401 and self._credentials is not None:
            fresh = await self._credentials(True)
            if fresh != own:  # it was refused, so it had no effect and may be sent again
                await stack.aclose()
                stack, answer = await self._open(request, body, headers, fresh, fate)
        given = httpx2.Headers([*answer.headers.without("content-length").items()])
        if (answer.headers.get("content-type") or "").lower().startswith("text/event-stream"):
            limit = None if request.method == "GET" else LARGEST_STREAM_BYTES
            return httpx2.Response(answer.status, headers=given, stream=_Stream(answer, stack, limit))
        async with stack:
            return httpx2.Response(answer.status, headers=given, content=await answer.read(LARGEST_ANSWER_BYTES))

    async def _open(
        self, request: httpx2.Request, body: bytes, headers: Mapping[str, str], own: Mapping[str, str], fate: Fate
    ) -> tuple[AsyncExitStack, StreamedResponse]:
        taken = {name.lower() for name in own}
        idle = _STREAM_IDLE_SECONDS if request.method == "GET" else self._timeout_seconds
        stack = AsyncExitStack()
        fate.is_sent, fate.status = True, None  # from here on, whoever gives up waiting cannot know better
        answer = await stack.enter_async_context(
            self._outbound.stream(
                request.method,
                str(request.url),
                headers={name: value for name, value in headers.items() if name.lower() not in taken} | dict(own),
                body=body or None,
                timeouts=Timeouts(connect_seconds=min(10.0, self._timeout_seconds), idle_seconds=idle),
                trusted=self._is_trusted,
            )
        )
        fate.status = answer.status
        return stack, answer


class _Stream(httpx2.AsyncByteStream):
    """An event stream as it arrives. limit: bytes after which it is broken off."""

    def __init__(self, answer: StreamedResponse, stack: AsyncExitStack, limit: int | None) -> None:
        self._answer = answer
        self._stack = stack
        self._limit = limit

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._pieces():
            yield piece

    async def _pieces(self) -> AsyncGenerator[bytes, None]:
        size = 0
        try:
            async for piece in self._answer.chunks():
                size += len(piece)
                if self._limit is not None and size > self._limit:
                    raise httpx2.ReadError(f"The answer is larger than {self._limit} bytes.")
                yield piece
        except OutboundFailed as error:
            raise httpx2.ReadError(error.message) from error

    async def aclose(self) -> None:
        await self._stack.aclose()


def _key_of(body: bytes) -> str | None:
    """The idempotency key of a tool call, which every such request of ours carries."""
    if IDEMPOTENCY_META.encode() not in body:
        return None
    key: object = orjson.loads(body).get("params", {}).get("_meta", {}).get(IDEMPOTENCY_META)
    return key if isinstance(key, str) else None


def _failed(problem: str) -> httpx2.Response:
    error = {"jsonrpc": "2.0", "id": None, "error": {"code": FAILED, "message": problem}}
    return httpx2.Response(502, headers={"content-type": "application/json"}, content=orjson.dumps(error))
