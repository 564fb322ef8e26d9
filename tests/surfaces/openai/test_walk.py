"""Every route of OpenAI's surface with another workspace's ids answers 404; and whatever comes, none breaks."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.surfaces.conftest import Client, Server
from tests.surfaces.fuzz import fuzz
from tests.surfaces.walk import Route, Things, Walk, routes_of

BODIES: dict[Route, dict[str, Any]] = {
    ("POST", "/v1/responses/{response}/cancel"): {},
    ("POST", "/v1/conversations/{conversation}"): {"metadata": {}},
    ("POST", "/v1/conversations/{conversation}/items"): {"items": [{"role": "user", "content": "a"}]},
}


def document(client: Client) -> dict[str, Any]:
    """This surface's part of what the server describes."""
    whole = client.get("/openapi.json").json
    paths = {
        path: methods
        for path, methods in whole["paths"].items()
        if any("openai" in operation["tags"] for operation in methods.values())
    }
    return {**whole, "paths": paths}


@pytest.fixture
def things(client: Client, make_form: Any, make_part: Any) -> Things:
    agent = client.made("/v1/agents", {"name": "Helper"})
    response = client.post("/v1/responses", {"model": f"agent:{agent['id']}", "input": "Hi", "background": True}).json
    form = make_form(make_part(b"hello", "a.txt"), make_part(b"user_data", None, field="purpose"))
    kind = {"Content-Type": "multipart/form-data; boundary=XyZ"}
    file = client.request("POST", "/v1/files", raw=form, headers=kind).json
    talk = client.post("/v1/conversations", {"items": [{"role": "user", "content": "Hi"}]}).json
    item = client.get(f"/v1/conversations/{talk['id']}/items").json["data"][0]
    return {
        "id": f"agent:{agent['slug']}",
        "response": response["id"],
        "file": file["id"],
        "conversation": talk["id"],
        "item": item["id"],
    }


def test_no_route_knows_anothers_ids(client: Client, stranger: Client, things: Things) -> None:
    walk = Walk(routes_of(document(client)), things, BODIES)

    assert walk.open_to(stranger) == []
    assert {route[1] for route in walk.open_to(client)} >= {
        "/v1/models/{id}",
        "/v1/responses/{response}",
        "/v1/files/{file}/content",
        "/v1/conversations/{conversation}/items/{item}",
    }


def test_others_ids_in_bodies_are_unknown_too(client: Client, stranger: Client, things: Things) -> None:
    base = client.made("/v1/knowledge-bases", {"name": "Notes"})
    own = stranger.made("/v1/agents", {"name": "Own"})
    model = f"agent:{own['id']}"

    for more, status in (
        ({"previous_response_id": things["response"]}, 404),
        ({"conversation": things["conversation"]}, 404),
        ({"tools": [{"type": "file_search", "vector_store_ids": [base["id"]]}]}, 400),
        ({"input": [{"role": "user", "content": [{"type": "input_file", "file_id": things["file"]}]}]}, 400),
        ({"model": things["id"].replace("helper", "nobody")}, 404),
    ):
        answer = stranger.post("/v1/responses", {"model": model, "input": "a", **more})
        assert answer.status == status, (more, answer.body)


def test_whatever_comes_has_a_documented_answer(server: Server, client: Client, things: Things) -> None:
    described = json.loads(json.dumps(document(client)))
    for methods in described["paths"].values():
        body = methods.get("post", {}).get("requestBody", {}).get("content", {}).get("application/json", {})
        properties = body.get("schema", {}).get("properties", {})
        if "model" in properties:  # whatever else is asked for would go to a provider, whose failures are a 502
            properties["model"] = {"enum": ["glia/embedded", things["id"], "nobody/nothing"]}

    assert fuzz(described, client, things=things, examples=5) >= 20
