"""Tools of an MCP server in an agent's run: called, approved, and at most once when the server dies."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from glia.identity.types import Principal
from glia.kit.db import Database
from glia.kit.outbound import Outbound, OutboundPolicy
from glia.runs.events import Event, RunCompleted, ToolCalled, ToolReturned
from glia.tools.mcp.servers import McpServers
from glia.tools.service import Tools
from glia.tools.types import McpServerSpec, Permission
from tests.conftest import DatabaseUrls
from tests.runs.rig import NoSecrets, Rig, Say, ScriptedModel, rig
from tests.tools.mcp_process import McpProcess, mcp_process


@pytest.fixture
def effects(tmp_path: Path) -> Path:
    return tmp_path / "effects"


@pytest.fixture
def process(effects: Path) -> Iterator[McpProcess]:
    with mcp_process(effects=effects) as process:
        yield process


@asynccontextmanager
async def house(
    db: Database, urls: DatabaseUrls, principal: Principal, process: McpProcess, *script: Say, **spec: object
) -> AsyncIterator[Rig]:
    outbound = Outbound(OutboundPolicy(frozenset({f"127.0.0.1:{process.port}"})))
    servers = McpServers(db, outbound, NoSecrets(), {})
    created = await servers.create(principal, McpServerSpec("mcp", process.url, **spec))  # type: ignore[arg-type]
    await servers.refresh(principal, created.id)  # type: ignore[arg-type]
    tools = Tools(db, built_in=[], outbound=outbound, secrets=NoSecrets(), sources=(servers.source,))
    found = await tools.resolve(principal, ("mcp__*",), has_knowledge=False)
    async with rig(db, urls.app, ScriptedModel(*script), found) as opened:
        yield opened
    await servers.close()
    await outbound.close()


def returned(events: list[Event]) -> list[ToolReturned]:
    return [event.payload for event in events if isinstance(event.payload, ToolReturned)]


async def test_a_run_calls_the_tool_of_a_server(
    db: Database, database_urls: DatabaseUrls, principal: Principal, process: McpProcess
) -> None:
    script = (Say(calls=(("mcp__echo", {"text": "hello"}), ("mcp__key", {}))), Say("It said hello."))
    async with house(db, database_urls, principal, process, *script) as opened:
        session = await opened.session(principal, tools=("mcp__echo", "mcp__key"))
        accepted = await opened.send(principal, session)
        last = await opened.finish(principal, accepted, seconds=60)
        events = await opened.events(principal, session)

    results = {result.tool: result for result in returned(events)}
    calls = {event.payload.tool: event.payload for event in events if isinstance(event.payload, ToolCalled)}
    assert isinstance(last.payload, RunCompleted)
    assert (results["mcp__echo"].status, results["mcp__echo"].text) == ("ok", "echo: hello")
    assert calls["mcp__key"].idempotency_key in results["mcp__key"].text


async def test_a_tool_that_asks_first_waits_for_a_person(
    db: Database, database_urls: DatabaseUrls, principal: Principal, process: McpProcess
) -> None:
    script = (Say(calls=(("mcp__echo", {"text": "hello"}),)), Say("Done."))
    async with house(db, database_urls, principal, process, *script, permission=Permission.ASK) as opened:
        session = await opened.session(principal, tools=("mcp__echo",))
        accepted = await opened.send(principal, session)
        waiting = await opened.runs.outcome(principal, accepted, or_need=True)
        before = returned(await opened.events(principal, session))

    assert waiting.needs_someone
    assert before == []


async def test_a_server_that_dies_in_the_middle_of_a_call_is_not_called_twice(
    db: Database, database_urls: DatabaseUrls, principal: Principal, process: McpProcess, effects: Path
) -> None:
    script = (Say(calls=(("mcp__die", {}),)), Say("I do not know whether it happened."))
    async with house(db, database_urls, principal, process, *script) as opened:
        session = await opened.session(principal, tools=("mcp__die",))
        await opened.finish(principal, await opened.send(principal, session), seconds=60)
        (result,) = returned(await opened.events(principal, session))

    assert result.status == "unknown"
    assert effects.read_text() == f"died{os.linesep}"
