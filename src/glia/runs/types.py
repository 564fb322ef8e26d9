"""A run: one execution of an agent, or of a job, in a session."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Literal, NewType
from uuid import UUID

from glia.runs.message_events import CalledTool, StoredImage

RunId = NewType("RunId", UUID)

ENGINE_ABI = 1
"""Raised only when a run begun by an older engine can no longer be resumed by this one."""

AGENT = "agent"
"""The kind of run that is an agent's turn. Every other kind is a job of some slice, such as `knowledge.ingest`."""

TOOL = "tool"
"""The kind of run that is one tool call, without an agent."""
MODEL = "model"
"""The kind of run in which a model answers without an agent."""


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
    parent_run_id: the run whose tool call this run answers; root_run_id: the run at the top of its tree, itself if it
    has no parent; depth: how many runs are above it.
    waiting_for: what a waiting run waits for: `approval`, `run` (its children), `budget`, `time`. wake_at: when it goes
    on in any case. waited_seconds: how long it has waited so far, which its time limit leaves out.
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
    root_run_id: UUID
    parent_run_id: UUID | None = None
    depth: int = 0
    waiting_for: tuple[str, ...] = ()
    wake_at: datetime | None = None
    waited_seconds: float = 0.0
    is_resumed: bool = False
    input: dict[str, object] = field(default_factory=dict[str, object])


@dataclass(frozen=True)
class Said:
    """An entry put into the log before the run: the user's message, or history that a client brings along.

    metadata: what the client keeps with it; no model sees it. images, tool_calls, tool_call_id, thinking and
    provider_state: as in `message.received`. id: of the message in the log; None for a new one.
    """

    role: Literal["user", "assistant", "system", "tool"]
    content: str
    metadata: dict[str, Any] = field(default_factory=dict[str, Any])
    images: tuple[StoredImage, ...] = ()
    tool_calls: tuple[CalledTool, ...] = ()
    tool_call_id: str = ""
    id: UUID | None = None
    thinking: str = ""
    provider_state: str = ""


WhenBusy = Literal["refuse", "queue", "interrupt", "steer"]
"""What becomes of a message to a session at which a run is at work.

It is refused; or a run of its own answers it afterwards; or the run at work is stopped for it; or the run at work hears
it before it next asks its model, and its answer takes it into account.
"""


@dataclass(frozen=True)
class Accepted:
    """A run that is durable: its row and first events are committed.

    after: the sequence number before its first event; follow the session from there to see all of it.
    outcome: `queued` behind another run; `steered` when the message went to a run that was at work already; `known`
    when the run was begun earlier under the same key. agent_version: of a run that is new, where an agent does it.
    """

    run_id: RunId
    session_id: UUID
    after: int
    outcome: Literal["accepted", "queued", "steered", "known"] = "accepted"
    agent_version: int | None = None


@dataclass(frozen=True)
class Spent:
    """What one step adds to its run's counters."""

    model_calls: int = 0
    tool_calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_micros: int | None = None


NOTHING = Spent()


@dataclass(frozen=True)
class Approval:
    """A tool call that a person decides about, with what they need to know for it.

    arguments: as the model wrote them; edited_arguments: what the person put in their place.
    reason: why it was asked. expires_at: when it counts as denied. run_kind: `agent`, or `workflow` for its steps.
    """

    id: UUID
    run_id: UUID
    session_id: UUID
    agent_id: UUID | None
    tool_call_id: str
    tool: str
    effect: str
    reason: str
    arguments: Any
    status: Literal["pending", "approved", "denied", "expired", "cancelled"]
    edited_arguments: Any
    note: str
    decided_by: str | None
    decided_at: datetime | None
    expires_at: datetime | None
    created_at: datetime
    session_title: str
    agent_name: str | None
    run_kind: str


@dataclass(frozen=True)
class ForkPoint:
    """Where and how to go on.

    at: the last event that is shared; None for the newest. agent_version: None for the one that was at work then.
    is_unpinned: each run takes the agent's newest version instead. content: what to say at once. is_continued: go on
    from the last finished step before `at` without saying anything. agent_id: another agent, or one for an imported
    session, which has none.
    """

    at: int | None = None
    agent_version: int | None = None
    is_unpinned: bool = False
    content: str | None = None
    is_continued: bool = False
    title: str | None = None
    agent_id: UUID | None = None


@dataclass(frozen=True)
class RequestTotals:
    """requests: runs that somebody began, not those of triggers or of other agents; failed: those that failed.

    tokens and cost_micros: of these runs and all that they began; the cost is None when none is known.
    latency_ms: the mean of those that have ended, without what they waited for people.
    """

    requests: int
    completed: int
    failed: int
    tokens: int
    cost_micros: int | None
    latency_ms: int | None
    last_at: datetime | None


@dataclass(frozen=True)
class DayTotals:
    """day: in UTC."""

    day: date
    requests: int
    cost_micros: int | None


@dataclass(frozen=True)
class KeyTotals:
    key_id: UUID
    name: str
    requests: int
    cost_micros: int | None


@dataclass(frozen=True)
class AgentStatistics:
    totals: RequestTotals
    daily: list[DayTotals]
    per_key: list[KeyTotals]


@dataclass(frozen=True)
class RunSnapshot:
    """state: whatever the keeper wants to have again. is_deterministic: a replay shows the state and asks nobody."""

    id: UUID
    run_id: UUID
    session_id: UUID
    agent_id: UUID
    user_message: str
    is_deterministic: bool
    state: dict[str, Any]
    created_at: datetime


SummarySort = Literal["created_at", "updated_at", "title"]


@dataclass(frozen=True)
class SummaryFilter:
    """Which conversations a list is about, and its order; what is None does not matter.

    Sessions of runs that work for other runs are never among them. text: in titles and messages.
    """

    project_id: UUID | None = None
    agent_id: UUID | None = None
    is_system: bool | None = False
    text: str = ""
    created_after: datetime | None = None
    created_before: datetime | None = None
    sort: SummarySort = "created_at"
    is_descending: bool = True
    limit: int = 20
    offset: int = 0


_LONGEST_TITLE = 80


@dataclass(frozen=True)
class SessionSummary:
    """A conversation with what it cost, all runs that worked for it included.

    first_message: what its title is made of when it has none, once it was answered. cost_micros: None when no price
    is known.
    """

    id: UUID
    project_id: UUID
    agent_id: UUID | None
    title: str
    is_system: bool
    message_count: int
    first_message: str | None
    cost_micros: int | None
    input_tokens: int
    output_tokens: int
    created_at: datetime
    updated_at: datetime
    metadata: dict[str, object] = field(default_factory=dict[str, object])

    @property
    def shown_title(self) -> str | None:
        """The given title, or one made of the first message after the first reply; None before."""
        if self.title:
            return self.title
        if not self.first_message:
            return None
        line = " ".join(self.first_message.split())
        if len(line) <= _LONGEST_TITLE:
            return line
        return line[:_LONGEST_TITLE].rsplit(" ", 1)[0].rstrip(" ,.;:") + "…"


@dataclass(frozen=True)
class ChildSession:
    """The session of a run that worked for another one. parent_agent_id: who gave it the task."""

    session_id: UUID
    agent_id: UUID
    parent_run_id: UUID
    parent_agent_id: UUID | None


@dataclass(frozen=True)
class JobFilter:
    """Which runs of agents and workflows a list is about: those that work for no other run.

    statuses: with what a waiting run waits for, or None for whatever; empty for all. text: in what was said first.
    """

    project_id: UUID | None = None
    agent_id: UUID | None = None
    session_id: UUID | None = None
    workflow_id: UUID | None = None
    statuses: tuple[tuple[RunStatus, str | None], ...] = ()
    limit: int = 20
    offset: int = 0
