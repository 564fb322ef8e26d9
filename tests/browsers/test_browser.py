import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from glia.browsers.service import Browsers
from glia.browsers.tools import browser
from glia.browsers.types import BrowserConfig
from glia.kit.ids import new_id
from glia.kit.outbound import Outbound, OutboundPolicy
from glia.tools.types import MadeArtifact, ToolContext, ToolResult

needs_chromium = pytest.mark.skipif(
    not any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), reason="There is no Chromium here."
)

PAGE = b"""<!doctype html><title>Shop</title><h1>Teas</h1>
<ul><li class=tea>Assam</li><li class=tea>Oolong</li></ul>
<form action=/found><input name=q id=q><button id=go>Go</button></form>
<img src="http://127.0.0.1:%d/secret.png">
<script>setTimeout(() => document.body.insertAdjacentHTML("beforeend", "<p id=late>Late</p>"), 200)</script>"""


class Site:
    """Two servers: one that may be reached, and one on a private address that may not."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.inner_asked: list[str] = []

    async def start(self) -> None:
        self.outer = await asyncio.start_server(self._outer, "127.0.0.1", 0)
        self.inner = await asyncio.start_server(self._inner, "127.0.0.1", 0)
        self.port = self.outer.sockets[0].getsockname()[1]
        self.inner_port = self.inner.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    async def _outer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
        self.asked.append(path)
        if path == "/redirect":
            there = f"http://127.0.0.1:{self.inner_port}/admin".encode()
            writer.write(b"HTTP/1.1 302 Found\r\nLocation: " + there + b"\r\nContent-Length: 0\r\n\r\n")
        else:
            body = PAGE % self.inner_port if not path.startswith("/found") else b"<title>Found</title>" + path.encode()
            head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nSet-Cookie: seen=yes\r\nContent-Length: %d\r\n\r\n"
            writer.write(head % len(body) + body)
        writer.close()

    async def _inner(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.inner_asked.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.close()


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    site = Site()
    await site.start()
    yield site
    site.outer.close()
    site.inner.close()


class Agent:
    """Calls the tool as a run would."""

    def __init__(self, browsers: Browsers) -> None:
        self.kept: list[bytes] = []
        self.tool = browser(browsers, self._keep)
        self.session_id: UUID = new_id()

    async def _keep(self, context: ToolContext, name: str, content: bytes, media_type: str) -> MadeArtifact:
        self.kept.append(content)
        return MadeArtifact("1", name, media_type, len(content))

    async def result(self, **arguments: object) -> ToolResult:
        context = ToolContext(new_id(), new_id(), new_id(), self.session_id, new_id(), idempotency_key="k")
        return await self.tool.call(context, json.dumps(arguments))

    async def __call__(self, **arguments: object) -> str:
        result = await self.result(**arguments)
        assert not result.is_error, result.text
        return result.text


@pytest.fixture
async def browsers(site: Site) -> AsyncIterator[Browsers]:
    outbound = Outbound(OutboundPolicy.from_setting(f"127.0.0.1:{site.port}"))
    browsers = Browsers(outbound, BrowserConfig())
    yield browsers
    await browsers.close()
    await outbound.close()


@needs_chromium
async def test_an_agent_uses_a_page_as_a_person_would(browsers: Browsers, site: Site) -> None:
    agent = Agent(browsers)

    opened = await agent(action="navigate", url=f"{site.url}/shop")
    teas = await agent(action="scrape", selectors={"teas": ".tea"})
    await agent(action="wait_for_element", selector="#late")
    text = await agent(action="extract", selector="h1")
    html = await agent(action="extract", selector="ul", format="html")
    await agent(action="type", selector="#q", text='green "tea"')
    found = await agent(action="click", selector="#go")
    cookies = await agent(action="get_cookies")
    script = await agent(action="execute_script", script="Promise.resolve({sum: 1 + 2})")
    image = await agent.result(action="screenshot", full_page=True)

    assert "(status 200)" in opened
    assert opened.endswith("Shop")
    assert json.loads(teas) == {"teas": ["Assam", "Oolong"]}
    assert (text, html[:4]) == ("Teas", "<ul>")
    assert "/found?q=green" in found
    assert found.endswith("Found")
    assert json.loads(cookies)[0]["name"] == "seen"
    assert json.loads(script) == {"sum": 3}
    assert agent.kept[0].startswith(b"\x89PNG")
    assert image.artifacts[0].media_type == "image/png"


@needs_chromium
async def test_no_request_of_a_page_reaches_a_private_address(browsers: Browsers, site: Site) -> None:
    agent = Agent(browsers)
    inner = f"http://127.0.0.1:{site.inner_port}"

    straight = await agent.result(action="navigate", url=f"{inner}/admin")
    redirected = await agent.result(action="navigate", url=f"{site.url}/redirect")
    named = await agent.result(action="navigate", url=f"http://localhost:{site.inner_port}/")
    await agent(action="navigate", url=f"{site.url}/shop")
    fetched = await agent(
        action="execute_script",
        script=f"fetch('{inner}/x', {{mode: 'no-cors'}}).then(r => 'answered ' + r.type, e => 'failed')",
    )
    socket = await agent(
        action="execute_script",
        script=f"new Promise(d => {{ const s = new WebSocket('ws://127.0.0.1:{site.inner_port}/'); s.onerror = () => d('failed'); s.onopen = () => d('open') }})",  # noqa: E501
    )

    assert straight.is_error
    assert "127.0.0.1" in straight.text
    assert redirected.is_error
    assert named.is_error
    assert "/redirect" in site.asked
    assert fetched in ('"failed"', '"answered opaque"')  # opaque: the proxy's own refusal
    assert socket == '"failed"'
    assert site.inner_asked == []


@needs_chromium
async def test_files_of_the_machine_cannot_be_opened(browsers: Browsers, site: Site) -> None:
    agent = Agent(browsers)
    await agent(action="navigate", url=f"{site.url}/shop")

    straight = await agent.result(action="navigate", url="file:///etc/passwd")
    await agent.result(action="execute_script", script="location.href = 'file:///etc/passwd'")
    text = await agent(action="extract")

    assert straight.is_error
    assert "root:" not in text


@needs_chromium
async def test_sessions_share_no_cookies_and_pages_are_limited(
    browsers: Browsers, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("glia.browsers.service.MOST_PAGES", 2)
    one, other = Agent(browsers), Agent(browsers)
    await one(action="navigate", url=f"{site.url}/shop")
    await one(action="set_cookies", cookies=[{"name": "mine", "value": "1", "url": site.url}])

    await other(action="navigate", url=f"{site.url}/shop")
    await one(action="navigate", url=f"{site.url}/shop", new_page=True)
    third = await one.result(action="navigate", url=f"{site.url}/shop", new_page=True)

    assert "mine" in await one(action="get_cookies")
    assert "mine" not in await other(action="get_cookies")
    assert third.is_error
    assert "2 pages are open" in third.text
    assert (await one(action="list_pages")).count("Page ") == 2
    await one(action="close_page", page=2)
    assert not (await one.result(action="navigate", url=f"{site.url}/shop", new_page=True)).is_error


@needs_chromium
async def test_a_cancelled_call_takes_its_browser_along(browsers: Browsers, site: Site) -> None:
    agent = Agent(browsers)
    await agent(action="navigate", url=f"{site.url}/shop")
    async with browsers.use(agent.session_id) as found:
        process = found._program.process  # pyright: ignore[reportPrivateUsage] : nothing else tells
    call = asyncio.create_task(agent.result(action="execute_script", script="fetch('/begun'); new Promise(() => {})"))
    async with asyncio.timeout(60):
        while "/begun" not in site.asked:
            await asyncio.sleep(0.01)

    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call

    async with asyncio.timeout(60):
        await process.wait()
    assert (await agent(action="navigate", url=f"{site.url}/shop")).endswith("Shop")


@needs_chromium
async def test_a_script_that_never_ends_is_stopped(browsers: Browsers, site: Site) -> None:
    agent = Agent(browsers)
    await agent(action="navigate", url=f"{site.url}/shop")

    endless = await agent.result(action="execute_script", script="while (true) {}", timeout_seconds=1)

    assert endless.is_error
    assert (await agent(action="execute_script", script="1 + 1")) == "2"


async def test_without_chromium_the_agent_is_told_how_to_get_it(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    agent = Agent(Browsers(Outbound(OutboundPolicy()), BrowserConfig()))

    result = await agent.result(action="navigate", url=site.url)

    assert result.is_error
    assert "apt-get install chromium" in result.text
