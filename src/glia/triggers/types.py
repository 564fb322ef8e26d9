"""A trigger: when it fires, what it says to which agent, and what came of each firing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, NewType, Protocol
from uuid import UUID

import msgspec

from glia.identity.types import Principal
from glia.kit.db import Transaction
from glia.runs.types import Accepted, Said

TriggerId = NewType("TriggerId", UUID)
FiringId = NewType("FiringId", UUID)

Operator = Literal["eq", "ne", "gt", "ge", "lt", "le", "in", "contains", "starts_with", "exists"]
Metric = Literal[
    "cost_micros", "tokens", "model_calls", "failed_model_calls", "failed_runs", "error_rate", "latency_seconds",
    "queue_wait_seconds",
]  # fmt: skip
Verification = Literal["signed", "url_token"]


class Comparison(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """field: a path into the data, as `error.code` or `items.0.name`. value: compared with what is there.

    Any: a JSON scalar; for `in` a list of them. `exists` takes true, which it means when nothing is said, or false.
    """

    field: str
    op: Operator
    value: Any = msgspec.UNSET


class Cron(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="cron", tag_field="kind"):
    """cron: five fields. timezone: an IANA name, such as `Europe/Berlin`."""

    cron: str
    timezone: str = "UTC"


class Interval(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="interval", tag_field="kind"):
    """starts_at: the first firing, which all others are counted from; None for one interval after it is made."""

    every_seconds: int
    starts_at: datetime | None = None


class At(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="at", tag_field="kind"):
    at: datetime


class OnEvent(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="event", tag_field="kind"):
    """Fires for each event of an agent's run that has this type and fits the whole filter.

    agent_id: whose runs; None for those of every agent. cooldown_seconds: events this soon after one are passed over.
    """

    event_type: str
    agent_id: UUID | None = None
    filter: list[Comparison] = []
    cooldown_seconds: int = 0


class OnMetric(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="metric", tag_field="kind"):
    """Fires once when the figure over the last window rises above the threshold, and again only after it fell.

    rearm_below: it has fallen when it is at or below this; None for the threshold itself. every_seconds: how often
    the figure is looked at. cooldown_seconds: the least time between two firings.
    """

    metric: Metric
    above: float
    window_seconds: int = 3600
    rearm_below: float | None = None
    every_seconds: int = 60
    cooldown_seconds: int = 0
    agent_id: UUID | None = None


class OnCondition(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="judged", tag_field="kind"):
    """Fires when a model finds, after a finished run, that the condition holds for what happened in it.

    agent_id: whose runs; None for those of every agent. cooldown_seconds: the least time between two firings.
    """

    condition: str
    agent_id: UUID | None = None
    cooldown_seconds: int = 0


class OnWebhook(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="webhook", tag_field="kind"):
    """Fires for each request to its own address that is signed, or that knows the token in the address."""

    verification: Verification = "signed"
    filter: list[Comparison] = []


class OnDemand(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="manual", tag_field="kind"):
    """Fires only when somebody fires it, with a key or by its public link."""


Schedule = Cron | Interval | At
When = Cron | Interval | At | OnEvent | OnMetric | OnCondition | OnWebhook | OnDemand

MISSED_AFTER_SECONDS = 60.0
"""A firing that is later than this was missed: no process was there to do it in time."""


class Overlap(StrEnum):
    """What becomes of a firing while the run of an earlier one is not over. PARALLEL: a run of its own, at once."""

    SKIP = "skip"
    QUEUE = "queue"
    CANCEL_PREVIOUS = "cancel_previous"
    PARALLEL = "parallel"


class Missed(StrEnum):
    """What becomes of firings that nobody was there for: one firing for all of them, or none."""

    ONCE = "once"
    SKIP = "skip"


class Status(StrEnum):
    """ENDED: its only time has passed."""

    ACTIVE = "active"
    PAUSED = "paused"
    ENDED = "ended"


class Cause(StrEnum):
    SCHEDULE = "schedule"
    EVENT = "event"
    METRIC = "metric"
    WEBHOOK = "webhook"
    MANUAL = "manual"


class Outcome(StrEnum):
    """WAITING: for an earlier run to end. STARTING: the run is being made. The others are final."""

    WAITING = "waiting"
    STARTING = "starting"
    STARTED = "started"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True)
class TriggerSpec:
    """What a person says about a trigger.

    Either agent_id and message, or workflow_id and input. message: what the agent is told; `{{ placeholders }}` are
    filled in. session_id: say it there each time; None opens a new session for each firing. input: JSON that the
    workflow is started with; placeholders in its texts are filled in. max_failures: pause after this many failures in
    a row; None never does. slug: its name in addresses, unique in the workspace.
    is_system: the sessions that it opens hold background work, no conversations.
    """

    name: str
    agent_id: UUID | None
    message: str | None
    when: When
    workflow_id: UUID | None = None
    input: Any = None
    session_id: UUID | None = None
    overlap: Overlap = Overlap.SKIP
    missed: Missed = Missed.ONCE
    max_failures: int | None = None
    slug: str | None = None
    metadata: dict[str, object] = field(default_factory=dict[str, object])
    is_system: bool = False


@dataclass(frozen=True)
class Trigger:
    """pause_reason: why it was paused without anybody asking. next_at: when it fires next, or, for a metric, when the
    figure is looked at next; None when no time is set.

    is_in_session: it belongs to one session, even when that is gone (session_id is None then).
    is_shared: a public link fires it.
    """

    id: TriggerId
    workspace_id: UUID
    project_id: UUID
    name: str
    agent_id: UUID | None
    session_id: UUID | None
    is_in_session: bool
    message: str | None
    workflow_id: UUID | None
    input: Any
    when: When
    overlap: Overlap
    missed: Missed
    max_failures: int | None
    status: Status
    pause_reason: str | None
    next_at: datetime | None
    is_armed: bool
    cooled_at: datetime | None
    firings: int
    last_fired_at: datetime | None
    created_by: str
    created_at: datetime
    updated_at: datetime
    slug: str | None = None
    metadata: dict[str, object] = field(default_factory=dict[str, object])
    is_shared: bool = False
    is_system: bool = False


@dataclass(frozen=True)
class NewTrigger:
    """A trigger and, for a webhook, what is shown only now: its secret, or the token that its address holds."""

    trigger: Trigger
    secret: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Firing:
    """missed: how many more times had passed unnoticed before this one. reason: why no run came of it."""

    id: FiringId
    trigger_id: UUID
    cause: Cause
    outcome: Outcome
    reason: str | None
    missed: int
    scheduled_at: datetime
    fired_at: datetime
    run_id: UUID | None
    session_id: UUID | None
    run_status: str | None = None


class Starter(Protocol):
    """What triggers need of runs. With a dedupe_key that was used before, the first run is returned again."""

    async def start(
        self,
        principal: Principal,
        agent_id: UUID,
        said: Sequence[Said],
        *,
        is_background: bool = True,
        title: str = "",
        metadata: dict[str, object] | None = None,
        dedupe_key: str | None = None,
        is_system: bool = False,
    ) -> Accepted: ...

    async def accept(
        self,
        principal: Principal,
        session_id: UUID,
        said: Sequence[Said],
        *,
        is_background: bool = False,
        dedupe_key: str | None = None,
    ) -> Accepted: ...

    async def cancel(self, principal: Principal, id: UUID) -> object: ...

    async def start_job(
        self, tx: Transaction, *, workspace_id: UUID, project_id: UUID, kind: str, input: dict[str, object]
    ) -> UUID: ...


class StartWorkflow(Protocol):
    """What triggers need of workflows. With a dedupe_key that was used before, the first execution is returned."""

    async def __call__(
        self, principal: Principal, workflow: UUID | str, input: Any, *, dedupe_key: str | None = None
    ) -> Accepted: ...
