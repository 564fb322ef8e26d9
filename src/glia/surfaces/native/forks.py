"""Forks, comparison, export and import of sessions, and what model calls were sent."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.requests import Request
from fastapi.responses import Response
from pydantic import Field

from glia.kit.errors import InvalidRequest
from glia.kit.ids import parse_id
from glia.runs.types import ForkPoint
from glia.surfaces.native.sessions import SessionOut
from glia.surfaces.native.words import ListOf, agent_id_of
from glia.surfaces.shared.bodies import Body, Out, TheHouse, ThePrincipal, WatchedRoute, number_of

router = APIRouter(prefix="/v1", route_class=WatchedRoute)


class ForkBody(Body):
    """at: the last event that both share; left away, the newest. content: what to say in the fork at once.

    continue: go on from the last finished step before `at` without saying anything. agent_version: a number, or left
    away for the one that was at work then. newest_version: each run takes the agent's newest version instead.
    agent_id: another agent, by id or slug.
    """

    at: int | None = None
    content: str | None = None
    continue_: bool = Field(False, alias="continue")
    agent_version: int | None = None
    newest_version: bool = False
    agent_id: str | None = Field(None, max_length=200)
    title: str | None = Field(None, max_length=500)


class ForkOut(SessionOut):
    """run_id: of the run that was begun in the fork, if one was."""

    run_id: UUID | None


class SideOut(Out):
    """messages: role and content of each. tools: names of the tools that were called, in order."""

    session_id: UUID
    messages: list[tuple[str, str]]
    tools: list[str]
    model_calls: int
    input_tokens: int
    output_tokens: int
    cost_micros: int | None


class RunComparisonOut(Out):
    """shared: the newest event that both have; the rest is what each did after it."""

    shared: int
    first: SideOut
    second: SideOut


class PrunedOut(Out):
    removed: int


class ModelCallOut(Out):
    step: int
    seq: int
    model: str
    input_tokens: int
    output_tokens: int
    cached_input_tokens: int
    cost_micros: int | None
    latency_ms: int
    finish_reason: str


class PartOut(Out):
    """kind: instructions, tool, summary, or a message's role. tokens: scaled to what the provider counted."""

    kind: str
    name: str
    tokens: int
    share: float


class SentCallOut(Out):
    call: ModelCallOut
    instructions: str
    tools: list[dict[str, Any]]
    settings: dict[str, Any]
    messages: list[dict[str, Any]]
    parts: list[PartOut]


class ComparedPlanStepOut(Out):
    action: str
    tool: str
    depends_on: list[int]


class PlanOut(Out):
    task: str
    steps: list[ComparedPlanStepOut]
    reasoning: str
    model: str
    cost_micros: int | None


class ReflectionOut(Out):
    """Scores from 0 to 1. is_revised: the agent answered once more because of it."""

    step: int
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


@router.post("/sessions/{session}/fork", status_code=201, tags=["sessions"])
async def fork(session: str, body: ForkBody, house: TheHouse, principal: ThePrincipal) -> ForkOut:
    """Open a session that shares this one's history up to an event and goes on in its own way."""
    if body.newest_version and body.agent_version is not None:
        raise InvalidRequest("`agent_version` and `newest_version` exclude each other.", field="newest_version")
    point = ForkPoint(
        at=body.at,
        agent_version=body.agent_version,
        is_unpinned=body.newest_version,
        content=body.content,
        is_continued=body.continue_,
        title=body.title,
        agent_id=None if body.agent_id is None else (await house.agents.find(principal, body.agent_id)).id,
    )
    made, accepted = await house.forks.fork(principal, parse_id(session, "session"), point)
    shown = SessionOut.of(await house.sessions.get(principal, made.id)).model_dump()
    return ForkOut(**shown, run_id=None if accepted is None else accepted.run_id)


@router.get("/sessions/{session}/compare", tags=["sessions"])
async def compare(
    session: str,
    house: TheHouse,
    principal: ThePrincipal,
    other: Annotated[str, Query(alias="with", description="The other session's id.")],
) -> RunComparisonOut:
    """What two sessions did after what they share."""
    ids = parse_id(session, "session"), parse_id(other, "session")
    return RunComparisonOut.of(await house.forks.compare(principal, *ids))


@router.post("/sessions/{session}/prune", tags=["sessions"])
async def prune(session: str, house: TheHouse, principal: ThePrincipal) -> PrunedOut:
    """Remove events that nothing needs any more; messages, answers, results of tools and every fork stay whole."""
    return PrunedOut(removed=await house.forks.prune(principal, parse_id(session, "session")))


_FILE: dict[int | str, dict[str, Any]] = {200: {"content": {"application/json": {}}, "description": "The file."}}


@router.get("/sessions/{session}/export", tags=["sessions"], response_class=Response, responses=_FILE)
async def export_session(session: str, house: TheHouse, principal: ThePrincipal) -> Response:
    """Everything about a session in one file."""
    id = parse_id(session, "session")
    return _download(await house.exports.session(principal, id), f"session-{id}.json")


@router.get("/runs/{run}/export", tags=["runs"], response_class=Response, responses=_FILE)
async def export_run(run: str, house: TheHouse, principal: ThePrincipal) -> Response:
    """A run, with what came before it in its session, in one file."""
    id = parse_id(run, "run")
    return _download(await house.exports.run(principal, id), f"run-{id}.json")


@router.post(
    "/sessions/import",
    status_code=201,
    tags=["sessions"],
    openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}},
)
async def import_session(
    request: Request,
    house: TheHouse,
    principal: ThePrincipal,
    agent_id: Annotated[str | None, Query(description="The agent that goes on if the session is forked.")] = None,
) -> SessionOut:
    """Keep an exported file as a session, to be read and replayed: evidence, not active memory."""
    agent = None if agent_id is None else await agent_id_of(house, principal, agent_id)
    session = await house.exports.import_session(principal, await request.body(), agent_id=agent)
    return SessionOut.of(await house.sessions.get(principal, session.id))


@router.get("/runs/{run}/model-calls", tags=["runs"])
async def model_calls(run: str, house: TheHouse, principal: ThePrincipal) -> ListOf[ModelCallOut]:
    """The model calls of a run, in order."""
    found = await house.model_calls.list(principal, parse_id(run, "run"))
    return ListOf(data=[ModelCallOut.of(call) for call in found])


@router.get("/runs/{run}/model-calls/{step}", tags=["runs"])
async def model_call(run: str, step: str, house: TheHouse, principal: ThePrincipal) -> SentCallOut:
    """Exactly what a model call was sent, and the share of each part."""
    number = number_of(step, "step", 1, largest=1_000_000)
    return SentCallOut.of(await house.model_calls.get(principal, parse_id(run, "run"), number))


@router.get("/runs/{run}/plans", tags=["runs"])
async def plans(run: str, house: TheHouse, principal: ThePrincipal) -> ListOf[PlanOut]:
    """What the agent meant to do, if it plans."""
    return ListOf(data=[PlanOut.of(plan) for plan in await house.model_calls.plans(principal, parse_id(run, "run"))])


@router.get("/runs/{run}/reflections", tags=["runs"])
async def reflections(run: str, house: TheHouse, principal: ThePrincipal) -> ListOf[ReflectionOut]:
    """What the agent thought of its answer, if it reflects."""
    found = await house.model_calls.reflections(principal, parse_id(run, "run"))
    return ListOf(data=[ReflectionOut.of(reflection) for reflection in found])


def _download(body: bytes, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "X-Content-Type-Options": "nosniff"}
    return Response(body, media_type="application/json", headers=headers)
