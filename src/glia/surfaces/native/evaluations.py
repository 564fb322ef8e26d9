"""/v1/evaluations: an agent's version against a set; results, comparison, export."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from fastapi import APIRouter, Query
from fastapi.responses import Response, StreamingResponse
from pydantic import Field

from glia.evaluations.service import read_settings
from glia.evaluations.types import (
    CaseComparison,
    Evaluation,
    EvaluationSpec,
    Result,
    ResultStatus,
    ScorerComparison,
    Summary,
)
from glia.kit.errors import InvalidRequest
from glia.kit.ids import parse_id
from glia.surfaces.native.words import LimitText, ListOf, TheWindow, agent_id_of, page_of
from glia.surfaces.shared.bodies import Body, Out, TheHouse, ThePrincipal, Time, WatchedRoute, given, id_of, number_of

router = APIRouter(prefix="/v1/evaluations", tags=["evaluations"], route_class=WatchedRoute)

StatusName = Literal["queued", "running", "completed", "failed", "cancelled"]
ResultStatusName = Literal["pending", "running", "completed", "failed", "cancelled"]
VerdictName = Literal["better", "worse", "same"]


class EvaluationBody(Body):
    """agent_id: id or slug. agent_version: the newest when left away. tags: only cases with one of these.

    scorers: 1 to 20 of `{kind, name, threshold}` with what the kind takes. `exact`: mode (equals, contains, regex),
    ignore_case, ignore_whitespace, ignore_citations. `similarity`. `tool_sequence`: mode (in_order, exact, any_order).
    `citation`. `rubric`: model (the judge), rubric (for cases without one). `latency`: at_most_ms. `cost`:
    at_most_micros. `tokens`: at_most. repeats: 1 to 10; concurrency: cases at once, 1 to 20. case_timeout_seconds: how
    long a case may take from its start.
    """

    evaluation_set_id: str = Field(max_length=200)
    agent_id: str = Field(max_length=200)
    scorers: list[dict[str, Any]]
    agent_version: int | None = None
    name: str = ""
    repeats: int = 1
    concurrency: int = 4
    case_timeout_seconds: int = 600
    tags: list[str] = Field(default_factory=list)
    metadata: dict[str, Any] = Field(default_factory=dict)


class EvaluationOut(Out):
    """total: cases times repeats. done: those that have ended, `failed` ones included, which gave no answer. run_id:
    the job that works on it; its events tell how far it is."""

    id: UUID
    name: str
    evaluation_set_id: UUID
    agent_id: UUID
    agent_version: int
    scorers: list[dict[str, Any]]
    repeats: int
    concurrency: int
    case_timeout_seconds: int
    tags: list[str]
    metadata: dict[str, Any]
    status: StatusName
    error: dict[str, Any] | None
    run_id: UUID
    total: int
    done: int
    failed: int
    created_by: str
    created_at: Time
    started_at: Time | None
    finished_at: Time | None


class ScorerSummaryOut(Out):
    """mean, pass_rate: of the scored results; null when there are none. passed: scores of at least the threshold."""

    name: str
    kind: str
    threshold: float
    scored: int
    unscored: int
    passed: int
    mean: float | None
    pass_rate: float | None


class EvaluationSummaryOut(Out):
    """Of the results so far. duration_ms_p95: 95 of 100 runs took at most so long. cost_micros: null when no price is
    known; judge_cost_micros: of the models that judged."""

    scorers: list[ScorerSummaryOut]
    duration_ms_mean: float | None
    duration_ms_median: float | None
    duration_ms_p95: float | None
    input_tokens: int
    output_tokens: int
    cost_micros: int | None
    judge_cost_micros: int | None


class EvaluationWithSummaryOut(EvaluationOut):
    summary: EvaluationSummaryOut


class ScoreOut(Out):
    """score: 0 to 1; null when the case could not be scored, for the reason given."""

    name: str
    kind: str
    score: float | None
    passed: bool | None
    reason: str


class CitedOut(Out):
    id: str
    name: str


class ResultOut(Out):
    """One case, once, with the case as it was then. run_id, session_id: where its trace is. error: why there is no
    answer. tools: names, in the order of their calls. documents: those that the answer cites."""

    id: UUID
    number: int
    case_id: UUID
    case_version: int
    case_name: str
    input: str
    expected_answer: str | None
    tags: list[str]
    repeat: int
    status: ResultStatusName
    run_id: UUID | None
    session_id: UUID | None
    answer: str | None
    tools: list[str]
    documents: list[CitedOut]
    error: dict[str, Any] | None
    scores: list[ScoreOut]
    duration_ms: int | None
    model_calls: int | None
    tool_calls: int | None
    input_tokens: int | None
    output_tokens: int | None
    cost_micros: int | None
    judge_cost_micros: int | None
    started_at: Time | None
    finished_at: Time | None


class ScorerComparisonOut(Out):
    """better, worse, same: cases, of the second evaluation. mean_difference: second less first. interval: where it
    would lie with other cases of the same sort, 95 of 100 times. p_value: of a two-sided sign test. explanation: what
    all of that means, in words."""

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
    finding: Literal["better", "worse", "no_clear_difference", "too_few_cases"]
    explanation: str


class CaseComparisonOut(Out):
    """A case by one scorer; means over its repeats."""

    case_id: UUID
    scorer: str
    first: float
    second: float
    difference: float
    verdict: VerdictName


class ComparisonOut(Out):
    """cases: those asked for, at most `limit`; cases_total: how many there are of them. changed_cases: whose words
    changed between the two, left out like those that only one has. left_out_scorers: that only one has, or that differ
    in more than their name."""

    first_id: UUID
    second_id: UUID
    scorers: list[ScorerComparisonOut]
    cases: list[CaseComparisonOut]
    cases_total: int
    changed_cases: int
    only_in_first: int
    only_in_second: int
    left_out_scorers: list[str]


@router.post("", status_code=202)
async def start(body: EvaluationBody, house: TheHouse, principal: ThePrincipal) -> EvaluationOut:
    """Start an evaluation. It goes on in the background, also after a crash; look at `status` and `done`."""
    said = given(body)
    names = ("scorers", "repeats", "concurrency", "case_timeout_seconds", "tags")
    spec = EvaluationSpec(
        set_id=id_of(body.evaluation_set_id, "evaluation_set_id"),
        agent_id=await agent_id_of(house, principal, body.agent_id),
        agent_version=body.agent_version,
        name=body.name,
        settings=read_settings({name: said[name] for name in names if name in said}),
        metadata=body.metadata,
    )
    return evaluation_out(await house.evaluations.start(principal, spec))


@router.get("")
async def list_evaluations(
    house: TheHouse,
    principal: ThePrincipal,
    window: TheWindow,
    evaluation_set_id: Annotated[str | None, Query(description="Only evaluations of this set.")] = None,
    agent_id: Annotated[str | None, Query(description="Only evaluations of this agent; its id or slug.")] = None,
    status: Annotated[StatusName | None, Query(description="Only evaluations in this state.")] = None,
) -> ListOf[EvaluationOut]:
    """List evaluations, newest first."""
    agent = None if agent_id is None else await agent_id_of(house, principal, agent_id)
    set_id = None if evaluation_set_id is None else parse_id(evaluation_set_id, "evaluation set")
    found = await house.evaluations.list(principal, window, set_id=set_id, agent_id=agent, status=status)
    return page_of(found, evaluation_out)


@router.get("/{evaluation}")
async def get(evaluation: str, house: TheHouse, principal: ThePrincipal) -> EvaluationWithSummaryOut:
    """One evaluation, with what its results say so far."""
    id = _id(evaluation)
    found, summary = await house.evaluations.get(principal, id), await house.evaluations.summary(principal, id)
    return EvaluationWithSummaryOut(**_shown(found), summary=summary_out(summary))


@router.delete("/{evaluation}", status_code=204, response_class=Response)
async def delete(evaluation: str, house: TheHouse, principal: ThePrincipal) -> Response:
    """Delete an evaluation that has ended, with its results; their runs stay."""
    await house.evaluations.delete(principal, _id(evaluation))
    return Response(status_code=204)


@router.post("/{evaluation}/cancel")
async def cancel(evaluation: str, house: TheHouse, principal: ThePrincipal) -> EvaluationOut:
    """Begin no further case and stop those at work. What is done stays."""
    return evaluation_out(await house.evaluations.cancel(principal, _id(evaluation)))


@router.get("/{evaluation}/results")
async def results(
    evaluation: str,
    house: TheHouse,
    principal: ThePrincipal,
    window: TheWindow,
    status: Annotated[ResultStatusName | None, Query(description="Only results in this state.")] = None,
    passed: Annotated[
        bool | None, Query(description="false: only those that some scorer lets fail; true: only those that none does.")
    ] = None,
    case_id: Annotated[str | None, Query(description="Only results of this case.")] = None,
) -> ListOf[ResultOut]:
    """What came of each case, in their order."""
    found = await house.evaluations.results(
        principal,
        _id(evaluation),
        window,
        status=None if status is None else ResultStatus(status),
        passed=passed,
        case_id=None if case_id is None else parse_id(case_id, "case"),
    )
    return page_of(found, result_out)


@router.get("/{evaluation}/results/{result}")
async def get_result(evaluation: str, result: str, house: TheHouse, principal: ThePrincipal) -> ResultOut:
    """What came of one case, once."""
    return result_out(await house.evaluations.result(principal, _id(evaluation), parse_id(result, "result")))


@router.get("/{evaluation}/compare")
async def compare(
    evaluation: str,
    house: TheHouse,
    principal: ThePrincipal,
    with_: Annotated[str | None, Query(alias="with", description="The second evaluation, of the same set.")] = None,
    scorer: Annotated[str | None, Query(description="Only cases by the scorer of this name.")] = None,
    verdict: Annotated[VerdictName | None, Query(description="Only cases that became so.")] = None,
    limit: LimitText = None,
) -> ComparisonOut:
    """What another evaluation of the set does better or worse than this one."""
    if with_ is None:
        raise InvalidRequest("`with` is missing; name the evaluation to compare with.", field="with")
    most = number_of(limit, "limit", 100)
    found = await house.evaluations.compare(principal, _id(evaluation), _id(with_))
    cases = [
        one
        for one in found.cases
        if (scorer is None or one.scorer == scorer) and (verdict is None or one.verdict == verdict)
    ]
    return ComparisonOut(
        first_id=found.first_id,
        second_id=found.second_id,
        scorers=[scorer_comparison_out(one) for one in found.scorers],
        cases=[case_comparison_out(one) for one in cases[:most]],
        cases_total=len(cases),
        changed_cases=found.changed_cases,
        only_in_first=found.only_in_first,
        only_in_second=found.only_in_second,
        left_out_scorers=found.left_out_scorers,
    )


@router.get(
    "/{evaluation}/export",
    response_class=StreamingResponse,
    responses={
        200: {
            "content": {
                "application/json": {"schema": {"type": "object"}},
                "text/csv": {"schema": {"type": "string"}},
            }
        }
    },
)
async def export(
    evaluation: str,
    house: TheHouse,
    principal: ThePrincipal,
    format: Annotated[Literal["json", "csv"], Query(description="json or csv.")] = "json",
) -> StreamingResponse:
    """The evaluation with all of its results, as one JSON object or as CSV."""
    pieces = await house.evaluations.export(principal, _id(evaluation), format)
    headers = {
        "Content-Disposition": f'attachment; filename="evaluation.{format}"',
        "X-Content-Type-Options": "nosniff",
    }
    media_type = "application/json" if format == "json" else "text/csv; charset=utf-8"
    return StreamingResponse(pieces, media_type=media_type, headers=headers)


def _id(text: str) -> UUID:
    return parse_id(text, "evaluation")


def evaluation_out(evaluation: Evaluation) -> EvaluationOut:
    return EvaluationOut(**_shown(evaluation))


def _shown(evaluation: Evaluation) -> dict[str, Any]:
    """Any: the fields of EvaluationOut."""
    settings: dict[str, Any] = msgspec.to_builtins(evaluation.settings)
    elsewhere = {*settings, "evaluation_set_id"}
    own = {name: getattr(evaluation, name) for name in EvaluationOut.model_fields if name not in elsewhere}
    return {**own, **settings, "tags": list(settings["tags"]), "scorers": list(settings["scorers"])} | {
        "evaluation_set_id": evaluation.set_id
    }


def summary_out(summary: Summary) -> EvaluationSummaryOut:
    return EvaluationSummaryOut.of(summary)


def result_out(result: Result) -> ResultOut:
    return ResultOut.of(result)


def scorer_comparison_out(found: ScorerComparison) -> ScorerComparisonOut:
    return ScorerComparisonOut.of(found)


def case_comparison_out(found: CaseComparison) -> CaseComparisonOut:
    return CaseComparisonOut.of(found)
