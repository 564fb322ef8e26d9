"""/v1/usage"""

from __future__ import annotations

from typing import Annotated, Any, cast, get_args
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import WithJsonSchema

from glia.kit.clock import now
from glia.kit.errors import InvalidRequest
from glia.surfaces.native.times import moment_of
from glia.surfaces.native.words import ListOf, TheWindow, page_of
from glia.surfaces.shared.bodies import Out, TheHouse, ThePrincipal, Time, WatchedRoute, id_of
from glia.usage.types import CallStatus, Grouping, UsageFilter

router = APIRouter(prefix="/v1/usage", tags=["usage"], route_class=WatchedRoute)

MomentText = Annotated[str | None, WithJsonSchema({"type": "string", "format": "date-time"}), Query()]
GroupText = Annotated[
    str | None,
    WithJsonSchema({"type": "string", "enum": ["model", "agent", "day", "key", "run", "project"]}),
    Query(description="One row for each; a single row with the total when left away."),
]


StatusText = Annotated[
    str | None,
    WithJsonSchema({"type": "string", "enum": list(get_args(CallStatus))}),
    Query(description="Only calls that ended so."),
]
NONE = "none"


def _status_of(text: str | None) -> CallStatus | None:
    if text is not None and text not in get_args(CallStatus):
        known = ", ".join(get_args(CallStatus))
        raise InvalidRequest(f"`status` {text[:100]!r} is none of {known}.", field="status")
    return cast(CallStatus | None, text)


def only_of(
    model: Annotated[str | None, Query(description="Only calls of this model.", max_length=300)] = None,
    agent_id: Annotated[
        str | None, Query(description="Only calls of this agent; `none` for calls without one.")
    ] = None,
    run_id: Annotated[str | None, Query(description="Only calls of this run; `none` for calls without one.")] = None,
    key_id: Annotated[str | None, Query(description="Only calls by this key; `none` for calls without one.")] = None,
    project_id: Annotated[str | None, Query(description="Only calls in this project.")] = None,
    session_id: Annotated[str | None, Query(description="Only calls of this session's runs.")] = None,
    root_run_id: Annotated[
        str | None, Query(description="Only calls of this run and of those that work for it.")
    ] = None,
    status: StatusText = None,
    is_priced: Annotated[
        bool | None, Query(description="Only calls whose cost is known, or only those whose cost nobody knows.")
    ] = None,
) -> UsageFilter:
    ids = {"agent_id": agent_id, "run_id": run_id, "key_id": key_id}
    named: dict[str, Any] = {name: id_of(text, name) for name, text in ids.items() if text not in (None, NONE)}
    return UsageFilter(
        model=model,
        project_id=None if project_id is None else id_of(project_id, "project_id"),
        session_id=None if session_id is None else id_of(session_id, "session_id"),
        root_run_id=None if root_run_id is None else id_of(root_run_id, "root_run_id"),
        status=_status_of(status),
        is_priced=is_priced,
        is_without=frozenset(name for name, text in ids.items() if text == NONE),
        **named,
    )


TheOnly = Annotated[UsageFilter, Depends(only_of)]


class UsageRowOut(Out):
    """group: the model, the id of the agent, key, run or project, or the day in UTC; null for the total and for calls
    without one.

    cost_micros: the known costs together, null when none is known. latency_ms: the mean.
    """

    group: str | None
    calls: int
    failed_calls: int
    estimated_calls: int
    input_tokens: int
    output_tokens: int
    cached_input_tokens: int
    thinking_tokens: int
    cost_micros: int | None
    calls_of_unknown_cost: int
    latency_ms: int


class UsageOut(ListOf[UsageRowOut]):
    """total: all calls together, those of groups beyond the first 1,000 included."""

    total: UsageRowOut


class UsageRecordOut(Out):
    """One model call. cost_micros: null when the price is not known.

    step: the model call of the run that it is; tool_call_id: the tool's call that cost something.
    """

    id: UUID
    at: Time
    operation: str
    model: str
    status: str
    agent_id: UUID | None
    run_id: UUID | None
    step: int | None
    tool_call_id: str | None
    key_id: UUID | None
    input_tokens: int
    output_tokens: int
    cached_input_tokens: int
    thinking_tokens: int
    is_estimated: bool
    is_streamed: bool
    cost_micros: int | None
    latency_ms: int


@router.get("")
async def summary(
    house: TheHouse,
    principal: ThePrincipal,
    only: TheOnly,
    since: MomentText = None,
    until: MomentText = None,
    group_by: GroupText = None,
) -> UsageOut:
    """What model calls took from `since` (30 days before `until`) up to `until` (now)."""
    start = None if since is None else moment_of(since, "since")
    end = now() if until is None else moment_of(until, "until")  # the same moment for the groups and the total
    group = cast(Grouping | None, group_by)  # the service refuses what is none
    rows = await house.usage.summary(principal, since=start, until=end, group_by=group, only=only)
    total = rows if group is None else await house.usage.summary(principal, since=start, until=end, only=only)
    return UsageOut(data=[UsageRowOut.of(row) for row in rows], total=UsageRowOut.of(total[0]))


@router.get("/records")
async def records(
    house: TheHouse,
    principal: ThePrincipal,
    window: TheWindow,
    only: TheOnly,
    since: MomentText = None,
    until: MomentText = None,
) -> ListOf[UsageRecordOut]:
    """Single model calls, newest first."""
    start = None if since is None else moment_of(since, "since")
    end = None if until is None else moment_of(until, "until")
    return page_of(await house.usage.list(principal, window, since=start, until=end, only=only), UsageRecordOut.of)
