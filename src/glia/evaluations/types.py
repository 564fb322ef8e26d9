"""An evaluation set with its cases, an evaluation of an agent's version, what each case brought, and a comparison."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal
from uuid import UUID

import msgspec

LARGEST_IMPORT_BYTES = 10 * 1024 * 1024
MOST_CASES = 10_000
"""Of one set."""

MOST_RESULTS = 20_000
"""Of one evaluation: its cases times its repeats."""

MOST_AT_WORK = 10
"""Evaluations of one workspace that have not ended. Each keeps a worker's place while its cases need others."""

MOST_SETS = 1_000
MOST_REPEATS = 10
MOST_CONCURRENT = 20
MOST_SCORERS = 20


class EvaluationStatus(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        return self in {EvaluationStatus.COMPLETED, EvaluationStatus.FAILED, EvaluationStatus.CANCELLED}


class ResultStatus(StrEnum):
    """completed: the agent answered. failed: its run ended without an answer, or could not be begun."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


# --- Scorers ---


class _Scorer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", kw_only=True):
    """name: its own within an evaluation; its kind when empty. threshold: the score from which on a case passes."""

    name: str = ""
    threshold: float = 1.0

    @property
    def kind(self) -> str:
        return str(type(self).__struct_config__.tag)


class Exact(_Scorer, frozen=True, tag="exact"):
    """1 or 0 against the expected answer.

    mode: the answer `equals` it, `contains` it, or the expected answer is a regular expression (`regex`, PostgreSQL's
    dialect, at most a second) that is found in the answer. ignore_case, ignore_whitespace (runs of it count as one
    space), ignore_citations (marks such as `[kb://...]` are left out): of both sides, before they are compared.
    """

    mode: Literal["equals", "contains", "regex"] = "equals"
    ignore_case: bool = True
    ignore_whitespace: bool = True
    ignore_citations: bool = True


class Similarity(_Scorer, frozen=True, tag="similarity"):
    """Token F1 with the expected answer: the harmonic mean of how many of its words the answer has, and of the
    answer's words how many are in it. Case and punctuation do not count."""

    threshold: float = 0.5


class ToolSequence(_Scorer, frozen=True, tag="tool_sequence"):
    """The names of the called tools against the expected ones.

    mode: `exact`, the same tools in the same order and no others; `in_order`, how many of the expected were called in
    their order, others between them or not; `any_order`, how many were called at all.
    """

    mode: Literal["exact", "in_order", "any_order"] = "in_order"


class CitedDocuments(_Scorer, frozen=True, tag="citation"):
    """How many of the expected documents the answer cites; each is named by its id or its name."""


class Rubric(_Scorer, frozen=True, tag="rubric"):
    """A model judges the answer by the case's rubric, or by this one if the case has none.

    model: `provider/name`; None for the server's default. The built-in model cannot judge.
    """

    threshold: float = 0.7
    model: str | None = None
    rubric: str | None = None


class Latency(_Scorer, frozen=True, tag="latency"):
    """1 when the run took at most so long, without what it waited for people, money or a free worker."""

    at_most_ms: int


class Cost(_Scorer, frozen=True, tag="cost"):
    """1 when the run, with those it started, cost at most so many micro-dollars. Unscored when no price is known."""

    at_most_micros: int


class Tokens(_Scorer, frozen=True, tag="tokens"):
    """1 when the run, with those it started, took at most so many tokens, in and out together."""

    at_most: int


Scorer = Exact | Similarity | ToolSequence | CitedDocuments | Rubric | Latency | Cost | Tokens


# --- Sets and cases ---


@dataclass(frozen=True)
class EvaluationSet:
    """cases: how many it has."""

    id: UUID
    workspace_id: UUID
    project_id: UUID
    name: str
    description: str
    metadata: dict[str, object]
    cases: int
    created_by: str
    created_at: datetime
    updated_at: datetime


class CaseSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """What a person says of a case. None: nothing is expected, and scorers that need it leave the case unscored.

    expected_tools: names, in order; an empty list says that none may be called. expected_documents: ids or names.
    """

    input: str
    name: str = ""
    expected_answer: str | None = None
    rubric: str | None = None
    expected_tools: list[str] | None = None
    expected_documents: list[str] | None = None
    tags: list[str] = []
    metadata: dict[str, Any] = {}


@dataclass(frozen=True)
class Case:
    """version: counts its changes. created_at: of this version."""

    id: UUID
    version: int
    set_id: UUID
    name: str
    input: str
    expected_answer: str | None
    rubric: str | None
    expected_tools: list[str] | None
    expected_documents: list[str] | None
    tags: list[str]
    metadata: dict[str, object]
    created_at: datetime


# --- Evaluations and results ---


class EvaluationSettings(msgspec.Struct, frozen=True, kw_only=True):
    """repeats: how often each case is run. concurrency: cases at once. tags: only cases that have one of these.
    most_cases: only so many of them, the first ones; None for all.

    case_timeout_seconds: how long a case's run may take from its start, what it waits for people or money included.
    """

    scorers: tuple[Scorer, ...]
    repeats: int = 1
    concurrency: int = 4
    case_timeout_seconds: int = 600
    tags: tuple[str, ...] = ()
    most_cases: int | None = None


@dataclass(frozen=True, kw_only=True)
class EvaluationSpec:
    """agent_version: None for the newest, which stays the one of this evaluation."""

    set_id: UUID
    agent_id: UUID
    settings: EvaluationSettings
    agent_version: int | None = None
    name: str = ""
    metadata: dict[str, object] = field(default_factory=dict[str, object])


@dataclass(frozen=True)
class Evaluation:
    """done: results that have ended, failed ones included. run_id: the job that works on it."""

    id: UUID
    workspace_id: UUID
    project_id: UUID
    set_id: UUID
    agent_id: UUID
    agent_version: int
    name: str
    settings: EvaluationSettings
    metadata: dict[str, object]
    status: EvaluationStatus
    error: dict[str, object] | None
    cancel_requested_at: datetime | None
    run_id: UUID
    total: int
    done: int
    failed: int
    created_by: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class Score(msgspec.Struct, frozen=True):
    """score: 0 to 1; None when the case could not be scored, for the reason given. passed: None likewise."""

    name: str
    kind: str
    score: float | None
    passed: bool | None
    reason: str


@dataclass(frozen=True)
class Cited:
    """A document that an answer rests on."""

    id: str
    name: str


@dataclass(frozen=True)
class Figures:
    """Of a case's run with all runs that it started. duration_ms: of the case's run alone. cost_micros: None when no
    price is known."""

    duration_ms: int
    model_calls: int
    tool_calls: int
    input_tokens: int
    output_tokens: int
    cost_micros: int | None


@dataclass(frozen=True)
class Outcome:
    """What came of a case's run. error: why there is no answer. is_agents_fault: whether that counts against the agent;
    not when the run waited for a person, or money, until its time was up."""

    answer: str | None
    tools: tuple[str, ...] = ()
    documents: tuple[Cited, ...] = ()
    error: str | None = None
    error_code: str | None = None
    is_agents_fault: bool = True
    figures: Figures | None = None


@dataclass(frozen=True)
class Result:
    """One case, once. run_id, session_id: where its trace is. The case is as it was then."""

    id: UUID
    evaluation_id: UUID
    number: int
    case_id: UUID
    case_version: int
    case_name: str
    input: str
    expected_answer: str | None
    tags: list[str]
    repeat: int
    status: ResultStatus
    run_id: UUID | None
    session_id: UUID | None
    answer: str | None
    tools: list[str]
    documents: list[Cited]
    error: dict[str, object] | None
    scores: list[Score]
    duration_ms: int | None
    model_calls: int | None
    tool_calls: int | None
    input_tokens: int | None
    output_tokens: int | None
    cost_micros: int | None
    judge_cost_micros: int | None
    started_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True)
class ScorerSummary:
    """mean, pass_rate: of the scored results; None when there are none."""

    name: str
    kind: str
    threshold: float
    scored: int
    unscored: int
    passed: int
    mean: float | None
    pass_rate: float | None


@dataclass(frozen=True)
class Summary:
    """duration_ms_*: None before any run has ended. cost_micros: what is known; None when nothing is."""

    scorers: list[ScorerSummary]
    duration_ms_mean: float | None
    duration_ms_median: float | None
    duration_ms_p95: float | None
    input_tokens: int
    output_tokens: int
    cost_micros: int | None
    judge_cost_micros: int | None


# --- Planned ---


@dataclass(frozen=True)
class PlannedEvaluation:
    """evaluation_id: once it was begun here. score: the mean; None before there is one."""

    id: UUID
    dataset_version: str
    agent_id: UUID | None
    evaluation_id: UUID | None
    total: int
    passed: int
    failed: int
    score: float | None
    metadata: dict[str, object]
    created_at: datetime
    completed_at: datetime | None


@dataclass(frozen=True)
class RetrievalMeasure:
    """How well the passages that a result rests on were found. mrr: one divided by the rank of the first relevant."""

    id: UUID
    result_id: UUID
    recall_at_k: float | None
    mrr: float | None
    grounding_passed: bool
    retrieved: list[str]
    relevant: list[str]
    created_at: datetime


# --- Comparison ---

Verdict = Literal["better", "worse", "same"]
Finding = Literal["better", "worse", "no_clear_difference", "too_few_cases"]


@dataclass(frozen=True)
class CaseComparison:
    """A case in two evaluations, by one scorer; scores are means over its repeats. verdict: of the second."""

    case_id: UUID
    scorer: str
    first: float
    second: float
    difference: float
    verdict: Verdict


@dataclass(frozen=True)
class ScorerComparison:
    """mean_difference: second less first, over the compared cases. interval: the 95 % interval of it, by bootstrap.

    p_value: of a two-sided sign test over the cases that differ. finding, explanation: what that means, for the second.
    not_compared: cases that have no score in one of the two.
    """

    name: str
    kind: str
    compared: int
    not_compared: int
    better: int
    worse: int
    same: int
    first_mean: float | None
    second_mean: float | None
    mean_difference: float | None
    interval: tuple[float, float] | None
    p_value: float | None
    finding: Finding
    explanation: str


@dataclass(frozen=True)
class Comparison:
    """Two evaluations of one set. changed_cases: whose words changed between them, left out like those that only one
    of them has. left_out_scorers: names that only one has, or that mean different things."""

    first_id: UUID
    second_id: UUID
    scorers: list[ScorerComparison]
    cases: list[CaseComparison]
    changed_cases: int
    only_in_first: int
    only_in_second: int
    left_out_scorers: list[str]
