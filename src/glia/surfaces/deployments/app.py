"""Hands each request to a replica of the deployment that its path names. Who may call is the program's own business."""

from __future__ import annotations

import asyncio
from functools import partial

from glia.deployments.rotation import Place, Rotation
from glia.kit.errors import GliaError, NotFound, Unavailable
from glia.surfaces.deployments.forwarding import PATIENCE_SECONDS, Forwarding
from glia.surfaces.deployments.sockets import relay
from glia.surfaces.shared.asgi import App, Receive, Scope, Send, send_json
from glia.wiring import House

_AGAIN_SECONDS = 0.1


def deployments_surface(house: House) -> App:
    return partial(_answer, house.rotation, Forwarding(house.rotation))


async def _answer(rotation: Rotation, forwarding: Forwarding, scope: Scope, receive: Receive, send: Send) -> None:
    route, inner = _split(scope)
    try:
        if scope["type"] == "websocket":
            await relay(rotation, partial(choose, rotation, route), inner, receive, send)
        elif inner["path"] == "":
            await _to_folder(scope, send)
        else:
            await forwarding.forward(partial(choose, rotation, route), inner, receive, send)
    except GliaError as error:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1013, "reason": error.message[:120]})
        else:
            body = {"error": {"code": error.code, "message": error.message}}
            headers = [(b"retry-after", b"1")] if error.status == 503 else []
            await send_json(send, error.status, body, headers)


def _split(scope: Scope) -> tuple[str, Scope]:
    """The deployment's name, and the request as its program sees it."""
    route, slash, rest = scope["path"][1:].partition("/")
    raw: bytes = (scope.get("raw_path") or scope["path"].encode()).partition(b"?")[0]
    raw_rest = raw[1:].partition(b"/")[2]
    prefix = f"{scope.get('state', {}).get('prefix', '')}/{route}"
    is_shared = bool(scope.get("state", {}).get("prefix"))
    kept = {"is_shared": is_shared, "prefix": prefix}
    return route, {**scope, **kept, "path": f"/{rest}" if slash else "", "raw_path": b"/" + raw_rest}


async def _to_folder(scope: Scope, send: Send) -> None:
    """So that relative addresses in the program's pages lead to it."""
    query: bytes = scope.get("query_string", b"")
    prefix: str = scope.get("state", {}).get("prefix", "")
    where = (prefix + scope["path"]).encode() + b"/" + (b"?" + query if query else b"")
    await send(
        {"type": "http.response.start", "status": 308, "headers": [(b"location", where), (b"content-length", b"0")]}
    )
    await send({"type": "http.response.body", "body": b""})


async def choose(rotation: Rotation, route: str, tried: set[Place]) -> Place:
    """The least loaded that was not tried; waits a moment while none is ready, as after a crash.
    Raises NotFound, Unavailable."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + PATIENCE_SECONDS
    while True:
        places = await rotation.places(route)
        if places is None:
            raise NotFound(f"There is no deployment at {route[:100]!r}.")
        if untried := [place for place in places if place not in tried]:
            return rotation.least_loaded(untried)
        if loop.time() > deadline:
            raise Unavailable(f"No replica of {route!r} is ready.")
        await asyncio.sleep(_AGAIN_SECONDS)
        tried.clear()
