"""/v1/run: one way to run agents, tools and workflows."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Header, Query
from fastapi.requests import Request
from fastapi.responses import Response
from pydantic import Field, WithJsonSchema

from glia.identity.types import Principal
from glia.kit.errors import InvalidRequest
from glia.kit.pages import Window, read_cursor
from glia.runs.service import Said
from glia.runs.types import Accepted
from glia.surfaces.neuralhub.agents import DEFAULT, LimitText, find_agent
from glia.surfaces.neuralhub.run_views import full_json, summary_json
from glia.surfaces.neuralhub.scopes import needs
from glia.surfaces.neuralhub.words import STATE_OF, id_of, run_status
from glia.surfaces.neuralhub.workflows import find_workflow
from glia.surfaces.shared.asgi import Disconnected
from glia.surfaces.shared.asgi import Request as BareRequest
from glia.surfaces.shared.bodies import Body, Out, TheHouse, Time, WatchedRoute, number_of
from glia.surfaces.shared.bodies import id_of as id_in
from glia.surfaces.shared.idempotency import HEADER
from glia.surfaces.shared.tool_runs import start_tool_run
from glia.surfaces.shared.tracing import join_trace
from glia.wiring import House

router = APIRouter(prefix="/v1/run", tags=["run"], route_class=WatchedRoute)

_LONGEST_WAIT_SECONDS = 3600.0
_GOALS = ("goal", "message", "prompt", "task", "question", "query", "content", "text", "input")
"""Names under which clients put what an agent is to do, the likeliest first."""

Reader = Annotated[Principal, Depends(needs("run:read", "sessions:read"))]
Writer = Annotated[
    Principal,
    Depends(
        needs(
            "run:write", "runs:read", "agents:read", "workflows:read", "tools:read", "sessions:read", "sessions:write"
        )
    ),
]


class RunBody(Body):
    """target: an agent's id or slug, a tool's name, or a workflow's id or slug. input: for an agent a text, or an
    object whose `goal` says what to do; for a tool its arguments; for a workflow its input. async: answer at once with
    the run's id; otherwise with the finished run. sessionId: go on with an agent's conversation."""

    target: str = Field(DEFAULT, min_length=1, max_length=200)
    type: Literal["agent", "tool", "workflow"] = "agent"
    input: dict[str, Any] | str = Field(default_factory=dict[str, Any])
    is_async: bool = Field(True, alias="async")
    sessionId: str | None = None  # noqa: N815 - NeuralHub's word


class AcceptedOut(Out):
    runId: str  # noqa: N815
    status: Literal["pending"] = "pending"


class CallOut(Out):
    """One tool call. duration: seconds. runId: the run that made it, which a run may have begun."""

    id: str
    tool: str
    input: Any
    output: str | None
    error: str | None
    status: Literal["waiting", "running", "success", "error", "denied", "unknown"]
    started: Time | None
    duration: float | None
    runId: str  # noqa: N815


class RunErrorOut(Out):
    code: str
    message: str


class RunUsageOut(Out):
    modelCalls: int  # noqa: N815
    toolCalls: int  # noqa: N815
    inputTokens: int  # noqa: N815
    outputTokens: int  # noqa: N815


StateName = Literal["PENDING", "RUNNING", "WAITING", "SUCCESS", "FAILED", "CANCELLED"]


class RunSummary(Out):
    """status: the state in lower case. waitingFor: `approval`, `budget`, `run` or `time`. cost: USD; null when no price
    is known."""

    runId: str  # noqa: N815
    type: Literal["agent", "tool", "workflow", "job"]
    target: str | None
    state: StateName
    status: str
    error: RunErrorOut | None
    sessionId: str  # noqa: N815
    parentRunId: str | None  # noqa: N815
    waitingFor: list[str]  # noqa: N815
    usage: RunUsageOut
    cost: float | None
    createdAt: Time  # noqa: N815
    startedAt: Time | None  # noqa: N815
    finishedAt: Time | None  # noqa: N815


class RunOut(RunSummary):
    """result: an agent's answer, a tool's output, a workflow's output. events: every tool call."""

    input: Any
    result: Any
    events: list[CallOut]


class RunsOut(Out):
    runs: list[RunSummary]
    cursor: str | None
    hasMore: bool  # noqa: N815


_EVENT_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {"text/event-stream": {}},
        "description": "The run's events so far, then those to come, until it ends: `state`, `text`, `thinking`,"
        " `tool_call`, `tool_result`, `approval`, `step`, `artifact`, and at last `done` with the whole run; with `id`,"
        " and a comment at least every 15 seconds.",
    }
}


@router.post(
    "",
    status_code=202,
    response_model=AcceptedOut,
    responses={200: {"model": RunOut, "description": "With `async: false`: the finished run, or one that waits."}},
)
async def start(body: RunBody, request: Request, house: TheHouse, principal: Writer) -> Response:
    """Run an agent, a tool or a workflow."""
    accepted = await _start(house, principal, body)
    await join_trace(house.traces, BareRequest(request.scope, request.receive), accepted)
    if body.is_async:
        return _json({"runId": str(accepted.run_id), "status": "pending"}, 202)
    await _ended(house, principal, accepted, request)
    run = await house.runs.get(principal, accepted.run_id)
    return _json(await full_json(house, principal, run), 200)


@router.get("")
async def list_runs(
    house: TheHouse,
    principal: Reader,
    limit: LimitText = None,
    state: Annotated[
        str | None,
        WithJsonSchema({"type": "string", "enum": list(STATE_OF.values())}),
        Query(description="Only runs in this state."),
    ] = None,
    cursor: str | None = None,
) -> RunsOut:
    """Runs, newest first, without their events."""
    window = Window(number_of(limit, "limit", 20), read_cursor(cursor))
    page = await house.runs.list(principal, window, status=run_status(state))
    return RunsOut(
        runs=[RunSummary.model_validate(summary_json(run)) for run in page.items],
        cursor=page.next_cursor,
        hasMore=page.has_more,
    )


@router.get("/{runId}", response_model=RunOut)
async def get_run(runId: str, house: TheHouse, principal: Reader) -> Response:  # noqa: N803 - as the seed names it
    """One run, with its result and every tool call so far."""
    run = await house.runs.get(principal, run_id(runId))
    return _json(await full_json(house, principal, run), 200)


@router.post("/{runId}/cancel", response_model=RunOut)
async def cancel(
    runId: str,  # noqa: N803
    house: TheHouse,
    principal: Writer,
) -> Response:
    """Stop a run within a second. What it has done stays; a run that ended stays as it is."""
    run = await house.runs.cancel(principal, run_id(runId))
    return _json(await full_json(house, principal, run), 200)


@router.get("/{runId}/events", response_class=Response, responses=_EVENT_STREAM)
async def events(
    runId: str,  # noqa: N803
    after: Annotated[
        str | None, WithJsonSchema({"type": "integer", "minimum": 0}), Query(description="Only what comes after it.")
    ] = None,
    last_event_id: Annotated[str | None, Header(description="As `after`; a reconnecting reader sends it.")] = None,
) -> None:
    """Follow a run as it goes, as server-sent events."""
    raise LookupError(runId)  # answered before the framework sees it


def run_id(text: str) -> UUID:
    return id_of(text, "run")


async def _start(house: House, principal: Principal, body: RunBody) -> Accepted:
    if body.sessionId is not None and body.type != "agent":
        raise InvalidRequest("`sessionId` goes with the type `agent`; leave it away.", field="sessionId")
    match body.type:
        case "agent":
            return await _start_agent(house, principal, body)
        case "tool":
            return await start_tool_run(house, principal, body.target, body.input, field="target")
        case "workflow":
            workflow = await find_workflow(house, principal, body.target)
            return await house.workflows.start(principal, workflow.id, body.input)


async def _start_agent(house: House, principal: Principal, body: RunBody) -> Accepted:
    agent = await find_agent(house, principal, body.target)
    said = [Said("user", _goal(body.input))]
    if body.sessionId is None:
        return await house.runs.start(principal, agent.id, said, is_background=body.is_async)
    session = await house.sessions.get(principal, id_in(body.sessionId, "sessionId"))
    if session.agent_id != agent.id:
        raise InvalidRequest(f"The session {body.sessionId} is not one of {body.target!r}.", field="sessionId")
    return await house.runs.accept(principal, session.id, said, is_background=body.is_async)


def _goal(given: dict[str, Any] | str) -> str:
    """What an agent is told: the goal, and below it whatever else came with it."""
    if isinstance(given, str):
        text = given
    else:
        name = next((name for name in _GOALS if isinstance(given.get(name), str) and given[name].strip()), None)
        rest = {key: value for key, value in given.items() if key != name}
        parts = [given[name]] if name else []
        parts += [orjson.dumps(rest, option=orjson.OPT_INDENT_2).decode()] if rest else []
        text = "\n\n".join(parts)
    if not text.strip():
        raise InvalidRequest('`input` is empty; say what to do, as `{"goal": "..."}` or as a text.', field="input")
    return text


async def _ended(house: House, principal: Principal, accepted: Accepted, request: Request) -> None:
    """Waits until the run has ended, or waits for somebody; for an hour at most, then the run is shown as it is.

    Stops when the client leaves, unless it may come back for the answer by its `Idempotency-Key`; the run goes on.
    """
    waiting: list[asyncio.Task[object]] = [asyncio.create_task(_outcome(house, principal, accepted))]
    if HEADER not in request.headers:
        waiting.append(asyncio.create_task(_left(request)))
    try:
        done, _ = await asyncio.wait(waiting, timeout=_LONGEST_WAIT_SECONDS, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()
    if waiting[0] in done:
        waiting[0].result()
    elif done:
        raise Disconnected


async def _outcome(house: House, principal: Principal, accepted: Accepted) -> object:
    return await house.runs.outcome(principal, accepted, or_need=True)


async def _left(request: Request) -> object:
    while (message := await request.receive())["type"] != "http.disconnect":
        pass
    return message


def _json(content: dict[str, Any], status: int) -> Response:
    """As it is: a run's input and result are whatever JSON they are, and need no model to look at them."""
    return Response(orjson.dumps(content), status_code=status, media_type="application/json")
