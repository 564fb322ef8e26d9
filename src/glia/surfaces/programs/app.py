"""Gives a program to whoever brings an address that was signed for it. There is no key, and nothing else to see."""

from __future__ import annotations

from functools import partial

from glia.kit.errors import GliaError, NotFound
from glia.surfaces.shared.asgi import App, Receive, Request, Scope, Send, send_json
from glia.surfaces.shared.sse import send_while_read
from glia.wiring import House

_HEADERS = [(b"content-type", b"application/x-tar"), (b"cache-control", b"no-store")]


def programs_surface(house: House) -> App:
    return partial(_answer, house)


async def _answer(house: House, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": "There are no WebSockets here."})
        return
    request = Request(scope, receive)
    try:
        if request.method != "GET":
            raise NotFound("Programs are only got, with GET.")
        query = request.query
        name = request.path.removeprefix("/")
        pieces = await house.programs.open(name, query.get("expires", ""), query.get("signature", ""))
    except GliaError as error:
        await send_json(send, error.status, {"error": {"code": error.code, "message": error.message}})
        return
    await send_while_read(receive, send, 200, _HEADERS, pieces)
