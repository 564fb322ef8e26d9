"""/v1/users: the people of the workspace."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import Field

from glia.identity.types import Role
from glia.kit.ids import parse_id
from glia.surfaces.native.words import ListOf, TheWindow, page_of
from glia.surfaces.shared.bodies import Body, Out, TheHouse, ThePrincipal, Time, WatchedRoute

router = APIRouter(prefix="/v1/users", tags=["users"], route_class=WatchedRoute)

RoleName = Literal["admin", "user", "read-only"]


class UserBody(Body):
    email: str = Field(max_length=254)
    password: str = Field(max_length=1000)
    name: str = ""
    role: RoleName = "user"


class PasswordBody(Body):
    """current_password: needed to change one's own."""

    password: str = Field(max_length=1000)
    current_password: str | None = Field(None, max_length=1000)


class UserOut(Out):
    id: UUID
    email: str
    name: str
    role: RoleName
    is_active: bool
    created_at: Time


@router.post("", status_code=201)
async def create(body: UserBody, house: TheHouse, principal: ThePrincipal) -> UserOut:
    """Add a person to the workspace."""
    made = await house.identity.users.create(
        principal, email=body.email, password=body.password, name=body.name, role=Role(body.role)
    )
    return UserOut.of(made)


@router.get("")
async def list_users(house: TheHouse, principal: ThePrincipal, window: TheWindow) -> ListOf[UserOut]:
    """List the people of the workspace, newest first."""
    return page_of(await house.identity.users.list(principal, window), UserOut.of)


@router.get("/{user}")
async def get(user: str, house: TheHouse, principal: ThePrincipal) -> UserOut:
    """One person; everybody may see themselves."""
    return UserOut.of(await house.identity.users.get(principal, parse_id(user, "user")))


@router.post("/{user}/deactivate")
async def deactivate(user: str, house: TheHouse, principal: ThePrincipal) -> UserOut:
    """End a person's sign-ins and revoke their keys. What they made stays."""
    return UserOut.of(await house.identity.users.deactivate(principal, parse_id(user, "user")))


@router.post("/{user}/password", status_code=204, response_class=Response)
async def change_password(user: str, body: PasswordBody, house: TheHouse, principal: ThePrincipal) -> Response:
    """Change a password, and end all sign-ins of that person."""
    await house.identity.users.change_password(
        principal, parse_id(user, "user"), body.password, current=body.current_password
    )
    return Response(status_code=204)
