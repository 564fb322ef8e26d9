"""The entries of a session's log. What a client sees, what a run resumes from, and what a trace shows are all these.

Stored events are final. `text.delta` and `thinking.delta` are what the user saw while the model was still writing, in
coalesced form; `model.responded` repeats the whole text. A step that was tried again emits its deltas again, with the
next attempt number.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Literal
from uuid import UUID

import msgspec

from glia.runs.message_events import CalledTool, MessageDeleted, MessageEdited, MessageReceived
from glia.runs.model_events import (
    ContextCompacted,
    ModelRequested,
    ModelResponded,
    PlanMade,
    ReflectionMade,
    TextDelta,
    ThinkingDelta,
)
from glia.runs.step_events import (
    RunError,
    StepCompensated,
    StepCompleted,
    StepFailed,
    StepRetried,
    StepSkipped,
    StepStarted,
    StepWaiting,
    WorkflowCompleted,
)
from glia.tools.types import Charge, MadeArtifact, Source


class RunCreated(msgspec.Struct, frozen=True):
    type: ClassVar = "run.created"
    kind: str
    is_background: bool
    agent_id: UUID | None = None
    agent_version: int | None = None
    model: str | None = None
    parent_run_id: UUID | None = None


class RunStarted(msgspec.Struct, frozen=True):
    """reason: `recovered` when an earlier attempt's worker vanished, `resumed` after waiting."""

    type: ClassVar = "run.started"
    attempt: int
    worker: str
    reason: Literal["started", "recovered", "resumed"] = "started"


class ToolCalled(msgspec.Struct, frozen=True):
    """Committed before the tool is dispatched. arguments: the parsed object, or the raw text when it is not JSON."""

    type: ClassVar = "tool.called"
    step: int
    tool_call_id: str
    tool: str
    arguments: Any
    effect: str
    idempotency_key: str


class ArtifactCreated(msgspec.Struct, frozen=True):
    """A file that a tool call made for the user: to be read at the session's artifacts. name: may hold folders."""

    type: ClassVar = "artifact.created"
    step: int
    tool_call_id: str
    id: str
    name: str
    media_type: str
    size_bytes: int


class ToolReturned(msgspec.Struct, frozen=True):
    """status: `unknown` when the call may or may not have happened and must not be repeated.

    snapshot_id: the session's workspace after the call, when the call changed it. charge: what the call cost.
    """

    type: ClassVar = "tool.returned"
    step: int
    tool_call_id: str
    tool: str
    status: Literal["ok", "error", "unknown", "denied"]
    text: str
    duration_ms: int
    sources: list[Source] = []
    artifacts: list[MadeArtifact] = []
    snapshot_id: str | None = None
    charge: Charge | None = None


class ApprovalRequested(msgspec.Struct, frozen=True):
    """A tool call that a person must allow first. reason: why it was asked. expires_at: when it counts as denied."""

    type: ClassVar = "approval.requested"
    approval_id: UUID
    step: int
    tool_call_id: str
    tool: str
    arguments: Any
    effect: str
    reason: str
    expires_at: datetime | None = None


class ApprovalDecided(msgspec.Struct, frozen=True):
    """arguments: what the person put in place of the model's, if they did. is_remembered: not to be asked again."""

    type: ClassVar = "approval.decided"
    approval_id: UUID
    tool_call_id: str
    decision: Literal["approved", "denied", "expired"]
    by: str
    note: str = ""
    arguments: Any = None
    is_remembered: bool = False


class ChildStarted(msgspec.Struct, frozen=True):
    """A tool call that another agent answers, in a run and a session of its own."""

    type: ClassVar = "child.started"
    step: int
    tool_call_id: str
    tool: str
    run_id: UUID
    session_id: UUID


class BudgetExceeded(msgspec.Struct, frozen=True):
    """A model call had no room; the run waits. budget_id: None when the workspace's credit does not cover it.

    unit: what limit, spent, reserved and needed count: `micros`, `tokens` or `calls`.
    """

    type: ClassVar = "budget.exceeded"
    step: int
    scope: str
    unit: str
    limit: int
    spent: int
    reserved: int
    needed: int
    message: str
    budget_id: UUID | None = None
    period_end: datetime | None = None


class RunWaiting(msgspec.Struct, frozen=True):
    """The run has let go of its worker. wake_at: when it goes on in any case."""

    type: ClassVar = "run.waiting"
    waiting_for: list[str]
    wake_at: datetime | None = None
    detail: str = ""

    @property
    def needs_someone(self) -> bool:
        """Whether a person has to do something before the run can go on."""
        return not {"approval", "budget"}.isdisjoint(self.waiting_for)


class Citation(msgspec.Struct, frozen=True):
    """A passage the answer rests on. page: from 1; None where the document has no pages."""

    uri: str
    document_id: str
    document_name: str
    chunk: int
    page: int | None
    quote: str


class AnswerMessage(msgspec.Struct, frozen=True):
    id: str
    content: str
    citations: list[Citation] = []
    role: Literal["assistant"] = "assistant"


class RunUsage(msgspec.Struct, frozen=True):
    model_calls: int
    tool_calls: int
    input_tokens: int
    output_tokens: int


class RunCompleted(msgspec.Struct, frozen=True):
    """message: the answer; None for a job. dropped_citations: markers that named nothing found in this run.

    tool_calls: of functions that the caller answers; its next message brings their results. finish_reason: why the
    model stopped, when it was neither done nor calling tools.
    """

    type: ClassVar = "run.completed"
    message: AnswerMessage | None = None
    usage: RunUsage | None = None
    cost_micros: int | None = None
    dropped_citations: int = 0
    tool_calls: list[CalledTool] | msgspec.UnsetType = msgspec.UNSET
    finish_reason: str | msgspec.UnsetType = msgspec.UNSET


class RunFailed(msgspec.Struct, frozen=True):
    """text: what the model had written of its last, unfinished answer."""

    type: ClassVar = "run.failed"
    error: RunError
    text: str = ""


class RunCancelled(msgspec.Struct, frozen=True):
    type: ClassVar = "run.cancelled"
    text: str = ""


class JobProgress(msgspec.Struct, frozen=True):
    type: ClassVar = "job.progress"
    phase: str
    done: int
    total: int


class NoteAdded(msgspec.Struct, frozen=True):
    """What somebody outside wants to stand in the session's log. No model is told of it.

    kind: theirs, such as `agent_action`. actor: who did it, in their words.
    """

    type: ClassVar = "note.added"
    kind: str
    actor: str
    content: str
    metadata: dict[str, Any] = {}


class EventsSummarised(msgspec.Struct, frozen=True):
    """What happened from one event to another, in a few sentences, which models are told from then on.

    model: `rules` when no model wrote it.
    """

    type: ClassVar = "events.summarised"
    first_seq: int
    last_seq: int
    events: int
    summary: str
    model: str


class UnknownPayload(msgspec.Struct, frozen=True):
    """An event that a newer Glia wrote: kept and shown, otherwise skipped."""

    type: ClassVar = "unknown"
    name: str
    data: Any


Payload = (
    MessageReceived
    | NoteAdded
    | EventsSummarised
    | MessageEdited
    | MessageDeleted
    | RunCreated
    | RunStarted
    | ModelRequested
    | TextDelta
    | ThinkingDelta
    | ModelResponded
    | ToolCalled
    | ArtifactCreated
    | ToolReturned
    | ContextCompacted
    | PlanMade
    | ReflectionMade
    | ApprovalRequested
    | ApprovalDecided
    | ChildStarted
    | BudgetExceeded
    | RunWaiting
    | RunCompleted
    | RunFailed
    | RunCancelled
    | JobProgress
    | StepStarted
    | StepWaiting
    | StepCompleted
    | StepRetried
    | StepFailed
    | StepSkipped
    | StepCompensated
    | WorkflowCompleted
)

_BY_TYPE: dict[str, msgspec.json.Decoder[Payload]] = {
    payload.type: msgspec.json.Decoder(payload)
    for payload in (
        MessageReceived,
        NoteAdded,
        EventsSummarised,
        MessageEdited,
        MessageDeleted,
        RunCreated,
        RunStarted,
        ModelRequested,
        TextDelta,
        ThinkingDelta,
        ModelResponded,
        ToolCalled,
        ArtifactCreated,
        ToolReturned,
        ContextCompacted,
        PlanMade,
        ReflectionMade,
        ApprovalRequested,
        ApprovalDecided,
        ChildStarted,
        BudgetExceeded,
        RunWaiting,
        RunCompleted,
        RunFailed,
        RunCancelled,
        JobProgress,
        StepStarted,
        StepWaiting,
        StepCompleted,
        StepRetried,
        StepFailed,
        StepSkipped,
        StepCompensated,
        WorkflowCompleted,
    )
}

FINAL_TYPES = frozenset({RunCompleted.type, RunFailed.type, RunCancelled.type})

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True)
class Event:
    """A stored event. data: its payload as JSON text, passed on to clients as it is."""

    seq: int
    type: str
    at: datetime
    run_id: UUID | None
    attempt: int | None
    data: str

    @property
    def is_final(self) -> bool:
        return self.type in FINAL_TYPES

    @property
    def needs_someone(self) -> bool:
        """Whether it says that the run cannot go on before a person has done something."""
        payload = self.payload if self.type == RunWaiting.type else None
        return isinstance(payload, RunWaiting) and payload.needs_someone

    @property
    def payload(self) -> Payload | UnknownPayload:
        decoder = _BY_TYPE.get(self.type)
        if decoder is None:
            return UnknownPayload(self.type, msgspec.json.decode(self.data))
        return decoder.decode(self.data)


@dataclass(frozen=True)
class Preview:
    """Text the model is writing right now, sent at once and not stored as such."""

    run_id: UUID
    delta: TextDelta | ThinkingDelta


@dataclass(frozen=True)
class ConversationMessage:
    """An entry of a session as people see it. at and run_id come from the event it was read from.

    metadata: what a client keeps with it.
    """

    id: str
    role: str
    content: str
    event: Event
    answer: AnswerMessage | None = None
    metadata: dict[str, Any] = field(default_factory=dict[str, Any])


def encode(payload: Payload) -> str:
    return _encode(payload).decode()


def encode_any(value: Any) -> str:
    """Arguments of a tool as JSON text."""
    return _encode(value).decode()
