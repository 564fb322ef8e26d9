"""/v1/workspaces, /v1/projects and /v1/audit-log"""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import Field

from glia.identity.types import AuditFilter, Plan
from glia.kit.ids import parse_id
from glia.surfaces.native.times import moment_of
from glia.surfaces.native.usage import MomentText
from glia.surfaces.native.words import ListOf, TheWindow, page_of
from glia.surfaces.shared.bodies import Body, Out, TheHouse, ThePrincipal, Time, WatchedRoute, id_of

router = APIRouter(prefix="/v1", tags=["workspaces"], route_class=WatchedRoute)


PlanName = Literal["free", "pro", "enterprise"]


class WorkspaceOut(Out):
    id: UUID
    name: str
    slug: str
    created_at: Time


class WorkspaceChanges(Body):
    name: str


class WorkspacePlanBody(Body):
    """plan: null for the server's. requests_per_minute: of an enterprise, instead of the server's."""

    plan: PlanName | None = Field(...)
    requests_per_minute: int | None = None


class WorkspacePlanOut(Out):
    """What all requests of the workspace together may be a minute, on surfaces that count by plan.

    is_own: the workspace has a plan of its own, rather than the server's.
    """

    plan: PlanName
    requests_per_minute: int
    is_own: bool


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
    """actor_kind: user, key, operator or system. actor_name: as it is called now. subject: what was changed, as
    `user:<id>`. address: from where it was asked; empty when it was not over the network."""

    id: UUID
    at: Time
    actor_kind: str
    actor_id: UUID | None
    actor_name: str | None
    action: str
    subject: str
    data: dict[str, Any]
    address: str


@router.get("/workspaces")
async def list_workspaces(house: TheHouse, principal: ThePrincipal) -> ListOf[WorkspaceOut]:
    """The workspaces that this credential opens: its own."""
    found = await house.identity.workspaces.list(principal)
    return ListOf(data=[WorkspaceOut.of(workspace) for workspace in found])


@router.get("/workspaces/{workspace}")
async def get_workspace(workspace: str, house: TheHouse, principal: ThePrincipal) -> WorkspaceOut:
    """One workspace."""
    return WorkspaceOut.of(await house.identity.workspaces.get(principal, parse_id(workspace, "workspace")))


@router.patch("/workspaces/{workspace}")
async def rename_workspace(
    workspace: str, body: WorkspaceChanges, house: TheHouse, principal: ThePrincipal
) -> WorkspaceOut:
    """Rename the workspace. Its slug stays."""
    renamed = await house.identity.workspaces.rename(principal, parse_id(workspace, "workspace"), body.name)
    return WorkspaceOut.of(renamed)


@router.get("/workspaces/{workspace}/plan")
async def get_plan(workspace: str, house: TheHouse, principal: ThePrincipal) -> WorkspacePlanOut:
    """What the workspace may ask for."""
    await house.identity.workspaces.get(principal, parse_id(workspace, "workspace"))
    return WorkspacePlanOut.of(await house.identity.plans.get(principal))


@router.put("/workspaces/{workspace}/plan")
async def set_plan(
    workspace: str, body: WorkspacePlanBody, house: TheHouse, principal: ThePrincipal
) -> WorkspacePlanOut:
    """Give the workspace a plan; for whoever operates the server, see also `glia workspace plan`."""
    await house.identity.workspaces.get(principal, parse_id(workspace, "workspace"))
    plan = None if body.plan is None else Plan(body.plan)
    return WorkspacePlanOut.of(
        await house.identity.plans.set(principal, plan, requests_per_minute=body.requests_per_minute)
    )


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
async def audit_log(
    house: TheHouse,
    principal: ThePrincipal,
    window: TheWindow,
    actor_id: Annotated[str | None, Query(description="Only what this user or key did.")] = None,
    actor_kind: Annotated[
        Literal["user", "key", "operator", "system"] | None, Query(description="Only what such an actor did.")
    ] = None,
    action: Annotated[
        str | None, Query(description="Only this, as `key.revoked`, or a family, as `key.*`.", max_length=100)
    ] = None,
    subject: Annotated[
        str | None, Query(description="Only what was done to this, as `user:<id>`.", max_length=200)
    ] = None,
    since: MomentText = None,
    until: MomentText = None,
) -> ListOf[AuditEntryOut]:
    """Who changed what, when and from where, newest first."""
    only = AuditFilter(
        actor_id=None if actor_id is None else id_of(actor_id, "actor_id"),
        actor_kind=actor_kind,
        action=action,
        subject=subject,
        since=None if since is None else moment_of(since, "since"),
        until=None if until is None else moment_of(until, "until"),
    )
    return page_of(await house.identity.audit_log(principal, window, only), AuditEntryOut.of)
