"""Every route with another workspace's ids answers 404; and whatever comes, no route breaks."""

from __future__ import annotations

from typing import Any

import pytest

from tests.surfaces.fuzz import fuzz
from tests.surfaces.neuralhub.conftest import PREFIX, Hub
from tests.surfaces.walk import Route, Walk, routes_of

BODIES: dict[Route, dict[str, Any]] = {
    ("POST", "/v1/run/{runId}/cancel"): {},
    ("PATCH", "/v1/agents/{agent}"): {"name": "Renamed"},
    ("PATCH", "/v1/workflows/{workflow}"): {"name": "Renamed"},
    ("POST", "/v1/resources/{resource}/extend"): {},
    ("POST", "/v1/resources/{resource}/exec"): {"cmd": "true"},
    ("PUT", "/v1/resources/{resource}/files/{path}"): {},
}


@pytest.fixture
def things(hub: Hub) -> dict[str, str]:
    steps = [{"id": "now", "kind": "tool", "tool": "current_time"}]
    box = hub.made("/v1/resources", {"template": "shell"})["id"]
    hub.request("PUT", f"/v1/resources/{box}/files/notes.txt", raw=b"x")
    blob = hub.request("POST", "/v1/storage/upload?filename=a.txt", raw=b"x").json["pathname"]
    return {
        "runId": hub.post("/v1/run", {"input": "2+2?", "async": False}).json["runId"],
        "agent": hub.made("/v1/agents", {"name": "Mine"})["id"],
        "workflow": hub.made("/v1/workflows", {"name": "Mine", "steps": steps})["id"],
        "memory": hub.made("/v1/memory", {"content": "Mine alone."})["id"],
        "resource": box,
        "path": "notes.txt",
        "workspace": blob.partition("/")[0],
        "name": "a.txt",
        "id": str(hub.made("/v1/keys", {"name": "k", "scopes": ["run:read"]})["id"]),
    }


def test_no_route_opens_another_workspaces_things(hub: Hub, other: Hub, things: dict[str, str]) -> None:
    # A model is everybody's; its placeholder has the name of a key's.
    routes = routes_of(hub.get("/openapi.json").json, without=[("GET", "/v1/models/{id}")])
    walk = Walk(routes, things, BODIES)

    assert walk.open_to(other) == []
    assert len(walk.open_to(hub)) == len(routes)


def test_whatever_comes_no_route_breaks(hub: Hub, things: dict[str, str]) -> None:
    document = hub.get("/openapi.json").json

    called = fuzz(
        document,
        hub,
        prefix=PREFIX,
        examples=4,
        things={name: value for name, value in things.items() if name != "id"},
        without=[
            ("POST", "/v1/auth/login"),  # guesses are answered with a wait
            ("POST", "/v1/chat/completions"),  # any model's name is taken at its word by the provider behind the tests
        ],
    )

    assert called >= 40
