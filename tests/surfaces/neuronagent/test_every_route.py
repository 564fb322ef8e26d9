"""What holds for each route of the surface, whichever part it belongs to."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from tests.surfaces.conftest import Client
from tests.surfaces.neuronagent import test_walk, test_walk_of_memory_and_more, test_walk_of_work
from tests.surfaces.neuronagent.conftest import Neuron

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ANY = "01900000-0000-7000-8000-000000000000"
_REFUSING = {"not available"}


def _operations(client: Neuron) -> list[tuple[str, str, set[str]]]:
    paths: dict[str, dict[str, Any]] = client.get("/neuronagent/openapi.json").json["paths"]
    return [
        (method.upper(), path, set(operation["tags"]))
        for path, methods in paths.items()
        for method, operation in methods.items()
    ]


def test_each_route_is_in_a_walk_and_a_fuzz(client: Neuron) -> None:
    known = test_walk.OURS | test_walk_of_memory_and_more.TAGS | test_walk_of_work.OURS | _REFUSING

    assert [(method, path) for method, path, tags in _operations(client) if not tags & known] == []


def test_no_list_shows_a_stranger_anything_of_ours(client: Neuron, native: Client, stranger: Neuron) -> None:
    test_walk.things(client)
    test_walk_of_memory_and_more.things(native)
    lists = [path for method, path, _ in _operations(client) if method == "GET" and "{" not in path]
    seen = 0
    for path in lists:
        ours = set(_UUID.findall(client.get(f"/neuronagent{path}").body.decode()))
        theirs = set(_UUID.findall(stranger.get(f"/neuronagent{path}").body.decode()))
        assert ours & theirs == set(), path
        seen += bool(ours)
    assert seen > 10


def test_a_read_only_key_changes_nothing_anywhere(client: Neuron, with_role: Callable[..., Neuron]) -> None:
    reader = with_role("read-only")
    open_routes: list[tuple[str, str, int]] = []
    for method, path, _ in _operations(client):
        if method == "GET":
            continue
        answer = reader.request(method, "/neuronagent" + re.sub(r"\{[^}]*\}", _ANY, path), {})
        if answer.status not in {400, 403}:  # a body may be looked at first
            open_routes.append((method, path, answer.status))
    assert open_routes == []
    assert reader.get("/agents").status == 200
