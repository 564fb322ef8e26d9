"""The durable work behind an import: fetches pages, one address or a whole sitemap, and adds each as a document.

What is fetched goes the way of uploads: kept as a file, processed by a job of its own, found once in a base however
often it is imported. A page that changed takes the place of what was fetched from its address before.
"""

from __future__ import annotations

import asyncio
import tempfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit
from urllib.robotparser import RobotFileParser
from uuid import UUID
from xml.parsers import expat

import structlog

from glia.identity.types import Principal, system_principal
from glia.kit.errors import GliaError, InvalidRequest, NotFound, UpstreamFailed
from glia.kit.jobs import JobContext
from glia.kit.outbound import Outbound, Response, Timeouts
from glia.kit.outbound.target import follow, parse
from glia.knowledge.checks import MOST_PAGES
from glia.knowledge.service import Knowledge

_AGENT = "glia"
_LARGEST_PAGE = 25_000_000
_LARGEST_SITEMAP = 50_000_000
_MOST_SITEMAPS = 50
_MOST_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_SECONDS_BETWEEN = 0.2
_TIMEOUTS = Timeouts(connect_seconds=10, idle_seconds=20, total_seconds=60)
_EXTENSIONS = {"text/html": ".html", "application/xhtml+xml": ".html", "application/pdf": ".pdf", "text/plain": ".txt"}

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True)
class _Order:
    base_id: UUID
    url: str
    is_sitemap: bool
    folder: str
    most_pages: int


@dataclass(frozen=True)
class Import:
    """The function of jobs of IMPORT_KIND.

    input: `{"knowledge_base_id", "url", "is_sitemap", "path", "most_pages"}`. Started again it fetches all anew, and
    what is there already stays as it is. robots.txt is obeyed; a page that cannot be had is left away and counted.
    """

    knowledge: Knowledge
    outbound: Outbound
    seconds_between: float = _SECONDS_BETWEEN

    async def __call__(self, job: JobContext) -> None:
        order = _order(job.input)
        principal = system_principal(job.workspace_id, job.project_id)
        robots = _Robots(self.outbound)
        urls = await self._addresses(order, robots)
        failed: list[str] = []
        for done, url in enumerate(urls, start=1):
            try:
                await self._one(principal, order, url, robots)
            except NotFound:
                return  # the base was deleted meanwhile
            except GliaError as error:
                failed.append(url)
                log.warning("page not imported", url=url, code=error.code, run=str(job.run_id))
                if len(urls) == 1:
                    raise
            await job.progress("importing", done, len(urls))
            await asyncio.sleep(self.seconds_between)
        if failed and len(failed) == len(urls):
            raise UpstreamFailed(f"None of the {len(urls)} pages of {order.url} could be fetched, as {failed[0]}.")

    async def _addresses(self, order: _Order, robots: _Robots) -> Sequence[str]:
        if not order.is_sitemap:
            return [order.url]
        waiting, found, seen = [order.url], dict[str, None](), set[str]()
        host = urlsplit(order.url).netloc
        while waiting and len(seen) < _MOST_SITEMAPS and len(found) < order.most_pages:
            url = waiting.pop(0)
            if url in seen:
                continue
            seen.add(url)
            try:
                pages, maps = await self._sitemap(url, robots)
            except GliaError as error:
                if url == order.url:
                    raise
                log.warning("sitemap not read", url=url, code=error.code)
                continue
            # A sitemap may speak for its own host only.
            found |= dict.fromkeys(page for page in pages if urlsplit(page).netloc == host)
            waiting += [page for page in maps if urlsplit(page).netloc == host]
        if not found:
            raise InvalidRequest(f"{order.url} lists no pages of {host}; give its sitemap.xml.", field="url")
        return list(found)[: order.most_pages]

    async def _sitemap(self, url: str, robots: _Robots) -> tuple[list[str], list[str]]:
        body = (await _fetched(self.outbound, robots, url, _LARGEST_SITEMAP)).body
        return read_sitemap(unpacked(body, url), url)

    async def _one(self, principal: Principal, order: _Order, url: str, robots: _Robots) -> None:
        answer = await _fetched(self.outbound, robots, url, _LARGEST_PAGE)
        media_type = (answer.headers.get("content-type") or "text/html").partition(";")[0].strip().lower()
        with tempfile.TemporaryDirectory(prefix="glia-") as folder:
            path = Path(folder) / "page"
            await asyncio.to_thread(path.write_bytes, answer.body)
            document = await self.knowledge.add(
                principal,
                order.base_id,
                path,
                name=name_of(url, media_type),
                media_type=media_type,
                folder=order.folder,
                source_url=url,
            )
        await self.knowledge.replace_source(principal, order.base_id, document, url)


class _Robots:
    """What each host lets be fetched. A host without a robots.txt lets everything."""

    def __init__(self, outbound: Outbound) -> None:
        self._outbound = outbound
        self._rules: dict[str, RobotFileParser] = {}

    async def require(self, url: str) -> None:
        """Raises InvalidRequest where robots.txt forbids it."""
        parts = urlsplit(url)
        origin = f"{parts.scheme}://{parts.netloc}"
        if origin not in self._rules:
            self._rules[origin] = await self._read(origin)
        if not self._rules[origin].can_fetch(_AGENT, url):
            raise InvalidRequest(f"{origin}/robots.txt does not let {url} be fetched by programs.", field="url")

    async def _read(self, origin: str) -> RobotFileParser:
        rules = RobotFileParser()
        lines: list[str] = []
        answer = await self._outbound.request(
            "GET", f"{origin}/robots.txt", timeouts=_TIMEOUTS, largest_body_bytes=500_000, redirects=_MOST_REDIRECTS
        )
        if answer.status // 100 == 5:  # its rules are not known, which is not the same as none (RFC 9309, 2.3.1.4)
            raise UpstreamFailed(f"{origin}/robots.txt answered with HTTP {answer.status}; import again later.")
        if answer.status // 100 == 2:
            lines = answer.body.decode("utf-8-sig", "replace").splitlines()
        rules.parse(lines)
        return rules


async def _fetched(outbound: Outbound, robots: _Robots, url: str, largest_bytes: int) -> Response:
    """What lies there in the end. Redirects are followed one by one: each may lead to a host with other rules."""
    here = url
    for _ in range(_MOST_REDIRECTS + 1):
        await robots.require(here)
        answer = await outbound.request("GET", here, timeouts=_TIMEOUTS, largest_body_bytes=largest_bytes)
        location = answer.headers.get("location")
        if answer.status not in _REDIRECTS or location is None:
            if answer.status != 200:
                raise UpstreamFailed(f"{here} answered with HTTP {answer.status}; check the address.")
            return answer
        here = follow(parse(here), location).url
    raise UpstreamFailed(f"{url} redirects more than {_MOST_REDIRECTS} times; check the address.")


def unpacked(data: bytes, url: str) -> bytes:
    """What a gzip file such as `sitemap.xml.gz` holds; anything else as it is."""
    if not data.startswith(b"\x1f\x8b"):
        return data
    unpacker = zlib.decompressobj(wbits=31)
    try:
        plain = unpacker.decompress(data, _LARGEST_SITEMAP)
    except zlib.error as error:
        raise InvalidRequest(f"{url} is a damaged gzip file ({error}).", field="url") from error
    if not unpacker.eof:
        raise InvalidRequest(f"{url} is cut off, or unpacks to over {_LARGEST_SITEMAP:,} bytes.", field="url")
    return plain


def read_sitemap(data: bytes, url: str) -> tuple[list[str], list[str]]:
    """The pages and the further sitemaps that it lists. Raises InvalidRequest when it is none."""
    pages: list[str] = []
    maps: list[str] = []
    stack: list[str] = []
    text: list[str] = []

    def start(name: str, _attributes: dict[str, str]) -> None:
        stack.append(name.rpartition(" ")[2])
        text.clear()

    def end(_name: str) -> None:
        here = stack.pop()
        if here == "loc" and stack and (address := "".join(text).strip()):
            (maps if stack[-1] == "sitemap" else pages).append(address)

    def refuse(*_: object) -> None:
        raise InvalidRequest(f"{url} defines XML entities, which no sitemap needs.", field="url")

    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text.append
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise InvalidRequest(f"{url} is no sitemap that can be read ({error}).", field="url") from error
    return pages, maps


def name_of(url: str, media_type: str) -> str:
    """A file name for what lies at this address."""
    parts = urlsplit(url)
    path = PurePosixPath(unquote(parts.path))
    stem = (path.name or parts.netloc).replace("\0", "")[:200]
    return stem if path.suffix else stem + _EXTENSIONS.get(media_type, "")


def _order(input: dict[str, object]) -> _Order:
    return _Order(
        base_id=UUID(str(input["knowledge_base_id"])),
        url=str(input["url"]),
        is_sitemap=bool(input.get("is_sitemap")),
        folder=str(input.get("path") or ""),
        most_pages=min(MOST_PAGES, max(1, int(str(input.get("most_pages") or MOST_PAGES)))),
    )
