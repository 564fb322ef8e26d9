"""Sends one HTTP request that an agent has written itself."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import orjson
from msgspec import Meta, Struct

from glia.kit.errors import InvalidRequest
from glia.kit.outbound import Outbound, OutboundFailed, OutboundRefused, Response, Timeouts
from glia.tools.answers import cut, decoded, is_text, media_type
from glia.tools.functions import tool
from glia.tools.types import Effect, Tool, ToolContext, ToolResult

LARGEST_BODY_BYTES = 1024 * 1024
LARGEST_TEXT_CHARACTERS = 20_000
_TIMEOUTS = Timeouts(connect_seconds=5, idle_seconds=30, total_seconds=30)
_MOST_HEADERS = 50
_REDIRECTS = 5
# They say how a connection is used, or whom it is for, which is not the agent's to choose.
_DROPPED = frozenset(
    {
        "connection",
        "content-length",
        "expect",
        "forwarded",
        "host",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-real-ip",
    }
)


class HttpRequestArguments(Struct, forbid_unknown_fields=True):
    url: Annotated[str, Meta(description="Absolute http or https address.", min_length=1, max_length=2000)]
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    headers: dict[str, str] = {}
    body: Annotated[str | dict[str, Any] | list[Any] | None, Meta(description="Text, or JSON.")] = None


def http_request(outbound: Outbound) -> Tool:
    """The tool, calling through that client. An agent gets it when its owner says so."""

    @tool(name="http_request", effect=Effect.ONCE, timeout_seconds=40, is_default=False)
    async def request(context: ToolContext, arguments: HttpRequestArguments) -> ToolResult:
        """Sends an HTTP request and returns status, headers and body, at most 1 MiB, as JSON."""
        headers, body = _headers(arguments)
        try:
            response = await outbound.request(
                arguments.method,
                arguments.url.strip(),
                headers=headers,
                body=body,
                timeouts=_TIMEOUTS,
                largest_body_bytes=LARGEST_BODY_BYTES,
                redirects=_REDIRECTS if arguments.method in ("GET", "HEAD") else 0,
                may_repeat=arguments.method in ("GET", "HEAD"),
            )
        except OutboundFailed as error:
            is_unknown = error.is_sent and arguments.method not in ("GET", "HEAD")
            return ToolResult(error.message, is_error=True, is_unknown=is_unknown)
        except (OutboundRefused, InvalidRequest) as error:
            return ToolResult(error.message, is_error=True)
        return ToolResult(_told(response))

    return request


def _headers(arguments: HttpRequestArguments) -> tuple[dict[str, str], bytes | None]:
    given = list(arguments.headers.items())[:_MOST_HEADERS]
    headers = {name: value for name, value in given if name.strip().lower() not in _DROPPED}
    names = {name.lower() for name in headers}
    if arguments.body is None:
        return headers, None
    if isinstance(arguments.body, str):
        if "content-type" not in names:
            headers["Content-Type"] = "text/plain; charset=utf-8"
        return headers, arguments.body.encode()
    if "content-type" not in names:
        headers["Content-Type"] = "application/json"
    return headers, orjson.dumps(arguments.body)


def _told(response: Response) -> str:
    if is_text(response):
        body = cut(decoded(response), LARGEST_TEXT_CHARACTERS)
    else:
        body = f"({media_type(response) or 'binary data'}, {len(response.body)} bytes)"
    answer = {"status": response.status, "headers": dict(response.headers.items()), "body": body}
    return orjson.dumps(answer).decode().replace("\\u0000", "")
