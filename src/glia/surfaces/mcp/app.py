"""Puts the MCP surface together: the package's protocol engine behind our gate, at /mcp.

Both revisions are stateless here: 2026-07-28 by its nature, 2025-11-25 because no answer of ours needs a session. So
any process of the installation can answer any request, and nothing is kept between two.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
from functools import cached_property
from typing import TYPE_CHECKING, Any

import structlog

from glia import __version__
from glia.identity.types import Principal
from glia.kit.errors import GliaError, MethodNotAllowed, NotFound, UpstreamFailed
from glia.surfaces.mcp.words import failure, mcp_error
from glia.surfaces.shared.asgi import App, Message, Receive, Request, Scope, Send
from glia.surfaces.shared.gate import Gate
from glia.surfaces.shared.offers.catalogue import Offers
from glia.surfaces.shared.offers.types import Answer, Caller, Offer
from glia.tools.errors import ToolNotFound
from glia.tools.types import Effect
from glia.wiring import House

if TYPE_CHECKING:
    from mcp.server import Server, ServerRequestContext
    from mcp_types import CallToolRequestParams, CallToolResult, ListToolsResult, PaginatedRequestParams
    from mcp_types import Tool as McpTool

log = structlog.get_logger(__name__)

PATH = "/mcp"
LARGEST_BODY_BYTES = 4 * 1024 * 1024
_LIST_FRESH_MS = 60_000
_INSTRUCTIONS = (
    "Tools named ask_… are agents: each call starts a run and returns its answer with citations; pass session_id of an"
    " earlier answer to go on with that conversation. The other tools search documents or call tools of the workspace."
)


def owns(path: str) -> bool:
    return path in {PATH, f"{PATH}/"}


def mcp_surface(house: House) -> App:
    return Gate(_Mcp(house), house.identity, house.rate_limits, surface="mcp", error_body=mcp_error)


class _Mcp:
    """Loads the package at the first request: it takes most of a second, and most servers are never asked."""

    def __init__(self, house: House) -> None:
        self._offers = Offers(house)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not owns(scope["path"]):
            raise NotFound(f"There is no route {scope['method']} {scope['path']}; MCP is spoken at {PATH}.")
        if scope["method"] != "POST":
            # A GET would open a stream on which a server without sessions has nothing to say.
            raise MethodNotAllowed(f"{scope['method']} is not possible on {PATH}; use POST.", allow="POST")
        body = await Request(scope, receive).body(LARGEST_BODY_BYTES)
        # In a thread, so that the first request does not hold up all others.
        await asyncio.to_thread(importlib.import_module, "mcp.server.streamable_http_manager")
        from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

        manager = StreamableHTTPSessionManager(self._server, stateless=True)
        async with manager.run():
            await manager.handle_request(scope, _again(body, receive), send)

    @cached_property
    def _server(self) -> Server[Any]:
        from mcp.server import Server
        from mcp.server.caching import CacheHint

        for name in ("mcp", "server"):
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)  # they log what users wrote
        return Server(
            "glia",
            title="Glia",
            version=__version__,
            instructions=_INSTRUCTIONS,
            on_list_tools=self._list,
            on_call_tool=self._call,
            cache_hints={"tools/list": CacheHint(ttl_ms=_LIST_FRESH_MS, scope="private")},
        )

    async def _list(self, context: ServerRequestContext[Any], params: PaginatedRequestParams | None) -> ListToolsResult:
        from mcp_types import ListToolsResult

        offers = await self._offers.all(_principal(context))
        return ListToolsResult(tools=[_shown(offer) for offer in offers])

    async def _call(self, context: ServerRequestContext[Any], params: CallToolRequestParams) -> CallToolResult:
        from mcp import MCPError
        from mcp_types import INVALID_PARAMS
        from mcp_types.version import MODERN_PROTOCOL_VERSIONS

        done = 0

        async def report(message: str) -> None:
            nonlocal done
            done += 1
            await context.session.report_progress(done, None, message)

        try:
            principal = _principal(context)
            offer = await self._offers.one(principal, params.name)
            caller = Caller(report, context.protocol_version in MODERN_PROTOCOL_VERSIONS)
            return _result(await offer.call(principal, params.arguments or {}, caller))
        except ToolNotFound as error:
            raise MCPError(INVALID_PARAMS, error.message, {"code": error.code}) from None
        except GliaError as error:
            if error.status >= 500 and not isinstance(error, UpstreamFailed):
                log.warning("an MCP call failed", tool=params.name[:80], error=error.message)
            return _result(failure(error))
        except TimeoutError:
            return _result(failure(UpstreamFailed(f"The tool {params.name[:80]} gave no answer in time.")))


def _again(body: bytes, receive: Receive) -> Receive:
    """Gives a body that was read already, then whatever else comes, such as the client's leaving."""
    pieces: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def piece() -> Message:
        return pieces.pop() if pieces else await receive()

    return piece


def _principal(context: ServerRequestContext[Any]) -> Principal:
    """The gate has put it into the request."""
    request: Any = context.request
    return request.scope["state"]["principal"]


def _shown(offer: Offer) -> McpTool:
    from mcp_types import Tool, ToolAnnotations

    return Tool(
        name=offer.name,
        title=offer.title,
        description=offer.description,
        input_schema=dict(offer.schema),
        output_schema=None if offer.output_schema is None else dict(offer.output_schema),
        annotations=ToolAnnotations(
            read_only_hint=offer.effect is Effect.READ, idempotent_hint=offer.effect is not Effect.ONCE
        ),
    )


def _result(answer: Answer) -> CallToolResult:
    from mcp_types import CallToolResult, TextContent

    content: Any = [TextContent(type="text", text=answer.text)]
    if answer.structured is None:
        return CallToolResult(content=content, is_error=answer.is_error)
    return CallToolResult(content=content, structured_content=dict(answer.structured), is_error=answer.is_error)
