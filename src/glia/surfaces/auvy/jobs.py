"""/v1/jobs: how runs stand, and what a person may do with them."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import Field, WithJsonSchema

from glia.identity.types import Principal
from glia.kit.errors import InvalidRequest
from glia.runs.types import AGENT, JobFilter, Run, RunStatus, Said
from glia.surfaces.auvy.auth import GivenBrain, InBrain
from glia.surfaces.auvy.interventions import Action, decide
from glia.surfaces.auvy.job_words import JobOut, job_out, require_brain
from glia.surfaces.auvy.words import LimitText, OffsetText, id_in_path, page_of, runs_of
from glia.surfaces.shared.bodies import Body, Out, TheHouse, WatchedRoute
from glia.wiring import House

router = APIRouter(prefix="/v1/jobs", tags=["jobs"], route_class=WatchedRoute)

StatusText = Annotated[
    str | None,
    WithJsonSchema(
        {
            "type": "string",
            "enum": ["pending", "running", "completed", "failed", "waiting", "paused", "cancelled"],
        }
    ),
    Query(description="Only jobs in this state."),
]


class JobsOut(Out):
    jobs: list[JobOut]
    total: int
    limit: int
    offset: int


class ResumeBody(Body):
    """max_cost_usd: what the job may cost from now on, for one that waits for a budget; takes `budgets:write`."""

    max_cost_usd: float | None = Field(None, ge=0, le=1_000_000)


class InputBody(Body):
    """message: for the neuron, which hears it before its next step. action: decides what the job waits for, with
    `fields` in place of what was proposed."""

    message: str | None = None
    action: Action | None = None
    comment: str = ""
    fields: dict[str, Any] | None = None


class InputOut(JobOut):
    """accepted: what became of the input: `message` was put into the trace, `decision` was taken."""

    accepted: Literal["message", "decision"]


@router.get("")
async def list_jobs(
    house: TheHouse,
    principal: InBrain,
    brain: GivenBrain,
    status: StatusText = None,
    neuron_id: Annotated[str | None, Query(description="Only jobs of this neuron.")] = None,
    trace_id: Annotated[str | None, Query(description="Only jobs of this trace.")] = None,
    pathway_id: Annotated[str | None, Query(description="Only jobs of this pathway.")] = None,
    limit: LimitText = None,
    offset: OffsetText = None,
) -> JobsOut:
    """Jobs, newest first. What a neuron delegates is part of its own job."""
    number, passed = page_of(limit, offset)
    wanted = JobFilter(
        project_id=brain,
        agent_id=None if neuron_id is None else _id(neuron_id, "neuron_id"),
        session_id=None if trace_id is None else _id(trace_id, "trace_id"),
        workflow_id=None if pathway_id is None else _id(pathway_id, "pathway_id"),
        statuses=runs_of(status),
        limit=number,
        offset=passed,
    )
    found, total = await house.summaries.jobs(principal, wanted)
    jobs = [await job_out(house, principal, run.id) for run in found]
    return JobsOut(jobs=jobs, total=total, limit=number, offset=passed)


@router.get("/{job_id}")
@router.get("/{job_id}/status")
async def get(job_id: str, house: TheHouse, principal: InBrain, brain: GivenBrain) -> JobOut:
    """How a job stands, and its result once it is completed."""
    run = await _run(house, principal, job_id, brain)
    return await job_out(house, principal, run.id)


@router.post("/{job_id}/cancel")
async def cancel(job_id: str, house: TheHouse, principal: InBrain, brain: GivenBrain) -> JobOut:
    """Stop a job within a second; what it has done and said stays. 400 when it is over."""
    run = await _open(house, principal, job_id, brain)
    await house.runs.cancel(principal, run.id)
    return await job_out(house, principal, run.id)


@router.post("/{job_id}/resume")
async def resume(
    job_id: str, house: TheHouse, principal: InBrain, brain: GivenBrain, body: ResumeBody | None = None
) -> JobOut:
    """Let a waiting or paused job look again whether it can go on. 400 when it does not wait."""
    run = await _open(house, principal, job_id, brain)
    if run.status is not RunStatus.WAITING:
        raise InvalidRequest(f"The job '{run.id}' does not wait for anything; only waiting jobs are resumed.")
    limit = None if body is None or body.max_cost_usd is None else round(body.max_cost_usd * 1_000_000)
    await house.runs.resume(principal, run.id, max_cost_micros=limit)
    return await job_out(house, principal, run.id)


@router.post("/{job_id}/input")
async def give_input(job_id: str, body: InputBody, house: TheHouse, principal: InBrain, brain: GivenBrain) -> InputOut:
    """Tell a job something while it is not over, or decide what it waits for. 400 when it is over."""
    run = await _open(house, principal, job_id, brain)
    if (body.message is None) == (body.action is None):
        raise InvalidRequest("Give either `message` or `action`.", field="message")
    if body.action is not None:
        await _decide(house, principal, run, body, body.action)
        return await _given(house, principal, run, "decision")
    if run.kind != AGENT:
        raise InvalidRequest("A pathway hears no messages; give an `action` for what it waits for.", field="message")
    said = [Said("user", body.message or "")]
    await house.runs.accept(principal, run.session_id, said, is_background=True, when_busy="steer")
    return await _given(house, principal, run, "message")


async def _given(house: House, principal: Principal, run: Run, accepted: Literal["message", "decision"]) -> InputOut:
    job = await job_out(house, principal, run.id)
    return InputOut(**job.model_dump(by_alias=False), accepted=accepted)


async def _decide(house: House, principal: Principal, run: Run, body: InputBody, action: Action) -> None:
    waiting = (await job_out(house, principal, run.id)).waiting_for
    if waiting is None or not waiting.intervention_ids:
        raise InvalidRequest(f"The job '{run.id}' waits for no decision.", field="action")
    if len(waiting.intervention_ids) > 1:
        raise InvalidRequest(
            "The job waits for several decisions; give each at POST /v1/interventions/{id}/respond.", field="action"
        )
    await decide(house, principal, waiting.intervention_ids[0], action, comment=body.comment, fields=body.fields)


async def _run(house: House, principal: Principal, job_id: str, brain: UUID | None) -> Run:
    run = await house.runs.get(principal, id_in_path(job_id, "job"))
    require_brain(run, brain)
    return run


async def _open(house: House, principal: Principal, job_id: str, brain: UUID | None) -> Run:
    run = await _run(house, principal, job_id, brain)
    if run.status.is_final:
        raise InvalidRequest(f"The job '{run.id}' is over: it has {run.status.value}.", field="job_id")
    return run


def _id(text: str, field: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise InvalidRequest(f"`{field}` {text[:100]!r} is not a UUID.", field=field) from None
