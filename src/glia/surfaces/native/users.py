"""/v1/users: the people of the workspace."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import Field

from glia.identity.types import Role, UserChanges
from glia.kit.errors import InvalidRequest
from glia.kit.ids import parse_id
from glia.surfaces.native.words import ListOf, TheWindow, page_of
from glia.surfaces.shared.bodies import Body, Changes, Out, TheHouse, ThePrincipal, Time, WatchedRoute, given

router = APIRouter(prefix="/v1/users", tags=["users"], route_class=WatchedRoute)

RoleName = Literal["admin", "user", "read-only"]


class UserBody(Body):
    email: str = Field(max_length=254)
    password: str = Field(max_length=1000)
    name: str = ""
    role: RoleName = "user"
    is_owner: bool = False


class UserChangesBody(Changes):
    """is_owner: an admin whom only owners may change. password: ends all sign-ins of the person. is_active: true lets a
    deactivated person in again; POST /v1/users/{user}/deactivate does the opposite."""

    email: str = Field("", max_length=254)
    name: str = Field("", max_length=1000)
    role: RoleName = "user"
    is_owner: bool = False
    is_active: bool = True
    password: str = Field("", max_length=1000)
    current_password: str = Field("", max_length=1000)


class PasswordBody(Body):
    """current_password: needed to change one's own."""

    password: str = Field(max_length=1000)
    current_password: str | None = Field(None, max_length=1000)


class UserOut(Out):
    id: UUID
    email: str
    name: str
    role: RoleName
    is_owner: bool
    is_active: bool
    created_at: Time
    updated_at: Time | None


class SignedInOut(Out):
    """A browser or program that is signed in as this person. address: from where its tokens were renewed last."""

    id: UUID
    began_at: Time
    last_used_at: Time
    address: str
    expires_at: Time


@router.post("", status_code=201)
async def create(body: UserBody, house: TheHouse, principal: ThePrincipal) -> UserOut:
    """Add a person to the workspace."""
    made = await house.identity.users.create(
        principal,
        email=body.email,
        password=body.password,
        name=body.name,
        role=Role(body.role),
        is_owner=body.is_owner,
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


@router.patch("/{user}")
async def update(user: str, body: UserChangesBody, house: TheHouse, principal: ThePrincipal) -> UserOut:
    """Change a person; everybody may change their own email, name and password.

    A lower role revokes those of their keys that may more than it.
    """
    changes, id = given(body), parse_id(user, "user")
    if "role" in changes:
        changes["role"] = Role(body.role)
    is_self = id == principal.user_id and principal.key_id is None
    if is_self and "password" in changes and "current_password" not in changes:
        raise InvalidRequest("To change your own password, give `current_password` too.", field="current_password")
    return UserOut.of(await house.identity.users.update(principal, id, UserChanges(**changes)))


@router.delete("/{user}", status_code=204, response_class=Response)
async def delete(user: str, house: TheHouse, principal: ThePrincipal) -> Response:
    """Delete a person; their sign-ins and keys end at once. What they made stays."""
    await house.identity.users.delete(principal, parse_id(user, "user"))
    return Response(status_code=204)


@router.get("/{user}/sign-ins")
async def sign_ins(user: str, house: TheHouse, principal: ThePrincipal) -> ListOf[SignedInOut]:
    """Where a person is signed in, the latest used first, at most 1,000; everybody may see their own."""
    found = await house.identity.users.sign_ins(principal, parse_id(user, "user"))
    return ListOf(data=[SignedInOut.of(sign_in) for sign_in in found])


@router.delete("/{user}/sign-ins/{sign_in}", status_code=204, response_class=Response)
async def end_sign_in(user: str, sign_in: str, house: TheHouse, principal: ThePrincipal) -> Response:
    """End one sign-in; its last access token works for up to 15 minutes more."""
    await house.identity.users.end_sign_in(principal, parse_id(user, "user"), parse_id(sign_in, "sign-in"))
    return Response(status_code=204)


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
