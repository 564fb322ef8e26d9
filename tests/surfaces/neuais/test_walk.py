"""Every route with another workspace's ids answers 404; whatever is sent, none breaks."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from glia.kit.ids import new_id
from tests.surfaces.conftest import Server
from tests.surfaces.fuzz import fuzz
from tests.surfaces.neuais.conftest import Neuais
from tests.surfaces.neuais.test_billing import closed, last_month, metered
from tests.surfaces.walk import Route, Things, Walk, routes_of

BODIES: dict[Route, dict[str, Any]] = {
    ("PUT", "/v1/agents/{id}"): {"config": {"replicas": 2}},
    ("POST", "/v1/agents/{id}/start"): {},
    ("POST", "/v1/agents/{id}/stop"): {},
    ("POST", "/v1/agents/{id}/restart"): {},
    ("POST", "/v1/agents/{id}/scale"): {"replicas": 1},
    ("PUT", "/v1/users/{user}"): {"name": "Renamed"},
    ("POST", "/v1/webhooks/{webhook}/redeliver"): {},
    ("POST", "/v1/webhooks/{webhook}/deliveries/{delivery}/redeliver"): {},
}
SERVICE = ("GET", "/v1/services/{name}/status")
"""Services are the server's, and the same for all."""


def one_of_everything(neuais: Neuais, server: Server) -> Things:
    webhook = neuais.made("/v1/webhooks", {"url": "https://hooks.invalid/", "events": ["agent.created"]})["id"]
    agent = neuais.agent()
    metered(server, agent, last_month(), core_hours=1)
    closed(server, agent, datetime.now(UTC))
    email = f"{new_id().hex}@example.org"
    return {
        "id": agent["id"],
        "webhook": webhook,
        "delivery": neuais.get(f"/v1/webhooks/{webhook}/deliveries").json["deliveries"][0]["id"],
        "user": neuais.made("/v1/users", {"email": email, "password": "correct horse"})["id"],
        "invoice": neuais.get("/v1/billing/invoices").json["invoices"][0]["id"],
    }


def test_another_workspaces_ids_are_404_on_every_route(neuais: Neuais, neuais_stranger: Neuais, server: Server):
    document = neuais.get("/openapi.json").json
    routes = routes_of(document, without={SERVICE})
    things = one_of_everything(neuais, server)
    walk = Walk(routes, things, BODIES)

    open_to_strangers = walk.open_to(neuais_stranger)
    closed_to_their_owner = set(routes) - set(walk.open_to(neuais))

    assert open_to_strangers == []
    assert closed_to_their_owner == set()


def test_lists_do_not_show_another_workspaces_things(neuais: Neuais, neuais_stranger: Neuais, server: Server):
    things = one_of_everything(neuais, server)
    del things["delivery"]  # of a list within its webhook
    document = neuais.get("/openapi.json").json
    lists = [path for path, methods in document["paths"].items() if "get" in methods and "{" not in path]

    seen = b"".join(neuais.get(path).body for path in lists).decode()
    strange = b"".join(neuais_stranger.get(path).body for path in lists).decode()

    for name, id in things.items():
        assert id in seen, name
        assert id not in strange, name


def test_whatever_comes_nothing_breaks(neuais: Neuais, server: Server):
    document = neuais.get("/openapi.json").json

    endless = {("GET", "/v1/agents/{id}/logs")}  # with `follow`, which is tried as well

    called = fuzz(
        document, neuais, prefix="/neuais", examples=2, things=one_of_everything(neuais, server), without=endless
    )

    assert called >= 10
