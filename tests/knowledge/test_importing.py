"""Pages fetched into a base: what a sitemap lists, what robots.txt forbids, and what changed since."""

from __future__ import annotations

import gzip
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from glia.identity.types import Principal
from glia.kit.errors import GliaError, InvalidRequest
from glia.kit.outbound import Response
from glia.kit.pages import Window
from glia.knowledge.errors import DocumentFailed
from glia.knowledge.importing import Import, name_of, read_sitemap, unpacked
from glia.knowledge.types import Reading

from .conftest import House, read_paragraphs

SITE = "https://site.example"


class Headers(dict[str, str]):
    pass


@dataclass
class Web:
    """Stands in for the outbound client: what lies where."""

    pages: dict[str, str | bytes]
    moved: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    robots_status: int = 200

    async def request(self, method: str, url: str, **_: Any) -> Response:
        self.asked.append(url)
        if url in self.moved:
            return Response(301, Headers({"location": self.moved[url]}), b"", url)
        found = self.pages.get(url)
        status = 404 if found is None else self.robots_status if url.endswith("/robots.txt") else 200
        body = found.encode() if isinstance(found, str) else found or b""
        return Response(status, Headers({"content-type": "text/plain"}), body, url)


async def unreadable(path: Path, *, file_name: str, media_type: str) -> Reading:
    raise DocumentFailed("document_empty", f"{file_name!r} holds no text.")


async def imported(house: House, web: Web, base_id: Any, principal: Principal, url: str, *, is_sitemap: bool) -> None:
    await house.knowledge.start_import(principal, base_id, url, is_sitemap=is_sitemap, folder="web", most_pages=10)
    await Import(house.knowledge, web, seconds_between=0)(house.queued.pop(0))  # type: ignore[arg-type]  # stand-in
    await house.work()


async def test_a_sitemap_brings_its_allowed_pages_once(house: House, principal: Principal) -> None:
    locations = "".join(f"<url><loc>{SITE}/{name}</loc></url>" for name in ("a", "private", "gone"))
    pages = {
        f"{SITE}/sitemap.xml": f"<urlset>{locations}<url><loc>https://other.example/x</loc></url></urlset>",
        f"{SITE}/robots.txt": "User-agent: *\nDisallow: /private",
        f"{SITE}/a": "Terns fly.",
        f"{SITE}/private": "Secret terns.",
    }
    web, base = Web(pages), await house.base()

    await imported(house, web, base.id, principal, f"{SITE}/sitemap.xml", is_sitemap=True)
    await imported(house, web, base.id, principal, f"{SITE}/sitemap.xml", is_sitemap=True)

    (document,) = (await house.knowledge.documents(principal, base.id, Window())).items
    assert (document.source_url, document.path, document.name) == (f"{SITE}/a", "web", "a.txt")
    assert f"{SITE}/private" not in web.asked
    assert "https://other.example/x" not in web.asked


async def test_a_page_that_changed_takes_the_place_of_the_old_one(house: House, principal: Principal) -> None:
    web, base = Web({f"{SITE}/a": "Terns fly."}), await house.base()
    await imported(house, web, base.id, principal, f"{SITE}/a", is_sitemap=False)
    web.pages[f"{SITE}/a"] = "Terns rest."

    await imported(house, web, base.id, principal, f"{SITE}/a", is_sitemap=False)

    assert await house.find(base, query="terns") == ["Terns rest."]


async def test_a_page_is_found_until_what_it_changed_to_is_ready(house: House, principal: Principal) -> None:
    web, base = Web({f"{SITE}/a": "Terns fly."}), await house.base()
    await imported(house, web, base.id, principal, f"{SITE}/a", is_sitemap=False)
    web.pages[f"{SITE}/a"] = b"\xff\xfe\xff"  # holds nothing that could be read
    house.ingest = replace(house.ingest, read=unreadable)

    with pytest.raises(DocumentFailed):
        await imported(house, web, base.id, principal, f"{SITE}/a", is_sitemap=False)

    house.ingest = replace(house.ingest, read=read_paragraphs)
    assert await house.find(base, query="terns") == ["Terns fly."]
    web.pages[f"{SITE}/a"] = "Terns rest."
    await imported(house, web, base.id, principal, f"{SITE}/a", is_sitemap=False)
    (document,) = (await house.knowledge.documents(principal, base.id, Window())).items
    assert document.status == "ready"
    assert await house.find(base, query="terns") == ["Terns rest."]


async def test_a_page_that_became_like_another_leaves_nothing_old(house: House, principal: Principal) -> None:
    web, base = Web({f"{SITE}/a": "Terns fly.", f"{SITE}/b": "Terns rest."}), await house.base()
    for name in ("a", "b"):
        await imported(house, web, base.id, principal, f"{SITE}/{name}", is_sitemap=False)
    web.pages[f"{SITE}/b"] = "Terns fly."

    await imported(house, web, base.id, principal, f"{SITE}/b", is_sitemap=False)

    assert await house.find(base, query="terns") == ["Terns fly."]


async def test_redirects_are_followed_as_far_as_robots_may_go(house: House, principal: Principal) -> None:
    pages: dict[str, str | bytes] = {
        f"{SITE}/new": "Terns fly.",
        f"{SITE}/private": "Secret terns.",
        f"{SITE}/robots.txt": "\ufeffUser-agent: *\nDisallow: /private",  # as editors on Windows write it
    }
    moved = {f"{SITE}/old": "/new", f"{SITE}/trap": f"{SITE}/private", f"{SITE}/loop": "/loop"}
    web, base = Web(pages, moved), await house.base()

    await imported(house, web, base.id, principal, f"{SITE}/old", is_sitemap=False)

    (document,) = (await house.knowledge.documents(principal, base.id, Window())).items
    assert (document.source_url, document.status) == (f"{SITE}/old", "ready")
    with pytest.raises(InvalidRequest, match=r"robots\.txt"):
        await imported(house, web, base.id, principal, f"{SITE}/trap", is_sitemap=False)
    with pytest.raises(GliaError, match="redirects more than 5 times"):
        await imported(house, web, base.id, principal, f"{SITE}/loop", is_sitemap=False)
    assert f"{SITE}/private" not in web.asked


async def test_a_host_whose_rules_cannot_be_read_is_left_alone(house: House, principal: Principal) -> None:
    web = Web({f"{SITE}/a": "Terns fly.", f"{SITE}/robots.txt": "down"}, robots_status=503)

    with pytest.raises(GliaError, match="HTTP 503"):
        await imported(house, web, (await house.base()).id, principal, f"{SITE}/a", is_sitemap=False)

    assert f"{SITE}/a" not in web.asked


async def test_a_packed_sitemap_is_read_and_a_broken_one_beside_it_passed_over(
    house: House, principal: Principal
) -> None:
    maps = "".join(f"<sitemap><loc>{SITE}/{name}</loc></sitemap>" for name in ("broken.xml", "maps.xml.gz"))
    pages: dict[str, str | bytes] = {
        f"{SITE}/index.xml": f"<sitemapindex>{maps}</sitemapindex>",
        f"{SITE}/broken.xml": "<urlset><url>",
        f"{SITE}/maps.xml.gz": gzip.compress(f"<urlset><url><loc>{SITE}/a</loc></url></urlset>".encode()),
        f"{SITE}/a": "Terns fly.",
    }
    web, base = Web(pages), await house.base()

    await imported(house, web, base.id, principal, f"{SITE}/index.xml", is_sitemap=True)

    assert await house.find(base, query="terns") == ["Terns fly."]


def test_a_sitemap_that_unpacks_without_end_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="unpacks"):
        unpacked(gzip.compress(bytes(51_000_000)), SITE)
    with pytest.raises(InvalidRequest, match="damaged"):
        unpacked(b"\x1f\x8bnothing", SITE)


async def test_what_cannot_be_had_is_told(house: House, principal: Principal) -> None:
    base = await house.base()

    with pytest.raises(GliaError, match="404"):
        await imported(house, Web({}), base.id, principal, f"{SITE}/a", is_sitemap=False)
    with pytest.raises(InvalidRequest, match="http"):
        await house.knowledge.start_import(
            principal, base.id, "file:///etc/passwd", is_sitemap=False, folder="", most_pages=1
        )
    with pytest.raises(InvalidRequest, match="entities"):
        read_sitemap(b"<!DOCTYPE x [<!ENTITY a 'b'>]><urlset/>", SITE)


def test_files_are_named_by_their_address() -> None:
    assert name_of(f"{SITE}/guide/", "text/html") == "guide.html"
    assert name_of(SITE, "text/html") == "site.example.html"
    assert name_of(f"{SITE}/a%20b.pdf?x=1", "application/pdf") == "a b.pdf"
