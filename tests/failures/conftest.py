"""One installation per test: its own database, processes that end with the test, and the world outside."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import pytest

from glia.agents.service import Agents
from glia.agents.types import AgentSpec
from glia.identity.types import Principal
from glia.kit.db import Database
from glia.kit.errors import DatabaseUnavailable
from glia.kit.outbound import Outbound, OutboundPolicy
from glia.runs import log_queries, queries
from glia.runs.events import Event
from glia.runs.types import Run
from glia.sessions.service import Sessions
from glia.tools.service import Tools
from glia.tools.types import CustomToolSpec, Effect
from tests.conftest import DatabaseUrls
from tests.failures.outside import Outside
from tests.failures.process import QUICK, Process, free_port
from tests.runs.rig import NoSecrets

FINAL = ("completed", "failed", "cancelled")


@dataclass
class Installation:
    folder: Path
    url: str
    db: Database
    outside: Outside
    processes: list[Process] = field(default_factory=list)
    agents: dict[str, UUID] = field(default_factory=dict)
    port: int = field(default_factory=free_port)

    async def serve(self, *, quick: bool = True, **settings: str) -> Process:
        """quick: the leases of processes that were killed have lapsed already."""
        if quick:
            await self._let_leases_lapse()
        self.processes.append(Process(self.folder, "serve", self._environment(quick, settings), port=self.port))
        process = await self.processes[-1].ready()
        if not self.agents:
            await self._furnish()
        return process

    async def _let_leases_lapse(self) -> None:
        dead = [f"%:{process.pid}" for process in self.processes if not process.is_alive]
        if dead:
            async with self.db.across_workspaces() as tx:
                await tx.execute(
                    "update workers set lease_until = clock_timestamp() - interval '1 minute'"
                    " where name like any(%(names)s)",
                    names=dead,
                )

    async def holds(self, process: Process, runs: Sequence[str]) -> int:
        """How many of these it executes."""
        async with self.db.across_workspaces() as tx:
            return await tx.value(
                "select count(*) from runs r join workers w on w.id = r.worker_id"
                " where r.id = any(%(ids)s::uuid[]) and r.status = 'running' and w.name like %(name)s",
                ids=list(runs),
                name=f"%:{process.pid}",
            )

    def worker(self, name: str, *, quick: bool = True, port: int = 0, **settings: str) -> Process:
        """Await its `ready`."""
        self.processes.append(Process(self.folder / name, "worker", self._environment(quick, settings), port=port))
        return self.processes[-1]

    def _environment(self, quick: bool, settings: dict[str, str]) -> dict[str, str]:
        here = f"127.0.0.1:{self.outside.port}"
        return {
            "GLIA_DATABASE_URL": self.url,
            "OPENAI_API_KEY": "sk-scripted",
            "OPENAI_BASE_URL": f"http://{here}/v1",
            "GLIA_DEFAULT_MODEL": "openai/scripted",
            "GLIA_MODEL_DISCOVERY": "off",
            "GLIA_OUTBOUND_ALLOW": here,
            "GLIA_LOG__FORMAT": "json",
            **(QUICK if quick else {}),
            **settings,
        }

    async def principal(self) -> Principal:
        async with self.db.across_workspaces() as tx:
            workspace = await tx.value("select id from workspaces")
        async with self.db.transaction(workspace) as tx:
            return Principal(workspace, await tx.value("select id from projects"), frozenset({"*"}))

    async def _furnish(self) -> None:
        """An agent with one tool of each effect."""
        who = await self.principal()
        outbound = Outbound(OutboundPolicy(frozenset()))
        tools = Tools(self.db, built_in=[], outbound=outbound, secrets=NoSecrets())
        for effect in Effect:
            url = f"http://127.0.0.1:{self.outside.port}/tool"
            schema = {"type": "object", "properties": {}}
            spec = CustomToolSpec(
                name=f"post_{effect}", description="Posts.", schema=schema, method="POST", url=url, effect=effect
            )
            await tools.create(who, spec)
        names = tuple(f"post_{effect}" for effect in Effect)
        self.agents["agent"] = (await Agents(self.db).create(who, AgentSpec(name="Clerk", tools=names))).id
        await outbound.close()

    async def sessions(self, count: int) -> list[UUID]:
        who = await self.principal()
        sessions = Sessions(self.db)
        return [(await sessions.create(who, agent_id=self.agents["agent"])).id for _ in range(count)]

    async def send(self, process: Process, session: UUID, content: str, **options: bool) -> str:
        """Accepts a background run and returns its id."""
        body = {"content": content, "background": True, **options}
        status, answer = await process.post(f"/v1/sessions/{session}/messages", body)
        assert status == 202, answer
        return str(answer["run_id"])

    async def events(self, session: UUID) -> list[Event]:
        who = await self.principal()
        async with self.db.transaction(who.workspace_id) as tx:
            return await log_queries.read_log(tx, session, after=0, limit=10_000)

    async def run(self, id: str) -> Run:
        who = await self.principal()
        async with self.db.transaction(who.workspace_id) as tx:
            run = await queries.get(tx, UUID(id))
        assert run is not None
        return run

    async def all_ended(self, runs: Sequence[str], seconds: float) -> list[Run]:
        """Waits until none of these is open. The database may be away meanwhile: some tests take it away."""
        async with asyncio.timeout(seconds):
            while True:
                with suppress(DatabaseUnavailable):
                    if not await self._open(runs):
                        return [await self.run(id) for id in runs]
                await asyncio.sleep(0.1)

    async def _open(self, runs: Sequence[str]) -> int:
        async with self.db.across_workspaces() as tx:
            return await tx.value(
                "select count(*) from runs where id = any(%(ids)s::uuid[]) and status <> all(%(final)s)",
                ids=list(runs),
                final=list(FINAL),
            )

    async def all_held_by(self, process: Process, runs: Sequence[str], seconds: float) -> None:
        """Waits until this process executes all of these."""
        async with asyncio.timeout(seconds):
            while await self.holds(process, runs) < len(runs):
                await asyncio.sleep(0.05)

    async def wait_for_events(self, session: UUID, count: int, seconds: float = 60) -> None:
        """As quickly as the database can be asked."""
        who = await self.principal()
        async with asyncio.timeout(seconds):
            while True:
                async with self.db.transaction(who.workspace_id) as tx:
                    if await tx.value("select last_seq from sessions where id = %(id)s", id=session) >= count:
                        return

    def statuses(self, events: Sequence[Event]) -> list[str]:
        return [json.loads(event.data)["status"] for event in events if event.type == "tool.returned"]

    def close(self) -> None:
        for process in self.processes:
            process.signal(signal.SIGCONT)
            process.kill()


@pytest.fixture
async def place(tmp_path: Path, database_urls: DatabaseUrls, db: Database) -> AsyncIterator[Installation]:
    async with Outside().open() as outside:
        installation = Installation(tmp_path, database_urls.admin, db, outside)
        yield installation
        installation.close()
