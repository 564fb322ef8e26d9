"""Puts the NeuAIs surface together."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Final

from glia.surfaces.neuais import agents, auth, billing, live, logs, metrics, services, users, webhooks
from glia.surfaces.neuais.limits import PlanLimits, limit_headers
from glia.surfaces.neuais.words import ERROR, SURFACE, neuais_error, status_of
from glia.surfaces.shared.api import surface_api, surface_app
from glia.surfaces.shared.asgi import App, Receive, Scope, Send
from glia.surfaces.shared.document import Description, Json
from glia.wiring import House

ROUTERS: Final = (
    auth.router,
    agents.router,
    logs.router,
    metrics.router,
    live.router,
    services.router,
    users.router,
    billing.router,
    webhooks.router,
)

_PUBLIC: Final = frozenset({auth.TOKEN})

_TEXT = """NeuAIs' API on Glia. Its agents are deployments: programs of yours that are kept running.

Sign in at `/v1/auth/token` and send `Authorization: Bearer <access_token>`; any key of the workspace does as well.
Errors are `{error: {code, message, details}}`. Every POST takes an `Idempotency-Key`. Fields and parameters that had no
effect are named in the header `X-Ignored-Fields`."""


def _statuses(path: str, method: str, operation: Json) -> Iterable[str]:
    found = {"400", "401", "429", "500", "503"}
    if path not in _PUBLIC:
        found.add("403")
    if "{" in path:
        found.add("404")
    if method != "GET" and path not in _PUBLIC:
        found |= {"404", "409"}
    return found


DESCRIPTION: Final = Description(title="NeuAIs on Glia", text=_TEXT, error=ERROR, public=_PUBLIC, statuses=_statuses)


def neuais_surface(house: House) -> App:
    app = surface_app(
        house,
        name=SURFACE,
        api=surface_api(house, ROUTERS, DESCRIPTION),
        error_body=neuais_error,
        status_of=status_of,
        is_public=lambda path: path in _PUBLIC,
        limits=PlanLimits(house),
        limit_headers=limit_headers,
    )
    return partial(_either, app, live.Sockets(house))


async def _either(app: App, sockets: App, scope: Scope, receive: Receive, send: Send) -> None:
    await (sockets if scope["type"] == "websocket" else app)(scope, receive, send)
