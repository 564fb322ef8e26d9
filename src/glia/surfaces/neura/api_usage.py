"""/api/agents/{agent_id}/api-usage: how an agent is used."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import WithJsonSchema

from glia.kit.clock import now
from glia.runs.types import RequestTotals
from glia.surfaces.neura.words import one_of
from glia.surfaces.shared.bodies import Out, TheHouse, ThePrincipal, Time, WatchedRoute
from glia.surfaces.shared.money import usd

router = APIRouter(prefix="/api/agents/{agent_id}/api-usage", tags=["usage"], route_class=WatchedRoute)

_PERIODS = {"24h": timedelta(hours=24), "7d": timedelta(days=7), "30d": timedelta(days=30)}
PeriodText = Annotated[
    str | None, WithJsonSchema({"type": "string", "enum": list(_PERIODS), "default": "30d"}), Query()
]


class SummaryOut(Out):
    """success_rate: of the requests that ended, in percent; 100 when none did. error_count: requests that failed.

    total_cost: in USD; null when requests cost something that nobody knows. avg_latency_ms: of those that ended.
    """

    total_requests: int
    total_tokens: int
    total_cost: float | None
    avg_latency_ms: int
    success_rate: float
    error_count: int
    last_request: Time | None


class DayOut(Out):
    date: str
    requests: int
    cost: float | None


class KeyUsageOut(Out):
    key_id: UUID
    key_name: str
    requests: int
    cost: float | None


class UsageOut(Out):
    """daily: in UTC, oldest first, days without requests left out. per_key: the busiest first."""

    period: str
    summary: SummaryOut
    daily: list[DayOut]
    per_key: list[KeyUsageOut]


@router.get("")
async def usage(agent_id: str, house: TheHouse, principal: ThePrincipal, period: PeriodText = None) -> UsageOut:
    """Requests, tokens, cost, time and failures of an agent over the last 24 hours, 7 or 30 days."""
    span = one_of(period or "30d", "period", tuple(_PERIODS))
    agent = await house.agents.find(principal, agent_id)
    await house.meter.flush()
    found = await house.statistics.of_agent(principal, agent.id, now() - _PERIODS[span])
    return UsageOut(
        period=span,
        summary=_summary(found.totals),
        daily=[
            DayOut(date=day.day.isoformat(), requests=day.requests, cost=usd(day.cost_micros)) for day in found.daily
        ],
        per_key=[
            KeyUsageOut(key_id=key.key_id, key_name=key.name, requests=key.requests, cost=usd(key.cost_micros))
            for key in found.per_key
        ],
    )


def _summary(totals: RequestTotals) -> SummaryOut:
    ended = totals.completed + totals.failed
    return SummaryOut(
        total_requests=totals.requests,
        total_tokens=totals.tokens,
        total_cost=usd(totals.cost_micros) if totals.requests else 0.0,
        avg_latency_ms=totals.latency_ms or 0,
        success_rate=round(100 * totals.completed / ended, 1) if ended else 100.0,
        error_count=totals.failed,
        last_request=totals.last_at,
    )
