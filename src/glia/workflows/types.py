"""A workflow, its versions, the steps it is made of, and an execution as people see it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NewType
from uuid import UUID

import msgspec

from glia.runs.types import RunStatus
from glia.tools.types import Effect, Permission

WorkflowId = NewType("WorkflowId", UUID)

LONGEST_REUSE_KEY = 500
MOST_NOTICES = 20

WORKFLOW = "workflow"
"""The kind of run that an execution is."""

MOST_STEPS = 500
MOST_ITEMS = 1000
"""Of a list that a `map` step goes over."""
MOST_AT_ONCE = 100
DEEPEST_NESTING = 8
"""How many runs may lie above a workflow that another one starts."""
LARGEST_DEFINITION_BYTES = 1_000_000
LARGEST_INPUT_BYTES = 1_000_000
LARGEST_OUTPUT_BYTES = 262_144
"""Of one step, as JSON."""
LARGEST_OUTPUTS_BYTES = 8 * 1024 * 1024
"""Of all steps of one execution together."""
LONGEST_WAIT_SECONDS = 365 * 86400.0
LONGEST_STEP_SECONDS = 7 * 86400.0

Template = Any
"""JSON in which texts may hold references such as `{{steps.fetch.output.items[0].id}}`."""


class Retry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """max_attempts: the first try included. The n-th pause lasts delay_seconds times factor to the power of n - 1."""

    max_attempts: int = 1
    delay_seconds: float = 1.0
    factor: float = 2.0
    max_delay_seconds: float = 300.0


ONE_TRY = Retry()

Operator = Literal["eq", "ne", "lt", "lte", "gt", "gte", "in", "not_in", "contains", "starts_with", "exists"]


class Condition(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"not_": "not", "any_": "any"}):
    """Either a comparison (left, op, right), or one of all, any, not."""

    left: Template = msgspec.UNSET
    op: Operator | None = None
    right: Template = msgspec.UNSET
    all: list[Condition] | None = None
    any_: list[Condition] | None = None
    not_: Condition | None = None


class _Action(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    pass


class _Tried(_Action, frozen=True):
    """timeout_seconds: for each try."""

    retry: Retry = ONE_TRY
    timeout_seconds: float | None = None


class AgentAction(_Tried, frozen=True, kw_only=True, tag="agent"):
    """A run of an agent's that answers the prompt. agent: its id or slug. output: `json` parses the answer."""

    agent: str
    prompt: str
    version: int | None = None
    output: Literal["text", "json"] = "text"


class ToolAction(_Tried, frozen=True, kw_only=True, tag="tool"):
    """permission: `ask` lets a person decide first, whatever the tool itself says; it cannot be laxer than the tool."""

    tool: str
    arguments: dict[str, Template] = {}
    permission: Permission = Permission.ALWAYS


class HttpAction(_Tried, frozen=True, kw_only=True, tag="http"):
    """effect: None for what the method promises: GET and HEAD read, PUT and DELETE are idempotent, the others once."""

    url: str
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    headers: dict[str, str] = {}
    query: dict[str, Template] = {}
    body: Template = msgspec.UNSET
    effect: Effect | None = None


class SubworkflowAction(_Tried, frozen=True, kw_only=True, tag="workflow"):
    """workflow: id or slug; version: None for the one that is current when the step begins."""

    workflow: str
    input: Template = msgspec.field(default_factory=dict[str, Any])
    version: int | None = None


class Notice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who is told that a step waits. to: a URL, which gets a POST, or `mailto:` an address. links: by what they do;
    `{approval_id}` in one is the approval's id."""

    to: str
    subject: str = ""
    links: dict[str, str] = {}


class ApprovalAction(_Action, frozen=True, kw_only=True, tag="wait_approval"):
    """message: what the person is asked. data: what they see, and may edit while approving. notify: who is told."""

    message: str
    data: Template = msgspec.field(default_factory=dict[str, Any])
    expires_after_seconds: float = 7 * 86400.0
    notify: list[Notice] = []


class TimeAction(_Action, frozen=True, kw_only=True, tag="wait_time"):
    """Either seconds, or until: a time with its zone, as `2030-01-31T09:00:00Z`. Both may be references."""

    seconds: float | str | None = None
    until: str | None = None


class ConditionAction(_Action, frozen=True, kw_only=True, tag="condition", rename={"if_": "if", "else_": "else"}):
    """then and else: ids of the steps that run only if the condition is true, or false."""

    if_: Condition
    then: list[str] = []
    else_: list[str] = []


ItemAction = AgentAction | ToolAction | HttpAction | SubworkflowAction | ApprovalAction
Undo = AgentAction | ToolAction | HttpAction | SubworkflowAction


class MapAction(_Action, frozen=True, kw_only=True, tag="map"):
    """The same action for each item of a list, which it knows as `{{item}}` and `{{index}}`.

    on_item_error: `continue` goes on with the others and puts null in place of the failed item's output.
    """

    over: Template
    step: ItemAction
    max_concurrency: int = 8
    on_item_error: Literal["fail", "continue"] = "fail"


Action = (
    AgentAction
    | ToolAction
    | HttpAction
    | SubworkflowAction
    | ApprovalAction
    | TimeAction
    | ConditionAction
    | MapAction
)

OnError = Literal["compensate", "fail", "continue"]


class Step(msgspec.Struct, frozen=True):
    """A step: what it does, and where it stands in the graph.

    depends_on and next: edges, written at either end. A reference to another step's output is an edge too.
    on_error: `compensate` fails the workflow and undoes what has completed; `fail` leaves it; `continue` goes on.
    compensation: undoes this step when the workflow fails after it has completed. reuse_key: a step of this workflow
    that has once completed under it is not done again; its output is taken. It may hold references.
    """

    id: str
    action: Action
    name: str = ""
    depends_on: list[str] = []
    next: list[str] = []
    on_error: OnError = "compensate"
    compensation: Undo | None = None
    reuse_key: str = ""


@dataclass(frozen=True)
class Definition:
    """What is executed. input_schema: JSON Schema that an input must satisfy. output: None for the last steps'.

    timeout_seconds: for all of it, waits included; then it fails, and is undone. None for no limit.
    """

    steps: tuple[Step, ...]
    input_schema: dict[str, Any] | None = None
    output: Template = None
    timeout_seconds: float | None = None


@dataclass(frozen=True)
class WorkflowSpec:
    """Everything that a version keeps. definition: `steps`, `input_schema`, `output` and `timeout_seconds`, as they
    were written."""

    name: str
    definition: dict[str, Any]
    description: str = ""
    metadata: dict[str, object] = field(default_factory=dict[str, object])


@dataclass(frozen=True)
class WorkflowVersion:
    """One immutable state of a workflow."""

    version: int
    name: str
    description: str
    definition: dict[str, Any]
    metadata: dict[str, object]
    created_by: str
    created_at: datetime


@dataclass(frozen=True)
class Workflow:
    """A workflow as it is now: its identity and its current version."""

    id: WorkflowId
    slug: str
    current: WorkflowVersion
    created_at: datetime
    updated_at: datetime
    project_id: UUID

    @property
    def version(self) -> int:
        return self.current.version


@dataclass(frozen=True)
class Problem:
    """What is wrong with a definition, and where: as `steps[2].url`."""

    field: str
    message: str


StepStatus = Literal["pending", "running", "waiting", "retrying", "completed", "failed", "skipped"]


@dataclass(frozen=True)
class StepView:
    """A step of an execution, or one item of a `map`, or a compensation, as it stands.

    attempts: tries so far. waiting_for: `approval`, `run` or `time`. run_id: the agent's or workflow's run it started.
    duration_seconds: from its first try to its end, waiting included.
    """

    id: str
    kind: str
    status: StepStatus
    attempts: int
    output: Any
    error: dict[str, str] | None
    started_at: datetime | None
    finished_at: datetime | None
    duration_seconds: float | None
    waiting_for: str | None
    wake_at: datetime | None
    run_id: UUID | None
    approval_id: UUID | None
    is_compensated: bool
    items: tuple[StepView, ...] = ()
    compensation: StepView | None = None


@dataclass(frozen=True)
class Execution:
    """A run of a workflow. id is the run's. steps: empty in lists. origin: what its starter said of why."""

    id: UUID
    workflow_id: UUID
    version: int
    session_id: UUID
    status: RunStatus
    attempt: int
    input: Any
    output: Any
    error: dict[str, object] | None
    waiting_for: tuple[str, ...]
    wake_at: datetime | None
    parent_run_id: UUID | None
    cancel_requested_at: datetime | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    steps: tuple[StepView, ...] = ()
    origin: dict[str, Any] | None = None
    is_fired: bool = False
    """A trigger began it."""
