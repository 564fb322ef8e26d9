"""/v1/agents/{agent}/statistics: how an agent is used, by day and by key."""

from __future__ import annotations

from datetime import date, timedelta
from uuid import UUID

from fastapi import APIRouter

from glia.kit.clock import now
from glia.surfaces.native.times import moment_of
from glia.surfaces.native.usage import MomentText
from glia.surfaces.shared.bodies import Out, TheHouse, ThePrincipal, Time, WatchedRoute

router = APIRouter(prefix="/v1/agents/{agent}/statistics", tags=["usage"], route_class=WatchedRoute)


class RequestTotalsOut(Out):
    """requests: runs that somebody began, not those of triggers or of other agents. tokens, cost_micros: with all
    that they began in turn; the cost is null when none is known. latency_ms: the mean, without waiting for people."""

    requests: int
    completed: int
    failed: int
    tokens: int
    cost_micros: int | None
    latency_ms: int | None
    last_at: Time | None


class DayTotalsOut(Out):
    day: date
    requests: int
    cost_micros: int | None


class KeyTotalsOut(Out):
    key_id: UUID
    name: str
    requests: int
    cost_micros: int | None


class StatisticsOut(Out):
    """daily: in UTC, days without requests left out. per_key: the busiest first, at most 1,000."""

    totals: RequestTotalsOut
    daily: list[DayTotalsOut]
    per_key: list[KeyTotalsOut]


@router.get("")
async def statistics(agent: str, house: TheHouse, principal: ThePrincipal, since: MomentText = None) -> StatisticsOut:
    """Requests, tokens, cost, time and failures of an agent since then; 30 days when nothing is said."""
    start = now() - timedelta(days=30) if since is None else moment_of(since, "since")
    id = (await house.agents.find(principal, agent)).id
    found = await house.statistics.of_agent(principal, id, start)
    return StatisticsOut(
        totals=RequestTotalsOut.of(found.totals),
        daily=[DayTotalsOut.of(day) for day in found.daily],
        per_key=[KeyTotalsOut.of(key) for key in found.per_key],
    )
