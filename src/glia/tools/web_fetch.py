"""Reads one web page or text file for an agent."""

from __future__ import annotations

import asyncio
from typing import Annotated

from msgspec import Meta, Struct

from glia.kit.outbound import Outbound, OutboundFailed, OutboundRefused, Response, Timeouts
from glia.tools.answers import compact, cut, decoded, is_text, media_type
from glia.tools.functions import tool
from glia.tools.html_text import text_of
from glia.tools.types import Effect, Tool, ToolContext, ToolResult

LARGEST_BODY_BYTES = 2 * 1024 * 1024
LARGEST_TEXT_CHARACTERS = 20_000
_LARGEST_ERROR_CHARACTERS = 2_000
_REDIRECTS = 5
_TIMEOUTS = Timeouts(connect_seconds=5, idle_seconds=10, total_seconds=20)
_HEADERS = {"Accept": "text/html, application/xhtml+xml, application/json, text/*;q=0.9, */*;q=0.1"}


class WebFetchArguments(Struct, forbid_unknown_fields=True):
    url: Annotated[str, Meta(description="Absolute http or https address.", min_length=1, max_length=2000)]


def web_fetch(outbound: Outbound) -> Tool:
    """The tool, calling through that client. Not a default one: an agent gets the web when its owner says so."""
    # Extraction is CPU work in a thread; more at once would only slow the event loop down.
    threads = asyncio.Semaphore(2)

    @tool(name="web_fetch", effect=Effect.READ, timeout_seconds=30, is_default=False)
    async def fetch(context: ToolContext, arguments: WebFetchArguments) -> ToolResult:
        """Fetches a web page or text file and returns its readable text, at most 20,000 characters."""
        url = arguments.url.strip()
        try:
            response = await outbound.request(
                "GET",
                url,
                headers=_HEADERS,
                timeouts=_TIMEOUTS,
                largest_body_bytes=LARGEST_BODY_BYTES,
                redirects=_REDIRECTS,
            )
        except (OutboundRefused, OutboundFailed) as error:
            return ToolResult(error.message, is_error=True)
        if not is_text(response):
            return ToolResult(
                f"{response.url} is {media_type(response) or 'binary data'} of {len(response.body)} bytes;"
                " only text, HTML and JSON can be read.",
                is_error=True,
            )
        async with threads:
            return await asyncio.to_thread(_result, response)

    return fetch


def _result(response: Response) -> ToolResult:
    text = _text(response)
    if response.status >= 300:
        excerpt = cut(text, _LARGEST_ERROR_CHARACTERS) or "It sent no text."
        return ToolResult(f"{response.url} answered with status {response.status}. {excerpt}", is_error=True)
    return ToolResult(f"{response.url}\n\n{cut(text, LARGEST_TEXT_CHARACTERS) or '(The page holds no text.)'}")


def _text(response: Response) -> str:
    text = decoded(response)
    kind = media_type(response)
    if kind in {"text/html", "application/xhtml+xml"} or (not kind and text.lstrip()[:1] == "<"):
        title, body = text_of(text, response.url, 4 * LARGEST_TEXT_CHARACTERS)
        return f"{title}\n\n{body}" if title else body
    return compact(text) if kind.endswith("json") else text
