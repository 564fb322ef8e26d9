"""/api/agents/{agent_id}/api-keys: keys that talk to one agent and do nothing else."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter
from fastapi.requests import Request
from pydantic import Field

from glia.identity.types import ApiKey
from glia.kit.clock import now
from glia.kit.errors import NotFound
from glia.kit.ids import parse_id
from glia.kit.pages import LARGEST_LIMIT, Window
from glia.surfaces.neura.words import SURFACE, Success
from glia.surfaces.shared.bodies import Body, Out, TheHouse, ThePrincipal, Time, WatchedRoute
from glia.surfaces.shared.objects import origin_of

router = APIRouter(prefix="/api/agents/{agent_id}/api-keys", tags=["api keys"], route_class=WatchedRoute)

_SHOWN_CHARACTERS = 6  # `nk-` and three more
_DEFAULT_RATE = 60


class KeyBody(Body):
    """rate_limit: requests a minute."""

    key_name: str = Field("Default", min_length=1, max_length=200)
    rate_limit: int = Field(_DEFAULT_RATE, ge=1, le=1_000_000)


class MadeKeyOut(Out):
    """key: shown only now."""

    key_id: UUID
    key: str
    key_name: str
    rate_limit: int
    endpoint: str
    message: str


class KeyOut(Out):
    key_id: UUID
    key_name: str
    key_prefix: str
    rate_limit: int
    is_active: bool
    created_at: Time
    last_used: Time | None


class KeysOut(Out):
    keys: list[KeyOut]
    total: int


@router.post("", status_code=201)
async def create(
    agent_id: str, request: Request, house: TheHouse, principal: ThePrincipal, body: KeyBody | None = None
) -> MadeKeyOut:
    """Make a key of this agent. Its text is shown once."""
    body = body or KeyBody.model_validate({})
    agent = await house.agents.find(principal, agent_id)
    made, raw = await house.identity.keys.create(
        principal, name=body.key_name, rate_per_minute=body.rate_limit, surface=SURFACE, agent_id=agent.id
    )
    origin = origin_of(request.scope, house.settings.public_url)
    return MadeKeyOut(
        key_id=made.id,
        key=raw,
        key_name=made.name,
        rate_limit=made.rate_per_minute or _DEFAULT_RATE,
        endpoint=f"{origin}/api/v1/agents/{agent.id}/chat",
        message="API key created. Store it securely.",
    )


@router.get("")
async def list_keys(agent_id: str, house: TheHouse, principal: ThePrincipal) -> KeysOut:
    """List the agent's keys, newest first, revoked ones too, at most 1,000. None is shown whole."""
    agent = await house.agents.find(principal, agent_id)
    await house.identity.flush_last_used()
    found = (await house.identity.keys.list(principal, Window(LARGEST_LIMIT), agent_id=agent.id)).items
    return KeysOut(keys=[_key_out(key) for key in found], total=len(found))


@router.delete("/{key_id}")
async def revoke(agent_id: str, key_id: str, house: TheHouse, principal: ThePrincipal) -> Success:
    """Revoke a key: it opens nothing from now on. It stays in the list."""
    agent = await house.agents.find(principal, agent_id)
    key = await house.identity.keys.get(principal, parse_id(key_id, "key"))
    if key.agent_id != agent.id:
        raise NotFound(f"This agent has no key '{key.id}'.", key_id=str(key.id))
    await house.identity.keys.revoke(principal, key.id)
    return Success()


def _key_out(key: ApiKey) -> KeyOut:
    is_expired = key.expires_at is not None and key.expires_at <= now()
    return KeyOut(
        key_id=key.id,
        key_name=key.name,
        key_prefix=f"{key.prefix[:_SHOWN_CHARACTERS]}...",
        rate_limit=key.rate_per_minute or _DEFAULT_RATE,
        is_active=key.revoked_at is None and not is_expired,
        created_at=key.created_at,
        last_used=key.last_used_at,
    )
