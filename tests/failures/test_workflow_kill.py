"""kill -9 in the middle of workflows: they go on from their last event, and what may happen once happens once."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any
from uuid import UUID

import msgspec
import pytest

from glia.runs.events import Event
from glia.runs.types import RunStatus
from tests.failures.conftest import Installation
from tests.failures.process import Process


def _steps(place: Installation) -> list[dict[str, Any]]:
    """One step of each effect one after another, with a branch, a pause and a request in between."""
    once = {"kind": "tool", "tool": "post_once", "on_error": "continue"}
    return [
        {"id": "read", "kind": "tool", "tool": "post_read"},
        {"id": "once", **once, "depends_on": ["read"]},
        {
            "id": "ok",
            "kind": "condition",
            "depends_on": ["once"],
            "if": {"left": "{{steps.read.output.result}}", "op": "eq", "right": "sent"},
            "then": ["post"],
            "else": ["never"],
        },
        {
            "id": "post",
            "kind": "http",
            "method": "POST",
            "url": f"http://127.0.0.1:{place.outside.port}/tool",
            "on_error": "continue",
        },
        {"id": "never", **once},
        {
            "id": "each",
            "kind": "map",
            "over": [1, 2],
            "max_concurrency": 1,
            "depends_on": ["post"],
            "step": {"kind": "tool", "tool": "post_idempotent"},
        },
    ]


async def _make(server: Process, steps: list[dict[str, Any]]) -> str:
    status, made = await server.post("/v1/workflows", {"name": "Flow", "steps": steps})
    assert status == 201, made
    return str(made["id"])


async def _start(server: Process, workflow: str) -> tuple[str, UUID]:
    status, started = await server.post(f"/v1/workflows/{workflow}/run", {})
    assert status == 202, started
    return str(started["id"]), UUID(str(started["session_id"]))


def _data(event: Event) -> dict[str, Any]:
    return msgspec.json.decode(event.data)


async def test_killed_at_every_stage_workflows_complete_and_repeat_nothing(place: Installation) -> None:
    """Executions begun one after another are each at another event when the server is killed, twice."""
    place.outside.word_seconds = 0.1
    server = await place.serve()
    workflow = await _make(server, _steps(place))
    begun: list[tuple[str, UUID]] = []
    for _ in range(2):
        async with asyncio.timeout(180):
            while len(stages := await _stages(place, [session for _run, session in begun])) < 8:
                begun.append(await _start(server, workflow))
        server.kill()
        server = await place.serve()
        print(f"killed at {sorted(stages)} events, {len(begun)} executions begun")

    ended = await place.all_ended([run for run, _session in begun], 180)

    assert {run.status for run in ended} == {RunStatus.COMPLETED}
    assert any(run.attempt > 1 for run in ended)  # the kills did hit some
    calls = place.outside.calls
    for run, session in begun:
        _check(
            await place.events(session), {key.partition(":")[2]: n for key, n in calls.items() if key.startswith(run)}
        )


async def _stages(place: Installation, sessions: list[UUID]) -> set[int]:
    """How many events those executions have that are not over."""
    async with place.db.transaction((await place.principal()).workspace_id) as tx:
        return set(
            await tx.values(
                "select s.last_seq from sessions s join runs r on r.session_id = s.id"
                " where s.id = any(%(sessions)s) and r.status in ('queued', 'running', 'waiting')",
                sessions=sessions,
            )
        )


def _check(events: list[Event], calls: dict[str, int]) -> None:
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    ends = Counter(_data(event)["step"] for event in events if event.type in ("step.completed", "step.failed"))
    assert ends == dict.fromkeys(("read", "once", "ok", "post", "each", "each[0]", "each[1]"), 1)
    failed = {_data(event)["step"]: _data(event)["error"]["code"] for event in events if event.type == "step.failed"}
    assert set(failed) <= {"once", "post"}
    assert set(failed.values()) <= {"outcome_unknown"}
    for step in ("once", "post"):
        assert calls.get(step, 0) <= 1
        assert step in failed or calls[step] == 1
    for step in ("read", "each[0]", "each[1]"):
        assert calls[step] >= 1
    assert "never" not in calls


@pytest.mark.parametrize("tool", ["post_once", "post_idempotent"])
async def test_killed_while_a_step_is_at_work(place: Installation, tool: str) -> None:
    """What bears it is called again under the same key, which is the control."""
    server = await place.serve()
    workflow = await _make(server, [{"id": "a", "kind": "tool", "tool": tool, "on_error": "continue"}])
    place.outside.has_tool_answer.clear()
    run, _session = await _start(server, workflow)
    async with asyncio.timeout(60):
        while not place.outside.keys:
            await asyncio.sleep(0.01)
    server.kill()
    place.outside.has_tool_answer.set()
    server = await place.serve()

    [ended] = await place.all_ended([run], 60)
    _status, execution = await server.get(f"/v1/workflows/{workflow}/executions/{run}")

    once = tool == "post_once"
    assert ended.status is RunStatus.COMPLETED
    assert place.outside.calls == {f"{run}:a": 1 if once else 2}
    [step] = execution["steps"]
    assert (step["status"], (step["error"] or {}).get("code")) == (
        ("failed", "outcome_unknown") if once else ("completed", None)
    )


async def test_killed_while_it_waits_for_a_person_and_an_agent(place: Installation) -> None:
    server = await place.serve()
    steps = [
        {"id": "ask", "kind": "wait_approval", "message": "Go on?"},
        {"id": "think", "kind": "agent", "agent": "clerk", "prompt": "hello"},
        {"id": "do", "kind": "tool", "tool": "post_once", "depends_on": ["ask", "think"]},
    ]
    workflow = await _make(server, steps)
    run, session = await _start(server, workflow)
    await place.wait_for_events(session, 6)
    server.kill()
    server = await place.serve()
    asked: dict[str, Any] = {"data": []}
    async with asyncio.timeout(60):
        while not asked["data"]:
            _status, asked = await server.get("/v1/approvals?status=pending")
    [approval] = asked["data"]

    status, _answer = await server.post(f"/v1/approvals/{approval['id']}/approve", {})
    [ended] = await place.all_ended([run], 60)

    assert (status, ended.status) == (200, RunStatus.COMPLETED)
    assert place.outside.calls == {f"{run}:do": 1}
    _status, execution = await server.get(f"/v1/workflows/{workflow}/executions/{run}")
    assert [step["status"] for step in execution["steps"]] == ["completed"] * 3
    assert execution["steps"][1]["output"].strip() == "All is done."
