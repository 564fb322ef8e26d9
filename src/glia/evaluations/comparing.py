"""How two evaluations of one set compare: case by case, and what can be said of the difference as a whole."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from uuid import UUID

from glia.evaluations.types import (
    CaseComparison,
    Comparison,
    Evaluation,
    Finding,
    Score,
    Scorer,
    ScorerComparison,
    Verdict,
)

RESAMPLES = 2_000
LEAST_CASES = 10
"""With fewer, an interval would say more about luck than about the agent."""

_SAME = 1e-9
_PICKS_AT_ONCE = 1_000_000


@dataclass(frozen=True)
class Scored:
    """What of one result matters here."""

    case_id: UUID
    case_version: int
    scores: list[Score]


def compare(
    first: Evaluation, second: Evaluation, first_results: Sequence[Scored], second_results: Sequence[Scored]
) -> Comparison:
    """Takes a second or so for ten thousand cases, so it belongs into a thread."""
    first_cases, second_cases = _versions(first_results), _versions(second_results)
    both = {id for id in first_cases.keys() & second_cases.keys() if first_cases[id] == second_cases[id]}
    changed = len(first_cases.keys() & second_cases.keys()) - len(both)
    shared = [one for one in first.settings.scorers if one in second.settings.scorers]
    names = {one.name for one in (*first.settings.scorers, *second.settings.scorers)}
    cases: list[CaseComparison] = []
    scorers: list[ScorerComparison] = []
    for scorer in shared:
        before, after = _means(first_results, scorer.name, both), _means(second_results, scorer.name, both)
        compared = [_of_case(id, scorer.name, before[id], after[id]) for id in sorted(before.keys() & after.keys())]
        cases += compared
        scorers.append(_of_scorer(scorer, compared, len(both) - len(compared)))
    return Comparison(
        first_id=first.id,
        second_id=second.id,
        scorers=scorers,
        cases=sorted(cases, key=lambda one: (one.case_id, one.scorer)),
        changed_cases=changed,
        only_in_first=len(first_cases.keys() - second_cases.keys()),
        only_in_second=len(second_cases.keys() - first_cases.keys()),
        left_out_scorers=sorted(names - {one.name for one in shared}),
    )


def _versions(results: Iterable[Scored]) -> dict[UUID, int]:
    return {one.case_id: one.case_version for one in results}


def _means(results: Iterable[Scored], name: str, cases: set[UUID]) -> dict[UUID, float]:
    """The mean score of each case over its repeats, of those that have one."""
    found: dict[UUID, list[float]] = {}
    for one in results:
        if one.case_id in cases:
            scores = (score.score for score in one.scores if score.name == name and score.score is not None)
            found.setdefault(one.case_id, []).extend(scores)
    return {id: fmean(scores) for id, scores in found.items() if scores}


def _of_case(id: UUID, scorer: str, first: float, second: float) -> CaseComparison:
    difference = second - first
    verdict: Verdict = "same" if abs(difference) < _SAME else "better" if difference > 0 else "worse"
    return CaseComparison(id, scorer, round(first, 6), round(second, 6), round(difference, 6), verdict)


def _of_scorer(scorer: Scorer, cases: Sequence[CaseComparison], not_compared: int) -> ScorerComparison:
    counts: Mapping[Verdict, int] = {
        verdict: sum(one.verdict == verdict for one in cases) for verdict in ("better", "worse", "same")
    }
    differences = [one.difference for one in cases]
    mean = fmean(differences) if differences else None
    span = interval(differences) if len(differences) >= LEAST_CASES else None
    finding = _finding(mean, span)
    p_value = sign_test(counts["better"], counts["worse"]) if differences else None
    return ScorerComparison(
        name=scorer.name,
        kind=scorer.kind,
        compared=len(cases),
        not_compared=not_compared,
        better=counts["better"],
        worse=counts["worse"],
        same=counts["same"],
        first_mean=round(fmean(one.first for one in cases), 6) if cases else None,
        second_mean=round(fmean(one.second for one in cases), 6) if cases else None,
        mean_difference=None if mean is None else round(mean, 6),
        interval=span,
        p_value=None if p_value is None else round(p_value, 6),
        finding=finding,
        explanation=explanation(finding, len(cases), mean, span, p_value),
    )


def interval(differences: Sequence[float]) -> tuple[float, float]:
    """The 95 % interval of the mean, by the percentile bootstrap over cases (Efron and Tibshirani 1993, section 13.3).

    The random numbers are the same each time, so that the same results give the same interval.
    """
    import numpy as np  # takes longer to load than everything else here

    values = np.asarray(differences, dtype=np.float64)
    random = np.random.default_rng(20)
    at_once = max(1, _PICKS_AT_ONCE // len(values))
    means = np.concatenate(
        [
            values[random.integers(0, len(values), (min(at_once, RESAMPLES - done), len(values)))].mean(axis=1)
            for done in range(0, RESAMPLES, at_once)
        ]
    )
    low, high = np.quantile(means, (0.025, 0.975))
    return round(float(low), 6), round(float(high), 6)


def sign_test(better: int, worse: int) -> float:
    """How likely so uneven a split, or a more uneven one, is if better and worse were a coin's two sides."""
    n, k = better + worse, min(better, worse)
    if n == 0:
        return 1.0
    log_half = n * math.log(0.5)
    log_n = math.lgamma(n + 1)
    tail = sum(math.exp(log_n - math.lgamma(i + 1) - math.lgamma(n - i + 1) + log_half) for i in range(k + 1))
    return min(1.0, 2 * tail)


def _finding(mean: float | None, span: tuple[float, float] | None) -> Finding:
    if mean is None or span is None:
        return "too_few_cases"
    if span[0] > 0:
        return "better"
    return "worse" if span[1] < 0 else "no_clear_difference"


def explanation(
    finding: Finding, cases: int, mean: float | None, span: tuple[float, float] | None, p_value: float | None
) -> str:
    """In whole sentences, for somebody who has not seen such figures before."""
    if mean is None or p_value is None:
        return "No case has a score in both evaluations, so nothing can be said."
    if span is None:
        return (
            f"Over {cases} cases the second scores {_by(mean)} on average. That is too few cases to tell a difference"
            f" from chance; compare at least {LEAST_CASES}, better 30 or more."
        )
    said = (
        f"Over {cases} cases the second scores {_by(mean)} on average; with other cases of the same sort the difference"
        f" would most likely (95 %) lie between {span[0]:+.3f} and {span[1]:+.3f}."
    )
    if finding == "no_clear_difference":
        return f"{said} That includes no difference at all, so this may be chance; more cases would tell."
    split = f"Counting only which cases became better or worse, chance alone would do that with p = {p_value:.3f}."
    return f"{said} That leaves out 0, so chance alone is an unlikely reason. {split}"


def _by(mean: float) -> str:
    if abs(mean) < 0.0005:
        return "the same"
    return f"{abs(mean):.3f} {'higher' if mean > 0 else 'lower'}"
