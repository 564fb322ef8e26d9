import asyncio
import json
from dataclasses import replace
from urllib.parse import parse_qs, quote

import pytest
from tests.tools.conftest import HANG_UP, Server, answer

from glia.kit.outbound import Outbound
from glia.tools.searching.types import Found
from glia.tools.types import Charge, SearchConfig, ToolContext, ToolResult
from glia.tools.web_search import searcher_of, web_search

QUERY = '{"query": "bee  hives"}'


def tavily(server: Server, credit_micros: int | None = None) -> SearchConfig:
    return SearchConfig(tavily_key="tvly-1", tavily_url=server.url, tavily_credit_micros=credit_micros)


def duckduckgo(server: Server) -> SearchConfig:
    return SearchConfig(duckduckgo_url=f"{server.url}/html/")


async def search(config: SearchConfig, outbound: Outbound, context: ToolContext, arguments: str = QUERY) -> ToolResult:
    return await web_search(searcher_of(config, outbound, {})).call(context, arguments)


def found(result: ToolResult) -> list[dict[str, str]]:
    assert not result.is_error, result.text
    return json.loads(result.text)["results"]


def tavily_answer(*numbers: int) -> bytes:
    results = [
        {"title": f"Page {n}", "url": f"https://site{n}.example/p", "content": f"About {n}.", "score": 1}
        for n in numbers
    ]
    return answer(200, json.dumps({"query": "q", "results": results, "response_time": 1.2}).encode())


def page(*numbers: int, has_next: bool = True) -> bytes:
    """A page of results as the service writes them: behind its redirect, with an advertisement at the top."""
    results = "".join(
        f"""<div class="result results_links web-result"><div class="links_main result__body">
        <h2 class="result__title"><a rel="nofollow" class="result__a"
        href="//duckduckgo.com/l/?uddg={quote(f"https://site{n}.example/a?b={n}", safe="")}&amp;rut=abc">Page <b>{n}</b>
        </a></h2><a class="result__snippet" href="//duckduckgo.com/l/?uddg=x">About <b>bees</b> &amp; {n}.</a></div>
        </div>"""
        for n in numbers
    )
    ad = """<div class="result result--ad"><h2><a class="result__a" href="https://duckduckgo.com/y.js?ad=1">Buy</a></h2>
      <a class="result__snippet" href="#">An advertisement.</a></div>"""
    form = """<form action="/html/" method="post"><input type="submit" class="btn" value="Next" />
      <input type="hidden" name="q" value="bee hives"><input type="hidden" name="s" value="10">
      <input type="hidden" name="vqd" value="4-1"></form>"""
    first = '<form id="x"><input name="q" value="bee hives"><input type="submit" value="S"></form>'
    html = f"<html><body>{first}{ad}{results}{form if has_next else ''}</body></html>"
    return answer(200, html.encode(), "text/html; charset=UTF-8")


async def test_tavily_is_asked_when_its_key_is_there(outbound: Outbound, server: Server, context: ToolContext) -> None:
    server.answers = [tavily_answer(1, 2)]

    result = await search(tavily(server, credit_micros=8000), outbound, context)

    (request,) = server.requests
    assert (request.method, request.path) == ("POST", "/search")
    assert request.headers["authorization"] == "Bearer tvly-1"
    assert json.loads(request.body) == {"query": "bee hives", "search_depth": "basic", "max_results": 15}
    assert found(result)[0] == {"title": "Page 1", "url": "https://site1.example/p", "snippet": "About 1."}
    assert [source.uri for source in result.sources] == ["https://site1.example/p", "https://site2.example/p"]
    assert result.sources[0].document_name == "Page 1"
    assert result.charge == Charge("search", "tavily/search", 8000)


async def test_an_unset_price_is_unknown_and_a_free_search_costs_nothing(
    outbound: Outbound, server: Server, context: ToolContext
) -> None:
    server.answers = [tavily_answer(1), page(1, has_next=False)]

    paid = await search(tavily(server), outbound, context)
    free = await search(duckduckgo(server), outbound, context)

    assert paid.charge == Charge("search", "tavily/search", None)
    assert free.charge == Charge("search", "duckduckgo/search", 0)


async def test_a_thorough_search_asks_tavily_twice_and_leaves_known_sites_out(
    outbound: Outbound, server: Server, context: ToolContext
) -> None:
    server.answers = [tavily_answer(*range(20)), tavily_answer(*range(15, 40))]

    result = await search(tavily(server, credit_micros=1000), outbound, replace(context, search_depth=30))

    first, second = (json.loads(request.body) for request in server.requests)
    assert (first["search_depth"], first["max_results"]) == ("advanced", 20)
    assert (second["max_results"], len(second["exclude_domains"])) == (10, 20)
    urls = [one["url"] for one in found(result)]
    assert len(urls) == len(set(urls)) == 25
    assert result.charge == Charge("search", "tavily/search", 4000)


@pytest.mark.parametrize(("depth", "pages", "results"), [(5, 1, 5), (15, 2, 15), (30, 3, 30)])
async def test_pages_are_read_until_the_depth_is_reached(
    outbound: Outbound, server: Server, context: ToolContext, depth: int, pages: int, results: int
) -> None:
    server.answers = [page(*range(start, start + 10)) for start in range(0, 100, 10)]

    result = await search(duckduckgo(server), outbound, replace(context, search_depth=depth))

    assert len(found(result)) == results
    assert len(server.requests) == pages
    asked = [parse_qs(request.body.decode()) for request in server.requests]
    assert asked[0]["q"] == ["bee hives"]
    assert all(form["vqd"] == ["4-1"] and form["s"] == ["10"] for form in asked[1:])


async def test_results_are_read_without_redirects_marks_and_advertisements(
    outbound: Outbound, server: Server, context: ToolContext
) -> None:
    server.answers = [page(7, has_next=False)]

    assert found(await search(duckduckgo(server), outbound, context)) == [
        {"title": "Page 7", "url": "https://site7.example/a?b=7", "snippet": "About bees & 7."}
    ]


async def test_what_a_later_page_refuses_is_left_out(outbound: Outbound, server: Server, context: ToolContext) -> None:
    server.answers = [page(*range(10)), answer(500)]

    assert len(found(await search(duckduckgo(server), outbound, context))) == 10


async def test_hostile_results_do_not_reach_the_model(outbound: Outbound, server: Server, context: ToolContext) -> None:
    results = [
        {"title": "a", "url": "javascript:alert(1)", "content": "x"},
        {"title": "b", "url": "https://a.example/]\n[https://evil.example", "content": "x"},
        {"title": None, "url": "https://ok.example", "content": "nul\0 and\u2028lines " + "y" * 5000},
        {"title": "again", "url": "https://ok.example", "content": "x"},
    ]
    server.answers = [answer(200, json.dumps({"results": results}).encode())]

    (only,) = found(await search(tavily(server), outbound, context))

    assert only["title"] == only["url"] == "https://ok.example"
    assert "\0" not in only["snippet"]
    assert len(only["snippet"]) == 1200


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (answer(401), "TAVILY_API_KEY"),
        (answer(429), "too many searches"),
        (answer(432), "used up"),
        (answer(500), "status 500"),
        (answer(200, b"<html>"), "cannot be read"),
        (answer(200, b"[1]"), "cannot be read"),
        (answer(200, b"x" * (2 * 1024 * 1024 + 1)), "larger than"),
        (HANG_UP, "closed the connection"),
    ],
)
async def test_a_failure_is_said_in_a_sentence(
    outbound: Outbound, server: Server, context: ToolContext, reply: bytes, says: str
) -> None:
    server.answers = [reply]

    result = await search(tavily(server), outbound, context)

    assert result.is_error
    assert says in result.text
    assert result.charge is None


async def test_a_puzzle_is_told_apart_from_no_results(outbound: Outbound, server: Server, context: ToolContext) -> None:
    puzzle = b'<html><div class="anomaly-modal__title">Select all ducks</div></html>'
    server.answers = [answer(202, puzzle, "text/html"), page(has_next=False)]

    refused = await search(duckduckgo(server), outbound, context)
    empty = await search(duckduckgo(server), outbound, context)

    assert refused.is_error
    assert "asks whether a person" in refused.text
    assert not empty.is_error
    assert "Nothing was found" in empty.text


async def test_without_a_network_the_error_says_so(outbound: Outbound, context: ToolContext) -> None:
    result = await search(SearchConfig(duckduckgo_url="http://127.0.0.1:9/html/"), outbound, context)

    assert result.is_error
    assert result.text.startswith("The web could not be searched.")


async def test_switched_off_means_off(outbound: Outbound, server: Server, context: ToolContext) -> None:
    result = await search(replace(tavily(server), provider="off"), outbound, context)

    assert result.is_error
    assert "GLIA_SEARCH__PROVIDER" in result.text
    assert server.requests == []


def test_the_provider_follows_from_the_key(outbound: Outbound) -> None:
    def name(config: SearchConfig, environment: dict[str, str]) -> str:
        searcher = searcher_of(config, outbound, environment)
        return "" if searcher is None else searcher.name

    key = {"TAVILY_API_KEY": "tvly"}
    assert name(SearchConfig(), key) == "tavily/search"
    assert name(SearchConfig(), {}) == name(SearchConfig(), {"TAVILY_API_KEY": " "}) == "duckduckgo/search"
    assert name(SearchConfig(provider="duckduckgo"), key) == "duckduckgo/search"


async def test_a_cancelled_search_ends_at_once(outbound: Outbound, context: ToolContext) -> None:
    class Slow:
        name = "slow/search"

        def price(self, depth: int) -> int | None:
            return 0

        async def search(self, query: str, depth: int) -> Found:
            await asyncio.sleep(60)
            return Found((), 0)

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await web_search(Slow()).call(context, QUERY)
