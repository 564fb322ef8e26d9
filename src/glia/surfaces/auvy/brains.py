"""/v1/brains: the parts of a workspace that neurons, traces and documents belong to."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import Field

from glia.identity.types import Principal, Project
from glia.kit.pages import LARGEST_LIMIT, Window
from glia.surfaces.auvy.auth import in_brain
from glia.surfaces.auvy.words import LimitText, OffsetText, id_in_path, page_of
from glia.surfaces.shared.bodies import Body, Out, TheHouse, ThePrincipal, Time, WatchedRoute

router = APIRouter(prefix="/v1/brains", tags=["brains"], route_class=WatchedRoute)


class BrainBody(Body):
    """slug: made from the name when it is left away."""

    name: str = Field(max_length=200)
    slug: str | None = Field(None, max_length=100)


class BrainOut(Out):
    id: UUID
    workspace_id: UUID
    name: str
    slug: str
    is_default: bool
    created_at: Time


@router.get("")
async def list_brains(
    house: TheHouse,
    principal: ThePrincipal,
    response: Response,
    limit: LimitText = None,
    offset: OffsetText = None,
) -> list[BrainOut]:
    """The workspace's brains, newest first. Every workspace begins with one."""
    number, passed = page_of(limit, offset)
    found = (await house.identity.workspaces.projects(principal, Window(LARGEST_LIMIT))).items
    response.headers["X-Total-Count"] = str(len(found))
    return [_out(principal, project) for project in found[passed : passed + number]]


@router.post("", status_code=201)
async def create(body: BrainBody, house: TheHouse, principal: ThePrincipal) -> BrainOut:
    """Make a brain; takes an admin of the workspace."""
    return _out(principal, await house.identity.workspaces.create_project(principal, body.name, slug=body.slug))


@router.get("/{brain_id}")
async def get(brain_id: str, house: TheHouse, principal: ThePrincipal) -> BrainOut:
    """One brain."""
    id = str(id_in_path(brain_id, "brain"))
    placed = await in_brain(house, principal, id, "brain_id")
    return _out(principal, await house.identity.workspaces.project(principal, placed.project_id))


def _out(principal: Principal, project: Project) -> BrainOut:
    return BrainOut(
        id=project.id,
        workspace_id=principal.workspace_id,
        name=project.name,
        slug=project.slug,
        is_default=project.id == principal.project_id,
        created_at=project.created_at,
    )
