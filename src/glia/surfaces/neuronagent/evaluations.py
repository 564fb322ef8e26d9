"""/api/v1/eval: golden tasks, runs of an agent over them, results and how well passages were found."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import Field

from glia.evaluations.types import PlannedEvaluation, Result
from glia.kit.errors import NotFound
from glia.surfaces.neuronagent import evaluating
from glia.surfaces.neuronagent.auth import TheCaller
from glia.surfaces.neuronagent.words import ThePart, part_from, uuid_in
from glia.surfaces.shared.bodies import Body, Changes, Out, TheHouse, Time, WatchedRoute, given

router = APIRouter(prefix="/api/v1/eval", tags=["evaluation"], route_class=WatchedRoute)

TaskType = Literal["tool_sequence", "sql_side_effect", "retrieval", "end_to_end"]


class TaskBody(Body):
    """expected_tool_sequence: `{"tools": [{"name": "calculator"}]}`. golden_sql_side_effects: `{"statements": [...]}`,
    the statements that the agent's `sql` tool is called with."""

    task_type: TaskType
    input: str | dict[str, Any]
    expected_output: str | dict[str, Any] | None = None
    expected_tool_sequence: dict[str, Any] | list[Any] | None = None
    golden_sql_side_effects: dict[str, Any] | list[Any] | None = None
    metadata: dict[str, Any] = Field(default_factory=dict[str, Any])


class TaskOut(Out):
    id: UUID
    task_type: str
    input: Any
    expected_output: Any
    expected_tool_sequence: Any
    golden_sql_side_effects: Any
    metadata: dict[str, Any]
    created_at: Time
    updated_at: Time


class RunBody(Body):
    dataset_version: str = Field(min_length=1, max_length=200)
    agent_id: str | None = None
    total_tasks: int | None = Field(None, ge=0, le=1_000_000)
    metadata: dict[str, Any] = Field(default_factory=dict[str, Any])


class RunChanges(Changes):
    """What those say who did it elsewhere."""

    score: float | None = Field(None, ge=0, le=1, strict=False)
    passed_tasks: int = Field(0, ge=0, le=1_000_000)
    failed_tasks: int = Field(0, ge=0, le=1_000_000)


class ExecuteBody(Body):
    task_type: TaskType | None = None
    task_limit: int = Field(1000, ge=1, le=10_000)


class RunOut(Out):
    id: UUID
    dataset_version: str
    agent_id: UUID | None
    started_at: Time
    completed_at: Time | None
    score: float | None
    total_tasks: int
    passed_tasks: int
    failed_tasks: int
    metadata: dict[str, Any]
    created_at: Time


class ResultOut(Out):
    """score: 1 or 0 for an equal answer or another; halved for a wrong sequence of tools or wrong SQL."""

    id: UUID
    eval_run_id: UUID
    eval_task_id: UUID
    session_id: UUID | None
    passed: bool
    actual_output: str | None
    actual_tool_sequence: dict[str, Any]
    actual_sql_side_effects: dict[str, Any] | None
    score: float | None
    error_message: str | None
    metadata: dict[str, Any]
    created_at: Time


class RetrievalBody(Body):
    """recall_at_k and mrr are counted from the chunks when they are left away."""

    recall_at_k: float | None = Field(None, ge=0, le=1, strict=False)
    mrr: float | None = Field(None, ge=0, le=1, strict=False)
    grounding_passed: bool = False
    retrieved_chunks: list[str] = Field(default_factory=list[str])
    relevant_chunks: list[str] = Field(default_factory=list[str])


class RetrievalOut(Out):
    id: UUID
    eval_task_result_id: UUID
    recall_at_k: float | None
    mrr: float | None
    grounding_passed: bool
    retrieved_chunks: list[str]
    relevant_chunks: list[str]
    created_at: Time


@router.post("/tasks", status_code=201)
async def add_task(body: TaskBody, house: TheHouse, principal: TheCaller) -> TaskOut:
    """Keep a golden task."""
    case = evaluating.case_of(given(body))
    tasks = await evaluating.set_of(house, principal)
    if tasks is None:
        raise AssertionError("A set that is to be made is there.")
    [made] = await house.evaluation_sets.add_cases(principal, tasks.id, [case])
    return TaskOut(**evaluating.task_of(made))


@router.get("/tasks")
async def list_tasks(
    house: TheHouse,
    principal: TheCaller,
    part: ThePart,
    task_type: Annotated[TaskType | None, Query(description="Only those.")] = None,
) -> list[TaskOut]:
    """Golden tasks, newest first."""
    tasks = await evaluating.set_of(house, principal, is_made=False)
    if tasks is None:
        return []
    everything = await part_from(
        lambda window: house.evaluation_sets.list_cases(principal, tasks.id, window, tag=task_type), evaluating.ALL
    )
    return [TaskOut(**evaluating.task_of(case)) for case in part.of(everything[::-1])]


@router.get("/tasks/{task_id}")
async def get_task(task_id: str, house: TheHouse, principal: TheCaller) -> TaskOut:
    """One golden task."""
    id = uuid_in(task_id, "task_id")
    tasks = await evaluating.set_of(house, principal, is_made=False)
    if tasks is None:
        raise NotFound(f"There is no evaluation task '{id}' in this workspace.", task_id=str(id))
    return TaskOut(**evaluating.task_of(await house.evaluation_sets.get_case(principal, tasks.id, id)))


@router.post("/runs", status_code=201)
async def add_run(body: RunBody, house: TheHouse, principal: TheCaller) -> RunOut:
    """Note a run; `/execute` does it."""
    made = await house.planned_evaluations.create(
        principal,
        body.dataset_version,
        agent_id=None if body.agent_id is None else uuid_in(body.agent_id, "agent_id"),
        total=body.total_tasks or 0,
        metadata=body.metadata,
    )
    return _run(made)


@router.get("/runs")
async def list_runs(
    house: TheHouse,
    principal: TheCaller,
    part: ThePart,
    dataset_version: str | None = None,
    agent_id: str | None = None,
) -> list[RunOut]:
    """Runs, newest first."""
    agent = None if agent_id is None else uuid_in(agent_id, "agent_id")
    found = await part_from(
        lambda window: house.planned_evaluations.list(
            principal, window, dataset_version=dataset_version, agent_id=agent
        ),
        part,
    )
    return [_run(planned) for planned in found]


@router.get("/runs/{run_id}")
async def get_run(run_id: str, house: TheHouse, principal: TheCaller) -> RunOut:
    """One run."""
    return _run(await house.planned_evaluations.get(principal, uuid_in(run_id, "run_id")))


@router.put("/runs/{run_id}")
async def update_run(run_id: str, body: RunChanges, house: TheHouse, principal: TheCaller) -> RunOut:
    """Fill in what came of a run that was done elsewhere."""
    names = {"score": "score", "passed_tasks": "passed", "failed_tasks": "failed"}
    changes = {names[name]: value for name, value in given(body).items()}
    id = uuid_in(run_id, "run_id")
    return _run(await house.planned_evaluations.update(principal, id, changes, is_over="score" in changes))


@router.post("/runs/{run_id}/execute")
async def execute(run_id: str, house: TheHouse, principal: TheCaller, body: ExecuteBody | None = None) -> RunOut:
    """Run the agent on the tasks, and answer when all are done."""
    asked = body or ExecuteBody.model_validate({})
    planned = await house.planned_evaluations.get(principal, uuid_in(run_id, "run_id"))
    done = await evaluating.execute(house, principal, planned, task_type=asked.task_type, limit=asked.task_limit)
    return _run(done)


@router.get("/runs/{run_id}/results")
async def list_results(run_id: str, house: TheHouse, principal: TheCaller, part: ThePart) -> list[ResultOut]:
    """What came of each task."""
    planned = await house.planned_evaluations.get(principal, uuid_in(run_id, "run_id"))
    evaluation = planned.evaluation_id
    if evaluation is None:
        return []
    found = await part_from(lambda window: house.evaluations.results(principal, evaluation, window), part)
    return [_result(planned, result, await evaluating.judge(house, principal, result)) for result in found]


@router.post("/runs/{run_id}/results/{result_id}/retrieval", status_code=201)
async def add_retrieval(
    run_id: str, result_id: str, body: RetrievalBody, house: TheHouse, principal: TheCaller
) -> RetrievalOut:
    """Keep how well the passages of a result were found."""
    planned, id = await house.planned_evaluations.get(principal, uuid_in(run_id, "run_id")), uuid_in(result_id)
    if planned.evaluation_id is None:
        raise NotFound(f"There is no result '{id}' of this run.", result_id=str(id))
    await house.evaluations.result(principal, planned.evaluation_id, id)
    made = await house.planned_evaluations.add_measure(
        principal,
        id,
        retrieved=body.retrieved_chunks,
        relevant=body.relevant_chunks,
        grounding_passed=body.grounding_passed,
        recall_at_k=body.recall_at_k,
        mrr=body.mrr,
    )
    return RetrievalOut(
        id=made.id,
        eval_task_result_id=made.result_id,
        recall_at_k=made.recall_at_k,
        mrr=made.mrr,
        grounding_passed=made.grounding_passed,
        retrieved_chunks=made.retrieved,
        relevant_chunks=made.relevant,
        created_at=made.created_at,
    )


def _run(planned: PlannedEvaluation) -> RunOut:
    return RunOut(
        id=planned.id,
        dataset_version=planned.dataset_version,
        agent_id=planned.agent_id,
        started_at=planned.created_at,
        completed_at=planned.completed_at,
        score=planned.score,
        total_tasks=planned.total,
        passed_tasks=planned.passed,
        failed_tasks=planned.failed,
        metadata=planned.metadata,
        created_at=planned.created_at,
    )


def _result(planned: PlannedEvaluation, result: Result, judged: evaluating.Judged) -> ResultOut:
    return ResultOut(
        id=result.id,
        eval_run_id=planned.id,
        eval_task_id=result.case_id,
        session_id=result.session_id,
        passed=judged.passed is True,
        actual_output=result.answer,
        actual_tool_sequence={"tools": [{"name": name} for name in result.tools]},
        actual_sql_side_effects=None if judged.sql is None else {"statements": judged.sql},
        score=judged.score,
        error_message=None if result.error is None else str(result.error.get("message", "")),
        metadata={"scores": [{"name": one.name, "score": one.score, "reason": one.reason} for one in result.scores]},
        created_at=result.finished_at or planned.created_at,
    )
