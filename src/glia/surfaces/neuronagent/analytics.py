"""/api/v1/analytics and /api/v1/governance: how much there is of everything, and how agents and tools do."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from glia.identity.types import Principal
from glia.kit.clock import now
from glia.kit.pages import LARGEST_LIMIT, Window
from glia.runs.figures import ToolFigures
from glia.surfaces.neuronagent.auth import TheAdmin, TheCaller
from glia.surfaces.neuronagent.memory_words import milliseconds_since
from glia.surfaces.neuronagent.words import usd, uuid_in
from glia.surfaces.shared.bodies import Out, TheHouse, Time, WatchedRoute, number_of
from glia.wiring import House

router = APIRouter(prefix="/api/v1", tags=["analytics"], route_class=WatchedRoute)

_SOURCES = {
    "vector_db": ("knowledge_search", "memory_search", "conversation_search", "retrieval"),
    "web": ("web_search", "web_fetch", "browser"),
    "api": ("http_request", "http"),
}


class OverviewOut(Out):
    """total_cost_30d: USD; null when no call's price was known."""

    total_agents: int
    total_sessions: int
    total_messages: int
    total_cost_30d: float | None


class CostOut(Out):
    workspace_id: UUID
    period: str
    cost: float
    updated_at: Time


class ToolRiskOut(Out):
    """error_rate: 0 to 1. blocked_calls: denied by people."""

    tool_name: str
    calls: int
    blocked_calls: int
    error_rate: float


class PolicyBlockOut(Out):
    reason_code: str
    count: int


class GrowthOut(Out):
    """growth_rate: the share of the chunks that came in the last 30 days."""

    agent_id: UUID
    chunk_count: int
    growth_rate: float


class PerformanceOut(Out):
    """score: the share of the runs of the last 30 days that were completed."""

    agent_id: UUID
    score: float
    executions: int
    avg_latency_ms: float | None


class RetrievalOut(Out):
    """total_decisions: calls of tools that look something up. avg_confidence: the share that found an answer.
    avg_quality_score: of the agent's answers that were judged; null when none was."""

    agent_id: UUID
    days: int
    total_decisions: int
    avg_confidence: float
    source_usage: dict[str, int]
    avg_quality_score: float | None
    duration_ms: int


@router.get("/analytics/overview")
async def overview(house: TheHouse, principal: TheCaller) -> OverviewOut:
    """How much there is of everything."""
    found = await house.figures.overview(principal)
    [total] = await house.usage.summary(principal)
    return OverviewOut(
        total_agents=found.agents,
        total_sessions=found.sessions,
        total_messages=found.messages,
        total_cost_30d=None if total.cost_micros is None else usd(total.cost_micros),
    )


@router.get("/governance/costs")
async def costs(house: TheHouse, principal: TheAdmin) -> list[CostOut]:
    """What each day of the last 30 cost."""
    rows = await house.usage.summary(principal, group_by="day")
    return [
        CostOut(
            workspace_id=principal.workspace_id, period=row.group or "", cost=usd(row.cost_micros), updated_at=now()
        )
        for row in rows
    ]


@router.get("/governance/tool-risk")
async def tool_risk(house: TheHouse, principal: TheAdmin) -> list[ToolRiskOut]:
    """How often tools failed or were denied in the last 30 days."""
    found = await house.figures.tools(principal, now() - timedelta(days=30))
    return [
        ToolRiskOut(
            tool_name=one.tool,
            calls=one.calls,
            blocked_calls=one.denied,
            error_rate=round(one.failures / one.calls, 4) if one.calls else 0.0,
        )
        for one in found
    ]


@router.get("/governance/policy-blocks")
async def policy_blocks(house: TheHouse, principal: TheAdmin) -> list[PolicyBlockOut]:
    """How often something was not allowed in the last 30 days, and why."""
    found = await house.figures.denials(principal, now() - timedelta(days=30))
    return [PolicyBlockOut(reason_code=reason, count=count) for reason, count in sorted(found.items())]


@router.get("/governance/memory-growth")
async def memory_growth(house: TheHouse, principal: TheAdmin) -> list[GrowthOut]:
    """How much agents remember."""
    found = await house.figures.memories(principal, now() - timedelta(days=30))
    return [
        GrowthOut(agent_id=one.agent_id, chunk_count=one.memories, growth_rate=round(one.new / one.memories, 4))
        for one in found
    ]


@router.get("/governance/agent-performance")
async def agent_performance(house: TheHouse, principal: TheAdmin) -> list[PerformanceOut]:
    """How agents did in the last 30 days."""
    found = await house.figures.agents(principal, now() - timedelta(days=30))
    return [
        PerformanceOut(
            agent_id=one.agent_id,
            score=round(one.completed / one.runs, 4),
            executions=one.runs,
            avg_latency_ms=None if one.milliseconds is None else round(one.milliseconds, 1),
        )
        for one in found
    ]


DaysText = Annotated[str | None, Query(description="Of the last days, 1 to 365; 30 when not given.", max_length=10)]


@router.get("/agents/{id}/retrieval-stats")
async def retrieval_stats(id: str, house: TheHouse, principal: TheCaller, days: DaysText = None) -> RetrievalOut:
    """Where an agent looked things up."""
    return await _retrieval(id, days, house, principal)


@router.get("/analytics/retrieval-stats")
async def retrieval_stats_of(
    house: TheHouse,
    principal: TheCaller,
    agent_id: Annotated[str, Query(description="Whose.", max_length=100)],
    days: DaysText = None,
) -> RetrievalOut:
    """The same with the agent in the query."""
    return await _retrieval(agent_id, days, house, principal)


async def _retrieval(id: str, days: str | None, house: House, principal: Principal) -> RetrievalOut:
    started = now()
    agent = (await house.agents.get(principal, uuid_in(id))).id
    span = max(1, min(365, number_of(days, "days", 30, smallest=-(10**9), largest=10**9)))
    since = now() - timedelta(days=span)
    tools = {one.tool: one for one in await house.figures.tools(principal, since, agent_id=agent)}
    found: list[ToolFigures] = [tools[name] for names in _SOURCES.values() for name in names if name in tools]
    total = sum(one.calls for one in found)
    judged = await house.reflections.list(principal, Window(LARGEST_LIMIT), agent_id=agent)
    qualities = [one.quality for one in judged.items if one.created_at >= since]
    return RetrievalOut(
        agent_id=agent,
        days=span,
        total_decisions=total,
        avg_confidence=round(1 - sum(one.failures for one in found) / total, 4) if total else 0.0,
        source_usage={
            source: sum(tools[name].calls for name in names if name in tools) for source, names in _SOURCES.items()
        },
        avg_quality_score=round(sum(qualities) / len(qualities), 4) if qualities else None,
        duration_ms=milliseconds_since(started, now()),
    )
