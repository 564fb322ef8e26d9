"""/v1/users: the people of the workspace."""

from __future__ import annotations

from functools import partial
from typing import Any, Final, Literal

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import Field

from glia.identity.types import Principal, Role, User, UserChanges
from glia.kit.errors import InvalidRequest
from glia.kit.pages import all_items
from glia.surfaces.neuais.pages import FieldsText, TellingRoute, TheListing, fields_of, page_model, selected
from glia.surfaces.neuais.words import id_of
from glia.surfaces.shared.bodies import Body, Changes, Out, TheHouse, ThePrincipal, Time, given
from glia.wiring import House

router = APIRouter(prefix="/v1/users", tags=["users"], route_class=TellingRoute)

RoleName = Literal["owner", "admin", "developer", "viewer"]

_STATUSES: Final = ("active", "inactive")
_PREFIX: Final = "usr_"
_CORE: Final[dict[RoleName, tuple[Role, bool]]] = {
    "owner": (Role.ADMIN, True),
    "admin": (Role.ADMIN, False),
    "developer": (Role.USER, False),
    "viewer": (Role.READ_ONLY, False),
}
"""Their roles: ours, and whether it is an owner."""

_NAMES: Final[dict[tuple[Role, bool], RoleName]] = {core: name for name, core in _CORE.items()}


class UserBody(Body):
    """role: `owner`, `admin` (manages users), `developer` or `viewer` (reads only). password: at least 8 characters."""

    email: str = Field(max_length=254)
    password: str = Field(max_length=1000)
    role: str = "developer"
    name: str = ""


class UserBodyChanges(Changes):
    """What is not given stays. Everybody may change their own email, name and password. A new password ends all
    sign-ins. current_password: checked when given."""

    email: str = Field("", max_length=254)
    password: str = Field("", max_length=1000)
    current_password: str = Field("", max_length=1000)
    role: str = ""
    name: str = ""


class UserOut(Out):
    """role: owner, admin, developer or viewer. The password is never shown."""

    id: str
    email: str
    name: str
    role: RoleName
    status: Literal["active", "inactive"]
    created_at: Time
    updated_at: Time


class UserMessageOut(Out):
    message: str


@router.get("", response_model=page_model("users", UserOut))
async def list_users(house: TheHouse, principal: ThePrincipal, listing: TheListing) -> JSONResponse:
    """List users, newest first; for admins."""
    found = await all_items(partial(house.identity.users.list, principal))
    return listing.answer("users", [user_out(one) for one in found], UserOut, statuses=_STATUSES)


@router.post("", status_code=201)
async def create(body: UserBody, house: TheHouse, principal: ThePrincipal) -> UserOut:
    """Add a person; for admins, and owners for owners."""
    role, is_owner = core_role(body.role)
    made = await house.identity.users.create(
        principal, email=body.email, password=body.password, name=body.name, role=role, is_owner=is_owner
    )
    return user_out(made)


@router.get("/{user}", response_model=UserOut)
async def get(user: str, house: TheHouse, principal: ThePrincipal, fields: FieldsText = None) -> JSONResponse:
    """One person; everybody may see themselves, as `me` too."""
    found = await _found(house, principal, user)
    return JSONResponse(selected(user_out(found), fields_of(fields)))


@router.put("/{user}")
async def update(user: str, body: UserBodyChanges, house: TheHouse, principal: ThePrincipal) -> UserOut:
    """Change a person; what is not given stays. The last owner stays one."""
    found = await _found(house, principal, user)
    changes: dict[str, Any] = given(body)
    role = changes.pop("role", None)
    # Sending back what was shown changes nothing, so it takes no right.
    if role is not None and core_role(role) != (found.role, found.is_owner):
        changes["role"], changes["is_owner"] = core_role(role)
    return user_out(await house.identity.users.update(principal, found.id, UserChanges(**changes)))


@router.delete("/{user}")
async def delete(user: str, house: TheHouse, principal: ThePrincipal) -> UserMessageOut:
    """Delete a person; their tokens and keys end at once. The last owner cannot go."""
    found = await _found(house, principal, user)
    await house.identity.users.delete(principal, found.id)
    return UserMessageOut(message="User deleted successfully")


async def _found(house: House, principal: Principal, text: str) -> User:
    """text: an id, or `me` for whoever asks."""
    if text == "me" and principal.user_id is not None:
        return await house.identity.users.get(principal, principal.user_id)
    return await house.identity.users.get(principal, id_of(text, "user", _PREFIX))


def user_out(user: User) -> UserOut:
    return UserOut(
        id=f"{_PREFIX}{user.id}",
        email=user.email,
        name=user.name,
        role=_NAMES[(user.role, user.is_owner)],
        status="active" if user.is_active else "inactive",
        created_at=user.created_at,
        updated_at=user.updated_at or user.created_at,
    )


def core_role(name: str) -> tuple[Role, bool]:
    found = next((core for known, core in _CORE.items() if known == name), None)
    if found is None:
        reason = f"must be one of {', '.join(_CORE)}"
        raise InvalidRequest(f"`role` {name[:50]!r}: {reason}.", field="role", reason=reason)
    return found
