"""Payloads about the steps of workflows."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar, Literal
from uuid import UUID

import msgspec


class RunError(msgspec.Struct, frozen=True):
    code: str
    message: str


class StepStarted(msgspec.Struct, frozen=True):
    """A try of a workflow's step, committed before anything is done for it.

    step: its id; `notify[2]` is an item of a map, `book.compensation` what undoes a step. attempt: counts its tries.
    effect and idempotency_key: of what is called outside. items: how many a map goes over.
    """

    type: ClassVar = "step.started"
    step: str
    kind: str
    attempt: int
    effect: str | None = None
    idempotency_key: str | None = None
    items: int | None = None


class StepWaiting(msgspec.Struct, frozen=True):
    """Nothing works on the step until a person decides, a run it began ends, or a time has come."""

    type: ClassVar = "step.waiting"
    step: str
    kind: str
    waiting_for: Literal["approval", "run", "time"]
    wake_at: datetime | None = None
    run_id: UUID | None = None
    session_id: UUID | None = None
    approval_id: UUID | None = None


class StepCompleted(msgspec.Struct, frozen=True):
    """output: None for a map, whose items have theirs."""

    type: ClassVar = "step.completed"
    step: str
    attempt: int
    output: Any = None


class StepRetried(msgspec.Struct, frozen=True):
    """A try failed and another one comes at retry_at."""

    type: ClassVar = "step.retried"
    step: str
    attempt: int
    error: RunError
    retry_at: datetime


class StepFailed(msgspec.Struct, frozen=True):
    """The last try failed. What becomes of the workflow is the step's `on_error`."""

    type: ClassVar = "step.failed"
    step: str
    attempt: int
    error: RunError


class StepSkipped(msgspec.Struct, frozen=True):
    type: ClassVar = "step.skipped"
    step: str
    reason: str


class StepCompensated(msgspec.Struct, frozen=True):
    """What the step did was undone, because the workflow fails."""

    type: ClassVar = "step.compensated"
    step: str


class WorkflowCompleted(msgspec.Struct, frozen=True):
    """What an execution answers; `run.completed` follows with the same as text."""

    type: ClassVar = "workflow.completed"
    output: Any
