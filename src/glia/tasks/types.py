"""A task is work that nobody waits for; its state is that of the job that shows it."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

KIND = "task"
"""The kind of the jobs that show tasks, and of the runs that do those which no agent does."""

TURN, DATA, CODE = "agent_execution", "data_processing", "code_execution"


@dataclass(frozen=True)
class TaskSpec:
    """kind: `agent_execution`, `data_processing` or `code_execution`; any other fails. priority: higher goes first.

    input: for a turn `user_message`; for data `data`, `type` and `transform`; for code `code`, `language` and
    `timeout`; for the last two also `max_retries`. metadata: given back.
    """

    kind: str
    agent_id: UUID
    session_id: UUID
    input: dict[str, object]
    priority: int = 0
    metadata: dict[str, object] = field(default_factory=dict[str, object])


@dataclass(frozen=True)
class TaskFilter:
    session_id: UUID | None = None
    agent_id: UUID | None = None
    status: str | None = None
