"""What the tests of workflows share: a tool that counts, definitions in short, and waiting for executions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import UUID

import orjson

from glia.identity.types import Principal
from glia.runs.types import Accepted, RunStatus
from glia.tools.types import Effect, Tool, ToolContext, ToolResult
from glia.workflows.types import Execution, StepView, Workflow, WorkflowSpec
from tests.runs.rig import Rig, make_tool


class Ledger:
    """Notes what tools were called with. answer: what a call returns, or raises."""

    def __init__(self, answer: Callable[[dict[str, Any]], ToolResult | None] | None = None) -> None:
        self.calls: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.at_once = 0
        self.most_at_once = 0
        self.seconds = 0.0
        self._answer = answer

    async def __call__(self, context: ToolContext, arguments: str) -> ToolResult:
        given = orjson.loads(arguments)
        self.calls.append(given)
        self.keys.append(context.idempotency_key)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(self.seconds)
        finally:
            self.at_once -= 1
        answer = self._answer(given) if self._answer else None
        return answer or ToolResult(orjson.dumps({"got": given}).decode())

    def tool(self, name: str = "note", effect: Effect = Effect.ONCE) -> Tool:
        return make_tool(name, self, effect)


def note(id: str, *after: str, **more: Any) -> dict[str, Any]:
    """A tool step that notes its own id."""
    more.setdefault("arguments", {"step": id})
    return {"id": id, "kind": "tool", "tool": "note", "depends_on": list(after), **more}


async def make(house: Rig, who: Principal, *steps: dict[str, Any], **more: Any) -> Workflow:
    return await house.workflows.create(who, WorkflowSpec("Flow", {"steps": list(steps), **more}))


async def ended(house: Rig, who: Principal, workflow: Workflow, accepted: Accepted, seconds: float = 60) -> Execution:
    return await until(house, who, workflow, accepted, lambda found: found.status.is_final, seconds)


async def until(
    house: Rig,
    who: Principal,
    workflow: Workflow,
    accepted: Accepted,
    is_so: Callable[[Execution], bool],
    seconds: float = 60,
) -> Execution:
    async with asyncio.timeout(seconds):
        while not is_so(found := await house.workflows.execution(who, workflow.id, accepted.run_id)):
            await asyncio.sleep(0.02)
    return found


async def waits(house: Rig, who: Principal, workflow: Workflow, accepted: Accepted) -> Execution:
    return await until(house, who, workflow, accepted, lambda found: found.status is RunStatus.WAITING)


async def run(house: Rig, who: Principal, *steps: dict[str, Any], input: Any = None, **more: Any) -> Execution:
    workflow = await make(house, who, *steps, **more)
    return await ended(house, who, workflow, await house.workflows.start(who, workflow.id, input or {}))


def step(execution: Execution, id: str) -> StepView:
    return next(found for found in execution.steps if found.id == id)


def statuses(execution: Execution) -> dict[str, str]:
    return {found.id: found.status for found in execution.steps}


__all__ = ["UUID", "Ledger", "ended", "make", "note", "run", "statuses", "step", "until", "waits"]
