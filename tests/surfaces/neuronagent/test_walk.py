"""Nothing of a workspace is there for another one, on any route."""

from __future__ import annotations

from typing import Any

import pytest

from tests.surfaces.fuzz import fuzz
from tests.surfaces.neuronagent.conftest import Neuron
from tests.surfaces.walk import Walk, routes_of

PREFIX = "/neuronagent"
OURS = {
    "service",
    "agents",
    "agent versions",
    "relationships",
    "sessions",
    "messages",
    "tools",
    "batches",
    "websocket",
}
"""Tags of the routes that are walked here; those of other parts have walks of their own."""


def document(client: Neuron) -> dict[str, Any]:
    found = client.get("/neuronagent/openapi.json").json
    paths = {
        path: {method: op for method, op in methods.items() if set(op["tags"]) & OURS}
        for path, methods in found["paths"].items()
    }
    return {**found, "paths": {path: methods for path, methods in paths.items() if methods}}


def things(client: Neuron) -> dict[str, str]:
    agent, other = client.agent("one"), client.agent("two")
    session = client.session(agent)
    message = client.say(session, "Hello")
    client.made(
        "/tools", {"name": "mine", "description": "Mine.", "handler_type": "code", "handler_config": {"code": "1"}}
    )
    client.made("/tools/mine/versions", {"version": 7})
    client.made(f"/agents/{agent['id']}/versions", {"version_number": 7, "system_prompt": "x", "model_name": "y"})
    client.made(f"/agents/{agent['id']}/specialization", {"specialization_type": "coding"})
    made = client.made(
        f"/agents/{agent['id']}/relationships", {"to_agent_id": other["id"], "relationship_type": "collaborates_with"}
    )
    return {
        "id": agent["id"],
        "agent_id": agent["id"],
        "session_id": session,
        "relationship_id": made["id"],
        "version": "7",
        "other": "7",
        "name": "mine",
        "_message": str(message["id"]),
        "_other": other["id"],
    }


def bodies(made: dict[str, str]) -> dict[tuple[str, str], dict[str, Any]]:
    base = "/api/v1"
    plain = [
        "/agents/{id}/clone",
        "/agents/{id}/reflect",
        "/agents/{id}/versions/{version}/rollback",
        "/tools/{name}/execute",
        "/tools/{name}/versions/{version}/deprecate",
        "/sessions/{id}/reflect",
    ]
    found: dict[tuple[str, str], dict[str, Any]] = {("POST", base + path): {} for path in plain}
    found |= {
        ("POST", f"{base}/agents/{{id}}/plan"): {"task": "x"},
        ("POST", f"{base}/agents/{{id}}/delegate"): {"to_agent_id": made["_other"], "task": "x"},
        ("POST", f"{base}/agents/{{id}}/versions"): {"version_number": 9, "system_prompt": "x", "model_name": "y"},
        ("PUT", f"{base}/agents/{{id}}/versions/{{version}}/activate"): {},
        ("POST", f"{base}/agents/{{id}}/relationships"): {
            "to_agent_id": made["_other"],
            "relationship_type": "supervises",
        },
        ("POST", f"{base}/agents/{{agent_id}}/specialization"): {"specialization_type": "coding"},
        ("PUT", f"{base}/agents/{{agent_id}}/specialization"): {"specialization_type": "coding"},
        ("POST", f"{base}/agents/{{id}}/sub-agents"): {"name": "below", "system_prompt": "x"},
        ("PUT", f"{base}/agents/{{id}}"): {"description": "x"},
        ("PUT", f"{base}/sessions/{{id}}"): {"metadata": {}},
        ("POST", f"{base}/sessions/{{session_id}}/messages"): {"content": "x"},
        ("POST", f"{base}/sessions/{{id}}/messages/batch/delete"): {"ids": [1]},
        ("PUT", f"{base}/messages/{{id}}"): {"content": "x"},
        ("PUT", f"{base}/sessions/{{session_id}}/messages/{{id}}"): {"content": "x"},
        ("PUT", f"{base}/tools/{{name}}"): {"description": "x"},
        ("POST", f"{base}/tools/{{name}}/versions"): {"version": 3},
    }
    return found


@pytest.mark.parametrize("who", ["stranger", "owner"])
def test_a_stranger_finds_nothing(client: Neuron, stranger: Neuron, who: str) -> None:
    made = things(client)
    routes = routes_of(document(client))
    kinds = {
        "session": [route for route in routes if route[1].startswith("/api/v1/sessions/{id}")],
        "message": [route for route in routes if "/messages/{id}" in route[1]],
    }
    rest = [route for route in routes if route not in kinds["session"] and route not in kinds["message"]]
    caller = client if who == "owner" else stranger
    open_routes: list[tuple[str, str]] = []
    for some, ids in (
        (kinds["message"], {**made, "id": made["_message"]}),
        (kinds["session"], {**made, "id": made["session_id"]}),
        (rest, made),
    ):
        walk = Walk(some, ids, bodies(made), prefix=PREFIX)
        if who == "owner":
            readers = [route for route in some if route[0] == "GET"]
            assert [route for route in readers if walk.call(caller, route) != 200] == []
        else:
            open_routes += walk.open_to(caller)
    assert open_routes == []


def test_whatever_comes_there_is_no_bug_and_no_surprise(client: Neuron) -> None:
    made = things(client)
    without = [
        ("GET", "/metrics"),
        ("GET", "/ws"),
        ("GET", "/api/v1/ws"),
        ("POST", "/api/v1/tools/{name}/execute"),
    ]

    called = fuzz(document(client), client, prefix=PREFIX, examples=3, things=made, without=without)

    assert called > 50
