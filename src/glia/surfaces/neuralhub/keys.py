"""/v1/keys"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import Response
from pydantic import Field

from glia.identity.errors import KeyNotFound
from glia.identity.types import ApiKey, Principal
from glia.kit.errors import Forbidden
from glia.surfaces.neuralhub.scopes import RIGHTS, has, held, needs, rights_of
from glia.surfaces.neuralhub.words import NAME
from glia.surfaces.shared.bodies import Body, Out, TheHouse, Time, WatchedRoute

router = APIRouter(prefix="/v1/keys", tags=["keys"], route_class=WatchedRoute)


class KeyBody(Body):
    """scopes: what the key may do; all that the caller may, when left away."""

    name: str = Field(min_length=1, max_length=200)
    scopes: list[str] | None = Field(None, max_length=50)


class NewKeyOut(Out):
    """key: shown this once."""

    key: str
    id: int
    name: str
    prefix: str
    scopes: list[str]
    created_at: Time


class KeyOut(Out):
    """A key without its text. prefix: what it begins with, to tell keys apart."""

    id: int
    name: str
    prefix: str
    scopes: list[str]
    last_used_at: Time | None
    expires_at: Time | None
    created_at: Time


class KeysOut(Out):
    keys: list[KeyOut]


@router.post("", status_code=201)
async def create(
    body: KeyBody, house: TheHouse, principal: Annotated[Principal, Depends(needs("keys:write"))]
) -> NewKeyOut:
    """Make a key. Its text is shown this once; it can do no more than the caller."""
    wanted = held(principal) if body.scopes is None else list(dict.fromkeys(body.scopes))
    rights = rights_of(wanted)
    for scope in wanted:
        if scope in RIGHTS and not has(principal, scope):
            raise Forbidden(
                f"Nobody can give rights that they lack, and this key lacks `{scope}`; use one that has it.",
                scope=scope,
            )
    made, raw = await house.identity.keys.create(principal, name=body.name, scopes=rights, surface=NAME)
    return NewKeyOut(
        key=raw,
        id=made.number,
        name=made.name,
        prefix=made.prefix,
        scopes=_scopes_of(made, principal),
        created_at=made.created_at,
    )


@router.get("")
async def list_keys(house: TheHouse, principal: Annotated[Principal, Depends(needs("keys:read"))]) -> KeysOut:
    """The keys that open something, newest first, at most 1,000; without the right to administer, the caller's own."""
    found = await house.identity.keys.live(principal)
    return KeysOut(keys=[_key_out(key, principal) for key in found])


@router.delete("/{id}", status_code=204, response_class=Response)
async def revoke(id: str, house: TheHouse, principal: Annotated[Principal, Depends(needs("keys:write"))]) -> Response:
    """Revoke a key: it opens nothing from now on."""
    if not (id.isascii() and id.isdigit() and len(id) < 19):
        raise KeyNotFound(f"There is no key {id[:40]!r} in this workspace that you may see.")
    await house.identity.keys.revoke_number(principal, int(id))
    return Response(status_code=204)


def _key_out(key: ApiKey, principal: Principal) -> KeyOut:
    return KeyOut(
        id=key.number,
        name=key.name,
        prefix=key.prefix,
        scopes=_scopes_of(key, principal),
        last_used_at=key.last_used_at,
        expires_at=key.expires_at,
        created_at=key.created_at,
    )


def _scopes_of(key: ApiKey, principal: Principal) -> list[str]:
    return held(Principal(principal.workspace_id, key.project_id, key.scopes))
