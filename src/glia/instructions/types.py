"""An instruction: what an agent should do always, at times, or when something happens."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

InstructionKind = Literal["standing", "scheduled", "conditional"]
KINDS: tuple[InstructionKind, ...] = ("standing", "scheduled", "conditional")


@dataclass(frozen=True)
class InstructionSpec:
    """What a person says.

    condition: of a conditional one, in plain words. schedule: of a scheduled one, five fields of cron; or frequency: a
    word such as `daily` or `every 15 minutes`. timezone: an IANA name, in which the schedule is read.
    """

    kind: str
    action: str
    condition: str | None = None
    schedule: str | None = None
    frequency: str | None = None
    timezone: str | None = None


@dataclass(frozen=True)
class Instruction:
    """trigger_id: the trigger that was made for it; None for a standing one.

    executions: how many runs it has begun; of a standing one, how many runs have followed it to their end.
    """

    id: UUID
    agent_id: UUID
    kind: InstructionKind
    action: str
    condition: str | None
    schedule: str | None
    frequency: str | None
    timezone: str | None
    trigger_id: UUID | None
    is_active: bool
    executions: int
    last_executed_at: datetime | None
    created_at: datetime
