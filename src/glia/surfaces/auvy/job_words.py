"""How a job looks: a run of a neuron or of a pathway, read from where it stands."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, cast
from uuid import UUID

import msgspec
import orjson
from pydantic import Field

from glia.identity.types import Principal
from glia.kit.pages import Window
from glia.runs.errors import RunNotFound
from glia.runs.events import Event, RunCompleted, RunFailed
from glia.runs.service import Standing
from glia.runs.types import AGENT, Run, RunStatus
from glia.surfaces.auvy.words import JobStatus, job_status
from glia.surfaces.shared.bodies import Out, Time
from glia.surfaces.shared.money import usd
from glia.wiring import House

_STEPS = {
    "message.received": "received the message",
    "run.created": "waiting for a worker",
    "run.started": "starting",
    "run.waiting": "waiting",
    "model.requested": "thinking",
    "text.delta": "writing",
    "thinking.delta": "thinking",
    "model.responded": "thinking",
    "plan.made": "planning",
    "reflection.made": "reflecting",
    "tool.called": "calling a tool",
    "tool.returned": "thinking",
    "approval.requested": "waiting for an intervention",
    "approval.decided": "going on",
    "child.started": "delegating",
    "budget.exceeded": "waiting for a budget",
    "context.compacted": "summarising",
}


class WaitingOut(Out):
    """kind: `intervention`, `budget`, `time` or `job`. intervention_ids: what people have to decide.

    resume_at: when it goes on in any case.
    """

    kind: str
    intervention_ids: list[UUID]
    resume_at: Time | None


class UsageOut(Out):
    input_tokens: int
    output_tokens: int
    total_tokens: int


class ResultOut(Out):
    """message: the answer's text. output: the same as data, when it is JSON, and a pathway's output."""

    message: str
    output: Any
    engram_id: str | None
    citations: list[dict[str, Any]]
    usage: UsageOut
    cost_usd: float | None


class JobOut(Out):
    """progress: 0 to 100; of a job that is not over, an estimate. failedReason: why it failed.

    waitingFor: what it waits for. neuron_id, pathway_id: whose run it is. trace_id: null for a pathway.
    """

    job_id: UUID
    status: JobStatus
    progress: int
    current_step: str | None
    failed_reason: str | None = Field(serialization_alias="failedReason")
    result: ResultOut | None
    waiting_for: WaitingOut | None = Field(serialization_alias="waitingFor")
    neuron_id: UUID | None
    pathway_id: UUID | None
    trace_id: UUID | None
    brain_id: UUID
    created_at: Time
    processed_at: Time | None
    finished_at: Time | None


def require_brain(run: Run, brain: UUID | None) -> None:
    """Raises RunNotFound when the request names another brain than the job's."""
    if brain not in (None, run.project_id):
        raise RunNotFound(f"There is no job '{run.id}' in this brain.", run_id=str(run.id))


async def job_out(house: House, principal: Principal, id: UUID) -> JobOut:
    """Raises RunNotFound."""
    standing = await house.summaries.standing(principal, id)
    run = standing.run
    status = job_status(run, needs_someone=standing.needs_someone)
    workflow = run.input.get("workflow_id")
    return JobOut(
        job_id=run.id,
        status=status,
        progress=await _progress(house, principal, run),
        current_step=_step(standing, status),
        failed_reason=_reason(standing.ending),
        result=result_of(standing.ending),
        waiting_for=await _waiting(house, principal, run) if status in ("waiting", "paused") else None,
        neuron_id=run.agent_id,
        pathway_id=None if workflow is None else UUID(str(workflow)),
        trace_id=run.session_id if run.kind == AGENT else None,
        brain_id=run.project_id,
        created_at=run.created_at,
        processed_at=run.started_at,
        finished_at=run.finished_at,
    )


def _step(standing: Standing, status: JobStatus) -> str | None:
    if standing.run.status.is_final:
        return status
    sign = standing.sign
    if sign is None:
        return _STEPS["run.created"]
    said = _STEPS.get(sign.type, sign.type.replace(".", " "))
    return f"{said}: {sign.tool}" if sign.tool else said


async def _progress(house: House, principal: Principal, run: Run) -> int:
    """A pathway tells its steps. A neuron does not know how many it will need: each brings it halfway nearer."""
    if run.status is RunStatus.COMPLETED:
        return 100
    workflow = run.input.get("workflow_id")
    if workflow is not None and principal.allows("workflows:read"):
        found = await house.workflows.execution(principal, UUID(str(workflow)), run.id)
        over = sum(step.status in ("completed", "skipped", "failed") for step in found.steps)
        return round(100 * over / max(1, len(found.steps)))
    done = run.model_calls + run.tool_calls
    return round(100 * (1 - 0.5 ** min(done, 6)))


def _reason(ending: Event | None) -> str | None:
    payload = None if ending is None else ending.payload
    return payload.error.message if isinstance(payload, RunFailed) else None


def result_of(ending: Event | None) -> ResultOut | None:
    payload = None if ending is None else ending.payload
    if not isinstance(payload, RunCompleted):
        return None
    message, usage = payload.message, payload.usage
    text = "" if message is None else message.content
    sent, got = (0, 0) if usage is None else (usage.input_tokens, usage.output_tokens)
    return ResultOut(
        message=text,
        output=_data(text),
        engram_id=None if message is None else message.id,
        citations=[] if message is None else cast(list[dict[str, Any]], msgspec.to_builtins(message.citations)),
        usage=UsageOut(input_tokens=sent, output_tokens=got, total_tokens=sent + got),
        cost_usd=usd(payload.cost_micros),
    )


def _data(text: str) -> Any:
    """Any: whatever JSON a neuron or a pathway answered with; None for a text that is none."""
    plain = text.strip().removeprefix("```json").removeprefix("```").removesuffix("```").strip()
    if plain[:1] not in ("{", "["):
        return None
    with suppress(orjson.JSONDecodeError):
        return orjson.loads(plain)
    return None


async def _waiting(house: House, principal: Principal, run: Run) -> WaitingOut:
    kind = next((reason for reason in ("approval", "budget", "time") if reason in run.waiting_for), "run")
    ids: list[UUID] = []
    if kind in ("approval", "run") and principal.allows("approvals:read"):
        tree = await house.runs.list(principal, Window(100), root_run_id=run.root_run_id, status=RunStatus.WAITING)
        for waiting in tree.items:
            found = await house.approvals.list(principal, Window(100), status="pending", run_id=waiting.id)
            ids += [approval.id for approval in found.items]
    named = {"approval": "intervention", "run": "intervention" if ids else "job"}
    return WaitingOut(kind=named.get(kind, kind), intervention_ids=ids, resume_at=run.wake_at)
