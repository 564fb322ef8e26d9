"""Triggers with runs that nobody executes: a test says how each run ends, and when time has passed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from psycopg.types.json import Jsonb

from glia.agents.types import AgentSpec
from glia.identity.limits import RateLimits
from glia.identity.types import Principal
from glia.kit.db import Database
from glia.kit.pages import Window
from glia.runs.types import Run
from glia.triggers.firings import Firings
from glia.triggers.hooks import Hooks
from glia.triggers.service import Triggers
from glia.triggers.ticker import Ticker
from glia.triggers.types import Firing, Interval, Trigger, TriggerSpec, When
from tests.conftest import DatabaseUrls, opened
from tests.runs.rig import NoSecrets, Rig, ScriptedModel, rig

EVENT_TYPES = frozenset({"run.failed", "run.completed", "tool.returned"})


@dataclass
class Place:
    rig: Rig
    principal: Principal
    agent: UUID
    triggers: Triggers
    hooks: Hooks
    firings: Firings
    ticker: Ticker

    @property
    def db(self) -> Database:
        return self.rig.db

    def another_ticker(self) -> Ticker:
        """As another process would have it."""
        return Ticker(self.db, Firings(self.db, self.rig.runs, self.rig.workflows.start))

    async def make(self, when: When | None = None, **spec: Any) -> Trigger:
        wanted = TriggerSpec(
            **{"name": "Report", "agent_id": self.agent, "message": "Report.", "when": when or Interval(3600)} | spec
        )
        return (await self.triggers.create(self.principal, wanted)).trigger

    async def pass_time(self, trigger: Trigger, **ago: float) -> None:
        """As if its next time had been so long ago; a second if nothing is said."""
        await self.execute(
            "update triggers set next_at = clock_timestamp() - %(ago)s where id = %(id)s",
            ago=timedelta(**(ago or {"seconds": 1})),
            id=trigger.id,
        )

    async def execute(self, sql: Any, **parameters: object) -> None:
        async with self.db.transaction(self.principal.workspace_id) as tx:
            await tx.execute(sql, **parameters)

    async def value(self, sql: Any, **parameters: object) -> Any:
        async with self.db.transaction(self.principal.workspace_id) as tx:
            return await tx.value(sql, **parameters)

    async def tick(self, rounds: int = 3) -> None:
        for _ in range(rounds):
            await self.ticker.round()

    async def history(self, trigger: Trigger) -> list[Firing]:
        """Oldest first."""
        page = await self.triggers.firings(self.principal, trigger.id, Window(limit=1000))
        return page.items[::-1]

    async def outcomes(self, trigger: Trigger) -> list[str]:
        return [str(firing.outcome) for firing in await self.history(trigger)]

    async def runs(self) -> list[Run]:
        """Oldest first."""
        return (await self.rig.runs.list(self.principal, Window(limit=1000))).items[::-1]

    async def said(self, run: Run) -> str:
        (message,) = await self.rig.runs.messages(self.principal, run.session_id)
        return message.content

    async def end(self, run_id: UUID | None, status: str = "completed", event: dict[str, object] | None = None) -> None:
        """Ends a run as a worker would, with its last event."""
        async with self.db.transaction(self.principal.workspace_id) as tx:
            await tx.execute("update runs set status = 'running', attempt = 1 where id = %(id)s", id=run_id)
            await tx.execute(
                """
                select glia.append_events(%(ws)s, %(run)s, 1, %(type)s, %(data)s::json, new_status => %(status)s)""",
                ws=self.principal.workspace_id,
                run=run_id,
                type=f"run.{status}",
                data=Jsonb([event or {}]),
                status=status,
            )

    async def again(self, trigger: Trigger) -> Trigger:
        return await self.triggers.get(self.principal, trigger.id)

    async def now(self) -> datetime:
        return await self.value("select clock_timestamp()")


@pytest.fixture
async def db(database_urls: DatabaseUrls) -> AsyncIterator[Database]:
    """A database of the test's own: a ticker sees the triggers of all workspaces."""
    async with opened(database_urls) as database:
        yield database


@pytest.fixture
async def place(db: Database, database_urls: DatabaseUrls, principal: Principal) -> AsyncIterator[Place]:
    async with rig(db, database_urls.app, ScriptedModel(), is_working=False) as built:
        agent = (await built.agents.create(principal, AgentSpec(name="Clerk"))).id
        firings = Firings(db, built.runs, built.workflows.start)
        triggers = Triggers(db, firings, NoSecrets(), event_types=EVENT_TYPES)
        hooks = Hooks(db, firings, NoSecrets(), RateLimits())
        yield Place(built, principal, agent, triggers, hooks, firings, Ticker(db, firings))
