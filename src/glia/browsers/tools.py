"""What agents may do with a browser: one tool with an action for each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal

import orjson
from msgspec import Meta, Struct

from glia.browsers.errors import BrowserFailed, BrowserUnavailable, TooManyPages
from glia.browsers.page import Page
from glia.browsers.service import Browser, Browsers
from glia.browsers.types import LONGEST_SECONDS, USUAL_SECONDS
from glia.tools.errors import InvalidArguments
from glia.tools.service import tool
from glia.tools.types import Effect, MadeArtifact, Tool, ToolContext, ToolResult

LONGEST_SHOWN = 20_000
_MOST_SELECTORS = 50

KeepFile = Callable[[ToolContext, str, bytes, str], Awaitable[MadeArtifact]]
"""Shows the user a file: (context, name, content, media type)."""

BrowserAction = Literal[
    "navigate",
    "click",
    "type",
    "extract",
    "screenshot",
    "execute_script",
    "get_cookies",
    "set_cookies",
    "scrape",
    "wait_for_element",
    "list_pages",
    "close_page",
]


class BrowserArguments(Struct, forbid_unknown_fields=True):
    action: BrowserAction
    url: Annotated[str | None, Meta(description="For navigate: an http or https address.")] = None
    selector: Annotated[str | None, Meta(description="CSS, for click, type, extract and wait_for_element.")] = None
    text: Annotated[str | None, Meta(description="For type.")] = None
    clear: Annotated[bool, Meta(description="For type: in place of what is there.")] = True
    press_enter: Annotated[bool, Meta(description="For type: press Enter afterwards.")] = False
    format: Annotated[Literal["text", "html"], Meta(description="For extract.")] = "text"
    script: Annotated[str | None, Meta(description="For execute_script: JavaScript; its last value is returned.")] = (
        None
    )
    cookies: Annotated[
        list[dict[str, Any]] | None, Meta(description="For set_cookies: each with name, value and url or domain.")
    ] = None
    selectors: Annotated[dict[str, str] | None, Meta(description="For scrape: a name for each CSS selector.")] = None
    full_page: Annotated[bool, Meta(description="For screenshot: more than the window shows.")] = False
    page: Annotated[int | None, Meta(description="The number of an open page; the newest when not given.")] = None
    new_page: Annotated[bool, Meta(description="For navigate: in a page of its own.")] = False
    timeout_seconds: Annotated[float, Meta(gt=0, le=LONGEST_SECONDS)] = USUAL_SECONDS


def browser(browsers: Browsers, keep: KeepFile) -> Tool:
    @tool(name="browser", effect=Effect.ONCE, timeout_seconds=LONGEST_SECONDS + 60, is_default=False)
    async def browser(context: ToolContext, arguments: BrowserArguments) -> ToolResult:
        """Uses a real browser: navigate, click, type, extract text, take a screenshot, run a script, read and set
        cookies, scrape by selectors, wait for an element. Pages and what they are signed in to stay for the next call
        of this conversation, until five minutes have passed without one."""
        try:
            async with browsers.use(context.session_id) as found:
                return await _Call(found, context, arguments, keep).do()
        except (BrowserFailed, BrowserUnavailable, TooManyPages) as error:
            return ToolResult(error.message, is_error=True)

    return browser


class _Call:
    def __init__(self, browser: Browser, context: ToolContext, arguments: BrowserArguments, keep: KeepFile) -> None:
        self._browser = browser
        self._context = context
        self._arguments = arguments
        self._keep = keep

    async def do(self) -> ToolResult:
        asked = self._arguments
        if asked.action == "list_pages":
            return ToolResult(await self._pages())
        page = await self._browser.page(asked.page, is_new=asked.action == "navigate" and asked.new_page)
        if asked.action == "screenshot":
            return await self._screenshot(page)
        if asked.action == "close_page":
            await self._browser.close_page(page)
            return ToolResult(f"Page {page.number} is closed.")
        if asked.action in ("navigate", "click", "type", "wait_for_element"):
            return ToolResult(await self._acted(page))
        return ToolResult(await self._read(page))

    async def _acted(self, page: Page) -> str:
        asked, seconds = self._arguments, self._arguments.timeout_seconds
        match asked.action:
            case "navigate":
                await self._navigate(page, _needed(asked.url, "url"), seconds)
            case "click":
                await page.click(_needed(asked.selector, "selector"), seconds)
            case "type":
                selector = _needed(asked.selector, "selector")
                cleared, entered = asked.clear, asked.press_enter
                await page.type(selector, asked.text or "", seconds, is_cleared=cleared, is_entered=entered)
            case _:
                await page.wait_for(_needed(asked.selector, "selector"), seconds)
        return await _state(page)

    async def _navigate(self, page: Page, url: str, seconds: float) -> None:
        """With the reason of the rules for outbound calls when they are why it failed."""
        refusals = self._browser.way_out.refusals
        refusals.clear()
        try:
            await page.navigate(url, seconds)
        except BrowserFailed as error:
            if refusals:
                raise BrowserFailed(f"{error.message} {next(iter(refusals.values()))}") from None
            raise
        if page.status in (403, 502) and refusals:
            raise BrowserFailed(f"{url[:200]} could not be opened. {next(iter(refusals.values()))}")

    async def _read(self, page: Page) -> str:
        asked = self._arguments
        match asked.action:
            case "extract":
                return _shown(await page.extract(asked.selector, asked.format)) or "(Nothing is written there.)"
            case "execute_script":
                return _json(await page.run(_needed(asked.script, "script"), asked.timeout_seconds))
            case "scrape":
                if not asked.selectors or len(asked.selectors) > _MOST_SELECTORS:
                    raise InvalidArguments(
                        f"`selectors` must name 1 to {_MOST_SELECTORS} selectors.", field="selectors"
                    )
                return _json(await page.scrape(asked.selectors))
            case "set_cookies":
                await page.set_cookies(asked.cookies or [])
                return f"{len(asked.cookies or [])} cookies are set."
            case _:
                return _json(await page.cookies())

    async def _screenshot(self, page: Page) -> ToolResult:
        image = await page.screenshot(is_whole=self._arguments.full_page)
        made = await self._keep(self._context, f"page-{page.number}.png", image, "image/png")
        return ToolResult(f"{await _state(page)}\nThe screenshot {made.name} is shown to the user.", artifacts=(made,))

    async def _pages(self) -> str:
        return "\n".join([await _state(page) for page in self._browser.pages.values()]) or "No page is open."


async def _state(page: Page) -> str:
    url, title = await page.where()
    status = "" if page.status is None else f" (status {page.status})"
    return f"Page {page.number}: {url}{status}\n{title}".rstrip()


def _json(value: object) -> str:
    return _shown(orjson.dumps(value, default=str).decode())


def _shown(text: str) -> str:
    text = text.replace("\0", "\N{REPLACEMENT CHARACTER}")
    if len(text) <= LONGEST_SHOWN:
        return text
    return f"{text[:LONGEST_SHOWN]}\n[Cut here: these are the first {LONGEST_SHOWN} of {len(text)} characters.]"


def _needed(value: str | None, field: str) -> str:
    if not value:
        raise InvalidArguments(f"`{field}` is missing; this action needs it.", field=field)
    return value
