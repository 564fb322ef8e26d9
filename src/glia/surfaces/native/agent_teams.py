"""What is said about agents beside themselves: drafts, relationships, specializations, how much they were used."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import Field

from glia.kit.ids import parse_id
from glia.surfaces.native.agent_shapes import AgentOut, agent_out
from glia.surfaces.native.words import ListOf, agent_id_of
from glia.surfaces.shared.bodies import Body, Out, TheHouse, ThePrincipal, Time, WatchedRoute, number_of

router = APIRouter(prefix="/v1", tags=["agents"], route_class=WatchedRoute)

Kind = Literal["delegates_to", "collaborates_with", "supervises", "reports_to"]
Specialty = Literal["planning", "research", "coding", "execution", "analysis", "general"]


class DraftBody(Body):
    """number: yours, once for each agent. What is given is what the agent becomes when the draft is activated."""

    number: int
    name: str | None = None
    description: str | None = None
    instructions: str | None = None
    model: str | None = None
    tools: list[str] | None = None
    metadata: dict[str, Any] | None = None


class DraftOut(Out):
    """changes: as JSON, by field. version: of the agent, made when the draft was activated last."""

    id: UUID
    agent_id: UUID
    number: int
    changes: dict[str, Any]
    version: int | None
    created_by: str
    created_at: Time


class RelationshipBody(Body):
    """kind: `delegates_to`, `supervises` and `reports_to` also make one agent the other's subagent."""

    to_agent_id: str
    kind: Kind
    metadata: dict[str, Any] = Field(default_factory=dict[str, Any])


class RelationshipOut(Out):
    id: UUID
    from_agent_id: UUID
    to_agent_id: UUID
    kind: Kind
    metadata: dict[str, Any]
    created_at: Time


class SpecializationBody(Body):
    kind: Specialty
    capabilities: list[str] = Field(default_factory=list[str])
    config: dict[str, Any] = Field(default_factory=dict[str, Any])


class SpecializationOut(Out):
    id: UUID
    agent_id: UUID
    kind: Specialty
    capabilities: list[str]
    config: dict[str, Any]
    created_at: Time
    updated_at: Time


class ActivityOut(Out):
    """sessions: those that are still there. messages: said and answered in them. tokens: of their runs."""

    sessions: int
    messages: int
    tokens: int


@router.get("/agents/{agent}/drafts")
async def drafts(agent: str, house: TheHouse, principal: ThePrincipal) -> ListOf[DraftOut]:
    """What the agent may become, the highest number first."""
    id = await agent_id_of(house, principal, agent)
    return ListOf(data=[DraftOut.of(draft) for draft in await house.drafts.list(principal, id)])


@router.post("/agents/{agent}/drafts", status_code=201)
async def draft(agent: str, body: DraftBody, house: TheHouse, principal: ThePrincipal) -> DraftOut:
    """Keep what the agent is to become."""
    id = await agent_id_of(house, principal, agent)
    changes = {
        name: tuple(value) if name == "tools" else value
        for name in ("name", "description", "instructions", "model", "tools", "metadata")
        if (value := getattr(body, name)) is not None
    }
    return DraftOut.of(await house.drafts.create(principal, id, body.number, changes))


@router.post("/agents/{agent}/drafts/{number}/activate")
async def activate(agent: str, number: str, house: TheHouse, principal: ThePrincipal) -> AgentOut:
    """The agent becomes what the draft says: a new version of it."""
    id = await agent_id_of(house, principal, agent)
    wanted = number_of(number, "number", 0, smallest=0, largest=2**31 - 1)
    return agent_out(await house.drafts.activate(principal, id, wanted))


@router.get("/agents/{agent}/relationships")
async def relationships(agent: str, house: TheHouse, principal: ThePrincipal) -> ListOf[RelationshipOut]:
    """How the agent stands to others, on either side."""
    id = await agent_id_of(house, principal, agent)
    return ListOf(data=[RelationshipOut.of(each) for each in await house.relations.list(principal, id)])


@router.post("/agents/{agent}/relationships", status_code=201)
async def relate(agent: str, body: RelationshipBody, house: TheHouse, principal: ThePrincipal) -> RelationshipOut:
    """Say how the agent stands to another."""
    id = await agent_id_of(house, principal, agent)
    other = await agent_id_of(house, principal, body.to_agent_id)
    return RelationshipOut.of(await house.relations.create(principal, id, other, body.kind, body.metadata))


@router.delete("/agents/{agent}/relationships/{relationship}", status_code=204, response_class=Response)
async def unrelate(agent: str, relationship: str, house: TheHouse, principal: ThePrincipal) -> Response:
    """End a relationship."""
    id = await agent_id_of(house, principal, agent)
    await house.relations.delete(principal, id, parse_id(relationship, "relationship"))
    return Response(status_code=204)


@router.get("/agents/{agent}/specialization")
async def specialization(agent: str, house: TheHouse, principal: ThePrincipal) -> SpecializationOut:
    """What the agent is good at."""
    id = await agent_id_of(house, principal, agent)
    return SpecializationOut.of(await house.relations.specialization(principal, id))


@router.put("/agents/{agent}/specialization")
async def specialize(
    agent: str, body: SpecializationBody, house: TheHouse, principal: ThePrincipal
) -> SpecializationOut:
    """Say what the agent is good at."""
    id = await agent_id_of(house, principal, agent)
    made = await house.relations.specialize(principal, id, body.kind, tuple(body.capabilities), body.config)
    return SpecializationOut.of(made)


@router.delete("/agents/{agent}/specialization", status_code=204, response_class=Response)
async def unspecialize(agent: str, house: TheHouse, principal: ThePrincipal) -> Response:
    """Take the specialization away."""
    await house.relations.unspecialize(principal, await agent_id_of(house, principal, agent))
    return Response(status_code=204)


@router.get("/specializations")
async def specialists(
    house: TheHouse,
    principal: ThePrincipal,
    kind: Annotated[Specialty | None, Query(description="Only agents that are good at this.")] = None,
) -> ListOf[SpecializationOut]:
    """Agents that are good at something; those first that have the least to do."""
    return ListOf(data=[SpecializationOut.of(each) for each in await house.relations.specialists(principal, kind)])


@router.get("/agents/{agent}/activity")
async def activity(agent: str, house: TheHouse, principal: ThePrincipal) -> ActivityOut:
    """How much the agent was used so far."""
    found = await house.agents.get(principal, await agent_id_of(house, principal, agent))
    return ActivityOut.of(await house.messages.activity(principal, found.id))
