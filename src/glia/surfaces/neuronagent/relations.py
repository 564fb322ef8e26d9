"""How agents stand to each other, and what each is good at."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import Field

from glia.agents.types import RELATIONSHIPS, SPECIALIZATIONS, Relationship, Specialization
from glia.identity.types import Principal
from glia.kit.errors import InvalidRequest
from glia.surfaces.neuronagent.auth import TheCaller
from glia.surfaces.neuronagent.words import ThePart, uuid_in
from glia.surfaces.shared.bodies import Body, Changes, Out, TheHouse, Time, WatchedRoute, given
from glia.wiring import House

router = APIRouter(prefix="/api/v1", tags=["relationships"], route_class=WatchedRoute)


class RelationshipBody(Body):
    """relationship_type: `delegates_to`, `supervises` and `reports_to` also let the one give tasks to the other."""

    to_agent_id: str
    relationship_type: str
    metadata: dict[str, Any] = Field(default_factory=dict[str, Any])


class RelationshipOut(Out):
    id: UUID
    from_agent_id: UUID
    to_agent_id: UUID
    relationship_type: str
    metadata: dict[str, Any]
    created_at: Time


class SpecializationBody(Body):
    """specialization_type: `planning`, `research`, `coding`, `execution`, `analysis` or `general`."""

    specialization_type: str
    capabilities: list[str] = Field(default_factory=list[str])
    config: dict[str, Any] = Field(default_factory=dict[str, Any])


class SpecializationChanges(Changes):
    specialization_type: str | None = None
    capabilities: list[str] | None = None
    config: dict[str, Any] | None = None


class SpecializationOut(Out):
    id: UUID
    agent_id: UUID
    specialization_type: str
    capabilities: list[str]
    config: dict[str, Any]
    created_at: Time
    updated_at: Time


@router.get("/agents/{id}/relationships")
async def list_relationships(id: str, house: TheHouse, principal: TheCaller, part: ThePart) -> list[RelationshipOut]:
    """The relationships that an agent is in, on either side."""
    return part.of([_relationship(each) for each in await house.relations.list(principal, uuid_in(id))])


@router.post("/agents/{id}/relationships", status_code=201)
async def create(id: str, body: RelationshipBody, house: TheHouse, principal: TheCaller) -> RelationshipOut:
    """Say how an agent stands to another."""
    if body.relationship_type not in RELATIONSHIPS:
        raise InvalidRequest(
            f"`relationship_type` {body.relationship_type[:50]!r} is none of {', '.join(RELATIONSHIPS)}.",
            field="relationship_type",
            valid_types=list(RELATIONSHIPS),
        )
    other = uuid_in(body.to_agent_id, "to_agent_id")
    made = await house.relations.create(principal, uuid_in(id), other, body.relationship_type, body.metadata)
    return _relationship(made)


@router.delete("/agents/{id}/relationships/{relationship_id}", status_code=204, response_class=Response)
async def delete(id: str, relationship_id: str, house: TheHouse, principal: TheCaller) -> Response:
    """End a relationship."""
    await house.relations.delete(principal, uuid_in(id), uuid_in(relationship_id, "relationship_id"))
    return Response(status_code=204)


@router.post("/agents/{agent_id}/specialization", status_code=201)
async def specialize(
    agent_id: str, body: SpecializationBody, house: TheHouse, principal: TheCaller
) -> SpecializationOut:
    """Say what an agent is good at; it replaces what was said before."""
    _check(body.specialization_type)
    return await _specialize(house, principal, uuid_in(agent_id, "agent_id"), body)


@router.get("/agents/{agent_id}/specialization")
async def get(agent_id: str, house: TheHouse, principal: TheCaller) -> SpecializationOut:
    """What an agent is good at."""
    return _specialization(await house.relations.specialization(principal, uuid_in(agent_id, "agent_id")))


@router.put("/agents/{agent_id}/specialization")
async def update(
    agent_id: str, body: SpecializationChanges, house: TheHouse, principal: TheCaller
) -> SpecializationOut:
    """Change what an agent is good at: what is given, nothing else."""
    id = uuid_in(agent_id, "agent_id")
    before = _specialization(await house.relations.specialization(principal, id))
    new = {name: value for name, value in given(body).items() if value is not None}
    _check(new.get("specialization_type", before.specialization_type))
    whole: dict[str, Any] = {
        "specialization_type": before.specialization_type,
        "capabilities": before.capabilities,
        "config": before.config,
    }
    return await _specialize(house, principal, id, SpecializationBody(**{**whole, **new}))


@router.delete("/agents/{agent_id}/specialization", status_code=204, response_class=Response)
async def unspecialize(agent_id: str, house: TheHouse, principal: TheCaller) -> Response:
    """Take the specialization away."""
    await house.relations.unspecialize(principal, uuid_in(agent_id, "agent_id"))
    return Response(status_code=204)


@router.get("/specializations")
async def list_specializations(
    house: TheHouse,
    principal: TheCaller,
    part: ThePart,
    specialization_type: Annotated[str | None, Query(description="Only agents that are good at this.")] = None,
) -> list[SpecializationOut]:
    """Agents that are good at something; those first that have the least to do."""
    if specialization_type is not None:
        _check(specialization_type)
    return part.of(
        [_specialization(each) for each in await house.relations.specialists(principal, specialization_type)]
    )


async def _specialize(
    house: House, principal: Principal, agent_id: UUID, body: SpecializationBody
) -> SpecializationOut:
    made = await house.relations.specialize(
        principal, agent_id, body.specialization_type, tuple(body.capabilities), body.config
    )
    return _specialization(made)


def _check(kind: str) -> None:
    if kind not in SPECIALIZATIONS:
        raise InvalidRequest(
            f"`specialization_type` {kind[:50]!r} is none of {', '.join(SPECIALIZATIONS)}.",
            field="specialization_type",
            valid_types=list(SPECIALIZATIONS),
        )


def _relationship(each: Relationship) -> RelationshipOut:
    return RelationshipOut(
        id=each.id,
        from_agent_id=each.from_agent_id,
        to_agent_id=each.to_agent_id,
        relationship_type=each.kind,
        metadata=each.metadata,
        created_at=each.created_at,
    )


def _specialization(each: Specialization) -> SpecializationOut:
    return SpecializationOut(
        id=each.id,
        agent_id=each.agent_id,
        specialization_type=each.kind,
        capabilities=list(each.capabilities),
        config=each.config,
        created_at=each.created_at,
        updated_at=each.updated_at,
    )
