"""Pages fetched into a base: what a sitemap lists, what robots.txt forbids, and what changed since."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from glia.identity.types import Principal
from glia.kit.errors import GliaError, InvalidRequest
from glia.kit.outbound import Response
from glia.kit.pages import Window
from glia.knowledge.importing import Import, name_of, read_sitemap

from .conftest import House

SITE = "https://site.example"


class Headers(dict[str, str]):
    pass


@dataclass
class Web:
    """Stands in for the outbound client: what lies where."""

    pages: dict[str, str]
    asked: list[str] = field(default_factory=list)

    async def request(self, method: str, url: str, **_: Any) -> Response:
        self.asked.append(url)
        text = self.pages.get(url)
        return Response(
            404 if text is None else 200, Headers({"content-type": "text/plain"}), (text or "").encode(), url
        )


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
