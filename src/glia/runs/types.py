"""A run: one execution of an agent, or of a job, in a session."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NewType
from uuid import UUID

RunId = NewType("RunId", UUID)

ENGINE_ABI = 1
"""Raised only when a run begun by an older engine can no longer be resumed by this one."""

AGENT = "agent"
"""The kind of run that is an agent's turn. Every other kind is a job of some slice, such as `knowledge.ingest`."""


class RunStatus(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        return self in {RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED}


@dataclass(frozen=True)
class Run:
    """attempt: how often the run was begun; each worker that takes it over raises it, and only the newest may write.

    cost_micros: micro-dollars of all model calls whose price is known; None when none was.
    """

    id: RunId
    workspace_id: UUID
    project_id: UUID
    session_id: UUID
    kind: str
    agent_id: UUID | None
    agent_version: int | None
    key_id: UUID | None
    status: RunStatus
    is_background: bool
    attempt: int
    max_attempts: int
    cancel_requested_at: datetime | None
    model_calls: int
    tool_calls: int
    input_tokens: int
    output_tokens: int
    cost_micros: int | None
    error: dict[str, object] | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    input: dict[str, object] = field(default_factory=dict[str, object])


@dataclass(frozen=True)
class Accepted:
    """A run that is durable: its row and first events are committed.

    after: the sequence number before its first event; follow the session from there to see all of it.
    """

    run_id: RunId
    session_id: UUID
    after: int


@dataclass(frozen=True)
class Spent:
    """What one step adds to its run's counters."""

    model_calls: int = 0
    tool_calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_micros: int | None = None


NOTHING = Spent()
