"""A job: a tracked task with progress, and jobs below it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NewType
from uuid import UUID

JobId = NewType("JobId", UUID)

MOST_IN_TREE = 2000
DEEPEST = 20


class JobStatus(StrEnum):
    PENDING = "pending"
    IN_PROGRESS = "in_progress"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        return self in {JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED}

    def may_become(self, next: JobStatus) -> bool:
        return next is self or next in _MOVES[self]


_MOVES: dict[JobStatus, frozenset[JobStatus]] = {
    JobStatus.PENDING: frozenset({JobStatus.IN_PROGRESS, JobStatus.CANCELLED}),
    JobStatus.IN_PROGRESS: frozenset(
        {JobStatus.PAUSED, JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED},
    ),
    JobStatus.PAUSED: frozenset({JobStatus.IN_PROGRESS, JobStatus.CANCELLED}),
    JobStatus.COMPLETED: frozenset(),
    JobStatus.FAILED: frozenset(),
    JobStatus.CANCELLED: frozenset(),
}


@dataclass(frozen=True, kw_only=True)
class JobSpec:
    """What a new job is.

    kind: a word of the caller's. priority: 1 to 10. total_steps: how many steps are expected. input: what it works on.
    resources: ids of what the job is about, to find it by.
    """

    title: str
    kind: str = "general"
    description: str = ""
    agent_id: UUID | None = None
    parent_id: UUID | None = None
    priority: int = 5
    total_steps: int = 1
    input: dict[str, object] = field(default_factory=dict[str, object])
    tags: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    metadata: dict[str, object] = field(default_factory=dict[str, object])


@dataclass(frozen=True, kw_only=True)
class Job(JobSpec):
    """run_id: the run that does it, whose state the job shows. progress: percent.

    root_id: the job at the top of its tree; depth: how many jobs are above it. created_by: as a principal's name.
    """

    id: JobId
    project_id: UUID
    run_id: UUID | None
    root_id: UUID
    depth: int
    status: JobStatus
    progress: float
    completed_steps: int
    current_step: str
    output: dict[str, object] | None
    error: str | None
    created_by: str
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class JobChanges:
    """What becomes of a job. None leaves a field as it is.

    progress: percent; reckoned from completed_steps when only those are given.
    """

    status: JobStatus | None = None
    progress: float | None = None
    completed_steps: int | None = None
    current_step: str | None = None
    output: dict[str, object] | None = None
    error: str | None = None
    title: str | None = None
    description: str | None = None
    priority: int | None = None
    total_steps: int | None = None
    tags: tuple[str, ...] | None = None
    metadata: dict[str, object] | None = None


@dataclass(frozen=True)
class JobFilter:
    """Only jobs that match all that is given. is_top: those without a parent."""

    agent_id: UUID | None = None
    status: JobStatus | None = None
    kind: str | None = None
    tag: str | None = None
    parent_id: UUID | None = None
    run_id: UUID | None = None
    is_top: bool = False


@dataclass(frozen=True)
class JobTree:
    """A job with those below it, oldest first."""

    job: Job
    children: tuple[JobTree, ...] = ()
