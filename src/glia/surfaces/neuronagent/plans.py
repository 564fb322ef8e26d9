"""/api/v1/plans and /api/v1/reflections: what agents mean to do, and how good their answers were."""

from __future__ import annotations

from typing import Annotated, Any, Literal, cast
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import Field

from glia.kit.errors import InvalidRequest
from glia.plans.types import Judgeable, Plan, PlanFilter, PlanStatus, Reflection
from glia.runs.events import PlanMade
from glia.runs.model_events import PlanStep, StepUsage
from glia.surfaces.neuronagent.auth import TheCaller
from glia.surfaces.neuronagent.memory_words import Numbers
from glia.surfaces.neuronagent.words import ThePart, number_in, part_from, uuid_in
from glia.surfaces.shared.bodies import Body, Out, TheHouse, Time, WatchedRoute

router = APIRouter(prefix="/api/v1", tags=["plans"], route_class=WatchedRoute)

MOST_STEPS = 100
StatusName = Literal["created", "executing", "completed", "failed", "cancelled"]


class StepOut(Out):
    """dependencies: steps by their place, from 0. payload: for the tool."""

    action: str
    tool: str
    payload: dict[str, Any]
    dependencies: list[int]
    can_parallel: bool
    retry_strategy: Literal["retry", "skip", "abort"]


class PlanOut(Out):
    """result: what was noted, else `answer`, that of the run which carried it out. run_id: that run."""

    id: UUID
    agent_id: UUID | None
    session_id: UUID | None
    run_id: UUID | None
    task_description: str
    steps: list[StepOut]
    status: StatusName
    result: Any
    created_at: Time
    updated_at: Time
    completed_at: Time | None


class ReflectionOut(Out):
    """Scores from 0 to 1. was_retried: the agent answered once more because of it."""

    id: int
    agent_id: UUID | None
    session_id: UUID | None
    message_id: int | None
    user_message: str
    agent_response: str
    quality_score: float
    accuracy_score: float
    completeness_score: float
    clarity_score: float
    relevance_score: float
    confidence: float | None
    issues: list[str]
    suggestions: list[str]
    was_retried: bool
    created_at: Time


class StepBody(Body):
    action: str = Field(min_length=1, max_length=2_000)
    tool: str = Field("", max_length=200)
    payload: dict[str, Any] = Field(default_factory=dict[str, Any])
    dependencies: list[int] = Field(default_factory=list[int], max_length=MOST_STEPS)
    can_parallel: bool = False
    retry_strategy: Literal["retry", "skip", "abort"] = "retry"


class PlanBody(Body):
    """steps: left away, the agent makes them. goal, task: other names of `task_description`."""

    agent_id: str
    task_description: str | None = Field(None, max_length=10_000)
    task: str | None = Field(None, max_length=10_000)
    goal: str | None = Field(None, max_length=10_000)
    session_id: str | None = None
    steps: list[StepBody] | None = Field(None, max_length=MOST_STEPS)


class PlanChange(Body):
    status: StatusName
    result: dict[str, Any] | None = None


def step_out(step: PlanStep) -> StepOut:
    return StepOut(
        action=step.action,
        tool=step.tool,
        payload=step.arguments,
        dependencies=[number - 1 for number in step.depends_on],
        can_parallel=step.is_parallel,
        retry_strategy=step.on_failure,
    )


def plan_out(plan: Plan) -> PlanOut:
    return PlanOut(
        id=plan.id,
        agent_id=plan.agent_id,
        session_id=plan.session_id,
        run_id=plan.run_id,
        task_description=plan.task,
        steps=[step_out(step) for step in plan.steps],
        status=plan.status.value,
        result=plan.result,
        created_at=plan.created_at,
        updated_at=plan.updated_at,
        completed_at=plan.completed_at,
    )


async def reflection_out(found: Reflection, numbers: Numbers) -> ReflectionOut:
    return ReflectionOut(
        id=found.number,
        agent_id=found.agent_id,
        session_id=found.session_id,
        message_id=await numbers.message(found.session_id, found.answer_seq),
        user_message=found.task,
        agent_response=found.answer,
        quality_score=round(found.quality, 4),
        accuracy_score=round(found.accuracy, 4),
        completeness_score=round(found.completeness, 4),
        clarity_score=round(found.clarity, 4),
        relevance_score=round(found.relevance, 4),
        confidence=round(found.confidence, 4),
        issues=list(found.issues),
        suggestions=list(found.suggestions),
        was_retried=found.is_revised,
        created_at=found.created_at,
    )


AgentText = Annotated[str | None, Query(description="Only this agent's.", max_length=100)]
SessionText = Annotated[str | None, Query(description="Only this session's.", max_length=100)]


@router.get("/plans")
async def list_plans(
    house: TheHouse,
    principal: TheCaller,
    part: ThePart,
    agent_id: AgentText = None,
    session_id: SessionText = None,
) -> list[PlanOut]:
    """List plans, newest first; those that agents made for themselves too."""
    wanted = PlanFilter(
        None if agent_id is None else uuid_in(agent_id, "agent_id"),
        None if session_id is None else uuid_in(session_id, "session_id"),
    )
    found = await part_from(lambda window: house.plans.list(principal, window, wanted), part)
    return [plan_out(plan) for plan in found]


@router.post("/plans", status_code=201)
async def create(body: PlanBody, house: TheHouse, principal: TheCaller) -> PlanOut:
    """Have a task planned by an agent, or keep a plan that you have made."""
    task = body.task_description or body.task or body.goal
    if not task:
        raise InvalidRequest("`task_description` is missing; say what is to be done.", field="task_description")
    agent = (await house.agents.get(principal, uuid_in(body.agent_id, "agent_id"))).id
    session = None if body.session_id is None else uuid_in(body.session_id, "session_id")
    if body.steps is None:
        return plan_out(await house.plans.make(principal, agent, task, session_id=session))
    made = PlanMade(task, _steps(body.steps), "", "", StepUsage(0, 0), None)
    return plan_out(await house.plans.create(principal, made, agent_id=agent, session_id=session))


def _steps(given: list[StepBody]) -> list[PlanStep]:
    for number, step in enumerate(given):
        if not all(0 <= other < len(given) and other != number for other in step.dependencies):
            raise InvalidRequest(
                f"`steps[{number}].dependencies` names a step that is not there; they count from 0.",
                field=f"steps[{number}].dependencies",
            )
    return [
        PlanStep(
            step.action,
            step.tool,
            [other + 1 for other in step.dependencies],
            step.payload,
            step.can_parallel,
            step.retry_strategy,
        )
        for step in given
    ]


@router.get("/plans/{id}")
async def get(id: str, house: TheHouse, principal: TheCaller) -> PlanOut:
    """One plan."""
    return plan_out(await house.plans.get(principal, uuid_in(id)))


@router.put("/plans/{id}")
async def update(id: str, body: PlanChange, house: TheHouse, principal: TheCaller) -> PlanOut:
    """Note how far a plan has come; `cancelled` also stops the run that carries it out."""
    return plan_out(await house.plans.update(principal, uuid_in(id), PlanStatus(body.status), body.result))


@router.delete("/plans/{id}", status_code=204, response_class=Response)
async def delete(id: str, house: TheHouse, principal: TheCaller) -> Response:
    """Delete a plan."""
    await house.plans.delete(principal, uuid_in(id))
    return Response(status_code=204)


@router.post("/plans/{id}/execute", status_code=202)
async def execute(id: str, house: TheHouse, principal: TheCaller) -> PlanOut:
    """Have a plan carried out in the background; it ends as that run does."""
    return plan_out(await house.plans.execute(principal, uuid_in(id)))


@router.post("/plans/{id}/reflect")
async def reflect(id: str, house: TheHouse, principal: TheCaller) -> ReflectionOut:
    """Judge what came of a plan."""
    plan = await house.plans.get(principal, uuid_in(id))
    if plan.agent_id is None:
        raise InvalidRequest("The plan names no agent that could judge it.", field="id")
    result: object = plan.result
    answer = cast(dict[str, object], result).get("answer") if isinstance(result, dict) else None
    what = Judgeable(
        plan.task,
        answer if isinstance(answer, str) else "" if result is None else str(cast(object, result)),
        session_id=plan.session_id,
        run_id=plan.run_id,
    )
    made = await house.reflections.make(principal, plan.agent_id, what)
    return await reflection_out(made, Numbers(house, principal))


@router.get("/reflections")
async def list_reflections(
    house: TheHouse,
    principal: TheCaller,
    part: ThePart,
    agent_id: AgentText = None,
    session_id: SessionText = None,
) -> list[ReflectionOut]:
    """List judgements of answers, newest first."""
    agent = None if agent_id is None else uuid_in(agent_id, "agent_id")
    session = None if session_id is None else uuid_in(session_id, "session_id")
    found = await part_from(
        lambda window: house.reflections.list(principal, window, agent_id=agent, session_id=session), part
    )
    numbers = Numbers(house, principal)
    return [await reflection_out(one, numbers) for one in found]


@router.get("/reflections/{id}")
async def get_reflection(id: str, house: TheHouse, principal: TheCaller) -> ReflectionOut:
    """One judgement."""
    found = await house.reflections.numbered(principal, number_in(id))
    return await reflection_out(found, Numbers(house, principal))
