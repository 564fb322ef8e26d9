"""What one model call took, and what many took together."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID

from glia.kit.clock import now
from glia.kit.ids import new_id

Operation = Literal["chat", "embeddings"]
CallStatus = Literal["ok", "cancelled", "failed"]
Grouping = Literal["model", "agent", "day", "key", "run"]


@dataclass(frozen=True, kw_only=True, slots=True)
class UsageRecord:
    """One model call, metered alike whether it was streamed or not.

    model: `provider/name` that answered. cached_input_tokens and thinking_tokens are parts of input and output.
    cost_micros: micro-dollars; None when the price is not known, never 0 for want of one.
    latency_ms: from the request to the end of the answer.
    """

    workspace_id: UUID
    project_id: UUID
    operation: Operation
    model: str
    input_tokens: int
    output_tokens: int
    latency_ms: int
    id: UUID = field(default_factory=new_id)
    at: datetime = field(default_factory=now)
    agent_id: UUID | None = None
    run_id: UUID | None = None
    key_id: UUID | None = None
    cached_input_tokens: int = 0
    thinking_tokens: int = 0
    is_estimated: bool = False
    is_streamed: bool = True
    cost_micros: int | None = None
    status: CallStatus = "ok"


@dataclass(frozen=True)
class UsageRow:
    """The calls of one group together.

    group: the model, the id of the agent, key or run, or the day in UTC as `2031-05-01`; None for calls without one,
    and for the total. cost_micros: the sum of the known costs, None when none is known.
    calls_of_unknown_cost: how many calls that sum leaves out. latency_ms: the mean.
    """

    group: str | None
    calls: int
    failed_calls: int
    estimated_calls: int
    input_tokens: int
    output_tokens: int
    cached_input_tokens: int
    thinking_tokens: int
    cost_micros: int | None
    calls_of_unknown_cost: int
    latency_ms: int
