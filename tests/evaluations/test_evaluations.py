"""Evaluations with a real engine: what is run, how it is scored, judged, compared, stopped and taken along."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest

from glia.evaluations import checks
from glia.evaluations.errors import CaseNotFound, EvaluationNotFound, EvaluationSetNotFound, EvaluationUnderWay
from glia.evaluations.judging import Judge
from glia.identity.types import Principal
from glia.kit.errors import InvalidRequest, UpstreamFailed
from glia.kit.pages import Window
from glia.usage.service import Spending, Usage
from glia.usage.types import BudgetSpec
from tests.evaluations.conftest import EXACT, Lab
from tests.runs.rig import Say

REGEX = {"kind": "exact", "mode": "regex", "name": "regex"}
TOOLS = {"kind": "tool_sequence", "mode": "exact"}
RUBRIC = {"kind": "rubric", "model": "p/judge", "rubric": "Be right."}


async def everything(pieces: AsyncIterator[bytes]) -> bytes:
    return b"".join([piece async for piece in pieces])


async def test_cases_are_run_once_each_and_scored_from_their_logs(place: Lab, answers: dict[str, Say]) -> None:
    answers["Compute."] = Say("", (("look", {}), ("compute", {})))
    set_id = await place.make_set(
        {"input": "Paris", "expected_answer": "paris", "tags": ["city"]},
        {"input": "Rome", "expected_answer": "Oslo"},
        {"input": "Compute.", "expected_tools": ["look", "compute"]},
    )

    scorers = [EXACT, TOOLS, {"kind": "tokens", "at_most": 20}]
    evaluation = await place.done(set_id, *scorers, repeats=2, concurrency=3)

    results = await place.results(evaluation)
    assert (evaluation.total, evaluation.done, evaluation.failed) == (6, 6, 0)
    assert [(one.input, one.repeat) for one in results] == [
        (text, repeat) for repeat in (1, 2) for text in ("Paris", "Rome", "Compute.")
    ]
    paris, rome, compute = results[:3]
    assert [score.score for score in paris.scores] == [1.0, None, 1.0]
    assert [score.score for score in rome.scores] == [0.0, None, 1.0]
    assert [score.score for score in compute.scores] == [None, 1.0, 0.0]
    assert compute.tools == ["look", "compute"]
    assert (compute.model_calls, compute.tool_calls, compute.input_tokens, compute.cost_micros) == (2, 2, 20, 14)
    run = await place.rig.runs.get(place.principal, paris.run_id)  # type: ignore[arg-type]
    assert (run.session_id, run.agent_version) == (paris.session_id, 1)
    assert len({one.run_id for one in results}) == 6

    summary = await place.evaluations.summary(place.principal, evaluation.id)
    exact, tools, tokens = summary.scorers
    assert (exact.scored, exact.unscored, exact.mean, exact.pass_rate) == (4, 2, 0.5, 0.5)
    assert (tools.scored, tools.mean) == (2, 1.0)
    assert (tokens.scored, tokens.passed) == (6, 4)
    assert (summary.cost_micros, summary.input_tokens) == (2 * (7 + 7 + 14), 2 * 40)
    assert [one.input for one in await place.results(evaluation, passed=False)] == ["Rome", "Compute."] * 2
    assert [one.input for one in await place.results(evaluation, passed=True)] == ["Paris"] * 2


async def test_expressions_are_found_refused_or_given_up(place: Lab) -> None:
    set_id = await place.make_set(
        {"input": "It costs 140 euros.", "expected_answer": r"\m1[0-9]{2} EUROS"},
        {"input": "Nothing.", "expected_answer": "[0-9]"},
        {"input": "Nothing.", "expected_answer": "(unclosed"},
    )

    found, missing, broken = [
        one.scores[0] for one in await place.results(await place.done(set_id, REGEX, concurrency=1))
    ]

    assert (found.score, missing.score, broken.score) == (1.0, 0.0, None)
    assert "cannot be used" in broken.reason


async def test_only_cases_with_a_tag_are_run(place: Lab) -> None:
    set_id = await place.make_set({"input": "A", "tags": ["x"]}, {"input": "B", "tags": ["y"]}, {"input": "C"})

    evaluation = await place.done(set_id, tags=["y", "z"])

    assert [one.input for one in await place.results(evaluation)] == ["B"]
    with pytest.raises(InvalidRequest) as refused:
        await place.start(set_id, tags=["z"])
    assert refused.value.field == "tags"


async def test_a_judge_scores_and_its_call_is_recorded(place: Lab, db: Any) -> None:
    set_id = await place.make_set({"input": "Say it.", "rubric": "It says it."})

    evaluation = await place.done(set_id, RUBRIC)

    (result,) = await place.results(evaluation)
    assert [(one.score, one.passed, one.reason) for one in result.scores] == [(0.8, True, "Most of it.")]
    assert result.judge_cost_micros == 9
    material = json.loads(place.judging.requests[0].messages[1].text)  # type: ignore[union-attr]
    assert (material["rubric"], material["input"]) == ("It says it.", "Say it.")
    records = (await Usage(db).list(place.principal, Window())).items
    assert [(one.model, one.cost_micros, one.run_id) for one in records if one.model == "p/judge"] == [
        ("p/judge", 9, evaluation.run_id)
    ]


@pytest.mark.parametrize(
    ("says", "is_embedded", "reason"),
    [
        (UpstreamFailed("The provider is away."), False, "The provider is away."),
        ("It was fine.", False, "gave no score"),
        ("", True, "built-in model cannot judge"),
    ],
)
async def test_a_judge_that_fails_leaves_the_case_unscored(
    place: Lab, says: Any, is_embedded: bool, reason: str
) -> None:
    place.judging.says, place.judging.is_embedded = says, is_embedded
    set_id = await place.make_set({"input": "Hello", "expected_answer": "Hello"})

    evaluation = await place.done(set_id, RUBRIC, EXACT)

    (result,) = await place.results(evaluation)
    judged, exact = result.scores
    assert (result.status, judged.score, judged.passed, exact.score) == ("completed", None, None, 1.0)
    assert reason in judged.reason
    summary = await place.evaluations.summary(place.principal, evaluation.id)
    assert (summary.scorers[0].unscored, summary.scorers[0].mean) == (1, None)


async def test_a_case_that_takes_too_long_is_cancelled_and_counts_as_failed(
    place: Lab, answers: dict[str, Say]
) -> None:
    answers["Slow."] = Say("one two three four five six", pause_seconds=20)
    set_id = await place.make_set(
        {"input": "Slow.", "expected_answer": "x"}, {"input": "Quick", "expected_answer": "x"}
    )

    evaluation = await place.done(set_id, case_timeout_seconds=5)

    slow, quick = await place.results(evaluation)
    assert (slow.status, quick.status, evaluation.failed) == ("failed", "completed", 1)
    assert slow.error == {"code": "case_timeout", "message": "The run had not ended after 5 s."}
    assert slow.scores[0].score == 0.0
    async with asyncio.timeout(60):
        while (await place.rig.runs.get(place.principal, slow.run_id)).status != "cancelled":  # type: ignore[arg-type]
            await asyncio.sleep(0.03)


async def test_cancelling_stops_the_cases_at_work_and_begins_no_other(place: Lab, answers: dict[str, Say]) -> None:
    answers["Slow."] = Say("one two three four five six", pause_seconds=20)
    set_id = await place.make_set({"input": "Quick", "expected_answer": "quick"}, *[{"input": "Slow."}] * 5)
    evaluation = await place.start(set_id, concurrency=2)
    async with asyncio.timeout(60):
        while [one.status for one in await place.results(evaluation)][:3] != ["completed", "running", "running"]:
            await asyncio.sleep(0.03)
    with pytest.raises(EvaluationUnderWay):
        await place.evaluations.delete(place.principal, evaluation.id)
    with pytest.raises(EvaluationUnderWay):
        await place.sets.delete(place.principal, set_id)

    await place.evaluations.cancel(place.principal, evaluation.id)

    ended = await place.ended(evaluation)
    results = await place.results(ended)
    assert ended.status == "cancelled"
    assert [one.status for one in results] == ["completed"] + ["cancelled"] * 5
    async with asyncio.timeout(60):
        while await place.value("select count(*) from runs where status in ('queued', 'running', 'waiting')"):
            await asyncio.sleep(0.03)
    assert await place.value("select count(*) from runs where kind = 'agent'") <= 4
    assert (await place.evaluations.cancel(place.principal, evaluation.id)).status == "cancelled"
    await place.evaluations.delete(place.principal, evaluation.id)
    await place.sets.delete(place.principal, set_id)


async def test_two_versions_compare_case_by_case(place: Lab, answers: dict[str, Say]) -> None:
    cases = [{"input": f"Case {number}", "expected_answer": f"Case {number}"} for number in range(12)]
    answers["Case 0"] = answers["Case 1"] = Say("Wrong.")
    set_id = await place.make_set(*cases)
    first = await place.done(set_id)
    await place.rig.agents.update(place.principal, place.agent, {"instructions": "Try harder."})
    answers.clear()
    answers["Case 2"] = Say("Wrong.")
    page = await place.sets.list_cases(place.principal, set_id, Window())
    changed = page.items[11].id
    await place.sets.update_case(place.principal, set_id, changed, {"expected_answer": "Another"})

    second = await place.done(set_id, EXACT, {"kind": "similarity"})
    found = await place.evaluations.compare(place.principal, first.id, second.id)

    assert (first.agent_version, second.agent_version) == (1, 2)
    (exact,) = found.scorers
    assert (exact.compared, exact.better, exact.worse, exact.same) == (11, 2, 1, 8)
    assert exact.mean_difference == pytest.approx(1 / 11, abs=1e-6)
    assert exact.interval is not None
    assert exact.interval[0] <= 1 / 11 <= exact.interval[1]
    assert exact.finding == "no_clear_difference"
    assert "chance" in exact.explanation
    assert (found.changed_cases, found.left_out_scorers) == (1, ["similarity"])
    verdicts = {one.case_id: one.verdict for one in found.cases}
    assert [verdicts[case.id] for case in page.items[:4]] == ["better", "better", "worse", "same"]
    assert (await place.results(first, case_id=changed))[0].expected_answer == "Case 11"
    other = await place.done(await place.make_set({"input": "x"}))
    with pytest.raises(InvalidRequest) as refused:
        await place.evaluations.compare(place.principal, first.id, other.id)
    assert refused.value.field == "with"


async def test_an_old_version_can_be_evaluated(place: Lab) -> None:
    await place.rig.agents.update(place.principal, place.agent, {"instructions": "Two."})
    set_id = await place.make_set({"input": "x"})

    evaluation = await place.done(set_id, version=1)

    (result,) = await place.results(evaluation)
    assert (await place.rig.runs.get(place.principal, result.run_id)).agent_version == 1  # type: ignore[arg-type]
    with pytest.raises(InvalidRequest) as refused:
        await place.start(set_id, version=3)
    assert refused.value.field == "agent_version"


async def test_results_and_cases_are_exported_and_cases_come_back(place: Lab) -> None:
    given = {"input": "=1+1", "expected_answer": "=1+1", "tags": ["sum"], "expected_tools": [], "metadata": {"a": 1}}
    set_id = await place.make_set(given, {"input": "Two"})
    evaluation = await place.done(set_id, EXACT)

    as_json = json.loads(await everything(await place.evaluations.export(place.principal, evaluation.id, "json")))
    as_csv = (await everything(await place.evaluations.export(place.principal, evaluation.id, "csv"))).decode()
    lines = await everything(await place.sets.export(place.principal, set_id))

    assert [one["answer"].strip() for one in as_json["results"]] == ["=1+1", "Two"]
    assert as_json["summary"]["scorers"][0]["mean"] == 1.0
    rows = list(csv.DictReader(io.StringIO(as_csv)))
    assert [(row["input"], row["exact score"], row["exact passed"]) for row in rows] == [
        ("'=1+1", "1.0", "true"),
        ("Two", "", ""),
    ]
    again = await place.make_set()
    assert await place.sets.import_lines(place.principal, again, lines) == 2
    first = (await place.sets.list_cases(place.principal, again, Window())).items[0]
    assert {name: getattr(first, name) for name in given} == given


async def test_cases_are_paged_in_their_order_and_versions_without_results_go(place: Lab) -> None:
    set_id = await place.make_set(*[{"input": str(number)} for number in range(5)])
    page = await place.sets.list_cases(place.principal, set_id, Window(limit=2))
    second = page.items[1].id
    for text in ("one", "uno"):
        await place.sets.update_case(place.principal, set_id, second, {"input": text})
    rest = await place.sets.list_cases(place.principal, set_id, Window(after=second))

    assert [case.input for case in rest.items] == ["2", "3", "4"]
    assert (await place.sets.get_case(place.principal, set_id, second)).version == 3
    assert await place.value("select count(*) from evaluation_cases where id = %(id)s", id=second) == 1
    await place.sets.delete_case(place.principal, set_id, second)
    with pytest.raises(CaseNotFound):
        await place.sets.get_case(place.principal, set_id, second)
    assert (await place.sets.get(place.principal, set_id)).cases == 4


async def test_others_see_nothing_of_it(place: Lab, stranger: Principal) -> None:
    set_id = await place.make_set({"input": "x"})
    evaluation = await place.done(set_id)

    with pytest.raises(EvaluationSetNotFound):
        await place.sets.get(stranger, set_id)
    with pytest.raises(EvaluationNotFound):
        await place.evaluations.get(stranger, evaluation.id)
    with pytest.raises(EvaluationNotFound):
        await place.evaluations.compare(stranger, evaluation.id, evaluation.id)
    assert (await place.evaluations.list(stranger, Window())).items == []


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"scorers": []}, "scorers"),
        ({"scorers": [{"kind": "magic"}]}, "scorers[0].kind"),
        ({"scorers": [EXACT, EXACT]}, "scorers[1].name"),
        ({"scorers": [{"kind": "exact", "mode": "fuzzy"}]}, "scorers[0].mode"),
        ({"scorers": [{"kind": "exact", "threshold": 2}]}, "scorers[0].threshold"),
        ({"scorers": [{"kind": "exact", "modus": "equals"}]}, "scorers[0].modus"),
        ({"scorers": [{"kind": "latency"}]}, "scorers[0].at_most_ms"),
        ({"scorers": ["exact"]}, "scorers[0].kind"),
        ({"scorers": [EXACT], "repeats": 11}, "repeats"),
        ({"scorers": [EXACT], "concurrency": 0}, "concurrency"),
    ],
)
def test_bad_settings_are_refused_by_name(given: dict[str, Any], field: str):
    with pytest.raises(InvalidRequest) as refused:
        checks.read_settings(given)
    assert refused.value.field == field
    assert f"`{field}" in refused.value.message or "name" in field


@pytest.mark.parametrize(
    ("line", "field"),
    [
        (b"{", "line[2]"),
        (b"[]", "line[2]"),
        (b"{}", "line[2].input"),
        (b'{"input": " "}', "line[2].input"),
        (b'{"input": "x", "answer": "y"}', "line[2].answer"),
        (b'{"input": "x", "tags": [1]}', "line[2].tags[0]"),
        (b'{"input": "x", "expected_tools": [""]}', "line[2].expected_tools[0]"),
        (b'{"input": "x\\u0000"}', "line[2].input"),
        (b'{"input": "x", "metadata": {"a": "\\u0000"}}', "line[2].metadata"),
        (b"\xff", "line[2]"),
    ],
)
def test_bad_lines_are_refused_by_number(line: bytes, field: str):
    with pytest.raises(InvalidRequest) as refused:
        checks.read_lines(b'{"input": "fine"}\n' + line)
    assert refused.value.field == field


async def test_a_set_that_is_not_there_is_not_found(place: Lab) -> None:
    with pytest.raises(EvaluationSetNotFound):
        await place.start(uuid4())
    with pytest.raises(InvalidRequest) as refused:
        await place.start(await place.make_set())
    assert refused.value.field == "evaluation_set_id"


@pytest.mark.parametrize(("limit", "is_asked"), [(1, False), (2, True)])
async def test_a_judge_is_asked_only_if_the_budget_has_room(place: Lab, db: Any, limit: int, is_asked: bool) -> None:
    await place.rig.budgets.create(place.principal, BudgetSpec(scope="workspace", limit_calls=limit))
    place.evaluator.judge = Judge(place.judging, Spending(db))  # type: ignore[arg-type]
    set_id = await place.make_set({"input": "Hello"})

    evaluation = await place.done(set_id, RUBRIC)

    (score,) = (await place.results(evaluation))[0].scores
    assert len(place.judging.requests) == is_asked
    assert (score.score is not None) == is_asked
    assert is_asked or "could not be asked" in score.reason
    (budget,) = (await place.rig.budgets.list(place.principal, Window())).items
    assert (budget.state.spent_calls, budget.state.reserved_calls) == (limit, 0)


async def test_an_expression_that_takes_too_long_is_given_up(place: Lab, answers: dict[str, Say]) -> None:
    answers["Go."] = Say("a" * 20_000 + "b" + "a" * 20_000)
    set_id = await place.make_set({"input": "Go.", "expected_answer": r"^(a+)(a+)(a+)b\3\2\1a$"})

    (result,) = await place.results(await place.done(set_id, REGEX))

    assert result.scores[0].score is None
    assert "took longer than 1000 ms" in result.scores[0].reason
