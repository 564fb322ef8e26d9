"""/v1/workspaces, /v1/projects and /v1/audit-log"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter

from glia.kit.ids import parse_id
from glia.surfaces.native.words import ListOf, TheWindow, page_of
from glia.surfaces.shared.bodies import Body, Out, TheHouse, ThePrincipal, Time, WatchedRoute

router = APIRouter(prefix="/v1", tags=["workspaces"], route_class=WatchedRoute)


class WorkspaceOut(Out):
    id: UUID
    name: str
    slug: str
    created_at: Time


class ProjectBody(Body):
    """slug: made from the name when left away."""

    name: str
    slug: str | None = None


class ProjectOut(Out):
    id: UUID
    name: str
    slug: str
    created_at: Time


class AuditEntryOut(Out):
    """actor_kind: user, key, operator or system. subject: what was changed, as `user:<id>`."""

    id: UUID
    at: Time
    actor_kind: str
    actor_id: UUID | None
    action: str
    subject: str
    data: dict[str, Any]


@router.get("/workspaces")
async def list_workspaces(house: TheHouse, principal: ThePrincipal) -> ListOf[WorkspaceOut]:
    """The workspaces that this credential opens: its own."""
    found = await house.identity.workspaces.list(principal)
    return ListOf(data=[WorkspaceOut.of(workspace) for workspace in found])


@router.get("/workspaces/{workspace}")
async def get_workspace(workspace: str, house: TheHouse, principal: ThePrincipal) -> WorkspaceOut:
    """One workspace."""
    return WorkspaceOut.of(await house.identity.workspaces.get(principal, parse_id(workspace, "workspace")))


@router.post("/projects", status_code=201)
async def create_project(body: ProjectBody, house: TheHouse, principal: ThePrincipal) -> ProjectOut:
    """Make a project: a part of the workspace that things belong to."""
    return ProjectOut.of(await house.identity.workspaces.create_project(principal, body.name, slug=body.slug))


@router.get("/projects")
async def list_projects(house: TheHouse, principal: ThePrincipal, window: TheWindow) -> ListOf[ProjectOut]:
    """List projects, newest first."""
    return page_of(await house.identity.workspaces.projects(principal, window), ProjectOut.of)


@router.get("/projects/{project}")
async def get_project(project: str, house: TheHouse, principal: ThePrincipal) -> ProjectOut:
    """One project."""
    return ProjectOut.of(await house.identity.workspaces.project(principal, parse_id(project, "project")))


@router.get("/audit-log")
async def audit_log(house: TheHouse, principal: ThePrincipal, window: TheWindow) -> ListOf[AuditEntryOut]:
    """Who changed what, newest first."""
    return page_of(await house.identity.audit_log(principal, window), AuditEntryOut.of)
