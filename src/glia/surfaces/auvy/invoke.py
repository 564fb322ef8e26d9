"""POST /v1/neurons/{id}/invoke: a run of a neuron, begun as a job."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

import msgspec
from fastapi import APIRouter
from fastapi.requests import Request
from pydantic import Field

from glia.agents.errors import AgentInactive
from glia.agents.types import Agent
from glia.identity.types import Principal
from glia.kit.errors import Conflict, InvalidRequest, NotFound
from glia.kit.ids import new_id
from glia.runs.service import LONGEST_MESSAGE
from glia.runs.types import Accepted, Said
from glia.surfaces.auvy.auth import GivenBrain, InBrain
from glia.surfaces.auvy.neuron_config import refuse_engagement, type_of
from glia.surfaces.auvy.neuron_words import neuron
from glia.surfaces.auvy.words import JobStatus, TraceType
from glia.surfaces.shared.asgi import Request as PlainRequest
from glia.surfaces.shared.bodies import Body, Out, TheHouse, WatchedRoute
from glia.surfaces.shared.tracing import join_trace
from glia.wiring import House

router = APIRouter(prefix="/v1/neurons", tags=["jobs"], route_class=WatchedRoute)

TRACE_TYPES = ("thread", "system")


class InvokeBody(Body):
    """message, data: what the neuron is told; one of them is needed. data: is handed on as JSON.

    trace_id: goes on with this trace; left away, a new one is opened. stream: the tokens are to be read at the job's
    stream, so the run begins at once. neuron_task_options: `{trace_type: "thread" | "system"}`, or `traceType`; system
    traces are kept out of lists.
    """

    message: str | None = None
    data: dict[str, Any] | None = None
    trace_id: str | None = None
    stream: bool = False
    neuron_task_options: dict[str, Any] | None = Field(None, json_schema_extra={"example": {"trace_type": "system"}})


class StartedOut(Out):
    """user_engram_id: of the stored message; null for a system trace. stream_url: below the surface's address."""

    job_id: UUID
    status: JobStatus
    user_engram_id: UUID | None
    trace_id: UUID
    stream_url: str


@router.post("/{id}/invoke", status_code=202)
async def invoke(
    id: str, body: InvokeBody, request: Request, house: TheHouse, principal: InBrain, brain: GivenBrain
) -> StartedOut:
    """Begin a run of a neuron. The answer comes at once; the job is followed by its stream or its status."""
    found = await neuron(house, principal, id, brain)
    refuse_engagement(body.model_extra, "")
    wanted = trace_type_of(body.neuron_task_options)
    said = Said("user", text_of(body.message, body.data), id=new_id())
    if not found.current.is_active:
        raise AgentInactive(f"The neuron {found.slug!r} is not active; activate it first.")
    accepted, is_system = await _begin(house, principal, found, body, said, wanted)
    await join_trace(house.traces, PlainRequest(request.scope, request.receive), accepted)
    return StartedOut(
        job_id=accepted.run_id,
        status="pending",
        user_engram_id=None if is_system else said.id,
        trace_id=accepted.session_id,
        stream_url=f"/v1/jobs/{accepted.run_id}/stream",
    )


async def _begin(
    house: House, principal: Principal, agent: Agent, body: InvokeBody, said: Said, wanted: TraceType | None
) -> tuple[Accepted, bool]:
    """The run, and whether its trace is a system trace."""
    if body.trace_id is None:
        is_system = wanted == "system" or type_of(agent.current) == "completion"
        accepted = await house.runs.start(
            principal, agent.id, [said], is_background=not body.stream, is_system=is_system
        )
        return accepted, is_system
    is_system = await _fitting_trace(house, principal, agent, body.trace_id, wanted)
    accepted = await house.runs.accept(
        principal, UUID(body.trace_id), [said], is_background=not body.stream, when_busy="queue"
    )
    return accepted, is_system


async def _fitting_trace(
    house: House, principal: Principal, agent: Agent, trace_id: str, wanted: TraceType | None
) -> bool:
    """Whether the trace is a system trace. Raises NotFound, Conflict, InvalidRequest."""
    try:
        session = await house.sessions.get(principal, UUID(trace_id))
    except ValueError:
        raise NotFound(f"There is no trace {trace_id[:100]!r} here.") from None
    if session.agent_id != agent.id:
        raise Conflict(f"The trace '{trace_id}' is another neuron's; leave `trace_id` away for a new one.")
    if wanted is not None and (wanted == "system") != session.is_system:
        raise InvalidRequest(
            f"The trace '{trace_id}' is not of the type {wanted!r}, and a trace keeps its type.",
            field="neuron_task_options.trace_type",
        )
    return session.is_system


def trace_type_of(options: dict[str, Any] | None) -> TraceType | None:
    """Raises InvalidRequest for anything but one trace type."""
    if options is None:
        return None
    where = "neuron_task_options"
    for name in options:
        if name not in ("trace_type", "traceType"):
            raise InvalidRequest(
                f"`{where}` takes `trace_type` (or `traceType`), no {name[:100]!r}.", field=f"{where}.{name[:100]}"
            )
    found = [options[name] for name in ("trace_type", "traceType") if name in options]
    for value in found:
        if value not in TRACE_TYPES or value != found[0]:
            raise InvalidRequest(
                f"`{where}.trace_type` {str(value)[:50]!r} is not one of thread and system.",
                field=f"{where}.trace_type",
            )
    return cast(TraceType, found[0]) if found else None


def text_of(message: str | None, data: dict[str, Any] | None) -> str:
    """What the neuron is told. Raises InvalidRequest when that is nothing."""
    parts = [message] if message is not None and message.strip() else []
    if data is not None:
        parts.append(msgspec.json.format(msgspec.json.encode(data)).decode())
    if not parts:
        raise InvalidRequest("`message` is missing; give a message, or `data`.", field="message")
    text = "\n\n".join(parts)
    if len(text) > LONGEST_MESSAGE:
        raise InvalidRequest(
            f"`message` and `data` have {len(text)} characters together; the most is {LONGEST_MESSAGE}. "
            "Put long texts into the vault.",
            field="message" if message else "data",
        )
    return text
