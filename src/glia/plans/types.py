"""A plan is what an agent means to do; a reflection is what it thinks of an answer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from glia.runs.model_events import PlanStep


class PlanStatus(StrEnum):
    CREATED = "created"
    EXECUTING = "executing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        return self in {PlanStatus.COMPLETED, PlanStatus.FAILED, PlanStatus.CANCELLED}


@dataclass(frozen=True)
class Plan:
    """steps: their `depends_on` count from 1. run_id: the run that carries it out, whose end is its end.

    result: what was noted as such, else the run's answer as `{"answer": ...}`; Any is JSON.
    """

    id: UUID
    agent_id: UUID | None
    session_id: UUID | None
    run_id: UUID | None
    task: str
    steps: tuple[PlanStep, ...]
    reasoning: str
    model: str
    cost_micros: int | None
    status: PlanStatus
    result: Any
    created_by: str
    created_at: datetime
    updated_at: datetime
    completed_at: datetime | None


@dataclass(frozen=True)
class PlanFilter:
    """None does not filter."""

    agent_id: UUID | None = None
    session_id: UUID | None = None
    run_id: UUID | None = None
    status: PlanStatus | None = None


@dataclass(frozen=True)
class Reflection:
    """Scores from 0 to 1. number: counts reflections, for clients that name them so. run_id: whose answer it is about.

    answer_seq: the event of the session that holds the answer, once the run has ended. is_revised: the agent answered
    once more because of it.
    """

    id: UUID
    number: int
    agent_id: UUID | None
    session_id: UUID | None
    run_id: UUID | None
    task: str
    answer: str
    quality: float
    accuracy: float
    completeness: float
    clarity: float
    relevance: float
    confidence: float
    issues: tuple[str, ...]
    suggestions: tuple[str, ...]
    is_revised: bool
    model: str
    cost_micros: int | None
    created_by: str
    created_at: datetime
    answer_seq: int | None = None


@dataclass(frozen=True)
class Judgeable:
    """An answer that is to be judged. task: what the agent was asked. found: what its tools returned, as text."""

    task: str
    answer: str
    found: str = ""
    session_id: UUID | None = None
    run_id: UUID | None = None
