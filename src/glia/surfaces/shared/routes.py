"""A table of hot routes in front of a framework app: a handful of patterns, matched on the path as it came."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from glia.surfaces.shared.asgi import App, Receive, Request, Scope, Send

Handler = Callable[..., Awaitable[None]]
"""Called with the request, send, and the path's placeholders by name."""


@dataclass(frozen=True)
class Route:
    """path: with placeholders, as `/v1/sessions/{session}/messages`; the last may hold slashes, as `{name:path}`."""

    method: str
    path: str
    handler: Handler


class HotRoutes:
    """Serves these routes itself and leaves everything else to `rest`."""

    def __init__(self, routes: Sequence[Route], rest: App) -> None:
        self._rest = rest
        self._routes = [(route.method, re.compile(_pattern(route.path), re.DOTALL), route.handler) for route in routes]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        for method, pattern, handler in self._routes:
            if scope["method"] == method and (match := pattern.fullmatch(scope["path"])):
                await handler(Request(scope, receive), send, **match.groupdict())
                return
        await self._rest(scope, receive, send)


def _pattern(path: str) -> str:
    whole = re.sub(r"\{(\w+):path\}", r"(?P<\1>.+)", path)
    return re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", whole)
