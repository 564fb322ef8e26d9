"""How requests are counted here: those of a workspace together, by its plan."""

from __future__ import annotations

import time
from typing import Final
from uuid import NAMESPACE_URL, UUID, uuid5

from glia.identity.types import Authenticated, Decision
from glia.surfaces.shared.asgi import Request
from glia.wiring import House

_RESET: Final = "X-RateLimit-Reset"


class PlanLimits:
    """Whoever has not said who they are is counted by address, in this process. A key's own limit holds beside the
    plan."""

    whose = "This workspace"

    def __init__(self, house: House) -> None:
        self._plans = house.identity.plans
        self._rate_limits = house.rate_limits

    async def __call__(self, request: Request, authenticated: Authenticated | None) -> Decision:
        rate = self._plans.allowance(authenticated).requests_per_minute
        if authenticated is None:
            return self._rate_limits.allow(_place_of(request), rate, is_strict=True)
        decision = await self._rate_limits.count(authenticated.principal.workspace_id, rate, is_strict=True)
        if authenticated.rate_per_minute is None or not decision.is_allowed:
            return decision
        own = await self._rate_limits.count(authenticated.limited_as, authenticated.rate_per_minute, is_strict=True)
        return own if own.remaining < decision.remaining or not own.is_allowed else decision


def limit_headers(headers: dict[str, str]) -> dict[str, str]:
    """When the count begins anew, in seconds since 1970, as clients of this API read it."""
    if _RESET not in headers:
        return headers
    return {**headers, _RESET: str(int(time.time()) + int(headers[_RESET]))}


def _place_of(request: Request) -> UUID:
    client = request.scope.get("client")
    return uuid5(NAMESPACE_URL, f"glia-neuais:{client[0] if client else ''}")
