"""/v1/figures: how much there is of everything, and how agents, tools and memories do."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel

from glia.kit.clock import now
from glia.surfaces.native.words import agent_id_of
from glia.surfaces.shared.bodies import Out, TheHouse, ThePrincipal, WatchedRoute, number_of

router = APIRouter(prefix="/v1/figures", tags=["figures"], route_class=WatchedRoute)


class OverviewOut(Out):
    agents: int
    sessions: int
    messages: int
    runs: int
    memories: int


class AgentFiguresOut(Out):
    """milliseconds: the mean of finished runs, without what they waited."""

    agent_id: UUID
    runs: int
    completed: int
    failed: int
    milliseconds: float | None


class ToolFiguresOut(Out):
    """denied: calls that people did not allow. milliseconds: of all calls together."""

    tool: str
    calls: int
    failures: int
    denied: int
    milliseconds: int


class MemoryGrowthOut(Out):
    agent_id: UUID
    memories: int
    new: int


class FiguresOut(BaseModel):
    """denials: how often something was not allowed, by reason."""

    overview: OverviewOut
    agents: list[AgentFiguresOut]
    tools: list[ToolFiguresOut]
    memories: list[MemoryGrowthOut]
    denials: dict[str, int]


@router.get("")
async def figures(
    house: TheHouse,
    principal: ThePrincipal,
    days: Annotated[str | None, Query(description="Of the last days, 1 to 365; 30 when not given.")] = None,
    agent_id: Annotated[str | None, Query(description="Tools of this agent only; its id or slug.")] = None,
) -> FiguresOut:
    """How it goes."""
    since = now() - timedelta(days=number_of(days, "days", 30, largest=365))
    agent = None if agent_id is None else await agent_id_of(house, principal, agent_id)
    return FiguresOut(
        overview=OverviewOut.of(await house.figures.overview(principal)),
        agents=[AgentFiguresOut.of(one) for one in await house.figures.agents(principal, since)],
        tools=[ToolFiguresOut.of(one) for one in await house.figures.tools(principal, since, agent_id=agent)],
        memories=[MemoryGrowthOut.of(one) for one in await house.figures.memories(principal, since)],
        denials=await house.figures.denials(principal, since),
    )
