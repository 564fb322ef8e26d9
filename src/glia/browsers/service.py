"""Browsers: one for each session that needs it, its pages, and their end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from uuid import UUID

import structlog

from glia.browsers import chromium
from glia.browsers.chromium import Chromium
from glia.browsers.errors import BrowserFailed, BrowserUnavailable, TooManyPages
from glia.browsers.page import Page
from glia.browsers.protocol import Event
from glia.browsers.types import IDLE_SECONDS, MOST_BROWSERS, MOST_PAGES, BrowserConfig
from glia.browsers.wayout import WayOut
from glia.kit.outbound import Outbound

log = structlog.get_logger(__name__)

__all__ = ["Browser", "Browsers"]


class Browser:
    """Of one session. uses: calls under way; only one works on it at a time."""

    def __init__(self, program: Chromium, way_out: WayOut) -> None:
        self.pages: dict[int, Page] = {}
        self.lock = asyncio.Lock()
        self.used_at = asyncio.get_running_loop().time()
        self.way_out = way_out
        self._program = program
        self._last = 0

    @property
    def is_alive(self) -> bool:
        return self._program.is_alive

    def hear(self, event: Event) -> None:
        session = event.get("sessionId")
        if event["method"] == "Target.targetDestroyed":
            gone = event["params"]["targetId"]
            for page in [page for page in self.pages.values() if page.target == gone]:
                page.is_gone = True
                self.pages.pop(page.number, None)
            return
        for page in self.pages.values():
            if page.session == session:
                page.hear(event)

    async def page(self, number: int | None, *, is_new: bool = False) -> Page:
        """The page with this number, else the newest one; opened when there is none. Raises TooManyPages."""
        if number is not None:
            if number not in self.pages:
                known = ", ".join(map(str, sorted(self.pages))) or "none"
                raise BrowserFailed(f"There is no page {number}; open pages: {known}.")
            return self.pages[number]
        if self.pages and not is_new:
            return self.pages[max(self.pages)]
        if len(self.pages) >= MOST_PAGES:
            raise TooManyPages(f"{MOST_PAGES} pages are open, the most; close one first.")
        ask = self._program.protocol.ask
        target = (await ask("Target.createTarget", {"url": "about:blank"}))["targetId"]
        session = (await ask("Target.attachToTarget", {"targetId": target, "flatten": True}))["sessionId"]
        self._last += 1
        page = Page(self._program.protocol, self._last, target, session)
        self.pages[page.number] = page
        await page.open()
        return page

    async def close_page(self, page: Page) -> None:
        self.pages.pop(page.number, None)
        await self._program.protocol.ask("Target.closeTarget", {"targetId": page.target})

    async def prepare(self) -> None:
        ask = self._program.protocol.ask
        await ask("Target.setDiscoverTargets", {"discover": True})
        await ask("Browser.setDownloadBehavior", {"behavior": "deny"})

    async def close(self) -> None:
        await self._program.close()
        await self.way_out.close()


class Browsers:
    def __init__(self, outbound: Outbound, config: BrowserConfig) -> None:
        """outbound: judges every connection of every page."""
        self._outbound = outbound
        self._config = config
        self._browsers: dict[UUID, Browser] = {}
        self._starting = asyncio.Lock()
        self._tending: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def use(self, session_id: UUID) -> AsyncGenerator[Browser]:
        """The session's browser, started when there is none. Whoever is cancelled inside, with their run, ends it.

        Raises BrowserUnavailable.
        """
        browser = await self._of(session_id)
        async with browser.lock:
            try:
                yield browser
            except asyncio.CancelledError:
                await asyncio.shield(self.end(session_id))
                raise
            finally:
                browser.used_at = asyncio.get_running_loop().time()

    async def end(self, session_id: UUID) -> bool:
        """Closes a session's browser with all that it holds. False when there is none."""
        browser = self._browsers.pop(session_id, None)
        if browser is None:
            return False
        await browser.close()
        return True

    async def close(self) -> None:
        """Ends all of them."""
        if self._tending is not None:
            self._tending.cancel()
        for session_id in list(self._browsers):
            await self.end(session_id)

    async def _of(self, session_id: UUID) -> Browser:
        async with self._starting:
            browser = self._browsers.get(session_id)
            if browser is not None and browser.is_alive:
                return browser
            await self.end(session_id)
            await self._make_room()
            browser = await self._start()
            self._browsers[session_id] = browser
            if self._tending is None or self._tending.done():
                self._tending = asyncio.create_task(self._tend(), name="glia-browsers")
            return browser

    async def _start(self) -> Browser:
        way_out = WayOut(self._outbound)
        browser: Browser | None = None

        def hear(event: Event) -> None:
            if browser is not None:
                browser.hear(event)

        try:
            program = await chromium.start(self._config, await way_out.start(), hear)
        except BaseException:
            await way_out.close()
            raise
        browser = Browser(program, way_out)
        await browser.prepare()
        return browser

    async def _make_room(self) -> None:
        if len(self._browsers) < MOST_BROWSERS:
            return
        idle = [id for id, browser in self._browsers.items() if not browser.lock.locked()]
        if not idle:
            raise BrowserUnavailable(
                f"{MOST_BROWSERS} browsers are at work on this server, the most; try again shortly."
            )
        await self.end(min(idle, key=lambda one: self._browsers[one].used_at))

    async def _tend(self) -> None:
        """Closes what nobody has used for long."""
        while self._browsers:
            await asyncio.sleep(IDLE_SECONDS / 10)
            now = asyncio.get_running_loop().time()
            for id, browser in list(self._browsers.items()):
                if not browser.lock.locked() and (now - browser.used_at > IDLE_SECONDS or not browser.is_alive):
                    log.info("browser closed", session=str(id))
                    await self.end(id)
