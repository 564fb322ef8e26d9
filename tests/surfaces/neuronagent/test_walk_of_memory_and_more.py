"""Memory, plans, budgets, webhooks, approvals, workspaces, tasks, alerts: nothing is there for another workspace, and
whatever comes, there is no bug and no surprise."""

from __future__ import annotations

from typing import Any

import pytest

from tests.surfaces.conftest import Client
from tests.surfaces.fuzz import fuzz
from tests.surfaces.neuronagent.conftest import Neuron
from tests.surfaces.neuronagent.place import Place
from tests.surfaces.walk import Walk, routes_of

PREFIX, API = "/neuronagent", "/api/v1"
TAGS = {
    "memory",
    "plans",
    "budgets",
    "webhooks",
    "approvals",
    "feedback",
    "workspaces",
    "async-tasks",
    "alert-preferences",
    "analytics",
}


def document(client: Client) -> dict[str, Any]:
    found = client.get("/neuronagent/openapi.json").json
    paths = {
        path: {method: op for method, op in methods.items() if set(op["tags"]) & TAGS}
        for path, methods in found["paths"].items()
    }
    return {**found, "paths": {path: methods for path, methods in paths.items() if methods}}


def things(native: Client) -> dict[str, dict[str, str]]:
    """What `{id}` and the others mean, by how a path begins."""
    place = Place(native)
    agent = native.made("/v1/agents", {"name": "Careful", "permissions": {"tools": {"calculator": "ask"}}})["id"]
    session = place.session(agent)
    place.say(session, "What is 17 * 23?")
    approval = place.get("/approvals")[0]["id"]
    memory = place.post("/memories", {"agent_id": agent, "content": "A fact."}, 201)
    place.post("/memories", {"agent_id": agent, "content": "Another fact."}, 201)
    native.made("/v1/reflections", {"agent_id": agent, "answer": "x"})
    webhook = place.post("/webhooks", {"url": "https://hooks.invalid/", "events": ["agent.created"]}, 201)["id"]
    task = place.post(
        "/async-tasks",
        {"task_type": "data_processing", "session_id": session, "agent_id": agent, "input": {"data": "a\n1\n"}},
        201,
    )["id"]
    native.until(f"/v1/jobs/{task}", lambda job: job["status"] == "completed")
    place.post(f"/agents/{agent}/budget", {"budget_amount": 5}, 201)
    alert = place.post("/alert-preferences", {"agent_id": agent, "webhook_url": "https://hooks.invalid/"})["id"]
    space = place.post("/workspaces", {"name": "Ours"}, 201)["id"]
    place.post(f"/workspaces/{space}/participants", {"agent_id": agent})
    return {
        "/memory/": {"chunk_id": str(memory["chunk_id"]), "memory_id": memory["id"], "id": agent},
        "/memories/": {"memory_id": memory["id"]},
        "/plans/": {"id": place.post("/plans", {"agent_id": agent, "task": "Greet"}, 201)["id"]},
        "/reflections/": {"id": str(place.get("/reflections")[0]["id"])},
        "/budgets/": {"id": place.get("/budgets")[0]["id"]},
        "/webhooks/": {"id": webhook, "delivery_id": place.post(f"/webhooks/{webhook}/test")["id"]},
        "/approval": {"id": approval},
        "/workspaces/": {"id": space},
        "/collaborations/": {"id": space},
        "/async-tasks/": {"id": task},
        "/tasks/": {"id": task},
        "/alert-preferences/": {"id": alert},
        "/sessions/": {"id": session},
        "/agents/": {"id": agent, "agent_id": agent},
        "": {"_memory": memory["id"]},
    }


def bodies(made: dict[str, dict[str, str]]) -> dict[tuple[str, str], dict[str, Any]]:
    agent = made["/agents/"]["id"]
    fed = {"agent_id": agent, "memory_id": made[""]["_memory"], "memory_tier": "chunk", "feedback_type": "neutral"}
    own: dict[tuple[str, str], dict[str, Any]] = {
        ("POST", "/agents/{id}/memory/search"): {"query": "fact"},
        ("POST", "/agents/{id}/memory/feedback"): fed,
        ("POST", "/memory/{memory_id}/feedback"): fed,
        ("PUT", "/memories/{memory_id}"): {"content": "Changed."},
        ("PUT", "/plans/{id}"): {"status": "completed"},
        ("POST", "/agents/{id}/budget"): {"budget_amount": 1},
        ("PUT", "/agents/{id}/budget"): {"budget_amount": 1},
        ("PUT", "/budgets/{id}"): {"budget_amount": 1},
        ("PUT", "/webhooks/{id}"): {"enabled": True},
        ("POST", "/sessions/{id}/feedback"): {"rating": 3},
        ("PUT", "/workspaces/{id}"): {"name": "Renamed"},
        ("POST", "/workspaces/{id}/participants"): {"user_id": "ada"},
        ("POST", "/workspaces/{id}/updates"): {"content": "Hello"},
        ("POST", "/collaborations/{id}/delegate"): {"agent_id": agent, "task": "Greet"},
    }
    return {(method, API + path): body for (method, path), body in own.items()}


def walks(client: Client, made: dict[str, dict[str, str]]) -> list[Walk]:
    given, found = bodies(made), list[Walk]()
    for route in routes_of(document(client)):
        begin = next(begin for begin in made if route[1].removeprefix(API).startswith(begin))
        body = {route: {}, **given}
        found.append(Walk([route], made[begin], body, prefix=PREFIX))
    return found


def test_strangers_find_nothing_of_these(client: Neuron, native: Client, stranger: Neuron) -> None:
    walked = walks(client, things(native))

    assert [walk.routes for walk in walked if walk.open_to(stranger)] == []
    assert len(walked) > 45
    readers = [walk for walk in walked if walk.routes[0][0] == "GET"]
    assert [walk.routes for walk in readers if walk.call(client, walk.routes[0]) != 200] == []


def test_a_read_only_key_may_only_look(native: Client, with_role: Any) -> None:
    reader = with_role("read-only")

    assert reader.get("/webhooks").status == 200
    for path in ("/webhooks", "/memories", "/workspaces", "/feedback", "/plans", "/async-tasks", "/alert-preferences"):
        assert reader.post(path, {}).status in {400, 403}, path
    assert reader.post("/workspaces", {"name": "x"}).status == 403


@pytest.mark.parametrize("role", ["user"])
def test_a_users_key_sets_its_agents_budgets_and_no_others(native: Client, with_role: Any, role: str) -> None:
    user = with_role(role)
    agent = user.made("/agents", {"name": "mine", "system_prompt": "x", "model_name": "glia/embedded"})["id"]
    admins = native.made("/v1/budgets", {"scope": "agent", "subject_id": agent, "period": "day", "limit_micros": 5})

    assert user.post(f"/agents/{agent}/budget", {"budget_amount": 1}).status == 201
    assert user.put(f"/budgets/{admins['id']}", {"budget_amount": 9}).status == 403
    assert user.get("/governance/costs").status == 403


def test_whatever_comes_is_answered_as_documented(client: Neuron, native: Client) -> None:
    made = things(native)
    slow = {("POST", f"{API}/webhooks/{{id}}/test")}  # waits for a host that is not there

    called = fuzz(document(client), client, prefix=PREFIX, examples=2, things=made["/agents/"], without=slow)

    assert called > 60
