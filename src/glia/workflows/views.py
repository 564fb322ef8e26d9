"""An execution's steps as people see them, read from the same state that the engine goes on from."""

from __future__ import annotations

from glia.workflows.state import UNDO, State, Unit
from glia.workflows.types import StepView


def steps_of(state: State) -> tuple[StepView, ...]:
    """In the order in which the definition has them."""
    return tuple(_view(state, state.units[id]) for id in state.graph.steps)


def _view(state: State, unit: Unit) -> StepView:
    seconds = None
    if unit.started_at is not None and unit.ended_at is not None:
        seconds = round((unit.ended_at - unit.started_at).total_seconds(), 3)
    undo = state.units.get(unit.key + UNDO) if unit.part == "step" else None
    return StepView(
        id=unit.key,
        kind=_kind(unit),
        status=unit.status,
        attempts=unit.attempts,
        output=None if unit.items is not None else unit.output,
        error=None if unit.error is None else {"code": unit.error.code, "message": unit.error.message},
        started_at=unit.started_at,
        finished_at=unit.ended_at,
        duration_seconds=seconds,
        waiting_for=unit.waiting_for,
        wake_at=unit.wake_at,
        run_id=unit.child_id,
        approval_id=None if unit.asked is None else unit.asked.approval_id,
        is_compensated=unit.is_compensated,
        items=tuple(_view(state, item) for item in unit.items or ()),
        compensation=None if undo is None else _view(state, undo),
    )


def _kind(unit: Unit) -> str:
    return str(unit.action.__struct_config__.tag)
