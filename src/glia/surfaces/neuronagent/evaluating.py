"""Golden tasks as cases of one set of the workspace's, and how NeuronAgent scores what came of them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

import orjson

from glia.evaluations.types import (
    MOST_CASES,
    MOST_RESULTS,
    Case,
    Evaluation,
    EvaluationSet,
    EvaluationSettings,
    EvaluationSpec,
    Exact,
    PlannedEvaluation,
    Result,
    ResultStatus,
    Scorer,
    ToolSequence,
)
from glia.identity.types import Principal
from glia.kit.errors import InvalidRequest
from glia.kit.pages import LARGEST_LIMIT, Window, read_cursor
from glia.runs.events import ToolCalled
from glia.surfaces.neuronagent.words import Part, part_from
from glia.wiring import House

KEY = "neuronagent"
SET_NAME = "NeuronAgent tasks"
ALL = Part(limit=MOST_CASES)
_SQL_TOOL = "sql_query"
_LOOK_SECONDS = 0.1
_MOST_EVENTS = 2000


@dataclass(frozen=True)
class Judged:
    """A result by NeuronAgent's rules. passed: None before it has ended."""

    passed: bool | None
    score: float | None
    sql: list[str] | None


async def set_of(house: House, principal: Principal, *, is_made: bool = True) -> EvaluationSet | None:
    """The set that holds the tasks. is_made: made when it is not there."""
    after: UUID | None = None
    while True:
        page = await house.evaluation_sets.list(principal, Window(LARGEST_LIMIT, after))
        for found in page.items:
            if KEY in found.metadata:
                return found
        if not page.has_more:
            break
        after = read_cursor(page.next_cursor)
    if not is_made:
        return None
    description = "Golden tasks that were added through NeuronAgent's API."
    return await house.evaluation_sets.create(principal, name=SET_NAME, description=description, metadata={KEY: True})


def case_of(given: dict[str, Any]) -> dict[str, Any]:
    """A task as a case of the core's."""
    input = given["input"] if isinstance(given["input"], str) else orjson.dumps(given["input"]).decode()
    case: dict[str, Any] = {
        "input": input,
        "tags": [given["task_type"]],
        "metadata": {KEY: {name: value for name, value in given.items() if value is not None}},
    }
    expected = given.get("expected_output")
    if expected is not None:
        case["expected_answer"] = expected if isinstance(expected, str) else orjson.dumps(expected).decode()
    if given.get("expected_tool_sequence") is not None:
        case["expected_tools"] = tools_in(given["expected_tool_sequence"])
    return case


def tools_in(sequence: Any) -> list[str]:
    """`{"tools": [{"name": …}]}`, or a list of names or of such objects."""
    listed = cast(dict[str, Any], sequence).get("tools", []) if isinstance(sequence, dict) else sequence
    names = [cast(dict[str, Any], tool).get("name") if isinstance(tool, dict) else tool for tool in _list(listed)]
    if not all(isinstance(name, str) for name in names):
        raise InvalidRequest(
            "`expected_tool_sequence` must be an object as `{'tools': [{'name': 'calculator'}]}`.",
            field="expected_tool_sequence",
        )
    return cast(list[str], names)


def task_of(case: Case) -> dict[str, Any]:
    """A case in NeuronAgent's words, whichever surface made it."""
    kept = cast(dict[str, Any], case.metadata.get(KEY) or {})
    tools = None if case.expected_tools is None else {"tools": [{"name": name} for name in case.expected_tools]}
    return {
        "id": case.id,
        "task_type": kept.get("task_type") or (case.tags[0] if case.tags else "end_to_end"),
        "input": kept.get("input", case.input),
        "expected_output": kept.get("expected_output", case.expected_answer),
        "expected_tool_sequence": kept.get("expected_tool_sequence", tools),
        "golden_sql_side_effects": kept.get("golden_sql_side_effects"),
        "metadata": kept.get("metadata") or {},
        "created_at": case.created_at,
        "updated_at": case.created_at,
    }


async def execute(
    house: House, principal: Principal, planned: PlannedEvaluation, *, task_type: str | None, limit: int
) -> PlannedEvaluation:
    """Runs the agent on every task, and returns when all are done. Raises InvalidRequest where nothing is to do."""
    if planned.agent_id is None:
        raise InvalidRequest("The run has no agent; make one with `agent_id`.", field="agent_id")
    tasks = await set_of(house, principal, is_made=False)
    tags = () if task_type is None else (task_type,)
    if (
        tasks is None
        or not (await house.evaluation_sets.list_cases(principal, tasks.id, Window(1), tag=task_type)).items
    ):
        raise InvalidRequest("No tasks match; add some with POST /api/v1/eval/tasks.", field="task_type")
    scorers: tuple[Scorer, ...] = (
        Exact(name="exact", ignore_case=False, ignore_whitespace=False),
        ToolSequence(name="tools", mode="exact"),
    )
    spec = EvaluationSpec(
        set_id=tasks.id,
        agent_id=planned.agent_id,
        settings=EvaluationSettings(scorers=scorers, tags=tags, most_cases=limit),
        name=planned.dataset_version[:200],
    )
    evaluation = await house.evaluations.start(principal, spec)
    await house.planned_evaluations.update(principal, planned.id, {"evaluation_id": evaluation.id})
    evaluation = await _over(house, principal, evaluation)
    judged = [await judge(house, principal, result) for result in await all_results(house, principal, evaluation.id)]
    scores = [one.score for one in judged if one.score is not None]
    figures = {
        "total": len(judged),
        "passed": sum(one.passed is True for one in judged),
        "failed": sum(one.passed is not True for one in judged),
        "score": sum(scores) / len(judged) if judged else None,
    }
    return await house.planned_evaluations.update(principal, planned.id, figures, is_over=True)


async def _over(house: House, principal: Principal, evaluation: Evaluation) -> Evaluation:
    while not evaluation.status.is_final:
        await asyncio.sleep(_LOOK_SECONDS)
        evaluation = await house.evaluations.get(principal, evaluation.id)
    return evaluation


async def all_results(house: House, principal: Principal, evaluation_id: UUID) -> list[Result]:
    return await part_from(
        lambda window: house.evaluations.results(principal, evaluation_id, window), Part(limit=MOST_RESULTS)
    )


async def judge(house: House, principal: Principal, result: Result) -> Judged:
    """An equal answer is 1, another 0; a wrong sequence of tools, or wrong SQL, fails it and halves the score."""
    if result.status not in (ResultStatus.COMPLETED, ResultStatus.FAILED):
        return Judged(None, None, None)
    found = {score.name: score for score in result.scores}
    exact, tools = found.get("exact"), found.get("tools")
    has_answer = result.status is ResultStatus.COMPLETED
    score = float(has_answer) if exact is None or exact.score is None else exact.score
    passed = has_answer and score >= 1
    if tools is not None and tools.passed is False:
        passed, score = False, score / 2
    golden = await _golden(house, principal, result)
    sql = None if golden is None else await _sql(house, principal, result)
    if golden is not None and [_plain(text) for text in golden] != [_plain(text) for text in sql or []]:
        passed, score = False, score / 2
    return Judged(passed, score, sql)


async def _golden(house: House, principal: Principal, result: Result) -> list[str] | None:
    """The statements that the task expects, if it expects any."""
    tasks = await set_of(house, principal, is_made=False)
    if tasks is None or "sql_side_effect" not in result.tags:
        return None
    case = await house.evaluation_sets.get_case(principal, tasks.id, result.case_id)
    golden = task_of(case)["golden_sql_side_effects"]
    if isinstance(golden, dict):
        known = cast(dict[str, Any], golden)
        golden = known.get("statements") or known.get("queries") or known.get("sql")
    listed = [golden] if isinstance(golden, str) else _list(golden)
    return [str(text) for text in listed] if listed else None


async def _sql(house: House, principal: Principal, result: Result) -> list[str]:
    if result.run_id is None:
        return []
    events = await house.runs.run_events(principal, result.run_id, after=0, limit=_MOST_EVENTS)
    calls = [event.payload for event in events if event.type == ToolCalled.type]
    return [
        str(cast(dict[str, Any], call.arguments).get("sql", ""))
        for call in calls
        if isinstance(call, ToolCalled) and call.tool == _SQL_TOOL and isinstance(call.arguments, dict)
    ]


def _plain(sql: str) -> str:
    return " ".join(sql.strip().rstrip(";").split()).lower()


def _list(value: Any) -> list[Any]:
    return cast(list[Any], value) if isinstance(value, list) else []
