"""Cases as JSON lines, results as CSV or JSON; in pieces, so that no export has to fit into memory."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Literal

import msgspec

from glia.evaluations.types import Case, CaseSpec, Evaluation, Result, Score, Summary

Format = Literal["csv", "json"]

_encode = msgspec.json.Encoder().encode

_COLUMNS = (
    "number",
    "case_id",
    "case_version",
    "case_name",
    "repeat",
    "status",
    "input",
    "expected_answer",
    "answer",
    "error",
    "tools",
    "duration_ms",
    "model_calls",
    "tool_calls",
    "input_tokens",
    "output_tokens",
    "cost_micros",
    "judge_cost_micros",
    "run_id",
    "session_id",
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def case_lines(cases: Sequence[Case]) -> bytes:
    """Each case as it could be imported: what a person said of it, without ids."""
    fields = CaseSpec.__struct_fields__
    said = (CaseSpec(**{name: getattr(case, name) for name in fields}) for case in cases)
    return b"".join(_encode(spec) + b"\n" for spec in said)


async def csv_of(evaluation: Evaluation, pages: AsyncIterator[Sequence[Result]]) -> AsyncGenerator[bytes, None]:
    """One row a result; for each scorer its score, whether that passes, and the reason."""
    names = [scorer.name for scorer in evaluation.settings.scorers]
    heads = [f"{name} {what}" for name in names for what in ("score", "passed", "reason")]
    yield _csv_rows([[*_COLUMNS, *heads]])
    async for page in pages:
        if page:
            yield _csv_rows([_csv_row(result, names) for result in page])


def _csv_row(result: Result, names: Sequence[str]) -> list[str]:
    scores = {score.name: score for score in result.scores}
    cells = [_cell(getattr(result, name)) for name in _COLUMNS]
    for name in names:
        score: Score | None = scores.get(name)
        parts = (None, None, None) if score is None else (score.score, score.passed, score.reason)
        cells += [_cell(part) for part in parts]
    return cells


def _cell(value: object) -> str:
    """Texts that a spreadsheet would take for a formula get an apostrophe in front."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, dict)):
        value = _encode(value).decode()
    text = str(value)
    return f"'{text}" if isinstance(value, str) and text.startswith(_FORMULA) else text


def _csv_rows(cells: Sequence[Sequence[str]]) -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer).writerows(cells)
    return buffer.getvalue().encode()


async def json_of(
    evaluation: Evaluation, summary: Summary, pages: AsyncIterator[Sequence[Result]]
) -> AsyncGenerator[bytes, None]:
    """One object: `evaluation`, `summary`, `results`."""
    head = _encode({"evaluation": _shown(evaluation), "summary": summary})
    yield head[:-1] + b',"results":['
    is_first = True
    async for page in pages:
        for result in page:
            yield (b"" if is_first else b",\n") + _encode(result)
            is_first = False
    yield b"]}\n"


def _shown(evaluation: Evaluation) -> dict[str, object]:
    hidden = {"workspace_id", "project_id", "cancel_requested_at"}
    return {name: getattr(evaluation, name) for name in Evaluation.__dataclass_fields__ if name not in hidden}
