"""A dispatcher, an engine whose runs make events, and an HTTP server that takes deliveries."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID

import psycopg
import pytest

from glia.identity.secrets import load_secrets
from glia.identity.types import Principal
from glia.kit.db import Database
from glia.kit.notifications import Notifications
from glia.kit.outbound import Outbound, OutboundPolicy
from glia.kit.pages import Window
from glia.tools.types import ToolContext, ToolResult
from glia.webhooks.config import WebhookConfig
from glia.webhooks.dispatcher import CHANNEL, Dispatcher
from glia.webhooks.service import Webhooks
from glia.webhooks.types import Delivery, Webhook, WebhookSpec
from tests.conftest import DatabaseUrls
from tests.runs.rig import Rig, Say, ScriptedModel, make_tool, rig
from tests.webhooks.receiver import Receiver

QUICK = WebhookConfig(timeout_seconds=20, first_retry_seconds=0.05, longest_retry_seconds=0.2)


@dataclass
class Post:
    """The webhooks of one workspace, from registering to receiving."""

    urls: DatabaseUrls
    db: Database
    principal: Principal
    receiver: Receiver
    rig: Rig
    webhooks: Webhooks
    dispatcher: Dispatcher
    outbound: Outbound
    secrets: dict[UUID, str] = field(default_factory=dict)

    async def register(self, path: str = "/hook", *types: str, **spec: object) -> Webhook:
        wanted = WebhookSpec(url=self.receiver.url(path), event_types=types or ("*",), **spec)  # type: ignore[arg-type]
        webhook, self.secrets[webhook.id] = await self.webhooks.create(self.principal, wanted)
        return webhook

    async def run(self) -> UUID:
        """A run of one tool call. Returns its session."""
        self.rig.model.script += [Say(calls=(("look", {"what": "sky"}),)), Say("It is blue.")]
        session = await self.rig.session(self.principal, tools=("look",))
        await self.rig.finish(self.principal, await self.rig.send(self.principal, session))
        return session

    async def deliveries(self, webhook: Webhook) -> list[Delivery]:
        """Oldest first."""
        page = await self.webhooks.deliveries(self.principal, webhook.id, Window(limit=1000))
        return page.items[::-1]

    async def until_settled(self, webhook: Webhook, count: int = 1) -> list[Delivery]:
        """Waits until so many deliveries are there and none waits any more."""
        found: list[Delivery] = []

        async def is_settled() -> bool:
            nonlocal found
            found = await self.deliveries(webhook)
            return len(found) >= count and all(delivery.status != "pending" for delivery in found)

        async with asyncio.timeout(60):
            while not await is_settled():
                await asyncio.sleep(0.02)
        return found

    async def execute(self, sql: str) -> None:
        """In a thread: it may wait for what this very event loop holds."""
        await asyncio.to_thread(self._execute, sql)

    def _execute(self, sql: str) -> None:
        with psycopg.connect(self.urls.admin, autocommit=True) as admin:
            admin.execute("set search_path = glia, public")
            admin.execute(sql.encode())


async def _look(_context: ToolContext, _arguments: str) -> ToolResult:
    return ToolResult("Blue.")


@asynccontextmanager
async def post_office(
    urls: DatabaseUrls, db: Database, principal: Principal, *, config: WebhookConfig = QUICK, is_sending: bool = True
) -> AsyncIterator[Post]:
    async with Receiver().open() as receiver, rig(db, urls.app, ScriptedModel(), [make_tool("look", _look)]) as works:
        outbound = Outbound(OutboundPolicy(frozenset({receiver.host})))
        secrets = await load_secrets(db)
        dispatcher = Dispatcher(db, outbound, secrets, config)
        webhooks = Webhooks(db, outbound, secrets, dispatcher, config)
        notifications = Notifications(urls.app)
        notifications.on(CHANNEL, lambda _note: dispatcher.wake())
        await notifications.start()
        if is_sending:
            dispatcher.start()
        try:
            yield Post(urls, db, principal, receiver, works, webhooks, dispatcher, outbound)
        finally:
            await dispatcher.stop()
            await notifications.stop()
            await outbound.close()


@pytest.fixture
async def post(database_urls: DatabaseUrls, db: Database, principal: Principal) -> AsyncIterator[Post]:
    async with post_office(database_urls, db, principal) as office:
        yield office


@pytest.fixture
async def idle_post(database_urls: DatabaseUrls, db: Database, principal: Principal) -> AsyncIterator[Post]:
    """Its dispatcher sends only what a test tells it to."""
    async with post_office(database_urls, db, principal, is_sending=False) as office:
        yield office
