"""What a web search is asked and what it brings, whoever does it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from glia.kit.outbound import Timeouts

TIMEOUTS = Timeouts(connect_seconds=5, idle_seconds=15, total_seconds=20)
LARGEST_ANSWER_BYTES = 2 * 1024 * 1024
UNSAFE = frozenset('<>"`\\^{|}[]')
LONGEST_TITLE, LONGEST_URL, LONGEST_SNIPPET = 300, 2_000, 1_200


@dataclass(frozen=True)
class Hit:
    title: str
    url: str
    snippet: str


@dataclass(frozen=True)
class Found:
    """hits: the best first, none twice. cost_micros: of all requests together; None when nobody knows."""

    hits: Sequence[Hit]
    cost_micros: int | None


class Searcher(Protocol):
    """name: as usage records call it, `provider/what`."""

    name: str

    def price(self, depth: int) -> int | None:
        """The most that a search for so many results costs, in micro-dollars; None when nobody knows."""
        ...

    async def search(self, query: str, depth: int) -> Found:
        """At most so many results. Raises OutboundFailed, OutboundRefused, UpstreamFailed with a reason."""
        ...


def merged(known: Sequence[Hit], more: Sequence[Hit], depth: int) -> list[Hit]:
    """Both, without what has an address that came before."""
    found = {hit.url: hit for hit in reversed([*known, *more])}
    kept = [hit for hit in dict.fromkeys([*known, *more]) if found[hit.url] is hit]
    return kept[:depth]


def hit_of(title: str, url: str, snippet: str) -> Hit | None:
    """None for what cannot be cited: an address that is none, or not of the web."""
    url = url.strip()
    is_web = url.startswith(("https://", "http://"))
    if not is_web or len(url) > LONGEST_URL or any(c.isspace() or c in UNSAFE for c in url):
        return None
    return Hit(_line(title, LONGEST_TITLE) or url, url, _line(snippet, LONGEST_SNIPPET))


def _line(text: str, longest: int) -> str:
    """On one line, and without characters that the log cannot keep."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * longest]).split())
    return line if len(line) <= longest else line[: longest - 1].rstrip() + "…"
