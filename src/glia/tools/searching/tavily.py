"""Searches with Tavily: https://docs.tavily.com/documentation/api-reference/endpoint/search"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

import msgspec
import orjson

from glia.kit.errors import UpstreamFailed
from glia.kit.outbound import Outbound, Response
from glia.tools.searching.types import LARGEST_ANSWER_BYTES, TIMEOUTS, Found, Hit, hit_of, merged

_MOST_PER_REQUEST = 20
_THOROUGH = 30
_MOST_EXCLUDED = 150
_LONGEST_QUERY = 400  # Tavily refuses longer ones


class _Result(msgspec.Struct):
    url: str = ""
    title: str | None = None
    content: str | None = None


class _Answer(msgspec.Struct):
    results: list[_Result] = []


class Tavily:
    name = "tavily/search"

    def __init__(self, outbound: Outbound, *, key: str, url: str, credit_micros: int | None) -> None:
        self._outbound = outbound
        self._key = key
        self._url = f"{url.rstrip('/')}/search"
        self._credit_micros = credit_micros

    def price(self, depth: int) -> int | None:
        requests = 1 if depth <= _MOST_PER_REQUEST else 2
        return None if self._credit_micros is None else requests * _credits(depth) * self._credit_micros

    async def search(self, query: str, depth: int) -> Found:
        """More than 20 results take a second request, for pages of other sites than those already found."""
        hits = await self._request(query, depth, min(depth, _MOST_PER_REQUEST), ())
        requests = 1
        if depth > _MOST_PER_REQUEST and len(hits) >= _MOST_PER_REQUEST // 2:
            sites = list(dict.fromkeys(urlsplit(hit.url).hostname or "" for hit in hits))[:_MOST_EXCLUDED]
            hits = merged(hits, await self._request(query, depth, depth - len(hits), sites), depth)
            requests = 2
        cost = None if self._credit_micros is None else requests * _credits(depth) * self._credit_micros
        return Found(hits, cost)

    async def _request(self, query: str, depth: int, results: int, without: Sequence[str]) -> list[Hit]:
        asked: dict[str, object] = {
            "query": query[:_LONGEST_QUERY],
            "search_depth": "advanced" if depth >= _THOROUGH else "basic",
            "max_results": min(results, _MOST_PER_REQUEST),
        }
        if without:
            asked["exclude_domains"] = list(without)
        response = await self._outbound.request(
            "POST",
            self._url,
            headers={"Content-Type": "application/json", "Authorization": f"Bearer {self._key}"},
            body=orjson.dumps(asked),
            timeouts=TIMEOUTS,
            largest_body_bytes=LARGEST_ANSWER_BYTES,
            trusted=True,
        )
        if response.status != 200:
            raise UpstreamFailed(_refusal(response))
        try:
            found = msgspec.json.decode(response.body, type=_Answer)
        except msgspec.DecodeError:
            raise UpstreamFailed("Tavily's answer is not what its API describes, so it cannot be read.") from None
        hits = [hit_of(one.title or "", one.url, one.content or "") for one in found.results]
        return merged([], [hit for hit in hits if hit is not None], results)


def _credits(depth: int) -> int:
    """What Tavily counts for one request: 1 for a basic search, 2 for an advanced one."""
    return 2 if depth >= _THOROUGH else 1


def _refusal(response: Response) -> str:
    match response.status:
        case 401 | 403:
            return "Tavily refuses the key; check TAVILY_API_KEY."
        case 429:
            return "Tavily says that too many searches were made; try again in a while."
        case 432 | 433:
            return "The Tavily plan is used up; raise its limit, or set GLIA_SEARCH__PROVIDER=duckduckgo."
        case status:
            return f"Tavily answered with status {status}."
