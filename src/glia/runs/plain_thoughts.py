"""Plans and judgements by plain rules, for when no model that could make them is there or it answers with neither."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from glia.runs.model_events import PlanStep
from glia.tools.types import Tool

_BETWEEN_STEPS = re.compile(
    r"(?:^|\s+)(?:\d{1,2}[.)]|[-*])\s+|[\n;]+|(?<=[.!?])\s+|,?\s+(?:and\s+)?(?:then|afterwards|finally)\s+",
    re.IGNORECASE,
)
_WORD = re.compile(r"\w+")
# Words that say nothing about what a step is about.
_SMALL_WORDS = (
    "a an and are as at be by can do for from get give has have how i in is it me my of on or our please so that the"
    " then this to up use want we what which who will with you your"
)
_SMALL = frozenset(_SMALL_WORDS.split())
_MOST_STEPS = 30
_LONGEST_ACTION = 500
_CLEAR_WORDS_A_SENTENCE = 35
_STEM = 6


@dataclass(frozen=True)
class Judged:
    """Scores from 0 to 1."""

    quality: float
    accuracy: float
    completeness: float
    clarity: float
    relevance: float
    confidence: float
    issues: list[str]
    suggestions: list[str]


def plain_plan(task: str, tools: Sequence[Tool]) -> list[PlanStep]:
    """The task's sentences and clauses in their order, each with the tool whose name or description fits it best."""
    parts = [part.strip(" ,.") for part in _BETWEEN_STEPS.split(task)]
    parts = [part[:_LONGEST_ACTION] for part in parts if part] or [task.strip()[:_LONGEST_ACTION]]
    steps: list[PlanStep] = []
    for number, part in enumerate(parts[:_MOST_STEPS], 1):
        tool = _fitting(part, tools)
        before = [number - 1] if number > 1 else []
        steps.append(PlanStep(part[:1].upper() + part[1:], tool, before, {"task": part} if tool else {}))
    return steps


def plain_judgement(task: str, answer: str, found: str = "") -> Judged:
    """How much of the question the answer takes up, how long it is beside it, how it reads, and what it rests on.

    found: what the tools returned.
    """
    if not answer.strip():
        return Judged(0.0, 0.0, 0.0, 0.0, 0.0, 0.9, ["The answer is empty."], ["Answer the question."])
    asked, said, known = _words(task), _words(answer), _words(found)
    relevance = _share(asked, said) if asked else 0.5
    completeness = min(1.0, len(_WORD.findall(answer)) / max(8, len(_WORD.findall(task))))
    sentences = max(1, len(re.findall(r"[.!?\n]+", answer.strip())))
    clarity = min(1.0, _CLEAR_WORDS_A_SENTENCE / max(1.0, len(_WORD.findall(answer)) / sentences))
    accuracy = _share(said, known) if known else 0.5
    issues, suggestions = _remarks(relevance, completeness, clarity, accuracy)
    return Judged(
        quality=round((accuracy + completeness + clarity + relevance) / 4, 3),
        accuracy=round(accuracy, 3),
        completeness=round(completeness, 3),
        clarity=round(clarity, 3),
        relevance=round(relevance, 3),
        confidence=0.3,
        issues=issues,
        suggestions=suggestions,
    )


def _remarks(relevance: float, completeness: float, clarity: float, accuracy: float) -> tuple[list[str], list[str]]:
    found: list[tuple[str, str]] = []
    if relevance < 0.3:
        found.append(("The answer takes up few words of the question.", "Say how the answer meets the question."))
    if completeness < 0.5:
        found.append(("The answer is short for the question.", "Answer every part of the question."))
    if clarity < 0.7:
        found.append(("The sentences are long.", "Split long sentences."))
    if accuracy < 0.3:
        found.append(("Little of the answer is in what the tools found.", "Rest the answer on what the tools found."))
    return [issue for issue, _ in found], [suggestion for _, suggestion in found]


def _fitting(part: str, tools: Sequence[Tool]) -> str:
    """The name of the tool that shares most words with a step; its name counts more than its description."""
    wanted = _words(part)
    best, most = "", 0.0
    for tool in tools:
        score = 2.0 * len(wanted & _words(tool.name.replace("_", " "))) + 0.5 * len(wanted & _words(tool.description))
        if score > most and score >= 1:
            best, most = tool.name, score
    return best


def _words(text: str) -> set[str]:
    """Cut to their first six letters, so that `calculate` meets `calculator` and `searching` meets `search`."""
    return {word[:_STEM] for word in {word.lower() for word in _WORD.findall(text[:20_000])} - _SMALL}


def _share(of: set[str], within: set[str]) -> float:
    return len(of & within) / len(of) if of else 0.0
