"""The tools of one run, called so that no outside effect ever happens twice.

A call is committed to the log before it gets here. If it is a repeat, because an earlier attempt's worker vanished in
the middle of it, only tools that can bear it are called again; any other is reported as unknown.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from glia.kit.errors import GliaError
from glia.runs.events import CalledTool, ChildStarted, ToolCalled, ToolReturned
from glia.tools.types import Effect, Tool, ToolContext, ToolResult

_MOST_AT_ONCE = 8

UNKNOWN = (
    "The outcome of this call is unknown: the server stopped while the tool was being called, and it must not be"
    " called twice. It may or may not have taken effect. Tell the user, or check with another tool."
)


class Toolbox:
    def __init__(self, tools: Sequence[Tool], context: ToolContext, *, check_lease: Callable[[], None]) -> None:
        """check_lease: raises Fenced when this process may no longer act for the run."""
        self.tools = tools
        self._by_name = {tool.name: tool for tool in tools}
        self._context = context
        self._check_lease = check_lease
        self._places = asyncio.Semaphore(_MOST_AT_ONCE)

    def get(self, name: str) -> Tool | None:
        return self._by_name.get(name)

    def effect_of(self, name: str) -> Effect:
        tool = self._by_name.get(name)
        return Effect.READ if tool is None else tool.effect

    async def call(
        self, call: CalledTool, *, step: int, key: str, earlier: ToolCalled | None
    ) -> ToolReturned | ChildStarted:
        """Never raises for what a tool does wrong: the model is told and can choose another way.

        ChildStarted: another agent's run answers the call; it is called again once that run has ended.
        earlier: the note under which an attempt before this one may have called the tool already.
        """
        started = time.monotonic()
        result = await self._result(call, key, earlier)
        if result.child is not None:
            return ChildStarted(step, call.id, call.name, result.child.run_id, result.child.session_id)
        status = "unknown" if result.is_unknown else "error" if result.is_error else "ok"
        return ToolReturned(
            step=step,
            tool_call_id=call.id,
            tool=call.name,
            status=status,
            text=result.text,
            duration_ms=round((time.monotonic() - started) * 1000),
            sources=list(result.sources),
            artifacts=list(result.artifacts),
            snapshot_id=result.snapshot_id,
            charge=result.charge,
        )

    async def _result(self, call: CalledTool, key: str, earlier: ToolCalled | None) -> ToolResult:
        tool = self._by_name.get(call.name)
        if earlier is not None and Effect.ONCE in {earlier.effect, tool and tool.effect}:
            # What the tool was when it was called counts too: it may have been changed or deleted since.
            return ToolResult(UNKNOWN, is_error=True, is_unknown=True)
        if tool is None:
            names = ", ".join(sorted(self._by_name)) or "none"
            return ToolResult(f"There is no tool {call.name!r}. The tools are: {names}.", is_error=True)
        async with self._places:
            self._check_lease()
            return await self._dispatch(tool, call.arguments, replace(self._context, idempotency_key=key))

    async def _dispatch(self, tool: Tool, arguments: str, context: ToolContext) -> ToolResult:
        try:
            async with asyncio.timeout(tool.timeout_seconds):
                return await tool.call(context, arguments or "{}")
        except TimeoutError:
            if tool.effect is Effect.ONCE:
                return ToolResult(UNKNOWN, is_error=True, is_unknown=True)
            return ToolResult(f"{tool.name} gave no answer within {tool.timeout_seconds:g} s.", is_error=True)
        except GliaError as error:
            return ToolResult(error.message, is_error=True)
