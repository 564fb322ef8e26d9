"""A whole house behind a live server in a thread, and a scripted provider behind that."""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest
import uvicorn

from glia.agents.types import AgentSpec
from glia.front import Front
from glia.identity import service
from glia.identity.passwords import Cost, Passwords
from glia.identity.types import Principal
from glia.kit.ids import new_id
from glia.server import bind
from glia.settings import Settings
from glia.wiring import House, build
from tests.built_models import share_built_models
from tests.conftest import DatabaseUrls, _fresh_database
from tests.models.conftest import ScriptedServer
from tests.surfaces.conftest import patient

T = TypeVar("T")

PRICES = '{"models": {"openai/*": {"input": 1000000, "output": 2000000}}}'


@dataclass
class Live:
    """Calls into it run on its own event loop."""

    loop: asyncio.AbstractEventLoop
    house: House
    upstream: ScriptedServer
    url: str
    api_key: str
    principal: Principal

    def do(self, work: Awaitable[T]) -> T:
        async def wait() -> T:
            return await work

        return asyncio.run_coroutine_threadsafe(wait(), self.loop).result(60)

    def usage(self, count: int) -> list[Any]:
        """The records written, once there are this many; whatever there is after half a minute."""

        async def look() -> list[Any]:
            for _ in range(1200):
                await self.house.meter.flush()
                page = await self.house.usage.list(self.principal, _window())
                if len(page.items) >= count:
                    break
                await asyncio.sleep(0.02)
            return page.items

        return self.do(look())


def _window() -> Any:
    from glia.kit.pages import Window

    return Window(100)


@pytest.fixture
def settings() -> Settings:
    return Settings()


@pytest.fixture
def own_live(database_urls: DatabaseUrls, tmp_path: Path, settings: Settings) -> Iterator[Live]:
    """A house of its own, for tests that break it or set it up otherwise."""
    share_built_models(tmp_path)
    yield from open_live(database_urls, tmp_path, settings)


@pytest.fixture
def live(here: Live) -> Live:
    """A workspace of its own in the module's house."""

    async def move_in() -> tuple[str, Principal]:
        name = new_id().hex
        made = await here.house.identity.create_workspace(name, f"{name}@example.org")
        return made.api_key, (await here.house.identity.authenticate_key(made.api_key)).principal

    api_key, principal = here.do(move_in())
    return replace(here, api_key=api_key, principal=principal)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """One for all tests of a module, in a database of its own, with the agents `quoting` and `writing`."""
    for urls in _fresh_database():
        folder = tmp_path_factory.mktemp("live")
        share_built_models(folder)
        for live in open_live(urls, folder, Settings()):
            for name, model in (("Quoting", "glia/embedded"), ("Writing", "openai/gpt-test")):
                spec = AgentSpec(name=name, model=model, tools=("calculator",))
                live.do(live.house.agents.create(live.principal, spec))
            yield live


@pytest.fixture
def here(house: Live) -> Live:
    """The module's house, with nothing left of what the test before scripted."""
    house.upstream.script.clear()
    house.upstream.seen.clear()
    house.do(house.house.meter.flush())
    return house


def open_live(database_urls: DatabaseUrls, tmp_path: Path, settings: Settings) -> Iterator[Live]:
    (tmp_path / "prices.json").write_text(PRICES)
    begun, ended, box = threading.Event(), [], []

    async def serve() -> None:
        upstream = ScriptedServer()
        upstream.models = ["gpt-test"]
        await upstream.start()
        environment = {
            "OPENAI_API_KEY": "sk-operators-own-key",
            "OPENAI_BASE_URL": upstream.url,
            "GLIA_DEFAULT_MODEL": "glia/embedded",
            "GLIA_MODEL_DISCOVERY": "off",
            "GLIA_PRICES": str(tmp_path / "prices.json"),
        }
        service.Passwords = partial(Passwords, Cost(rounds=1, memory_kib=64, lanes=1))
        house = await build(patient(settings), database_urls.app, tmp_path, environment)
        service.Passwords = Passwords
        credentials = await house.identity.bootstrap()
        assert credentials is not None
        await house.open()
        socket = bind("127.0.0.1", 0)
        config = uvicorn.Config(Front(house), lifespan="off", log_config=None, timeout_graceful_shutdown=1)  # type: ignore[arg-type]
        server = uvicorn.Server(config)
        server.capture_signals = _nothing  # type: ignore[method-assign]
        ended.append(lambda: setattr(server, "should_exit", True))
        found = await house.identity.authenticate_key(credentials.api_key)
        url = f"http://127.0.0.1:{socket.getsockname()[1]}/v1"
        loop = asyncio.get_running_loop()
        box.append(Live(loop, house, upstream, url, credentials.api_key, found.principal))
        begun.set()
        await server.serve(sockets=[socket])
        await house.close()
        await upstream.stop()

    thread = threading.Thread(target=_run, args=(serve, begun))
    thread.start()
    begun.wait(30)
    try:
        assert box, "the house did not open"
        yield box[0]
    finally:
        for end in ended:
            end()
        thread.join(20)
        shutil.rmtree(tmp_path, ignore_errors=True)


def _run(serve: Callable[[], Awaitable[None]], begun: threading.Event) -> None:
    try:
        asyncio.run(serve())  # type: ignore[arg-type]
    finally:
        begun.set()


def _nothing() -> Any:
    from contextlib import nullcontext

    return nullcontext()
