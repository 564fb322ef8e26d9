"""/v1/usage"""

from __future__ import annotations

from typing import Annotated, Any, cast
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import WithJsonSchema

from glia.kit.clock import now
from glia.surfaces.native.times import moment_of
from glia.surfaces.native.words import ListOf, TheWindow, page_of
from glia.surfaces.shared.bodies import Out, TheHouse, ThePrincipal, Time, WatchedRoute, id_of
from glia.usage.types import Grouping, UsageFilter

router = APIRouter(prefix="/v1/usage", tags=["usage"], route_class=WatchedRoute)

MomentText = Annotated[str | None, WithJsonSchema({"type": "string", "format": "date-time"}), Query()]
GroupText = Annotated[
    str | None,
    WithJsonSchema({"type": "string", "enum": ["model", "agent", "day", "key", "run", "project"]}),
    Query(description="One row for each; a single row with the total when left away."),
]


NONE = "none"


def only_of(
    model: Annotated[str | None, Query(description="Only calls of this model.", max_length=300)] = None,
    agent_id: Annotated[
        str | None, Query(description="Only calls of this agent; `none` for calls without one.")
    ] = None,
    run_id: Annotated[str | None, Query(description="Only calls of this run; `none` for calls without one.")] = None,
    key_id: Annotated[str | None, Query(description="Only calls by this key; `none` for calls without one.")] = None,
    project_id: Annotated[str | None, Query(description="Only calls in this project.")] = None,
) -> UsageFilter:
    ids = {"agent_id": agent_id, "run_id": run_id, "key_id": key_id}
    named: dict[str, Any] = {name: id_of(text, name) for name, text in ids.items() if text not in (None, NONE)}
    return UsageFilter(
        model=model,
        project_id=None if project_id is None else id_of(project_id, "project_id"),
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
    """One model call. cost_micros: null when the price is not known."""

    id: UUID
    at: Time
    operation: str
    model: str
    status: str
    agent_id: UUID | None
    run_id: UUID | None
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
