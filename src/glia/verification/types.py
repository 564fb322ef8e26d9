"""A rule, an answer in the queue, and what was found wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, cast
from uuid import UUID

RuleKind = Literal["output_format", "data_accuracy", "logical_consistency", "completeness"]
RULE_KINDS: tuple[RuleKind, ...] = ("output_format", "data_accuracy", "logical_consistency", "completeness")
VerificationStatus = Literal["pending", "running", "completed", "failed"]

MOST_RULES = 100
"""Of one agent."""
MOST_WAITING = 10_000
"""Of one workspace."""
LARGEST_OUTPUT = 1_000_000
"""Characters of an answer."""
LARGEST_CRITERIA_BYTES = 20_000


class Priority(StrEnum):
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


PRIORITIES = (Priority.LOW, Priority.MEDIUM, Priority.HIGH)


@dataclass(frozen=True)
class Rule:
    """criteria: what `measures` knows is checked exactly; everything else is given to a model in words."""

    id: UUID
    agent_id: UUID
    kind: RuleKind
    criteria: dict[str, Any]
    is_enabled: bool
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True)
class Issue:
    """rule_id: the rule that is broken; None for what no rule is about."""

    kind: str
    message: str
    rule_id: UUID | None = None
    severity: Literal["error", "warning"] = "error"

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Issue:
        rule = stored.get("rule_id")
        severity = cast(Literal["error", "warning"], stored["severity"])
        return cls(str(stored["kind"]), str(stored["message"]), None if rule is None else UUID(str(rule)), severity)

    def stored(self) -> dict[str, object]:
        rule = None if self.rule_id is None else str(self.rule_id)
        return {"kind": self.kind, "message": self.message, "rule_id": rule, "severity": self.severity}


@dataclass(frozen=True)
class Verdict:
    """confidence: 0 to 1; how much of what the rules ask could be judged, and how surely."""

    passed: bool
    issues: tuple[Issue, ...]
    suggestions: tuple[str, ...]
    confidence: float
    verified_by: str


@dataclass(frozen=True)
class Verification:
    """passed, confidence, verified_by (`rules`, or the model that judged as well), verified_at: None before its end."""

    id: UUID
    agent_id: UUID
    session_id: UUID | None
    output_id: str | None
    output_content: str
    priority: int
    status: VerificationStatus
    passed: bool | None
    issues: list[dict[str, Any]]
    suggestions: list[str]
    confidence: float | None
    verified_by: str | None
    error: str | None
    created_at: datetime
    verified_at: datetime | None

    @property
    def priority_name(self) -> Priority:
        return PRIORITIES[self.priority]
