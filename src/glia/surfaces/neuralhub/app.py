"""Puts NeuralHub's surface together."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Final

from glia.identity.service import IdempotentAnswers
from glia.surfaces.neuralhub import (
    agents,
    auth,
    chat,
    discovery,
    keys,
    memory,
    models,
    resources,
    run,
    storage,
    workflows,
)
from glia.surfaces.neuralhub.auth import LOGIN, RENEW, CookieDoor
from glia.surfaces.neuralhub.resource_io import ResourceIo
from glia.surfaces.neuralhub.storage import blob_json
from glia.surfaces.neuralhub.stream import RunStream
from glia.surfaces.neuralhub.words import NAME, neuralhub_error, status_of
from glia.surfaces.shared.api import surface_api, surface_app
from glia.surfaces.shared.asgi import App, Receive, Scope, Send
from glia.surfaces.shared.document import Description, Json
from glia.surfaces.shared.objects import LINKED, SignedDoor, Transfers, storage_routes
from glia.surfaces.shared.routes import Route
from glia.wiring import House

_PUBLIC: Final = frozenset({LOGIN, RENEW, "/llms.txt"})
_OLD_STORAGE = "/api/storage/"


def statuses(path: str, method: str, operation: Json) -> Iterable[str]:
    """NeuralHub's clients know these and no others."""
    found = {"400", "429", "500"}
    if path != "/llms.txt":
        found |= {"401", "403", "404"}
    if method not in {"GET", "HEAD"}:
        found.add("409")
    return found


DESCRIPTION: Final = Description(
    title="NeuralHub",
    text="NeuralHub's API on this server: one way to run agents, tools and workflows, with memory, storage, models and"
    " compute around them.\n\nKeys are sent as `Authorization: Bearer nh_...`; a browser signs in at `/v1/auth/login`"
    " and sends its CSRF token as `X-CSRF-Token`."
    " A key does what its scopes say; a missing one is a 403 that names it.",
    error={
        "type": "object",
        "required": ["error"],
        "additionalProperties": False,
        "properties": {
            "error": {
                "type": "object",
                "required": ["code", "message"],
                "properties": {"code": {"type": "string"}, "message": {"type": "string"}},
            }
        },
    },
    public=_PUBLIC,
    statuses=statuses,
)


def neuralhub_surface(house: House, openai: App) -> App:
    """openai: the surface that answers chat completions."""
    settings = house.settings
    answers = IdempotentAnswers(house.db, settings.secret_key)
    io = ResourceIo(house.sandboxes, answers, settings.limits.upload_bytes, settings.strict_fields)
    transfers = Transfers(house.objects, answers, house.spool, partial(blob_json, house), settings.strict_fields)
    talk = chat.Chat(house, openai)
    routers = [
        run.router,
        agents.router,
        workflows.router,
        memory.router,
        storage.router,
        models.router,
        chat.router,
        resources.router,
        discovery.router,
        keys.router,
        auth.router,
    ]
    app = surface_app(
        house,
        name=NAME,
        api=surface_api(house, routers, DESCRIPTION),
        error_body=neuralhub_error,
        status_of=status_of,
        is_public=lambda path: path in _PUBLIC or path.startswith(LINKED),
        hot=[
            Route("POST", "/v1/chat/completions", talk.complete),
            Route("GET", "/v1/run/{run}/events", RunStream(house).follow),
            *storage_routes(transfers),
            Route("POST", "/v1/resources/{resource}/exec", io.exec),
            Route("PUT", "/v1/resources/{resource}/files/{path:path}", io.put_file),
        ],
    )
    return OldPaths(SignedDoor(CookieDoor(app)))


class OldPaths:
    """`/api/storage/...`, as clients of an earlier version call it. There are no WebSockets here."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await send({"type": "websocket.close", "code": 1008})
        if scope["path"].startswith(_OLD_STORAGE):
            scope = {**scope, "path": "/v1/storage/" + scope["path"].removeprefix(_OLD_STORAGE)}
        return await self._app(scope, receive, send)
