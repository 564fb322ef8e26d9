"""Leaves a tool alone that fails again and again: after five failures in a row it is not called for a minute."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from uuid import UUID

from glia.kit.clock import monotonic
from glia.tools.errors import InvalidArguments
from glia.tools.types import Tool, ToolContext, ToolResult

FAILURES = 5
OPEN_SECONDS = 60.0
_MOST = 10_000


@dataclass
class _State:
    failures: int = 0
    open_until: float = 0.0


class Breakers:
    """Of one process, by tool."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._states: OrderedDict[UUID, _State] = OrderedDict()

    def guarded(self, tool: Tool, id: UUID) -> Tool:
        """The same tool, called only while its breaker is closed. After the minute one call tries it."""
        call_itself = tool.call

        async def call(context: ToolContext, arguments: str) -> ToolResult:
            state = self._state(id)
            left = state.open_until - self._clock()
            if left > 0:
                return ToolResult(
                    f"{tool.name} failed {state.failures} times in a row and is left alone for another"
                    f" {max(1, round(left))} s. Do without it.",
                    is_error=True,
                )
            try:
                result = await call_itself(context, arguments)
            except InvalidArguments:
                raise  # the model's mistake, not the tool's
            except BaseException:
                self._note(state, True)
                raise
            self._note(state, result.is_error)
            return result

        return replace(tool, call=call)

    def _state(self, id: UUID) -> _State:
        state = self._states.setdefault(id, _State())
        self._states.move_to_end(id)
        if len(self._states) > _MOST:
            self._states.popitem(last=False)
        return state

    def _note(self, state: _State, is_error: bool) -> None:
        state.failures = state.failures + 1 if is_error else 0
        state.open_until = self._clock() + OPEN_SECONDS if state.failures >= FAILURES else 0.0
