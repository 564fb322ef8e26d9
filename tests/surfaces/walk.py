"""Every route of a surface, with another workspace's ids: 404. The routes come from the OpenAPI document.

Each path placeholder needs an id in `things`, and each route that takes a body needs one in `bodies`; a route that has
none fails the walk, so that nobody can add a route that is not walked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.surfaces.conftest import Client

Route = tuple[str, str]
Things = dict[str, str]

_ORDER = {"GET": 0, "HEAD": 0, "PATCH": 1, "PUT": 2, "POST": 3, "DELETE": 4}


def routes_of(document: dict[str, Any], *, last: Collection[str] = (), without: Collection[Route] = ()) -> list[Route]:
    """Those that name a thing: readers first, then writers, then deletions from the leaves up.

    last: paths whose request takes others' things along. without: routes that are open to all for a reason.
    """
    found = [(method.upper(), path) for path, methods in document["paths"].items() for method in methods if "{" in path]
    kept = [route for route in found if route not in without]
    assert len(found) - len(kept) == len(without), "`without` names a route that is not there."
    return sorted(kept, key=lambda route: (_ORDER[route[0]], route[1] in last, -route[1].count("/"), route[1]))


@dataclass
class Walk:
    """One of everything in a workspace, and every route that names a thing.

    prefix: of the surface's addresses, as `/neura`. things: an id for each placeholder. bodies: JSON for each route
    that takes one. special: how to call a route that takes something else, or a query; gives the status.
    headers: on every request; may hold placeholders, so that a stranger sends the owner's ids there too.
    """

    routes: list[Route]
    things: Things
    bodies: Mapping[Route, dict[str, Any]]
    prefix: str = ""
    special: Mapping[Route, Callable[[Client, str], int]] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    def call(self, client: Client, route: Route) -> int:
        method, path = route
        missing = set(re.findall(r"\{(\w+)\}", path)) - set(self.things)
        assert not missing, f"{method} {path} has {missing}, which `things` lacks; make one there."
        path = self.prefix + path.format(**self.things)
        if route in self.special:
            return self.special[route](client, path)
        headers = {name: value.format(**self.things) for name, value in self.headers.items()}
        if method in {"POST", "PATCH", "PUT"}:
            assert route in self.bodies, f"{method} {route[1]} takes a body that `bodies` lacks; add one there."
            return client.request(method, path, self.bodies[route], headers=headers).status
        return client.request(method, path, headers=headers).status

    def open_to(self, client: Client) -> list[Route]:
        """Routes that answer anything but 404."""
        return [route for route in self.routes if self.call(client, route) != 404]
