"""/v1/spaces: what people and agents share while they work together."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import BaseModel, Field

from glia.collaboration.service import Author
from glia.collaboration.types import News, SpaceRole, UpdateKind
from glia.kit.ids import parse_id
from glia.surfaces.native.words import AfterText, LimitText, ListOf, TheWindow, agent_id_of, page_of
from glia.surfaces.shared.bodies import (
    Body,
    Changes,
    Out,
    TheHouse,
    ThePrincipal,
    Time,
    WatchedRoute,
    given,
    number_of,
)

router = APIRouter(prefix="/v1/spaces", tags=["collaboration"], route_class=WatchedRoute)

RoleName = Literal["owner", "admin", "member", "viewer"]
KindName = Literal["message", "action", "state_change", "file_update", "context_sync"]


class SpaceBody(Body):
    """context: JSON that all who take part read."""

    name: str
    description: str = ""
    context: dict[str, Any] = Field(default_factory=dict[str, Any])


class SpaceChanges(Changes):
    """context: in place of the whole context."""

    name: str = ""
    description: str = ""
    context: dict[str, Any] = Field(default_factory=dict[str, Any])


class SpaceOut(Out):
    """last_seq: of the newest update."""

    id: UUID
    name: str
    description: str
    owner: str
    context: dict[str, Any]
    last_seq: int
    created_at: Time
    updated_at: Time


class ParticipantBody(Body):
    """user_name or agent_id (id or slug), one of both. Somebody who takes part already gets the role."""

    user_name: str | None = None
    agent_id: str | None = Field(None, max_length=200)
    role: RoleName = "member"


class ParticipantOut(Out):
    id: UUID
    space_id: UUID
    user_name: str | None
    agent_id: UUID | None
    role: RoleName
    joined_at: Time


class SharedSpaceOut(BaseModel):
    space: SpaceOut
    participants: list[ParticipantOut]


class UpdateBody(Body):
    """agent_id, user_name: in whose name; left away, in yours."""

    content: str
    kind: KindName = "message"
    data: dict[str, Any] = Field(default_factory=dict[str, Any])
    agent_id: str | None = Field(None, max_length=200)
    user_name: str | None = None


class UpdateOut(Out):
    seq: int
    kind: KindName
    author: str
    agent_id: UUID | None
    content: str
    data: dict[str, Any]
    at: Time


@router.post("", status_code=201)
async def create(body: SpaceBody, house: TheHouse, principal: ThePrincipal) -> SpaceOut:
    """Open a space; you own it."""
    made = await house.spaces.create(principal, body.name, description=body.description, context=body.context)
    return SpaceOut.of(made)


@router.get("")
async def list_spaces(
    house: TheHouse,
    principal: ThePrincipal,
    window: TheWindow,
    agent_id: Annotated[str | None, Query(description="Only those this agent takes part in; its id or slug.")] = None,
) -> ListOf[SpaceOut]:
    """List spaces, newest first."""
    agent = None if agent_id is None else await agent_id_of(house, principal, agent_id)
    return page_of(await house.spaces.list(principal, window, agent_id=agent), SpaceOut.of)


@router.get("/{space}")
async def get(space: str, house: TheHouse, principal: ThePrincipal) -> SharedSpaceOut:
    """A space, and who takes part."""
    found, participants = await house.spaces.get(principal, parse_id(space, "space"))
    return SharedSpaceOut(space=SpaceOut.of(found), participants=[ParticipantOut.of(one) for one in participants])


@router.patch("/{space}")
async def update(space: str, body: SpaceChanges, house: TheHouse, principal: ThePrincipal) -> SpaceOut:
    """Change its name, description or shared context."""
    return SpaceOut.of(await house.spaces.update(principal, parse_id(space, "space"), given(body)))


@router.delete("/{space}", status_code=204, response_class=Response)
async def delete(space: str, house: TheHouse, principal: ThePrincipal) -> Response:
    """Delete a space with all that was written in it."""
    await house.spaces.delete(principal, parse_id(space, "space"))
    return Response(status_code=204)


@router.post("/{space}/participants")
async def admit(space: str, body: ParticipantBody, house: TheHouse, principal: ThePrincipal) -> ParticipantOut:
    """Let a person or an agent take part."""
    agent = None if body.agent_id is None else (await house.agents.find(principal, body.agent_id)).id
    made = await house.spaces.admit(
        principal, parse_id(space, "space"), SpaceRole(body.role), user_name=body.user_name, agent_id=agent
    )
    return ParticipantOut.of(made)


@router.delete("/{space}/participants/{participant}", status_code=204, response_class=Response)
async def dismiss(space: str, participant: str, house: TheHouse, principal: ThePrincipal) -> Response:
    """Let somebody take part no longer."""
    await house.spaces.dismiss(principal, parse_id(space, "space"), parse_id(participant, "participant"))
    return Response(status_code=204)


@router.get("/{space}/updates")
async def updates(
    space: str, house: TheHouse, principal: ThePrincipal, after: AfterText = None, limit: LimitText = None
) -> ListOf[UpdateOut]:
    """What happened, oldest first."""
    found = await house.spaces.updates(
        principal,
        parse_id(space, "space"),
        after=number_of(after, "after", 0, smallest=0, largest=2**62),
        limit=number_of(limit, "limit", 100),
    )
    return ListOf(data=[UpdateOut.of(one) for one in found])


@router.post("/{space}/updates", status_code=201)
async def write(space: str, body: UpdateBody, house: TheHouse, principal: ThePrincipal) -> UpdateOut:
    """Write into it."""
    agent = None if body.agent_id is None else (await house.agents.find(principal, body.agent_id)).id
    news = News(UpdateKind(body.kind), body.content, body.data)
    made = await house.spaces.write(principal, parse_id(space, "space"), news, author=Author(agent, body.user_name))
    return UpdateOut.of(made)
