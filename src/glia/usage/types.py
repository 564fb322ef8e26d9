"""What one model call took, and what many took together."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID

from glia.kit.clock import now
from glia.kit.ids import new_id

Operation = Literal["chat", "embeddings", "search", "image", "speech", "video", "inference"]
"""The first two are model calls; the others are calls of paid services by tools, which count no tokens."""

CallStatus = Literal["ok", "cancelled", "failed"]
Account = Literal["balance", "held", "spent", "granted", "adjusted", "shortfall", "used", "owed", "paid"]
Grouping = Literal["model", "agent", "day", "key", "run", "project"]


@dataclass(frozen=True)
class UsageFilter:
    """Only calls of these. is_without: names among `agent_id`, `run_id` and `key_id`: only calls that have none.

    root_run_id: of a run and all that work for it. is_priced: whether their cost is known.
    """

    model: str | None = None
    agent_id: UUID | None = None
    run_id: UUID | None = None
    key_id: UUID | None = None
    project_id: UUID | None = None
    session_id: UUID | None = None
    root_run_id: UUID | None = None
    status: CallStatus | None = None
    is_priced: bool | None = None
    is_without: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Payer:
    """Whom a call is recorded for. run_id: the run that it is part of. step: of that run, so that a call that is made
    again replaces what was held for it before."""

    workspace_id: UUID
    project_id: UUID
    run_id: UUID | None = None
    agent_id: UUID | None = None
    key_id: UUID | None = None
    step: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class UsageRecord:
    """One call of a model or of a paid service, metered alike whether it was streamed or not.

    model: `provider/name` that answered. cached_input_tokens and thinking_tokens are parts of input and output.
    cost_micros: micro-dollars; None when the price is not known, never 0 for want of one.
    latency_ms: from the request to the end of the answer. step: of the run, tool_call_id besides for a paid tool.
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
    step: int | None = None
    tool_call_id: str | None = None
    hold_id: UUID | None = None
    """What was held for the call, which its record replaces."""


@dataclass(frozen=True)
class UsageRow:
    """The calls of one group together.

    group: the model, the id of the agent, key, run or project, or the day in UTC as `2031-05-01`; None for calls
    without one, and for the total. cost_micros: the sum of the known costs, None when none is known.
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


@dataclass(frozen=True)
class RunCost:
    """What a run's tree spent on one kind of call. is_below: by runs that it started, not by itself.

    cost_micros: the sum of the known costs. has_unknown: there are calls whose cost nobody knows.
    """

    operation: Operation
    is_below: bool
    calls: int
    cost_micros: int
    has_unknown: bool


Scope = Literal["workspace", "project", "key", "agent", "session", "run"]
Period = Literal["total", "hour", "day", "week", "month", "year"]
Unit = Literal["micros", "tokens", "calls"]


@dataclass(frozen=True)
class CallBound:
    """The most that a model call can take.

    input_micros: micro-dollars of the whole input at its dearest rate; None when the price is not known.
    output_rate: micro-dollars per million output tokens. most_output_tokens: how long the answer may become;
    least_output_tokens: how much shorter it may be made so that it fits a budget.
    """

    input_tokens: int
    input_micros: int | None
    output_rate: int
    most_output_tokens: int
    least_output_tokens: int


@dataclass(frozen=True, kw_only=True)
class SpendingCall:
    """A model call that is about to be made.

    run_id and step: of a run's call; its hold is replaced when the step is tried again, and ends with the run.
    run_limit_micros: what the run and all that it starts may cost, if its agent sets a limit.
    is_child: another run started this one, so limits of that one count too.
    """

    workspace_id: UUID
    project_id: UUID
    model: str
    bound: CallBound
    key_id: UUID | None = None
    agent_id: UUID | None = None
    run_id: UUID | None = None
    step: int | None = None
    run_limit_micros: int | None = None
    is_child: bool = False


@dataclass(frozen=True)
class Hold:
    """What is held for one call. output_tokens: how long its answer may become; None when nothing limits that."""

    id: UUID
    micros: int
    output_tokens: int | None


@dataclass(frozen=True)
class Refusal:
    """Which budget has no room for a call, and how much is missing, in its unit."""

    budget_id: UUID
    scope: Scope
    unit: Unit
    limit_amount: int
    spent: int
    reserved: int
    needed: int
    period_end: datetime | None

    @property
    def is_passing(self) -> bool:
        """Whether there would be room if no other call were under way."""
        return self.spent + self.needed <= self.limit_amount


@dataclass(frozen=True, kw_only=True)
class BudgetSpec:
    """What a budget is to be. At least one of the limits is set.

    subject_id: of the project, key, agent, session or run; None for the workspace. period: windows of the calendar in
    UTC, weeks from Monday; `total` has one window. warn_at_percent: of any limit. starts_at, ends_at: outside of them
    the budget limits nothing.
    """

    scope: Scope
    subject_id: UUID | None = None
    period: Period = "total"
    limit_micros: int | None = None
    limit_tokens: int | None = None
    limit_calls: int | None = None
    name: str = ""
    warn_at_percent: tuple[int, ...] = (80,)
    is_active: bool = True
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    metadata: dict[str, object] = field(default_factory=dict[str, object])


@dataclass(frozen=True)
class BudgetState:
    """The budget's present window. remaining_*: None without such a limit, never below 0.

    reserved_*: held for calls under way. unconfirmed_micros: the part of what is spent that calls were booked with in
    full, because nobody reported their end. refused_calls: how many had no room in this window.
    warned_percent: the highest threshold that was crossed in it.
    """

    window_start: datetime | None
    window_end: datetime | None
    spent_micros: int
    reserved_micros: int
    remaining_micros: int | None
    spent_tokens: int
    reserved_tokens: int
    remaining_tokens: int | None
    spent_calls: int
    reserved_calls: int
    remaining_calls: int | None
    unconfirmed_micros: int
    refused_calls: int
    refused_at: datetime | None
    warned_percent: int | None
    warned_at: datetime | None

    @property
    def is_exceeded(self) -> bool:
        return 0 in (self.remaining_micros, self.remaining_tokens, self.remaining_calls)


@dataclass(frozen=True)
class Budget:
    id: UUID
    name: str
    scope: Scope
    subject_id: UUID
    period: Period
    limit_micros: int | None
    limit_tokens: int | None
    limit_calls: int | None
    warn_at_percent: tuple[int, ...]
    is_active: bool
    starts_at: datetime | None
    ends_at: datetime | None
    metadata: dict[str, object]
    is_of_agent: bool
    created_by: str
    created_at: datetime
    updated_at: datetime
    state: BudgetState


@dataclass(frozen=True)
class OpenHold:
    """A call that is under way, or (is_open is false) one that was booked in full because nobody reported its end.

    credit_micros: held of the workspace's credit. budget_ids: the budgets that it counts against.
    """

    id: UUID
    run_id: UUID | None
    step: int | None
    key_id: UUID | None
    model: str
    micros: int
    tokens: int
    is_open: bool
    created_at: datetime
    expires_at: datetime | None
    credit_micros: int
    budget_ids: tuple[UUID, ...]


@dataclass(frozen=True)
class CreditBalance:
    """A workspace's accounts. balance_micros: free for further calls. held_micros: held for calls under way.

    shortfall_micros: what calls cost beyond the balance, such as some that began before credits were switched on.
    balance + held + spent = granted + adjusted + shortfall, always.
    """

    is_enabled: bool
    balance_micros: int
    held_micros: int
    spent_micros: int
    granted_micros: int
    adjusted_micros: int
    shortfall_micros: int


@dataclass(frozen=True)
class CreditEntry:
    """used, owed, paid: of bills; they add up to zero by themselves and are no credit."""

    account: Account
    amount_micros: int


@dataclass(frozen=True)
class CreditTransaction:
    """One change of the ledger. Its entries add up to zero; sources (granted, adjusted, shortfall) are negative.

    step, tool_call_id: of its run, the call that it is about; None while that is not known.
    """

    id: UUID
    at: datetime
    kind: Literal["grant", "adjustment", "hold", "release", "settlement", "expiry", "charge", "usage", "payment"]
    note: str
    hold_id: UUID | None
    usage_id: UUID | None
    run_id: UUID | None
    key_id: UUID | None
    created_by: str
    entries: list[CreditEntry]
    step: int | None = None
    tool_call_id: str | None = None
