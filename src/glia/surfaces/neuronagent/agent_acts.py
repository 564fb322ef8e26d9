"""What an agent is asked to do outside a conversation: plan, judge an answer, have another agent do a task."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import orjson
from fastapi import APIRouter
from pydantic import Field

from glia.identity.types import Principal
from glia.kit.errors import InvalidRequest, NotFound
from glia.plans.types import Judgeable, Reflection
from glia.runs.service import Said
from glia.runs.transcript import Entry
from glia.runs.types import Accepted
from glia.surfaces.neuronagent.auth import TheCaller
from glia.surfaces.neuronagent.messages import place_of
from glia.surfaces.neuronagent.plans import StepOut, step_out
from glia.surfaces.neuronagent.turns import finish
from glia.surfaces.neuronagent.words import ThePart, part_from, uuid_in
from glia.surfaces.shared.bodies import Body, Out, TheHouse, Time, WatchedRoute
from glia.wiring import House

router = APIRouter(prefix="/api/v1", tags=["agents"], route_class=WatchedRoute)

LONGEST_TASK = 10_000


class PlanBody(Body):
    """goal: another name for `task`. context, constraints: what the plan has to heed, as text or JSON."""

    task: str | None = None
    goal: str | None = None
    context: Any = None
    constraints: Any = None
    session_id: str | None = None


class MadePlanOut(Out):
    """id: under which the plan is kept, see /plans."""

    id: UUID
    agent_id: UUID
    task: str
    plan: list[StepOut]
    steps: int
    reasoning: str
    created_at: Time


class ReflectBody(Body):
    """response_content: another name for `response`."""

    user_message: str | None = None
    response: str | None = None
    response_content: str | None = None
    tool_calls: list[Any] | None = None
    tool_results: list[Any] | None = None


class SessionReflectBody(Body):
    """message_id: the answer that is judged; the session's last one when not given. criteria: what counts."""

    message_id: int | None = None
    criteria: Any = None


class MadeReflectionOut(Out):
    """Scores and confidence from 0 to 1. id: under which it is kept, see /reflections."""

    id: int
    agent_id: UUID | None
    session_id: UUID | None
    quality_score: float
    accuracy: float
    completeness: float
    clarity: float
    relevance: float
    confidence: float
    issues: list[str]
    suggestions: list[str]
    created_at: Time


class DelegateBody(Body):
    """target_agent_id: another name for `to_agent_id`. specialization_type: instead of an agent, the kind of agent that
    should do it; the one with the least to do is taken. session_id: a session of the target, to go on in."""

    to_agent_id: str | None = None
    target_agent_id: str | None = None
    specialization_type: str | None = None
    task: str = Field(max_length=100_000)
    session_id: str | None = None


class DelegatedOut(Out):
    """result: the other agent's answer. status: completed, waiting or cancelled."""

    result: str
    agent_id: UUID
    session_id: UUID
    run_id: UUID
    tokens_used: int
    status: str


@router.post("/agents/{id}/plan")
async def plan(id: str, body: PlanBody, house: TheHouse, principal: TheCaller) -> MadePlanOut:
    """Have an agent plan a task with its tools. The plan is kept; nothing is done yet."""
    task = body.task or body.goal or ""
    if not task.strip() or len(task) > LONGEST_TASK:
        raise InvalidRequest(
            f"`task` has {len(task)} characters; it must have between 1 and {LONGEST_TASK} and not be empty.",
            field="task",
        )
    session = None if body.session_id is None else uuid_in(body.session_id, "session_id")
    about = "\n".join(
        f"{name}: {_text(value)}"
        for name, value in (("Context", body.context), ("Constraints", body.constraints))
        if value is not None
    )
    agent_id = uuid_in(id)
    made = await house.plans.make(principal, agent_id, task, session_id=session, about=about[:LONGEST_TASK])
    return MadePlanOut(
        id=made.id,
        agent_id=agent_id,
        task=task,
        plan=[step_out(step) for step in made.steps],
        steps=len(made.steps),
        reasoning=made.reasoning,
        created_at=made.created_at,
    )


@router.post("/agents/{id}/reflect")
async def reflect(id: str, body: ReflectBody, house: TheHouse, principal: TheCaller) -> MadeReflectionOut:
    """Have an answer judged. The judgement is kept."""
    found = [_text(value) for value in (body.tool_calls, body.tool_results) if value]
    answer = body.response or body.response_content or ""
    what = Judgeable(body.user_message or "", answer, "\n".join(found))
    return reflection_out(await house.reflections.make(principal, uuid_in(id), what))


@router.post("/sessions/{id}/reflect", tags=["sessions"])
async def reflect_on_session(
    id: str, body: SessionReflectBody, house: TheHouse, principal: TheCaller
) -> MadeReflectionOut:
    """Have an answer of a session judged."""
    session = await house.sessions.get(principal, uuid_in(id))
    if session.agent_id is None:
        raise InvalidRequest("The session has no agent whose answers could be judged.")
    entries = await house.messages.transcript(principal, session.id)
    seq = None
    if body.message_id is not None:
        seq = (await place_of(house, principal, body.message_id, session.id))[1]
    what = _judgeable(entries, seq, session.id, _text(body.criteria) if body.criteria else "")
    return reflection_out(await house.reflections.make(principal, session.agent_id, what))


def _judgeable(entries: list[Entry], seq: int | None, session_id: UUID, criteria: str) -> Judgeable:
    """The answer at `seq`, or the last one, with what was asked and found before it."""
    answers = [entry for entry in entries if entry.role == "assistant" and entry.kind in ("answered", "cut", "said")]
    judged = [entry for entry in answers if seq is None or entry.seq == seq]
    if not judged:
        raise NotFound("There is no answer that could be judged; name an assistant's message of this session.")
    answer = judged[-1]
    before = [entry for entry in entries if entry.seq < answer.seq]
    asked = next((entry.content for entry in reversed(before) if entry.role == "user"), "")
    found = [entry.content for entry in before if entry.kind == "returned" and entry.run_id == answer.run_id]
    task = f"{asked}\n\nWhat counts: {criteria}" if criteria else asked
    return Judgeable(task, answer.content, "\n".join(found)[:100_000], session_id, answer.run_id)


@router.get("/sessions/{id}/reflections", tags=["sessions"])
async def reflections(id: str, house: TheHouse, principal: TheCaller, part: ThePart) -> list[MadeReflectionOut]:
    """The judgements of a session's answers, newest first."""
    session = await house.sessions.get(principal, uuid_in(id))
    found = await part_from(lambda window: house.reflections.list(principal, window, session_id=session.id), part)
    return [reflection_out(reflection) for reflection in found]


def reflection_out(made: Reflection) -> MadeReflectionOut:
    return MadeReflectionOut(
        id=made.number,
        agent_id=made.agent_id,
        session_id=made.session_id,
        quality_score=made.quality,
        accuracy=made.accuracy,
        completeness=made.completeness,
        clarity=made.clarity,
        relevance=made.relevance,
        confidence=made.confidence,
        issues=list(made.issues),
        suggestions=list(made.suggestions),
        created_at=made.created_at,
    )


@router.post("/agents/{id}/delegate")
async def delegate(id: str, body: DelegateBody, house: TheHouse, principal: TheCaller) -> DelegatedOut:
    """Have another agent do a task, and wait for its answer."""
    giver = await house.agents.get(principal, uuid_in(id))
    if not body.task.strip():
        raise InvalidRequest("`task` is empty; say what is to be done.", field="task")
    target = await _target(house, principal, body, giver.id)
    said = [Said("user", body.task)]
    if body.session_id is not None:
        session = await house.sessions.get(principal, uuid_in(body.session_id, "session_id"))
        if session.agent_id == target:
            accepted = await house.runs.accept(principal, session.id, said, when_busy="queue")
            return await _delegated(house, principal, target, accepted)
    title = f"{giver.current.name}: {body.task}"[:100]
    accepted = await house.runs.start(principal, target, said, is_background=False, title=title)
    return await _delegated(house, principal, target, accepted)


async def _target(house: House, principal: Principal, body: DelegateBody, giver: UUID) -> UUID:
    named = body.to_agent_id or body.target_agent_id
    if named is None and body.specialization_type is not None:
        specialists = await house.relations.specialists(principal, body.specialization_type)
        for specialist in specialists:
            if specialist.agent_id != giver:
                return specialist.agent_id
        raise NotFound(f"No other agent is specialized in {body.specialization_type[:50]!r}.")
    if named is None:
        raise InvalidRequest("`to_agent_id` is missing; name the agent that should do the task.", field="to_agent_id")
    target = (await house.agents.get(principal, uuid_in(named, "to_agent_id"))).id
    if target == giver:
        raise InvalidRequest("An agent cannot give a task to itself; name another one.", field="to_agent_id")
    return target


async def _delegated(house: House, principal: Principal, target: UUID, accepted: Accepted) -> DelegatedOut:
    turn = await finish(house.runs, principal, accepted, None)
    return DelegatedOut(
        result=turn.content,
        agent_id=target,
        session_id=accepted.session_id,
        run_id=accepted.run_id,
        tokens_used=turn.tokens_used,
        status=turn.status,
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()
