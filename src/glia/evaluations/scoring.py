"""Scores that need nothing but what was expected and what came. Rules without I/O."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import assert_never

from glia.evaluations.types import (
    Case,
    CitedDocuments,
    Cost,
    Exact,
    Figures,
    Latency,
    Outcome,
    Rubric,
    Score,
    Scorer,
    Similarity,
    Tokens,
    ToolSequence,
)

_CITATION = re.compile(r"\s*(?:[\[(【<]\s*kb://[^\])】>]*[\])】>]|kb://[^\s\[\](){}<>,;\"'`】]+#\d+)")
_WORD = re.compile(r"\w+")
_CLOSE = 1e-9


def scored(scorer: Scorer, score: float, reason: str) -> Score:
    score = min(1.0, max(0.0, score))
    return Score(scorer.name, scorer.kind, round(score, 6), score >= scorer.threshold - _CLOSE, reason)


def unscored(scorer: Scorer, reason: str) -> Score:
    return Score(scorer.name, scorer.kind, None, None, reason)


def without_answer(scorer: Scorer, outcome: Outcome) -> Score | None:
    """The score of a case whose run gave no answer; None when it gave one.

    A run that failed counts as 0 by every scorer, so that an agent cannot become better by failing more often.
    """
    if outcome.answer is not None:
        return None
    why = outcome.error or "The run gave no answer."
    return scored(scorer, 0.0, why) if outcome.is_agents_fault else unscored(scorer, why)


def rule_score(scorer: Scorer, case: Case, outcome: Outcome) -> Score:
    """Of an answered case. Not for rubrics and regular expressions, which take more than rules."""
    answer = outcome.answer or ""
    match scorer:
        case Exact():
            return exact(scorer, case.expected_answer, answer)
        case Similarity():
            return similarity(scorer, case.expected_answer, answer)
        case ToolSequence():
            return tool_sequence(scorer, case.expected_tools, outcome.tools)
        case CitedDocuments():
            return citation(scorer, case.expected_documents, outcome)
        case Latency() | Cost() | Tokens():
            return limit(scorer, outcome.figures)
        case Rubric():
            return unscored(scorer, "A rubric is judged by a model, not by a rule.")
        case _:
            assert_never(scorer)


def exact(scorer: Exact, expected: str | None, answer: str) -> Score:
    if expected is None:
        return unscored(scorer, "The case expects no particular answer.")
    want, got = normalised(scorer, expected), normalised(scorer, answer)
    if scorer.mode == "contains":
        found = want in got
        return scored(scorer, float(found), "The answer contains it." if found else "The answer does not contain it.")
    is_equal = want == got
    return scored(scorer, float(is_equal), "The answer equals it." if is_equal else "The answer is another.")


def normalised(scorer: Exact, text: str) -> str:
    """As the scorer compares it."""
    text = unicodedata.normalize("NFC", text)
    if scorer.ignore_citations:
        text = _CITATION.sub("", text)
    if scorer.ignore_case:
        text = text.casefold()
    return " ".join(text.split()) if scorer.ignore_whitespace else text


def similarity(scorer: Similarity, expected: str | None, answer: str) -> Score:
    if expected is None:
        return unscored(scorer, "The case expects no particular answer.")
    want, got = _words(expected), _words(answer)
    shared = sum((Counter(want) & Counter(got)).values())
    if not want and not got:
        return scored(scorer, 1.0, "Neither has a word.")
    score = 2 * shared / (len(want) + len(got))
    return scored(scorer, score, f"{shared} words are shared; {len(want)} were expected and {len(got)} came.")


def _words(text: str) -> list[str]:
    return _WORD.findall(_CITATION.sub("", unicodedata.normalize("NFKC", text)).casefold())


def tool_sequence(scorer: ToolSequence, expected: Sequence[str] | None, called: Sequence[str]) -> Score:
    if expected is None:
        return unscored(scorer, "The case expects no particular tools.")
    reason = f"Expected {_names(expected)}; called {_names(called)}."
    if not expected or scorer.mode == "exact":
        return scored(scorer, float(list(expected) == list(called)), reason)
    if scorer.mode == "in_order":
        return scored(scorer, _longest_common(expected, called) / len(expected), reason)
    shared = sum((Counter(expected) & Counter(called)).values())
    return scored(scorer, shared / len(expected), reason)


def _names(names: Sequence[str]) -> str:
    return ", ".join(names[:20]) + (" and more" if len(names) > 20 else "") if names else "none"


def _longest_common(first: Sequence[str], second: Sequence[str]) -> int:
    """The length of the longest common subsequence."""
    row = [0] * (len(second) + 1)
    for one in first:
        before = 0
        for index, other in enumerate(second, 1):
            before, row[index] = row[index], before + 1 if one == other else max(row[index], row[index - 1])
    return row[-1]


def citation(scorer: CitedDocuments, expected: Sequence[str] | None, outcome: Outcome) -> Score:
    if not expected:
        return unscored(scorer, "The case expects no particular documents.")
    cited = {name.casefold() for document in outcome.documents for name in (document.id, document.name)}
    missing = [name for name in expected if name.casefold() not in cited]
    reason = f"Not cited: {_names(missing)}." if missing else "Every expected document is cited."
    return scored(scorer, 1 - len(missing) / len(expected), reason)


def limit(scorer: Latency | Cost | Tokens, figures: Figures | None) -> Score:
    if figures is None:
        return unscored(scorer, "The run has no figures.")
    match scorer:
        case Latency(at_most_ms=most):
            found, unit = figures.duration_ms, "ms"
        case Cost(at_most_micros=most):
            found, unit = figures.cost_micros, "micro-dollars"
        case Tokens(at_most=most):
            found, unit = figures.input_tokens + figures.output_tokens, "tokens"
        case _:
            assert_never(scorer)
    if found is None:
        return unscored(scorer, "No price is known for the models of this run.")
    return scored(scorer, float(found <= most), f"{found} {unit}; at most {most} are wanted.")
