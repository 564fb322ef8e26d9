"""One open page: go somewhere, click, type, read, look. Real mouse and key events where a person would use them."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import orjson

from glia.browsers.errors import BrowserFailed
from glia.browsers.protocol import Event, Protocol

_LARGEST_TEXT = 200_000
"""Characters that a page's text or a script's answer may have on its way here."""

_LOOK_SECONDS = 0.05

_FIND = """(selector) => {
  const found = document.querySelector(selector);
  if (!found) return null;
  found.scrollIntoView({block: "center", inline: "center"});
  const box = found.getBoundingClientRect();
  return {x: box.x + box.width / 2, y: box.y + box.height / 2, isVisible: box.width > 0 && box.height > 0};
}"""
_FOCUS = """(selector, isCleared) => {
  const found = document.querySelector(selector);
  if (!found) return false;
  found.scrollIntoView({block: "center"});
  found.focus();
  if (isCleared && "value" in found) { found.select ? found.select() : (found.value = ""); }
  return true;
}"""
_EXTRACT = """(selector, format, most) => {
  const found = selector ? document.querySelector(selector) : document.documentElement;
  if (!found) return null;
  const seen = selector ? found : document.body || found;
  const text = format === "html" ? found.outerHTML : seen.innerText ?? seen.textContent;
  return String(text ?? "").slice(0, most);
}"""
_SCRAPE = """(selectors, most) => Object.fromEntries(Object.entries(selectors).map(([name, selector]) => {
  const found = [...document.querySelectorAll(selector)].slice(0, 200);
  return [name, found.map((each) => String(each.innerText ?? each.textContent ?? "").trim().slice(0, most))];
}))"""
_IS_THERE = """(selector) => {
  const found = document.querySelector(selector);
  if (!found) return false;
  const box = found.getBoundingClientRect();
  return box.width > 0 && box.height > 0;
}"""


class Page:
    def __init__(self, protocol: Protocol, number: int, target: str, session: str) -> None:
        """target, session: the protocol's names of it."""
        self.number = number
        self.target = target
        self.session = session
        self.status: int | None = None
        self.is_gone = False
        self._protocol = protocol
        self._main_frame = ""
        self._loaded = asyncio.Event()
        self._dismissing: asyncio.Task[None] | None = None

    async def open(self) -> None:
        await self._ask("Page.enable")
        await self._ask("Network.enable")
        tree = await self._ask("Page.getFrameTree")
        self._main_frame = tree["frameTree"]["frame"]["id"]

    def hear(self, event: Event) -> None:
        """What the browser tells of this page."""
        match event["method"]:
            case "Page.loadEventFired":
                self._loaded.set()
            case "Network.responseReceived":
                params = event["params"]
                if params.get("type") == "Document" and params.get("frameId") == self._main_frame:
                    self.status = params["response"].get("status")
            case "Page.javascriptDialogOpening":
                # A dialog would stop everything until somebody answers; nobody is there.
                self._dismissing = asyncio.create_task(self._dismiss())
            case _:
                pass

    async def _dismiss(self) -> None:
        with contextlib.suppress(BrowserFailed):  # it is gone already
            await self._ask("Page.handleJavaScriptDialog", {"accept": False}, seconds=5)

    async def navigate(self, url: str, seconds: float) -> None:
        """Until the page has loaded. Raises BrowserFailed with what Chromium says when it cannot be reached."""
        if urlsplit(url).scheme.lower() not in ("http", "https"):
            raise BrowserFailed(f"{url[:200]!r} is no http or https address.")
        self._loaded.clear()
        self.status = None
        began = await self._ask("Page.navigate", {"url": url}, seconds=seconds)
        if error := began.get("errorText"):
            raise BrowserFailed(f"{url[:200]} could not be opened: {error}.")
        if "loaderId" not in began:
            return  # a place within the page that is open already
        try:
            async with asyncio.timeout(seconds):
                await self._loaded.wait()
        except TimeoutError:
            raise BrowserFailed(f"{url[:200]} did not finish loading within {seconds:g} s.") from None

    async def click(self, selector: str, seconds: float) -> None:
        await self.wait_for(selector, seconds)
        place = await self.call(_FIND, selector)
        if place is None:
            raise _no_element(selector)
        at = {"x": place["x"], "y": place["y"], "button": "left", "clickCount": 1}
        await self._ask("Input.dispatchMouseEvent", {"type": "mouseMoved", "x": at["x"], "y": at["y"]})
        await self._ask("Input.dispatchMouseEvent", {"type": "mousePressed", **at})
        await self._ask("Input.dispatchMouseEvent", {"type": "mouseReleased", **at})
        await self._settle(seconds)

    async def type(self, selector: str, text: str, seconds: float, *, is_cleared: bool, is_entered: bool) -> None:
        """is_cleared: in place of what is there. is_entered: and press the Enter key."""
        if not await self.call(_FOCUS, selector, is_cleared):
            raise _no_element(selector)
        if text:
            await self._ask("Input.insertText", {"text": text})
        if is_entered:
            key = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r"}
            await self._ask("Input.dispatchKeyEvent", {"type": "keyDown", **key})
            await self._ask("Input.dispatchKeyEvent", {"type": "keyUp", **key})
            await self._settle(seconds)

    async def extract(self, selector: str | None, format: str) -> str:
        found = await self.call(_EXTRACT, selector, format, _LARGEST_TEXT)
        if found is None:
            raise _no_element(selector or "")
        return str(found)

    async def scrape(self, selectors: Mapping[str, str]) -> dict[str, list[str]]:
        return await self.call(_SCRAPE, dict(selectors), 2000)

    async def run(self, script: str, seconds: float) -> Any:
        """What the script's last expression is, awaited when it is a promise; as JSON has it."""
        params = {"expression": script, "awaitPromise": True, "returnByValue": True, "userGesture": True}
        found = await self._ask("Runtime.evaluate", {**params, "timeout": seconds * 1000}, seconds=seconds)
        return _value(found)

    async def wait_for(self, selector: str, seconds: float) -> None:
        """Until it can be seen."""
        deadline = asyncio.get_running_loop().time() + seconds
        while not await self._is_there(selector):
            if asyncio.get_running_loop().time() > deadline:
                raise BrowserFailed(f"Nothing that fits {selector[:200]!r} could be seen within {seconds:g} s.")
            await asyncio.sleep(_LOOK_SECONDS)

    async def screenshot(self, *, is_whole: bool) -> bytes:
        """A PNG. is_whole: of the whole page instead of what the window shows."""
        params: dict[str, Any] = {"format": "png", "captureBeyondViewport": is_whole}
        if is_whole:
            size = (await self._ask("Page.getLayoutMetrics"))["cssContentSize"]
            height = min(size["height"], 10_000)
            params["clip"] = {"x": 0, "y": 0, "width": min(size["width"], 4_000), "height": height, "scale": 1}
        return base64.b64decode((await self._ask("Page.captureScreenshot", params, seconds=60))["data"])

    async def where(self) -> tuple[str, str]:
        """Its address and title."""
        found = await self.run("[location.href, document.title]", 5)
        return str(found[0])[:2000], str(found[1])[:500]

    async def pdf(self) -> bytes:
        return base64.b64decode((await self._ask("Page.printToPDF", {"printBackground": True}, seconds=60))["data"])

    async def fill(self, html: str) -> None:
        """Makes the page show this HTML."""
        await self._ask("Page.setDocumentContent", {"frameId": self._main_frame, "html": html})

    async def call(self, function: str, *arguments: Any) -> Any:
        """Calls a JavaScript function of ours with arguments as data, never as code."""
        listed = orjson.dumps(list(arguments)).decode().replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
        return await self.run(f"({function})(...{listed})", 10)

    async def cookies(self) -> list[dict[str, Any]]:
        return (await self._ask("Network.getCookies"))["cookies"]

    async def set_cookies(self, cookies: list[dict[str, Any]]) -> None:
        await self._ask("Network.setCookies", {"cookies": cookies})

    async def _is_there(self, selector: str) -> bool:
        try:
            return bool(await self.call(_IS_THERE, selector))
        except BrowserFailed as error:
            if "is not a valid selector" in error.message:
                raise
            return False  # the page is being replaced by another

    async def _settle(self, seconds: float) -> None:
        """A click may lead elsewhere: lets that happen, and waits until it has loaded."""
        deadline = asyncio.get_running_loop().time() + min(seconds, 10)
        await asyncio.sleep(_LOOK_SECONDS * 2)
        while asyncio.get_running_loop().time() < deadline:
            try:
                if await self.run("document.readyState", 5) == "complete":
                    return
            except BrowserFailed:
                pass  # between two pages
            await asyncio.sleep(_LOOK_SECONDS)

    async def _ask(self, method: str, params: dict[str, Any] | None = None, *, seconds: float = 30) -> dict[str, Any]:
        if self.is_gone:
            raise BrowserFailed(f"The page {self.number} is closed; open another.")
        return await self._protocol.ask(method, params, page=self.session, seconds=seconds)


def _value(found: dict[str, Any]) -> Any:
    if thrown := found.get("exceptionDetails"):
        said = thrown.get("exception", {}).get("description") or thrown.get("text", "")
        raise BrowserFailed(f"The page's script failed: {str(said)[:1000]}")
    return found.get("result", {}).get("value")


def _no_element(selector: str) -> BrowserFailed:
    return BrowserFailed(f"Nothing on the page fits {selector[:200]!r}.")
