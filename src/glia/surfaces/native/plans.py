"""/v1/plans and /v1/reflections: what agents mean to do, and how good their answers were."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import Field

from glia.kit.errors import InvalidRequest
from glia.kit.ids import parse_id
from glia.plans.types import Judgeable, PlanFilter, PlanStatus
from glia.runs.events import PlanMade
from glia.runs.model_events import PlanStep, StepUsage
from glia.surfaces.native.words import ListOf, TheWindow, agent_id_of, page_of
from glia.surfaces.shared.bodies import (
    Body,
    Changes,
    Out,
    TheHouse,
    ThePrincipal,
    Time,
    WatchedRoute,
    id_of,
)

router = APIRouter(prefix="/v1", tags=["plans"], route_class=WatchedRoute)

MOST_STEPS = 100


class StepBody(Body):
    """depends_on: numbers of steps, from 1. arguments: for the tool."""

    action: str = Field(min_length=1, max_length=2_000)
    tool: str = Field("", max_length=200)
    depends_on: list[int] = Field(default_factory=list[int], max_length=MOST_STEPS)
    arguments: dict[str, Any] = Field(default_factory=dict[str, Any])
    is_parallel: bool = False
    on_failure: Literal["retry", "skip", "abort"] = "retry"


class PlanBody(Body):
    """agent_id: id or slug of who plans, or carries out. steps: left away, the agent's model makes them.

    about: circumstances and constraints, for the model. session_id: where it is carried out; left away, in a new one.
    """

    task: str
    agent_id: str = Field(max_length=200)
    session_id: str | None = Field(None, max_length=100)
    about: str = Field("", max_length=20_000)
    steps: list[StepBody] | None = Field(None, max_length=MOST_STEPS)


class PlanChanges(Changes):
    """result: kept beside the status; JSON."""

    status: PlanStatus = Field(strict=False)
    result: dict[str, Any] | None = None


class PlanStepOut(Out):
    action: str
    tool: str
    depends_on: list[int]
    arguments: dict[str, Any]
    is_parallel: bool
    on_failure: Literal["retry", "skip", "abort"]


class StoredPlanOut(Out):
    """run_id: the run that carries it out, as whose end it ends. result: what was noted, else `answer`, the run's."""

    id: UUID
    agent_id: UUID | None
    session_id: UUID | None
    run_id: UUID | None
    task: str
    steps: list[PlanStepOut]
    reasoning: str
    model: str
    cost_micros: int | None
    status: PlanStatus
    result: Any
    created_by: str
    created_at: Time
    updated_at: Time
    completed_at: Time | None


class ReflectionBody(Body):
    """agent_id: id or slug of whose model judges. task: what was asked. found: what the agent's tools returned."""

    agent_id: str = Field(max_length=200)
    answer: str
    task: str = ""
    found: str = ""
    session_id: str | None = Field(None, max_length=100)
    run_id: str | None = Field(None, max_length=100)


class StoredReflectionOut(Out):
    """Scores from 0 to 1. number: counts reflections. is_revised: the agent answered once more because of it."""

    id: UUID
    number: int
    agent_id: UUID | None
    session_id: UUID | None
    run_id: UUID | None
    task: str
    answer: str
    quality: float
    accuracy: float
    completeness: float
    clarity: float
    relevance: float
    confidence: float
    issues: list[str]
    suggestions: list[str]
    is_revised: bool
    model: str
    cost_micros: int | None
    created_by: str
    created_at: Time


TheAgent = Annotated[str | None, Query(description="Only those of this agent; its id or slug.")]
TheSession = Annotated[str | None, Query(description="Only those of this session.")]
TheRun = Annotated[str | None, Query(description="Only those of this run.")]


@router.post("/plans", status_code=201)
async def create(body: PlanBody, house: TheHouse, principal: ThePrincipal) -> StoredPlanOut:
    """Have a task planned by an agent, or keep a plan that you have made."""
    agent = (await house.agents.find(principal, body.agent_id)).id
    session = None if body.session_id is None else id_of(body.session_id, "session_id")
    if body.steps is None:
        made = await house.plans.make(principal, agent, body.task, session_id=session, about=body.about)
        return StoredPlanOut.of(made)
    steps = [PlanStep(**step.model_dump(include=set(StepBody.model_fields))) for step in body.steps]
    for number, step in enumerate(steps, 1):
        if not all(1 <= other <= len(steps) and other != number for other in step.depends_on):
            raise InvalidRequest(
                f"`steps[{number - 1}].depends_on` names a step that is not there; they count from 1.",
                field=f"steps[{number - 1}].depends_on",
            )
    plan = PlanMade(body.task, steps, body.about, "", StepUsage(0, 0), None)
    return StoredPlanOut.of(await house.plans.create(principal, plan, agent_id=agent, session_id=session))


@router.get("/plans")
async def list_plans(
    house: TheHouse,
    principal: ThePrincipal,
    window: TheWindow,
    agent_id: TheAgent = None,
    session_id: TheSession = None,
    run_id: TheRun = None,
    status: PlanStatus | None = None,
) -> ListOf[StoredPlanOut]:
    """List plans, newest first; those that runs made for themselves too."""
    wanted = PlanFilter(
        None if agent_id is None else await agent_id_of(house, principal, agent_id),
        None if session_id is None else id_of(session_id, "session_id"),
        None if run_id is None else id_of(run_id, "run_id"),
        status,
    )
    return page_of(await house.plans.list(principal, window, wanted), StoredPlanOut.of)


@router.get("/plans/{plan}")
async def get(plan: str, house: TheHouse, principal: ThePrincipal) -> StoredPlanOut:
    """One plan."""
    return StoredPlanOut.of(await house.plans.get(principal, parse_id(plan, "plan")))


@router.patch("/plans/{plan}")
async def update(plan: str, body: PlanChanges, house: TheHouse, principal: ThePrincipal) -> StoredPlanOut:
    """Note how far it has come. `cancelled` also stops the run that carries it out."""
    id = parse_id(plan, "plan")
    return StoredPlanOut.of(await house.plans.update(principal, id, body.status, body.result))


@router.delete("/plans/{plan}", status_code=204, response_class=Response)
async def delete(plan: str, house: TheHouse, principal: ThePrincipal) -> Response:
    """Delete a plan; the run that carries it out goes on."""
    await house.plans.delete(principal, parse_id(plan, "plan"))
    return Response(status_code=204)


@router.post("/plans/{plan}/execute", status_code=202)
async def execute(plan: str, house: TheHouse, principal: ThePrincipal) -> StoredPlanOut:
    """Have its agent carry it out in the background; follow it at /v1/runs/{run_id}."""
    return StoredPlanOut.of(await house.plans.execute(principal, parse_id(plan, "plan")))


@router.post("/reflections", status_code=201)
async def reflect(body: ReflectionBody, house: TheHouse, principal: ThePrincipal) -> StoredReflectionOut:
    """Have an answer judged by an agent's model, or by plain rules where only the built-in one is there."""
    agent = (await house.agents.find(principal, body.agent_id)).id
    what = Judgeable(
        body.task,
        body.answer,
        body.found,
        None if body.session_id is None else id_of(body.session_id, "session_id"),
        None if body.run_id is None else id_of(body.run_id, "run_id"),
    )
    return StoredReflectionOut.of(await house.reflections.make(principal, agent, what))


@router.get("/reflections")
async def list_reflections(
    house: TheHouse,
    principal: ThePrincipal,
    window: TheWindow,
    agent_id: TheAgent = None,
    session_id: TheSession = None,
    run_id: TheRun = None,
) -> ListOf[StoredReflectionOut]:
    """List judgements of answers, newest first; those that runs made of their own answers too."""
    found = await house.reflections.list(
        principal,
        window,
        agent_id=None if agent_id is None else await agent_id_of(house, principal, agent_id),
        session_id=None if session_id is None else id_of(session_id, "session_id"),
        run_id=None if run_id is None else id_of(run_id, "run_id"),
    )
    return page_of(found, StoredReflectionOut.of)


@router.get("/reflections/{reflection}")
async def get_reflection(reflection: str, house: TheHouse, principal: ThePrincipal) -> StoredReflectionOut:
    """One judgement."""
    return StoredReflectionOut.of(await house.reflections.get(principal, parse_id(reflection, "reflection")))
