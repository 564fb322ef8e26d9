"""Every route with another workspace's ids answers 404; whatever is sent, none breaks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.surfaces.auvy.conftest import Auvy
from tests.surfaces.conftest import Client
from tests.surfaces.fuzz import fuzz
from tests.surfaces.walk import Route, Things, Walk, routes_of

BODIES: dict[Route, dict[str, Any]] = {
    ("PUT", "/v1/neurons/{id}"): {"description": "Changed"},
    ("PATCH", "/v1/neurons/{id}"): {"description": "Changed"},
    ("POST", "/v1/neurons/{id}/versions/{version}/promote"): {},
    ("POST", "/v1/neurons/{id}/invoke"): {"message": "Hello"},
    ("POST", "/v1/resources/{resource_id}/versions/{version}/promote"): {},
    ("POST", "/v1/resources/neurons/{resource_id}/restore"): {},
    ("PUT", "/v1/reflexes/{reflex_id}"): {"description": "Changed"},
    ("PATCH", "/v1/reflexes/{reflex_id}"): {"description": "Changed"},
    ("POST", "/v1/jobs/{job_id}/cancel"): {},
    ("POST", "/v1/jobs/{job_id}/resume"): {},
    ("POST", "/v1/jobs/{job_id}/input"): {"message": "More"},
    ("PATCH", "/v1/receptors/{workspace_slug}/{slug_or_id}"): {"name": "Renamed"},
    ("PUT", "/v1/pathways/{pathway_id}"): {"description": "Changed"},
    ("PATCH", "/v1/pathways/{pathway_id}"): {"description": "Changed"},
    ("POST", "/v1/pathways/{pathway_id}/execute"): {},
    ("PATCH", "/v1/vault/documents/{document_id}"): {"path": "other"},
}
STREAMS = ("/v1/jobs/{job_id}/stream", "/v1/public/receptors/{token}/jobs/{job_id}/stream")
OPEN_TO_ALL = {
    ("GET", "/v1/public/receptors/{token}"),
    ("POST", "/v1/public/receptors/{token}"),
    ("GET", "/v1/public/receptors/{token}/jobs/{job_id}/stream"),
}


def _followed(client: Client, path: str) -> int:
    with client.stream("GET", path.removeprefix("/auvy")) as stream:
        return stream.status


def one_of_everything(auvy: Auvy) -> Things:
    reflex = auvy.made(
        "/v1/reflexes", {"name": "Sums", "tools": [{"integration_id": "glia", "tools": ["calculator"]}]}
    )["id"]
    neuron = auvy.neuron("Reckoner")["id"]
    auvy.made(f"/v1/neurons/{neuron}/reflexes", {"reflex_id": reflex})
    auvy.put(f"/v1/neurons/{neuron}", {"description": "Twice"})
    invoked = auvy.invoke(neuron, "What is 2 + 2?")
    auvy.done(invoked["job_id"])
    steps = [{"id": "ask", "kind": "wait_approval", "message": "Go on?"}]
    pathway = auvy.made("/v1/pathways", {"name": "Flow", "definition": {"steps": steps}})["id"]
    job = auvy.post(f"/v1/pathways/{pathway}/execute").json["job_id"]
    (intervention,) = auvy.done(job)["waitingFor"]["intervention_ids"]
    receptor = auvy.made("/v1/receptors", {"name": "Door", "neuron_id": neuron})
    return {
        "neuron": neuron,
        "resource_id": neuron,
        "version": "2",
        "reflexId": reflex,
        "reflex_id": reflex,
        "brain_id": str(auvy.brain),
        "job_id": job,
        "trace_id": invoked["trace_id"],
        "workspace_slug": receptor["workspace_slug"],
        "slug_or_id": receptor["id"],
        "receptor": receptor["id"],
        "intervention": intervention,
        "pathway_id": pathway,
        "document_id": auvy.made("/v1/vault/documents", {"name": "a.md", "content": "Words."})["id"],
        "token": auvy.post(f"/v1/receptors/{receptor['id']}/share").json["token"],
        "id": neuron,
    }


def test_another_workspaces_ids_are_404_on_every_route(auvy: Auvy, auvy_stranger: Auvy):
    document = auvy.get("/openapi.json").json
    things = one_of_everything(auvy)
    bodies = {**BODIES, ("POST", "/v1/neurons/{id}/reflexes"): {"reflex_id": things["reflex_id"]}}
    special = _special(things)
    routes = routes_of(document, without=OPEN_TO_ALL, last={"/v1/jobs/{job_id}/cancel"})
    walk = Walk(routes, things, bodies, special=special)
    stranger = Auvy(auvy_stranger.port, auvy_stranger.key)  # names no brain, so that only the ids decide
    owner = Auvy(auvy.port, auvy.key)

    open_to_strangers = walk.open_to(stranger)
    closed_to_their_owner = set(routes) - set(walk.open_to(owner))

    assert open_to_strangers == []
    assert closed_to_their_owner == set()
    assert len(routes) > 40


def _special(things: Things) -> dict[Route, Callable[[Client, str], int]]:
    """Routes whose `{id}` is no neuron's, and streams."""

    def at(method: str, path: str, body: Any = None) -> Callable[[Client, str], int]:
        return lambda client, _path: client.request(method, path.format(**things), body).status

    def removed(client: Client, path: str) -> int:
        """And restored, so that the routes after it have something."""
        status = client.delete(path).status
        client.post(f"{path}/restore")
        return status

    answer = {"action": "approve"}
    return {
        ("DELETE", "/v1/resources/neurons/{resource_id}"): removed,
        ("GET", STREAMS[0]): lambda client, _path: _stream_status(client, STREAMS[0].format(**things)),
        ("GET", "/v1/interventions/{id}"): at("GET", "/v1/interventions/{intervention}"),
        ("POST", "/v1/interventions/{id}/respond"): at("POST", "/v1/interventions/{intervention}/respond", answer),
        ("POST", "/v1/receptors/{id}/fire"): at("POST", "/v1/receptors/{receptor}/fire", {"message": "Hi"}),
        ("POST", "/v1/receptors/{id}/share"): at("POST", "/v1/receptors/{receptor}/share"),
        ("DELETE", "/v1/receptors/{id}/share"): at("DELETE", "/v1/receptors/{receptor}/share"),
    }


def _stream_status(client: Client, path: str) -> int:
    with client.stream("GET", path) as stream:
        return stream.status


def test_lists_do_not_show_another_workspaces_things(auvy: Auvy, auvy_stranger: Auvy):
    things = one_of_everything(auvy)
    document = auvy.get("/openapi.json").json
    lists = [path for path, methods in document["paths"].items() if "get" in methods and "{" not in path]

    seen = b"".join(auvy.get(path).body for path in lists).decode()
    strange = b"".join(auvy_stranger.get(path).body for path in lists).decode()

    for name in ("id", "reflex_id", "brain_id", "job_id", "trace_id", "receptor", "intervention", "pathway_id"):
        assert things[name] in seen, name
        assert things[name] not in strange, name


def test_the_document_describes_every_operation_of_the_contract(auvy: Auvy):
    paths = auvy.get("/openapi.json").json["paths"]
    page = Auvy(auvy.port).get("/docs")

    for operation in (
        "GET /v1/neurons",
        "POST /v1/neurons",
        "GET /v1/neurons/{id}",
        "PUT /v1/neurons/{id}",
        "DELETE /v1/neurons/{id}",
        "GET /v1/neurons/{id}/versions",
        "GET /v1/neurons/{id}/versions/{version}",
        "POST /v1/neurons/{id}/versions/{version}/promote",
        "POST /v1/neurons/{id}/invoke",
        "GET /v1/neurons/{id}/reflexes",
        "POST /v1/neurons/{id}/reflexes",
        "DELETE /v1/neurons/{id}/reflexes/{reflexId}",
        "GET /v1/resources/neurons",
        "GET /v1/resources/neurons/{resource_id}",
        "GET /v1/resources/neurons/{resource_id}/history",
        "GET /v1/resources/neurons/{resource_id}/versions/{version}",
        "POST /v1/resources/{resource_id}/versions/{version}/promote",
        "DELETE /v1/resources/neurons/{resource_id}",
        "POST /v1/resources/neurons/{resource_id}/restore",
        "GET /v1/traces",
        "GET /v1/jobs/{job_id}",
        "GET /v1/jobs/{job_id}/stream",
    ):
        method, path = operation.split()
        described = paths[path][method.lower()]
        assert described["description"], operation
        for status in ("400", "401", "404", "429", "500"):
            schema = described["responses"][status]["content"]["application/json"]["schema"]
            assert schema == {"$ref": "#/components/schemas/Error"}, operation
    assert page.status == 200
    assert b"/v1/neurons/{id}/invoke" in page.body


def test_whatever_comes_nothing_breaks(auvy: Auvy):
    document = auvy.get("/openapi.json").json
    things = one_of_everything(auvy)
    streams = {("GET", path) for path in STREAMS}

    called = fuzz(
        document,
        auvy,
        prefix="/auvy",
        examples=2,
        things=things,
        without=streams,
        headers={"X-Brain-Id": str(auvy.brain)},
    )

    assert called > 50
