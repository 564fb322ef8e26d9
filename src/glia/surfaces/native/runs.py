"""/v1/runs"""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import Field, WithJsonSchema

from glia.kit.errors import InvalidRequest
from glia.kit.ids import parse_id
from glia.runs.types import Run, RunStatus
from glia.surfaces.native.sessions import EventOut, event_window, events_page
from glia.surfaces.native.words import AfterText, LimitText, ListOf, TheWindow, agent_id_of, page_of
from glia.surfaces.shared.bodies import Body, Out, TheHouse, ThePrincipal, Time, WatchedRoute
from glia.surfaces.shared.tool_runs import start_tool_run

router = APIRouter(prefix="/v1", tags=["runs"], route_class=WatchedRoute)

StatusText = Annotated[
    str | None,
    WithJsonSchema({"type": "string", "enum": [status.value for status in RunStatus]}),
    Query(description="Only runs in this state."),
]


WAITS = ("approval", "run", "budget", "time")
WaitText = Annotated[
    str | None,
    WithJsonSchema({"type": "string", "enum": list(WAITS)}),
    Query(description="Only waiting runs that wait for this."),
]


class ToolRunBody(Body):
    """tool: its name. arguments: as its schema says."""

    tool: str = Field(min_length=1, max_length=200)
    arguments: dict[str, Any] = Field(default_factory=dict[str, Any])


class ResumeBody(Body):
    """max_cost_micros: what the run, with all that it starts, may cost in all from now on, in place of its agent's
    limit. Needs the scope `budgets:write`."""

    max_cost_micros: int | None = Field(None, ge=0, le=2**53)


class RunUsageOut(Out):
    model_calls: int
    tool_calls: int
    input_tokens: int
    output_tokens: int


class RunErrorOut(Out):
    code: str
    message: str


class RunOut(Out):
    """kind: `agent`, or the kind of a job. attempt: how often it was begun; above 1 after a crash.

    cost_micros: micro-dollars; null when no price is known. waiting_for: what a waiting run waits for: `approval`,
    `run` (other agents), `budget`, `time`; wake_at: when it goes on in any case. parent_run_id: the run whose task it
    does; root_run_id: the run at the top.
    """

    id: UUID
    session_id: UUID
    agent_id: UUID | None
    agent_version: int | None
    kind: str
    status: RunStatus
    waiting_for: list[str]
    wake_at: Time | None
    parent_run_id: UUID | None
    root_run_id: UUID
    is_background: bool
    attempt: int
    usage: RunUsageOut
    cost_micros: int | None
    error: RunErrorOut | None
    cancel_requested_at: Time | None
    created_at: Time
    started_at: Time | None
    finished_at: Time | None


@router.get("/runs")
async def list_runs(
    house: TheHouse,
    principal: ThePrincipal,
    window: TheWindow,
    session_id: Annotated[str | None, Query(description="Only runs of this session.")] = None,
    agent_id: Annotated[str | None, Query(description="Only runs of this agent; its id or slug.")] = None,
    root_run_id: Annotated[str | None, Query(description="Only this run and those that work for it.")] = None,
    status: StatusText = None,
    waiting_for: WaitText = None,
    worker_id: Annotated[str | None, Query(description="Only runs that this worker executes.")] = None,
    is_scheduled: Annotated[
        bool | None, Query(description="Only queued runs: for a later moment, or (false) due now.")
    ] = None,
) -> ListOf[RunOut]:
    """List runs, newest first."""
    session = None if session_id is None else parse_id(session_id, "session")
    agent = None if agent_id is None else await agent_id_of(house, principal, agent_id)
    root = None if root_run_id is None else parse_id(root_run_id, "run")
    found = await house.runs.list(
        principal,
        window,
        session_id=session,
        agent_id=agent,
        root_run_id=root,
        status=_status_of(status),
        waiting_for=_wait_of(waiting_for),
        worker_id=None if worker_id is None else parse_id(worker_id, "worker"),
        is_scheduled=is_scheduled,
    )
    return page_of(found, run_out)


@router.post("/runs", status_code=202)
async def start(body: ToolRunBody, house: TheHouse, principal: ThePrincipal) -> RunOut:
    """Call one tool as a run: without an agent, with the consent that the tool asks for. Its answer is the text of
    `run.completed`; a tool that fails fails the run."""
    accepted = await start_tool_run(house, principal, body.tool, body.arguments, field="tool")
    return run_out(await house.runs.get(principal, accepted.run_id))


@router.get("/runs/{run}")
async def get(run: str, house: TheHouse, principal: ThePrincipal) -> RunOut:
    """One run."""
    return run_out(await house.runs.get(principal, parse_id(run, "run")))


@router.post("/runs/{run}/cancel")
async def cancel(run: str, house: TheHouse, principal: ThePrincipal) -> RunOut:
    """Stop a run within a second. What it has done and said stays; a run that ended stays as it is."""
    return run_out(await house.runs.cancel(principal, parse_id(run, "run")))


@router.post("/runs/{run}/resume")
async def resume(run: str, house: TheHouse, principal: ThePrincipal, body: ResumeBody | None = None) -> RunOut:
    """Let a waiting run look again whether it can go on, with more money if it is given.

    A run that does not wait stays as it is.
    """
    limit = None if body is None else body.max_cost_micros
    return run_out(await house.runs.resume(principal, parse_id(run, "run"), max_cost_micros=limit))


@router.get("/runs/{run}/events", response_model=ListOf[EventOut])
async def events(
    run: str, house: TheHouse, principal: ThePrincipal, after: AfterText = None, limit: LimitText = None
) -> Response:
    """The events of one run, oldest first. `next_cursor` goes into `after`."""
    start, number = event_window(after, limit)
    found = await house.runs.run_events(principal, parse_id(run, "run"), after=start, limit=number + 1)
    return events_page(found, number)


def run_out(run: Run) -> RunOut:
    error = run.error
    return RunOut(
        id=run.id,
        session_id=run.session_id,
        agent_id=run.agent_id,
        agent_version=run.agent_version,
        kind=run.kind,
        status=run.status,
        waiting_for=list(run.waiting_for),
        wake_at=run.wake_at,
        parent_run_id=run.parent_run_id,
        root_run_id=run.root_run_id,
        is_background=run.is_background,
        attempt=run.attempt,
        usage=RunUsageOut.of(run),
        cost_micros=run.cost_micros,
        error=None if error is None else RunErrorOut(code=str(error["code"]), message=str(error["message"])),
        cancel_requested_at=run.cancel_requested_at,
        created_at=run.created_at,
        started_at=run.started_at,
        finished_at=run.finished_at,
    )


def _status_of(text: str | None) -> RunStatus | None:
    if text is None:
        return None
    try:
        return RunStatus(text)
    except ValueError:
        known = ", ".join(status.value for status in RunStatus)
        raise InvalidRequest(f"`status` {text[:100]!r} is none of {known}.", field="status") from None


def _wait_of(text: str | None) -> str | None:
    if text is not None and text not in WAITS:
        raise InvalidRequest(f"`waiting_for` {text[:100]!r} is none of {', '.join(WAITS)}.", field="waiting_for")
    return text
