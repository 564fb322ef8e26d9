"""A run that is one tool call."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from glia.identity.types import Principal
from glia.kit.db import Database
from glia.kit.errors import Forbidden
from glia.runs.events import RunCompleted
from glia.runs.types import RunStatus
from glia.tools.types import Effect, Permission, ToolContext, ToolResult
from tests.conftest import DatabaseUrls
from tests.runs.mishaps import ended, until, vanish
from tests.runs.rig import ScriptedModel, make_tool, rig


async def echo(_context: ToolContext, arguments: str) -> ToolResult:
    return ToolResult(f"heard {arguments}")


async def test_a_tool_is_called_with_its_arguments(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    async with rig(db, database_urls.app, ScriptedModel(), [make_tool("echo", echo, Effect.ONCE)]) as one:
        accepted = await one.runs.start_tool(principal, "echo", {"a": 1})
        run = await ended(one, principal, accepted.run_id)
        events = await one.events(principal, accepted.session_id)

    assert (run.status, run.kind, run.tool_calls, run.agent_id) == (RunStatus.COMPLETED, "tool", 1, None)
    assert [event.type for event in events] == [
        "run.created",
        "run.started",
        "tool.called",
        "tool.returned",
        "run.completed",
    ]
    last = events[-1].payload
    assert isinstance(last, RunCompleted)
    assert last.message is not None
    assert last.message.content == 'heard {"a":1}'


@pytest.mark.parametrize(
    ("effect", "calls", "status"), [(Effect.ONCE, 1, RunStatus.FAILED), (Effect.IDEMPOTENT, 2, RunStatus.COMPLETED)]
)
async def test_a_worker_that_vanishes_calls_nothing_twice_that_must_not_be(
    db: Database, database_urls: DatabaseUrls, principal: Principal, effect: Effect, calls: int, status: RunStatus
) -> None:
    keys: list[str] = []

    async def post(context: ToolContext, _arguments: str) -> ToolResult:
        keys.append(context.idempotency_key)
        if len(keys) == 1:
            await asyncio.sleep(30)
        return ToolResult("sent")

    async def called() -> bool:
        return len(keys) == 1

    tools = [make_tool("post", post, effect)]
    async with rig(db, database_urls.app, ScriptedModel(), tools) as one:
        accepted = await one.runs.start_tool(principal, "post", {})
        await until(called)
        await vanish(one)
        async with rig(db, database_urls.app, ScriptedModel(), tools) as other:
            run = await ended(other, principal, accepted.run_id)

    assert (run.status, run.attempt) == (status, 2)
    assert len(keys) == calls
    assert len(set(keys)) == 1
    if status is RunStatus.FAILED:
        assert run.error is not None
        assert run.error["code"] == "outcome_unknown"


async def test_a_tool_that_nobody_may_call_is_not_called(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    forbidden = replace(make_tool("echo", echo, Effect.READ), permission=Permission.NEVER)
    async with rig(db, database_urls.app, ScriptedModel(), [forbidden]) as one:
        accepted = await one.runs.start_tool(principal, "echo", {})
        run = await ended(one, principal, accepted.run_id)

    assert run.status is RunStatus.FAILED
    assert run.error is not None
    assert run.error["code"] == "tool_failed"


async def test_calling_tools_needs_its_own_right(
    db: Database, database_urls: DatabaseUrls, principal: Principal
) -> None:
    async with rig(db, database_urls.app, ScriptedModel(), [make_tool("echo", echo, Effect.READ)]) as one:
        runner = replace(principal, scopes=frozenset({"runs:write"}))
        with pytest.raises(Forbidden, match="tools:call"):
            await one.runs.start_tool(runner, "echo", {})
