from datetime import UTC, datetime
from typing import Any

import pytest

from glia.kit.ids import new_id
from glia.verification.errors import InvalidRule
from glia.verification.jobs import verdict_of
from glia.verification.judging import Judged
from glia.verification.measures import Measured, check_criteria, measure
from glia.verification.types import Issue, Rule

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def measured(output: str, **criteria: Any) -> Measured:
    return measure(Rule(new_id(), new_id(), "completeness", criteria, True, NOW, NOW), output)


@pytest.mark.parametrize(
    ("criteria", "kept", "broken"),
    [
        ({"format": "json"}, '```json\n{"a": 1}\n```', "{a: 1}"),
        ({"format": "markdown"}, "# Head", "plain"),
        ({"format": "text"}, "x", "  "),
        ({"required_fields": ["a"]}, '{"a": null}', '{"b": 1}'),
        ({"required_fields": ["a"]}, '{"a": 1}', '["a"]'),
        ({"min_length": 3}, "abc", "ab"),
        ({"max_length": 3}, "abc", "abcd"),
        ({"must_contain": ["Tea"]}, "green tea", "coffee"),
        ({"must_not_contain": "lorem"}, "words", "Lorem ipsum"),
        ({"required_sections": ["Summary"]}, "## Summary\nx", "In summary, x"),
        ({"forbidden": ["x"]}, "a", "x"),
    ],
)
def test_each_measure_lets_one_pass_and_another_fail(criteria: dict[str, Any], kept: str, broken: str) -> None:
    assert measured(kept, **criteria).issues == ()
    assert len(measured(broken, **criteria).issues) == 1


def test_what_is_not_measured_is_left_for_a_model() -> None:
    assert measured("x", min_length=1, expectation="friendly").rest == {"expectation": "friendly"}


@pytest.mark.parametrize(
    "criteria", [{"format": "csv"}, {"min_length": "3"}, {"max_length": True}, {"must_contain": [1]}, {"facts": 5}]
)
def test_measures_with_values_they_cannot_have_are_refused(criteria: dict[str, Any]) -> None:
    with pytest.raises(InvalidRule):
        check_criteria(criteria)


def test_a_verdict_says_how_much_could_be_judged() -> None:
    fine, broken = Measured((), 1, {}), Measured((Issue("completeness", "short"),), 1, {})

    assert verdict_of([fine], None).confidence == 1.0
    assert not verdict_of([fine, broken], None).passed
    unsure = verdict_of([fine], Judged(reason="No model."))
    assert (unsure.passed, unsure.confidence, unsure.issues[0].severity) == (True, 0.5, "warning")
    judged = verdict_of([fine], Judged((Issue("data_accuracy", "wrong"),), ("Check it.",), 0.8, "some/model"))
    assert (judged.passed, judged.confidence, judged.verified_by) == (False, 0.8, "some/model")
    assert verdict_of([], None).confidence == 0.0
