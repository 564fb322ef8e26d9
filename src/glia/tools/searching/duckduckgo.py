"""Searches with DuckDuckGo's pages for browsers without scripts, which need no key."""

from __future__ import annotations

import asyncio
from html.parser import HTMLParser
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

from glia.kit.errors import UpstreamFailed
from glia.kit.outbound import Outbound
from glia.tools.answers import decoded
from glia.tools.searching.types import LARGEST_ANSWER_BYTES, TIMEOUTS, Found, Hit, hit_of, merged

_MOST_PAGES = 4
_LONGEST_QUERY = 499  # longer ones are answered with nothing
_HEADERS = {
    # Without a browser's name the service answers every search with a puzzle.
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Accept": "text/html,application/xhtml+xml",
    "Accept-Language": "en-US,en;q=0.7",
    "Content-Type": "application/x-www-form-urlencoded",
}


class DuckDuckGo:
    name = "duckduckgo/search"

    def __init__(self, outbound: Outbound, *, url: str) -> None:
        self._outbound = outbound
        self._url = url

    def price(self, depth: int) -> int | None:
        return 0

    async def search(self, query: str, depth: int) -> Found:
        """Reads as many pages as it takes, at most four. What later pages refuse is left out."""
        form = {"q": query[:_LONGEST_QUERY], "b": "", "kl": ""}
        hits: list[Hit] = []
        for number in range(_MOST_PAGES):
            try:
                page = await self._page(form)
            except UpstreamFailed:
                if number == 0:
                    raise
                break
            before = len(hits)
            hits = merged(hits, page.hits, depth)
            if len(hits) >= depth or len(hits) == before or not page.next_form:
                break
            form = page.next_form
        return Found(hits, 0)

    async def _page(self, form: dict[str, str]) -> _Page:
        response = await self._outbound.request(
            "POST",
            self._url,
            headers={**_HEADERS, "Referer": self._url},
            body=urlencode(form).encode(),
            timeouts=TIMEOUTS,
            largest_body_bytes=LARGEST_ANSWER_BYTES,
            redirects=2,
            trusted=True,
        )
        if response.status not in (200, 202):
            raise UpstreamFailed(f"DuckDuckGo answered the search with status {response.status}.")
        page = await asyncio.to_thread(_read, decoded(response), self._url)
        if page.is_puzzle or response.status == 202:
            raise UpstreamFailed(
                "DuckDuckGo asks whether a person is searching and lets no more searches through for now. Try again"
                " later; with a TAVILY_API_KEY searches do not meet this limit."
            )
        return page


class _Page(HTMLParser):
    """The results of one page, and the form that leads to the next one."""

    def __init__(self, base_url: str) -> None:
        super().__init__(convert_charrefs=True)
        self._base_url = base_url
        self.hits: list[Hit] = []
        self.next_form: dict[str, str] = {}
        self.is_puzzle = False
        self._form: dict[str, str] | None = None
        self._is_next = False
        self._text: list[str] | None = None
        self._into = ""
        self._title = self._address = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        classes = given.get("class", "").split()
        if "anomaly-modal__title" in classes or "anomaly-modal__modal" in classes:
            self.is_puzzle = True
        if "result__a" in classes:
            self._end_hit("")
            self._address, self._into, self._text = given.get("href", ""), "title", []
        elif "result__snippet" in classes:
            self._into, self._text = "snippet", []
        elif tag == "form":
            self._form, self._is_next = {}, False
        elif tag == "input" and self._form is not None:
            self._note_input(given)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form" and self._form is not None:
            if self._is_next:
                self.next_form = self._form
            self._form = None
        elif self._text is not None and tag in {"a", "h2", "td", "div", "span"}:
            text, self._text = "".join(self._text), None
            if self._into == "title":
                self._title = text
            else:
                self._end_hit(text)

    def handle_data(self, data: str) -> None:
        if self._text is not None:
            self._text.append(data)

    def finish(self) -> _Page:
        self._end_hit("")
        return self

    def _note_input(self, given: dict[str, str]) -> None:
        if self._form is None:
            return
        if given.get("type") == "submit":
            self._is_next = self._is_next or given.get("value", "").strip().lower().startswith("next")
        elif given.get("name"):
            self._form[given["name"]] = given.get("value", "")

    def _end_hit(self, snippet: str) -> None:
        """A result ends with its snippet, or where the next one begins."""
        title, address, self._title, self._address = self._title, self._address, "", ""
        hit = hit_of(title, _target(address, self._base_url), snippet) if address else None
        if hit is not None:
            self.hits.append(hit)


def _read(html: str, base_url: str) -> _Page:
    page = _Page(base_url)
    page.feed(html)
    return page.finish()


def _target(href: str, base_url: str) -> str:
    """Where a result leads. Links go over the service's own redirect; advertisements, over another, lead nowhere."""
    try:
        parts = urlsplit(urljoin(base_url, href))
    except ValueError:
        return ""
    if parts.path == "/l/":
        return parse_qs(parts.query).get("uddg", [""])[0]
    is_own = (parts.hostname or "").endswith("duckduckgo.com")
    return "" if is_own else parts.geturl()
