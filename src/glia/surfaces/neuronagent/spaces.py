"""/api/v1/workspaces: what people and agents share while they work together."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import Field

from glia.collaboration.service import Author
from glia.collaboration.types import News, Participant, Space, SpaceRole, UpdateKind
from glia.identity.types import Principal
from glia.kit.errors import InvalidRequest
from glia.runs.service import Said
from glia.surfaces.neuronagent.auth import TheCaller
from glia.surfaces.neuronagent.words import LimitText, Part, ThePart, part_from, uuid_in
from glia.surfaces.shared.bodies import Body, Changes, Out, TheHouse, Time, WatchedRoute, given, number_of
from glia.wiring import House

router = APIRouter(prefix="/api/v1", tags=["workspaces"], route_class=WatchedRoute)

RoleName = Literal["owner", "admin", "member", "viewer"]
KindName = Literal["message", "action", "state_change", "file_update", "context_sync"]


class WorkspaceBody(Body):
    name: str
    description: str | None = None
    owner_id: str | None = Field(None, max_length=200)
    shared_context: dict[str, Any] = Field(default_factory=dict[str, Any])


class WorkspaceChanges(Changes):
    """shared_context: in place of the whole context."""

    name: str | None = None
    description: str | None = None
    shared_context: dict[str, Any] | None = None


class WorkspaceOut(Out):
    id: UUID
    name: str
    owner_id: str | None
    description: str | None
    shared_context: dict[str, Any]
    created_at: Time
    updated_at: Time


class CreatedOut(WorkspaceOut):
    workspace_id: UUID
    status: Literal["created"]


class ParticipantOut(Out):
    id: UUID
    workspace_id: UUID
    user_id: str | None
    agent_id: UUID | None
    role: RoleName
    joined_at: Time


class SharedOut(Out):
    workspace: WorkspaceOut
    participants: list[ParticipantOut]


class ParticipantBody(Body):
    """user_id or agent_id, one of both."""

    user_id: str | None = Field(None, max_length=200)
    agent_id: str | None = None
    role: RoleName = "member"


class AddedOut(Out):
    workspace_id: UUID
    status: Literal["participant_added"]
    participant: ParticipantOut


class UpdateBody(Body):
    """agent_id, user_id: in whose name; left away, in yours."""

    content: str
    update_type: KindName = "message"
    metadata: dict[str, Any] = Field(default_factory=dict[str, Any])
    agent_id: str | None = None
    user_id: str | None = Field(None, max_length=200)


class UpdateOut(Out):
    """id: counts the updates of a workspace."""

    id: int
    workspace_id: UUID
    update_type: KindName
    author: str
    agent_id: UUID | None
    content: str
    metadata: dict[str, Any]
    created_at: Time


class DelegateBody(Body):
    agent_id: str
    task: str = Field(min_length=1, max_length=10_000)


class DelegatedOut(Out):
    """run_id: the background run that does it; its answer is in that session."""

    workspace_id: UUID
    agent_id: UUID
    run_id: UUID
    session_id: UUID
    status: Literal["delegated"]


def workspace_out(space: Space) -> WorkspaceOut:
    return WorkspaceOut(
        id=space.id,
        name=space.name,
        owner_id=space.owner or None,
        description=space.description or None,
        shared_context=space.context,
        created_at=space.created_at,
        updated_at=space.updated_at,
    )


def _participant(one: Participant) -> ParticipantOut:
    return ParticipantOut(
        id=one.id,
        workspace_id=one.space_id,
        user_id=one.user_name,
        agent_id=one.agent_id,
        role=one.role.value,
        joined_at=one.joined_at,
    )


async def _create(body: WorkspaceBody, house: House, principal: Principal) -> CreatedOut:
    space = await house.spaces.create(
        principal, body.name, description=body.description or "", context=body.shared_context, owner=body.owner_id
    )
    return CreatedOut(**vars(workspace_out(space)), workspace_id=space.id, status="created")


async def _listed(house: House, principal: Principal, part: Part, agent_id: str | None) -> list[WorkspaceOut]:
    agent = None if agent_id is None else uuid_in(agent_id, "agent_id")
    found = await part_from(lambda window: house.spaces.list(principal, window, agent_id=agent), part)
    return [workspace_out(space) for space in found]


AgentText = Annotated[str | None, Query(description="Only those this agent takes part in.", max_length=100)]


@router.post("/workspaces", status_code=201)
async def create(body: WorkspaceBody, house: TheHouse, principal: TheCaller) -> CreatedOut:
    """Open a workspace."""
    return await _create(body, house, principal)


@router.post("/collaborations", status_code=201)
async def create_collaboration(body: WorkspaceBody, house: TheHouse, principal: TheCaller) -> CreatedOut:
    """The same under another name."""
    return await _create(body, house, principal)


@router.get("/workspaces")
async def list_workspaces(
    house: TheHouse, principal: TheCaller, part: ThePart, agent_id: AgentText = None
) -> list[WorkspaceOut]:
    """List workspaces, newest first."""
    return await _listed(house, principal, part, agent_id)


@router.get("/collaborations")
async def list_collaborations(
    house: TheHouse, principal: TheCaller, part: ThePart, agent_id: AgentText = None
) -> list[WorkspaceOut]:
    """The same under another name."""
    return await _listed(house, principal, part, agent_id)


@router.get("/workspaces/{id}")
async def get(id: str, house: TheHouse, principal: TheCaller) -> SharedOut:
    """A workspace, and who takes part."""
    space, participants = await house.spaces.get(principal, uuid_in(id))
    return SharedOut(workspace=workspace_out(space), participants=[_participant(one) for one in participants])


@router.put("/workspaces/{id}")
async def update(id: str, body: WorkspaceChanges, house: TheHouse, principal: TheCaller) -> WorkspaceOut:
    """Change its name, description or shared context."""
    names = {"shared_context": "context"}
    changes = {names.get(name, name): value for name, value in given(body).items() if value is not None}
    return workspace_out(await house.spaces.update(principal, uuid_in(id), changes))


@router.delete("/workspaces/{id}", status_code=204, response_class=Response)
async def delete(id: str, house: TheHouse, principal: TheCaller) -> Response:
    """Delete a workspace with all that was written in it."""
    await house.spaces.delete(principal, uuid_in(id))
    return Response(status_code=204)


@router.post("/workspaces/{id}/participants")
async def admit(id: str, body: ParticipantBody, house: TheHouse, principal: TheCaller) -> AddedOut:
    """Let a person or an agent take part, or change their role."""
    if (body.user_id is None) == (body.agent_id is None):
        raise InvalidRequest("Give `user_id` or `agent_id`, one of both.", field="agent_id")
    agent = None
    if body.agent_id is not None:
        agent = (await house.agents.get(principal, uuid_in(body.agent_id, "agent_id"))).id
    made = await house.spaces.admit(
        principal, uuid_in(id), SpaceRole(body.role), user_name=body.user_id, agent_id=agent
    )
    return AddedOut(workspace_id=made.space_id, status="participant_added", participant=_participant(made))


@router.get("/workspaces/{id}/updates")
async def updates(
    id: str,
    house: TheHouse,
    principal: TheCaller,
    limit: LimitText = None,
    after: Annotated[str | None, Query(description="Only what came behind this update's id.")] = None,
) -> list[UpdateOut]:
    """What happened in a workspace, oldest first."""
    space = uuid_in(id)
    found = await house.spaces.updates(
        principal,
        space,
        after=number_of(after, "after", 0, smallest=0, largest=2**62),
        limit=number_of(limit, "limit", 50),
    )
    return [
        UpdateOut(
            id=one.seq,
            workspace_id=space,
            update_type=one.kind.value,
            author=one.author,
            agent_id=one.agent_id,
            content=one.content,
            metadata=one.data,
            created_at=one.at,
        )
        for one in found
    ]


@router.post("/workspaces/{id}/updates", status_code=201)
async def write(id: str, body: UpdateBody, house: TheHouse, principal: TheCaller) -> UpdateOut:
    """Write into a workspace."""
    agent = None if body.agent_id is None else uuid_in(body.agent_id, "agent_id")
    news = News(UpdateKind(body.update_type), body.content, body.metadata)
    made = await house.spaces.write(principal, uuid_in(id), news, author=Author(agent, body.user_id))
    return UpdateOut(
        id=made.seq,
        workspace_id=uuid_in(id),
        update_type=made.kind.value,
        author=made.author,
        agent_id=made.agent_id,
        content=made.content,
        metadata=made.data,
        created_at=made.at,
    )


@router.post("/collaborations/{id}/delegate", status_code=202)
async def delegate(id: str, body: DelegateBody, house: TheHouse, principal: TheCaller) -> DelegatedOut:
    """Give a task to an agent that takes part; it works in the background."""
    space, participants = await house.spaces.get(principal, uuid_in(id))
    agent = (await house.agents.get(principal, uuid_in(body.agent_id, "agent_id"))).id
    if agent not in {one.agent_id for one in participants if one.role is not SpaceRole.VIEWER}:
        raise InvalidRequest("This agent takes no part in the workspace; add it first.", field="agent_id")
    context = "" if not space.context else f"\n\nShared context of {space.name!r}: {space.context}"[:20_000]
    accepted = await house.runs.start(
        principal, agent, [Said("user", body.task + context)], title=f"{space.name}: {body.task}"[:200]
    )
    told: dict[str, object] = {"agent_id": str(agent), "run_id": str(accepted.run_id), "task": body.task[:2_000]}
    await house.spaces.write(principal, space.id, News(UpdateKind.ACTION, "A task was given to an agent.", told))
    return DelegatedOut(
        workspace_id=space.id,
        agent_id=agent,
        run_id=accepted.run_id,
        session_id=accepted.session_id,
        status="delegated",
    )
