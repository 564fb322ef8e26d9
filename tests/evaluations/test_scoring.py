"""Scores by rules, without any engine."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from glia.evaluations.checks import read_settings
from glia.evaluations.comparing import LEAST_CASES, interval, sign_test
from glia.evaluations.judging import read_verdict
from glia.evaluations.scoring import rule_score, without_answer
from glia.evaluations.types import Case, Cited, Figures, Outcome, Rubric, Score
from glia.kit.clock import now


def case(**fields: Any) -> Case:
    given = dict.fromkeys(("expected_answer", "rubric", "expected_tools", "expected_documents")) | fields
    return Case(uuid4(), 1, uuid4(), "", "Question", **given, tags=[], metadata={}, created_at=now())


def score(scorer: dict[str, Any], expected: dict[str, Any], **outcome: Any) -> Score:
    (read,) = read_settings({"scorers": [scorer]}).scorers
    found = Outcome(**{"answer": "", **outcome})
    return without_answer(read, found) or rule_score(read, case(**expected), found)


@pytest.mark.parametrize(
    ("options", "expected", "answer", "points"),
    [
        ({}, "Paris", " paris\n", 1.0),
        ({}, "Paris", "Paris, France", 0.0),
        ({}, "140 euros", "140  euros [kb://handbook/pdf#3]", 1.0),
        ({"ignore_citations": False}, "140 euros", "140 euros [kb://handbook/pdf#3]", 0.0),
        ({"ignore_case": False}, "Paris", "paris", 0.0),
        ({"ignore_whitespace": False}, "a b", "a  b", 0.0),
        ({"mode": "contains"}, "391", "17 * 23 = 391", 1.0),
        ({"mode": "contains"}, "392", "17 * 23 = 391", 0.0),
        ({}, "Straße", "STRASSE", 1.0),
    ],
)
def test_exact(options: dict[str, Any], expected: str, answer: str, points: float):
    found = score({"kind": "exact", **options}, {"expected_answer": expected}, answer=answer)

    assert (found.score, found.passed) == (points, points == 1.0)


def test_similarity_is_the_f1_of_words():
    found = score({"kind": "similarity"}, {"expected_answer": "The cat sat."}, answer="a cat sat down")

    assert found.score == pytest.approx(2 * 2 / 7, abs=1e-6)
    assert found.passed is True
    assert score({"kind": "similarity"}, {"expected_answer": "Yes."}, answer="no").score == 0


@pytest.mark.parametrize(
    ("mode", "expected", "called", "points"),
    [
        ("exact", ["a", "b"], ("a", "b"), 1.0),
        ("exact", ["a", "b"], ("a", "c", "b"), 0.0),
        ("in_order", ["a", "b"], ("a", "c", "b"), 1.0),
        ("in_order", ["a", "b"], ("b", "a"), 0.5),
        ("any_order", ["a", "b"], ("b", "a"), 1.0),
        ("any_order", ["a", "a"], ("a",), 0.5),
        ("in_order", [], (), 1.0),
        ("in_order", [], ("a",), 0.0),
    ],
)
def test_tool_sequence(mode: str, expected: list[str], called: tuple[str, ...], points: float):
    found = score({"kind": "tool_sequence", "mode": mode}, {"expected_tools": expected}, tools=called)

    assert found.score == points


def test_citation_takes_names_and_ids():
    documents = (Cited("id-1", "Handbook.pdf"), Cited("id-2", "Other.pdf"))

    found = score({"kind": "citation"}, {"expected_documents": ["handbook.pdf", "id-2", "x"]}, documents=documents)

    assert found.score == pytest.approx(2 / 3, abs=1e-6)
    assert "x" in found.reason


def test_limits_on_figures():
    figures = Figures(900, 1, 0, 70, 30, None)

    assert score({"kind": "latency", "at_most_ms": 1000}, {}, figures=figures).passed is True
    assert score({"kind": "tokens", "at_most": 99}, {}, figures=figures).passed is False
    assert score({"kind": "cost", "at_most_micros": 1}, {}, figures=figures).score is None


def test_what_is_not_expected_is_not_scored():
    for kind in ("exact", "similarity", "tool_sequence", "citation"):
        found = score({"kind": kind}, {}, answer="Something.")

        assert (found.score, found.passed) == (None, None)
        assert found.reason


def test_a_run_that_failed_scores_nothing_and_one_that_was_stopped_is_not_scored():
    failed = score({"kind": "exact"}, {"expected_answer": "x"}, answer=None, error="The model failed.")
    stopped = score({"kind": "exact"}, {}, answer=None, error="Cancelled.", is_agents_fault=False)

    assert (failed.score, failed.passed, failed.reason) == (0.0, False, "The model failed.")
    assert (stopped.score, stopped.reason) == (None, "Cancelled.")


@pytest.mark.parametrize(
    ("text", "points"),
    [
        ('{"score": 0.75, "reason": "Nearly."}', 0.75),
        ('Here you are:\n```json\n{"score": 1, "reason": "All."}\n```', 1.0),
        ('{"score": 7}', None),
        ('{"score": "high"}', None),
        ('{"score": NaN}', None),
        ("I liked it.", None),
        ("} {", None),
        ("", None),
    ],
)
def test_a_verdict_is_read_or_says_why_not(text: str, points: float | None):
    found = read_verdict(Rubric(name="rubric"), text)

    assert found.score == points
    assert found.reason


def test_the_interval_holds_the_mean_and_is_the_same_each_time():
    differences = [0.0] * 20 + [1.0] * 10

    low, high = interval(differences)

    assert 0 < low < 1 / 3 < high < 0.6
    assert interval(differences) == (low, high)
    assert interval([0.5] * LEAST_CASES) == (0.5, 0.5)


def test_the_sign_test_is_the_binomial_one():
    assert sign_test(0, 0) == 1.0
    assert sign_test(5, 5) == 1.0
    assert sign_test(10, 0) == pytest.approx(2 / 2**10)
    assert sign_test(8, 2) == pytest.approx(0.109375)
    assert 0 < sign_test(3000, 2000) < 1e-40
