"""Puts the Neura surface together."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from glia.surfaces.neura import (
    agents,
    api_usage,
    conversations,
    deployed,
    graphql,
    hot,
    instructions,
    jobs,
    keys,
    knowledge,
    models,
    not_built,
    sandbox_sessions,
    tools,
)
from glia.surfaces.neura.auth import PUBLIC, is_public
from glia.surfaces.neura.chat import Chats
from glia.surfaces.neura.completions import Completions
from glia.surfaces.neura.external import ExternalChat, is_external_chat
from glia.surfaces.neura.knowledge import Uploads
from glia.surfaces.neura.words import ERROR, neura_error, neura_status
from glia.surfaces.shared.api import surface_api, surface_app
from glia.surfaces.shared.asgi import App, Receive, Scope, Send
from glia.surfaces.shared.document import Description, Json
from glia.surfaces.shared.routes import Route
from glia.wiring import House

ROUTERS = (
    graphql.router,
    agents.router,
    conversations.router,
    jobs.router,
    knowledge.router,
    models.router,
    hot.router,
    tools.router,
    instructions.router,
    keys.router,
    api_usage.router,
    sandbox_sessions.router,
    deployed.router,
    not_built.router,
)
"""The last one answers for what is not built, so it comes after all others."""

_FORM = b"application/x-www-form-urlencoded"

_TEXT = """Neura's API on this server. Requests and answers are JSON in snake_case, times are ISO 8601 in UTC.

Sign in with the GraphQL mutation `login` at `/graphql` and send `Authorization: Bearer <accessToken>`, or send a key as
`X-API-Key: <key>`. Every POST takes an `Idempotency-Key`. Fields that had no effect are named in the header
`X-Ignored-Fields`."""


def neura_surface(house: House) -> App:
    surface = surface_app(
        house,
        name="neura",
        api=surface_api(house, ROUTERS, DESCRIPTION),
        error_body=neura_error,
        status_of=neura_status,
        hot=hot_routes(house),
        is_public=is_public,
        takes_bound_keys=is_external_chat,
    )
    return partial(_taking_json, surface)


async def _taking_json(surface: App, scope: Scope, receive: Receive, send: Send) -> None:
    """Neura's own examples send JSON with `curl -d` and no type, which curl calls a form; there are no such forms."""
    if scope["type"] == "http" and scope["method"] in {"POST", "PUT"}:
        headers: list[tuple[bytes, bytes]] = [
            (name, b"application/json" if name == b"content-type" and value.startswith(_FORM) else value)
            for name, value in scope["headers"]
        ]
        scope = {**scope, "headers": headers}
    await surface(scope, receive, send)


def hot_routes(house: House) -> list[Route]:
    """Those that carry conversations and uploads, answered without the framework."""
    sets = (Chats(house), ExternalChat(house), Completions(house), Uploads(house))
    return [route for routes in sets for route in routes.routes()]


def _statuses(path: str, method: str, operation: Json) -> Iterable[str]:
    if "501" in operation["responses"]:
        return {"401", "403", "429", "500", "400"}
    found = {"400", "401", "403", "429", "500"}
    if "{" in path or method == "POST":
        found.add("404")
    if method in {"POST", "PUT"}:
        found |= {"413", "415"}
    if path in PUBLIC:
        found -= {"401", "403", "404"}
    if path.endswith(("/chat", "/chat/stream", "/chat/completions")):
        found.add("402")
    return found


DESCRIPTION = Description(
    title="Neura on Glia",
    text=_TEXT,
    error=ERROR,
    public=PUBLIC,
    statuses=_statuses,
)
