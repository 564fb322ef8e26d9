"""/v1/providers: who serves the models of /v1/models. Providers are set by the operator's environment, not here."""

from __future__ import annotations

from dataclasses import replace

from fastapi import APIRouter

from glia.surfaces.native.words import ListOf
from glia.surfaces.shared.bodies import Out, TheHouse, ThePrincipal, WatchedRoute

router = APIRouter(prefix="/v1/providers", tags=["models"], route_class=WatchedRoute)


class ProviderOut(Out):
    """has_key: whether one is set; it is never shown. base_url: empty for the built-in provider, and without the scope
    `identity:read`. problem: why it did not list its models when it was last asked.

    key_variable: the environment variable that sets the key.
    """

    name: str
    kind: str
    base_url: str
    is_local: bool
    has_key: bool
    key_variable: str
    models: int
    problem: str | None


@router.get("")
async def list_providers(house: TheHouse, principal: ThePrincipal) -> ListOf[ProviderOut]:
    """Every provider of models, configured or found on this machine, in the order in which they are asked."""
    principal.require("models:read")
    found = await house.models.providers()
    if not principal.allows("identity:read"):
        found = [
            replace(provider, base_url="", problem=provider.problem and "It did not answer.") for provider in found
        ]
    return ListOf(data=[ProviderOut.of(provider) for provider in found])
