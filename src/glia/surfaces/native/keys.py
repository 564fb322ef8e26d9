"""/v1/keys: API keys. A key's text is shown once, when it is made."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import Field

from glia.identity.types import ApiKey, Role
from glia.kit.ids import parse_id
from glia.surfaces.native.times import moment_of
from glia.surfaces.native.users import RoleName
from glia.surfaces.native.words import ListOf, TheWindow, page_of
from glia.surfaces.shared.bodies import Body, Out, TheHouse, ThePrincipal, Time, WatchedRoute, id_of

router = APIRouter(prefix="/v1/keys", tags=["keys"], route_class=WatchedRoute)


class KeyBody(Body):
    """scopes: such as `agents:read`, `agents:*`, `*:read`; all of the role's when left away.

    expires_at: ISO 8601 with a time zone. surface: whose keys it looks like; it opens every surface. agent_id: the
    only agent that the key may talk to, without `scopes` and `role`; it can do nothing else then.
    """

    name: str
    scopes: list[str] | None = None
    role: RoleName | None = None
    rate_per_minute: int | None = None
    expires_at: str | None = None
    surface: str = Field("native", max_length=40)
    agent_id: str | None = None


class KeyOut(Out):
    id: UUID
    name: str
    prefix: str
    surface: str
    scopes: list[str]
    role: RoleName
    project_id: UUID
    user_id: UUID | None
    rate_per_minute: int | None
    agent_id: UUID | None
    expires_at: Time | None
    revoked_at: Time | None
    last_used_at: Time | None
    created_by: str
    created_at: Time


class NewKeyOut(KeyOut):
    """key: the secret itself; nobody can ever read it again."""

    key: str


@router.post("", status_code=201)
async def create(body: KeyBody, house: TheHouse, principal: ThePrincipal) -> NewKeyOut:
    """Make a key, with at most the rights of whoever makes it."""
    made, raw = await house.identity.keys.create(
        principal,
        name=body.name,
        scopes=body.scopes,
        role=None if body.role is None else Role(body.role),
        rate_per_minute=body.rate_per_minute,
        expires_at=None if body.expires_at is None else moment_of(body.expires_at, "expires_at"),
        surface=body.surface,
        agent_id=None if body.agent_id is None else id_of(body.agent_id, "agent_id"),
    )
    return NewKeyOut(**key_out(made).model_dump(), key=raw)


@router.get("")
async def list_keys(
    house: TheHouse, principal: ThePrincipal, window: TheWindow, surface: str | None = None
) -> ListOf[KeyOut]:
    """List keys, newest first, revoked ones too."""
    return page_of(await house.identity.keys.list(principal, window, surface=surface), key_out)


@router.get("/{key}")
async def get(key: str, house: TheHouse, principal: ThePrincipal) -> KeyOut:
    """What may be known about a key."""
    return key_out(await house.identity.keys.get(principal, parse_id(key, "key")))


@router.delete("/{key}", status_code=204, response_class=Response)
async def revoke(key: str, house: TheHouse, principal: ThePrincipal) -> Response:
    """Revoke a key: it opens nothing from now on. It stays in the list."""
    await house.identity.keys.revoke(principal, parse_id(key, "key"))
    return Response(status_code=204)


def key_out(key: ApiKey) -> KeyOut:
    # The core keeps scopes as a set, which has no order.
    values: dict[str, Any] = {name: getattr(key, name) for name in KeyOut.model_fields}
    values["scopes"] = sorted(key.scopes)
    return KeyOut(**values)
