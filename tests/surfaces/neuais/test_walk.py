"""Every route with another workspace's ids answers 404; whatever is sent, none breaks."""

from __future__ import annotations

from typing import Any

from tests.surfaces.fuzz import fuzz
from tests.surfaces.neuais.conftest import Neuais
from tests.surfaces.walk import Route, Things, Walk, routes_of

BODIES: dict[Route, dict[str, Any]] = {
    ("PUT", "/v1/agents/{id}"): {"config": {"replicas": 2}},
    ("POST", "/v1/agents/{id}/start"): {},
    ("POST", "/v1/agents/{id}/stop"): {},
    ("POST", "/v1/agents/{id}/restart"): {},
    ("POST", "/v1/agents/{id}/scale"): {"replicas": 1},
}


def one_of_everything(neuais: Neuais) -> Things:
    return {"id": neuais.agent()["id"]}


def test_another_workspaces_ids_are_404_on_every_route(neuais: Neuais, neuais_stranger: Neuais):
    document = neuais.get("/openapi.json").json
    routes = routes_of(document)
    walk = Walk(routes, one_of_everything(neuais), BODIES)

    open_to_strangers = walk.open_to(neuais_stranger)
    closed_to_their_owner = set(routes) - set(walk.open_to(neuais))

    assert open_to_strangers == []
    assert closed_to_their_owner == set()


def test_lists_do_not_show_another_workspaces_things(neuais: Neuais, neuais_stranger: Neuais):
    things = one_of_everything(neuais)
    document = neuais.get("/openapi.json").json
    lists = [path for path, methods in document["paths"].items() if "get" in methods and "{" not in path]

    seen = b"".join(neuais.get(path).body for path in lists).decode()
    strange = b"".join(neuais_stranger.get(path).body for path in lists).decode()

    for name, id in things.items():
        assert id in seen, name
        assert id not in strange, name


def test_whatever_comes_nothing_breaks(neuais: Neuais):
    document = neuais.get("/openapi.json").json

    endless = {("GET", "/v1/agents/{id}/logs")}  # with `follow`, which is tried as well

    called = fuzz(document, neuais, prefix="/neuais", examples=2, things=one_of_everything(neuais), without=endless)

    assert called >= 10
