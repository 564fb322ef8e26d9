"""Searches the web for an agent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from glia.kit.errors import UpstreamFailed
from glia.kit.outbound import Outbound, OutboundFailed, OutboundRefused
from glia.tools.functions import tool
from glia.tools.paying import held
from glia.tools.searching.duckduckgo import DuckDuckGo
from glia.tools.searching.tavily import Tavily
from glia.tools.searching.types import Found, Searcher
from glia.tools.types import Charge, Effect, SearchConfig, Source, Tool, ToolContext, ToolResult
from glia.usage.service import Spending

MOST_RESULTS = 30
_LONGEST_QUERY = 1_000


class WebSearchArguments(Struct, forbid_unknown_fields=True):
    query: Annotated[
        str, Meta(description="What to look for, in words as on the pages.", min_length=1, max_length=_LONGEST_QUERY)
    ]


def searcher_of(config: SearchConfig, outbound: Outbound, environment: Mapping[str, str]) -> Searcher | None:
    """Who searches, as it is configured; None when nobody may. Tavily without a key is left to say so when called."""
    key = config.tavily_key or environment.get("TAVILY_API_KEY", "").strip()
    if config.provider == "off":
        return None
    if config.provider == "tavily" or (config.provider == "auto" and key):
        return Tavily(outbound, key=key, url=config.tavily_url, credit_micros=config.tavily_credit_micros)
    return DuckDuckGo(outbound, url=config.duckduckgo_url)


def web_search(searcher: Searcher | None, spending: Spending | None = None) -> Tool:
    """The tool. Not a default one: an agent gets the web when its owner says so. spending: holds what it may cost."""

    @tool(name="web_search", effect=Effect.READ, timeout_seconds=60, is_default=False)
    async def search(context: ToolContext, arguments: WebSearchArguments) -> ToolResult:
        """Searches the web and returns pages with title, address (url) and a snippet, the best first. Put the url of a
        page in square brackets after each sentence that rests on it, as in [https://...]; never make one up."""
        query = " ".join(arguments.query.split())
        if searcher is None:
            return ToolResult("Web search is switched off on this server (GLIA_SEARCH__PROVIDER=off).", is_error=True)
        if not query:
            return ToolResult("The query is empty; say what to look for.", is_error=True)
        depth = max(1, min(context.search_depth, MOST_RESULTS))
        hold = await held(spending, context, searcher.name, searcher.price(depth))
        is_over = False
        try:
            found = await searcher.search(query, depth)
            is_over = True
        except (OutboundFailed, OutboundRefused, UpstreamFailed) as error:
            return ToolResult(f"The web could not be searched. {error.message}", is_error=True)
        finally:
            if not is_over and hold is not None and spending is not None:
                await spending.release(context.workspace_id, hold)
        return _result(query, found, Charge("search", searcher.name, found.cost_micros, hold and hold.id))

    return search


def _result(query: str, found: Found, charge: Charge) -> ToolResult:
    if not found.hits:
        text = f"Nothing was found for {query!r}. Try other words, or fewer of them."
        return ToolResult(text, charge=charge)
    results = [{"title": hit.title, "url": hit.url, "snippet": hit.snippet} for hit in found.hits]
    sources = tuple(
        Source(hit.url, "", hit.title, chunk=0, page=None, heading="", text=hit.snippet) for hit in found.hits
    )
    return ToolResult(msgspec.json.encode({"results": results}).decode(), sources=sources, charge=charge)
