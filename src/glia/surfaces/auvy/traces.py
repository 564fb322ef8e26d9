"""/v1/traces: conversations with neurons, what was said in them and what they cost."""

from __future__ import annotations

from typing import Annotated, Any, Literal, cast
from uuid import UUID

import msgspec
from fastapi import APIRouter, Query
from pydantic import WithJsonSchema

from glia.identity.types import Principal
from glia.kit.errors import InvalidRequest
from glia.runs.events import ConversationMessage
from glia.runs.types import ChildSession, SessionSummary, SummaryFilter, SummarySort
from glia.sessions.errors import SessionNotFound
from glia.surfaces.auvy.auth import GivenBrain, InBrain, InNamedBrain
from glia.surfaces.auvy.words import (
    LimitText,
    OffsetText,
    SearchText,
    TraceType,
    choice_of,
    id_in_path,
    moment_of,
    page_of,
)
from glia.surfaces.shared.bodies import Out, TheHouse, Time, WatchedRoute
from glia.surfaces.shared.money import usd
from glia.wiring import House

router = APIRouter(prefix="/v1/traces", tags=["traces"], route_class=WatchedRoute)

_SORTS = ("created_at", "updated_at", "title")


class CostOut(Out):
    """Of all jobs of the trace, delegated ones included. total_cost_usd: null when no price is known."""

    total_cost_usd: float | None
    total_tokens: int
    input_tokens: int
    output_tokens: int


class TraceOut(Out):
    """title: made after the first reply; null before. trace_type: `system` for background work."""

    id: UUID
    brain_id: UUID
    neuron_id: UUID | None
    title: str | None
    trace_type: TraceType
    message_count: int
    cost_summary: CostOut
    created_at: Time
    updated_at: Time


class TracesOut(Out):
    traces: list[TraceOut]
    total: int
    limit: int
    offset: int
    has_more: bool


class EngramOut(Out):
    """One entry of a trace. source and target: who said it to whom; the ids are neurons', null for a user.

    is_delegated: said between neurons. job_id: the job it belongs to.
    """

    id: str
    trace_id: UUID
    role: str
    content: str
    source_type: Literal["user", "neuron", "system"]
    source_id: UUID | None
    target_type: Literal["user", "neuron"]
    target_id: UUID | None
    is_delegated: bool
    job_id: UUID | None
    citations: list[dict[str, Any]]
    created_at: Time


class EngramsOut(Out):
    messages: list[EngramOut]
    total: int
    limit: int
    offset: int
    has_more: bool


TypeText = Annotated[
    str | None,
    WithJsonSchema({"type": "string", "enum": ["thread", "system"]}),
    Query(description="`system` lists background work instead of conversations."),
]
SortText = Annotated[
    str | None, WithJsonSchema({"type": "string", "enum": list(_SORTS)}), Query(description="What to sort by.")
]
OrderText = Annotated[
    str | None, WithJsonSchema({"type": "string", "enum": ["asc", "desc"]}), Query(description="`desc` unless given.")
]
TimeText = Annotated[str | None, WithJsonSchema({"type": "string", "format": "date-time"}), Query()]


@router.get("")
async def list_traces(
    house: TheHouse,
    principal: InNamedBrain,
    neuron_id: Annotated[str | None, Query(description="Only traces with this neuron.")] = None,
    trace_type: TypeText = None,
    search: SearchText = "",
    created_after: TimeText = None,
    created_before: TimeText = None,
    sort: SortText = None,
    order: OrderText = None,
    limit: LimitText = None,
    offset: OffsetText = None,
) -> TracesOut:
    """A brain's traces. System traces are listed only with `trace_type=system`."""
    number, passed = page_of(limit, offset)
    wanted = SummaryFilter(
        project_id=principal.project_id,
        agent_id=None if neuron_id is None else _neuron_id(neuron_id),
        is_system=choice_of(trace_type, "trace_type", "thread", ("thread", "system")) == "system",
        text=search,
        created_after=moment_of(created_after, "created_after"),
        created_before=moment_of(created_before, "created_before"),
        sort=cast(SummarySort, choice_of(sort, "sort", "created_at", _SORTS)),
        is_descending=choice_of(order, "order", "desc", ("asc", "desc")) == "desc",
        limit=number,
        offset=passed,
    )
    found, total = await house.summaries.search(principal, wanted)
    traces = [trace_out(summary) for summary in found]
    return TracesOut(traces=traces, total=total, limit=number, offset=passed, has_more=passed + len(traces) < total)


@router.get("/{trace_id}")
async def get(trace_id: str, house: TheHouse, principal: InBrain, brain: GivenBrain) -> TraceOut:
    """One trace."""
    return trace_out(await _summary(house, principal, trace_id, brain))


@router.get("/{trace_id}/messages")
async def messages(
    trace_id: str,
    house: TheHouse,
    principal: InBrain,
    brain: GivenBrain,
    limit: LimitText = None,
    offset: OffsetText = None,
) -> EngramsOut:
    """What was said in a trace, oldest first; what neurons told each other for it stands among it."""
    number, passed = page_of(limit, offset)
    summary = await _summary(house, principal, trace_id, brain)
    own = [_said(summary, message) for message in await house.runs.messages(principal, summary.id)]
    for child in await house.summaries.children(principal, summary.id):
        given = await house.runs.messages(principal, child.session_id)
        own += [_delegated(summary, child, message) for message in given]
    own.sort(key=lambda engram: engram.created_at)
    page = own[passed : passed + number]
    return EngramsOut(
        messages=page, total=len(own), limit=number, offset=passed, has_more=passed + len(page) < len(own)
    )


def trace_out(summary: SessionSummary) -> TraceOut:
    return TraceOut(
        id=summary.id,
        brain_id=summary.project_id,
        neuron_id=summary.agent_id,
        title=summary.shown_title,
        trace_type="system" if summary.is_system else "thread",
        message_count=summary.message_count,
        cost_summary=CostOut(
            total_cost_usd=usd(summary.cost_micros),
            total_tokens=summary.input_tokens + summary.output_tokens,
            input_tokens=summary.input_tokens,
            output_tokens=summary.output_tokens,
        ),
        created_at=summary.created_at,
        updated_at=summary.updated_at,
    )


async def _summary(house: House, principal: Principal, trace_id: str, brain: UUID | None) -> SessionSummary:
    found = await house.summaries.get(principal, id_in_path(trace_id, "trace"))
    if brain not in (None, found.project_id):
        raise SessionNotFound(f"There is no trace '{found.id}' in this brain.")
    return found


def _said(summary: SessionSummary, message: ConversationMessage) -> EngramOut:
    return _engram(summary, message, neuron=summary.agent_id, other=None, is_delegated=False)


def _delegated(summary: SessionSummary, child: ChildSession, message: ConversationMessage) -> EngramOut:
    return _engram(summary, message, neuron=child.agent_id, other=child.parent_agent_id, is_delegated=True)


def _engram(
    summary: SessionSummary,
    message: ConversationMessage,
    *,
    neuron: UUID | None,
    other: UUID | None,
    is_delegated: bool,
) -> EngramOut:
    is_answer = message.role == "assistant"
    other_type: Literal["user", "neuron"] = "neuron" if is_delegated else "user"
    said_by: Literal["user", "neuron", "system"] = "system" if message.role == "system" else other_type
    citations: Any = [] if message.answer is None else msgspec.to_builtins(message.answer.citations)
    return EngramOut(
        id=message.id,
        trace_id=summary.id,
        role=message.role,
        content=message.content,
        source_type="neuron" if is_answer else said_by,
        source_id=neuron if is_answer else other,
        target_type=other_type if is_answer else "neuron",
        target_id=other if is_answer else neuron,
        is_delegated=is_delegated,
        job_id=message.event.run_id,
        citations=cast(list[dict[str, Any]], citations),
        created_at=message.event.at,
    )


def _neuron_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise InvalidRequest(f"`neuron_id` {text[:100]!r} is not a UUID.", field="neuron_id") from None
