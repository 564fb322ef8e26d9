"""Where an execution stands, read from its log. To resume is to fold the log and go on with what is missing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import orjson

from glia.runs.events import (
    ApprovalDecided,
    ApprovalRequested,
    Event,
    Payload,
    RunError,
    StepCompensated,
    StepCompleted,
    StepFailed,
    StepRetried,
    StepSkipped,
    StepStarted,
    StepWaiting,
    ToolCalled,
    UnknownPayload,
    WorkflowCompleted,
    encode_any,
)
from glia.workflows.graph import Graph
from glia.workflows.references import Reference
from glia.workflows.types import LARGEST_OUTPUT_BYTES, LARGEST_OUTPUTS_BYTES, Action, MapAction, StepStatus, Undo

Part = Literal["step", "item", "compensation"]
UNDO = ".compensation"
_SETTLED = ("completed", "failed", "skipped")


@dataclass
class Unit:
    """A step, an item of a map, or a compensation. attempts: tries begun. tried_at: when the present one was.

    size_bytes: of its output as JSON. items: of a map that has begun.
    """

    key: str
    part: Part
    step: str
    index: int | None
    action: Action | Undo
    status: StepStatus = "pending"
    attempts: int = 0
    started_at: datetime | None = None
    tried_at: datetime | None = None
    ended_at: datetime | None = None
    output: Any = None
    size_bytes: int = 0
    error: RunError | None = None
    waiting_for: str | None = None
    wake_at: datetime | None = None
    child_id: UUID | None = None
    asked: ApprovalRequested | None = None
    decided: ApprovalDecided | None = None
    called: ToolCalled | None = None
    effect: str | None = None
    items: list[Unit] | None = None
    is_compensated: bool = False

    @property
    def is_settled(self) -> bool:
        return self.status in _SETTLED


@dataclass
class State:
    """All units of an execution. completed: steps in the order in which they did; failure: the step that ended it."""

    graph: Graph
    input: Any
    execution_id: UUID
    units: dict[str, Unit] = field(default_factory=dict[str, Unit])
    completed: list[str] = field(default_factory=list[str])
    failure: str | None = None
    outputs_bytes: int = 0
    output: Any = None
    active: dict[str, Unit] = field(default_factory=dict[str, Unit])
    """Units that were begun and are not settled."""

    def __post_init__(self) -> None:
        for step in self.graph.steps.values():
            self.units[step.id] = Unit(step.id, "step", step.id, None, step.action)

    def unit(self, key: str) -> Unit | None:
        """The unit of a key; a compensation is made when it is first asked for, items when their map begins."""
        found = self.units.get(key)
        if found is None:
            found = self._made(key)
            if found is not None:
                self.units[key] = found
        return found

    def _made(self, key: str) -> Unit | None:
        id = key.removesuffix(UNDO)
        step = self.graph.steps.get(id)
        if step is None or step.compensation is None:
            return None
        return Unit(key, "compensation", id, None, step.compensation)

    def apply(self, payload: Payload | UnknownPayload, at: datetime) -> None:
        """Takes one event in. What does not belong to a step changes nothing."""
        match payload:
            case StepStarted() | StepWaiting() | StepCompleted() | StepRetried() | StepFailed() | StepSkipped():
                unit = self.unit(payload.step)
                if unit is not None:
                    self._take(unit, payload, at)
            case StepCompensated(step=step):
                self.units[step].is_compensated = True
            case ApprovalRequested() as asked:
                unit = self.unit(asked.tool_call_id)
                if unit is not None:
                    unit.asked = asked
            case ApprovalDecided() as decided:
                unit = self.unit(decided.tool_call_id)
                if unit is not None:
                    unit.decided = decided
            case ToolCalled() as called:
                unit = self.unit(called.tool_call_id)
                if unit is not None:
                    unit.called = called
            case WorkflowCompleted(output=output):
                self.output = output
            case _:
                pass

    def _take(
        self,
        unit: Unit,
        payload: StepStarted | StepWaiting | StepCompleted | StepRetried | StepFailed | StepSkipped,
        at: datetime,
    ) -> None:
        unit.started_at = unit.started_at or at
        unit.waiting_for = unit.wake_at = None
        match payload:
            case StepStarted(attempt=attempt, effect=effect, items=items):
                unit.status, unit.attempts, unit.tried_at, unit.effect = "running", attempt, at, effect
                unit.child_id = None
                if items is not None and isinstance(unit.action, MapAction):
                    unit.items = self._items(unit, unit.action, items)
            case StepWaiting():
                unit.status, unit.waiting_for, unit.wake_at = "waiting", payload.waiting_for, payload.wake_at
                unit.child_id = payload.run_id
            case StepRetried(retry_at=retry_at, error=error):
                unit.status, unit.wake_at, unit.error = "retrying", retry_at, error
            case StepCompleted(output=output):
                unit.status, unit.error, unit.ended_at = "completed", None, at
                self._keep(unit, output)
            case StepFailed(error=error):
                unit.status, unit.error, unit.ended_at = "failed", error, at
                if unit.part == "step" and self.failure is None and self._is_fatal(unit):
                    self.failure = unit.key
            case StepSkipped():
                unit.status, unit.ended_at = "skipped", at
        if unit.is_settled:
            self.active.pop(unit.key, None)
        else:
            self.active[unit.key] = unit

    def _items(self, unit: Unit, action: MapAction, count: int) -> list[Unit]:
        found = [Unit(f"{unit.key}[{index}]", "item", unit.step, index, action.step) for index in range(count)]
        self.units.update((item.key, item) for item in found)
        return found

    def _is_fatal(self, unit: Unit) -> bool:
        return self.graph.steps[unit.step].on_error != "continue"

    def _keep(self, unit: Unit, output: Any) -> None:
        unit.output = output
        if unit.items is not None:
            unit.output = [item.output for item in unit.items]
        else:
            unit.size_bytes = len(encode_any(output))
            self.outputs_bytes += unit.size_bytes
        if unit.part == "step":
            self.completed.append(unit.key)

    def no_room_for(self, output: Any) -> str:
        """Why an output cannot be kept; nothing when it can."""
        size = size_of(output)
        if size is None:
            return "The output is nested too deeply."
        if size > LARGEST_OUTPUT_BYTES:
            return f"The output has {size} bytes; the most is {LARGEST_OUTPUT_BYTES}."
        if size + self.outputs_bytes > LARGEST_OUTPUTS_BYTES:
            return f"All outputs together would have more than {LARGEST_OUTPUTS_BYTES} bytes."
        return ""

    def find(self, reference: Reference, unit: Unit | None, items: list[Any] | None) -> Any:
        """Where a reference begins. items: the list that the unit's map goes over, if it is an item of one."""
        match reference.root:
            case "input":
                return self.input
            case "steps":
                return self._of_step(str(reference.path[0]), str(reference.path[1]))
            case "item":
                return None if items is None or unit is None or unit.index is None else items[unit.index]
            case "index":
                return None if unit is None else unit.index
            case _:
                return {"id": str(self.execution_id)}

    def _of_step(self, id: str, field: str) -> Any:
        unit = self.units[id]
        if field == "status":
            return unit.status
        if field == "error":
            return None if unit.error is None else {"code": unit.error.code, "message": unit.error.message}
        return unit.output


def size_of(output: Any) -> int | None:
    """Bytes as JSON; None when it is nested too deeply to be written."""
    try:
        return len(orjson.dumps(output))
    except TypeError:
        return None


def fold(graph: Graph, input: Any, execution_id: UUID, events: Iterable[Event]) -> State:
    state = State(graph, input, execution_id)
    for event in events:
        state.apply(event.payload, event.at)
    return state
