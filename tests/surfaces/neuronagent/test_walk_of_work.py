"""The walk and the fuzz over workflows, evaluation, snapshots, files and the like."""

from __future__ import annotations

from typing import Any

from tests.surfaces.fuzz import fuzz
from tests.surfaces.neuronagent.conftest import Neuron
from tests.surfaces.walk import Route, Walk, routes_of

PREFIX = "/neuronagent"
BASE = "/api/v1"
OURS = {
    "workflows",
    "workflow executions",
    "evaluation",
    "files",
    "event streams",
    "snapshots",
    "runs",
    "observability",
    "verification",
    "rag",
    "embeddings",
    "marketplace",
    "compliance",
}
SPAN = {"start_date": "2020-01-01T00:00:00Z", "end_date": "2030-01-01T00:00:00Z"}


def document(client: Neuron) -> dict[str, Any]:
    found = client.get("/neuronagent/openapi.json").json
    paths = {
        path: {method: op for method, op in methods.items() if set(op["tags"]) & OURS}
        for path, methods in found["paths"].items()
    }
    return {**found, "paths": {path: methods for path, methods in paths.items() if methods}}


def things(client: Neuron) -> dict[str, str]:
    agent = client.agent("one", enabled_tools=["calculator"])["id"]
    session = client.session({"id": agent})
    snapshot = client.made(
        f"/sessions/{session}/snapshots", {"user_message": "What is 17 * 23?", "deterministic_mode": True}
    )
    run = snapshot["execution_state"]["run_id"]
    workflow = client.made("/workflows", {"name": "flow", "dag_definition": {}})["id"]
    execution = client.post(f"/workflows/{workflow}/execute", {}).json["id"]
    client.made(f"/workflows/{workflow}/schedule", {"cron_expression": "0 3 * * *"})
    task = client.made("/eval/tasks", {"task_type": "end_to_end", "input": "Hello"})["id"]
    planned = client.made("/eval/runs", {"dataset_version": "v1", "agent_id": agent})["id"]
    client.post(f"/eval/runs/{planned}/execute", {})
    client.made(f"/agents/{agent}/files", {"path": "/a.txt", "content": "Words."})
    rule = client.made(
        f"/agents/{agent}/verification-rules", {"rule_type": "completeness", "criteria": {"min_length": 1}}
    )
    queued = client.made(f"/agents/{agent}/verifications", {"session_id": session, "output_content": "Hi"})["queue_id"]
    client.until(f"/verifications/{queued}/results", lambda found: "passed" in found)
    [call] = client.get(f"/observability/executions/{run}/tool-chain").json
    return {
        "agent_id": agent,
        "session_id": session,
        "snapshot_id": snapshot["id"],
        "execution_id": execution,
        "workflow_id": workflow,
        "task_id": task,
        "result_id": client.get(f"/eval/runs/{planned}/results").json[0]["id"],
        "rule_id": rule["id"],
        "queue_id": queued,
        "path": "a.txt",
        "inv_id": call["tool_call_id"],
        "pipeline_id": client.made("/rag/pipelines", {"name": "base"})["id"],
        "item_id": client.made("/marketplace/agents", {"name": "helper", "prompt": "Help."})["id"],
        "type": "soc2",
        "run_id": run,
        "_planned": planned,
    }


def bodies(made: dict[str, str]) -> dict[Route, dict[str, Any]]:
    plain = (
        "/workflows/{workflow_id}/execute",
        "/workflow-executions/{execution_id}/cancel",
        "/eval/runs/{run_id}/execute",
        "/snapshots/{snapshot_id}/replay",
        "/runs/{run_id}/cancel",
        "/marketplace/agents/{item_id}/install",
    )
    step = {"step_name": "more", "step_type": "custom"}
    found: dict[Route, dict[str, Any]] = {("POST", BASE + path): {} for path in plain}
    return found | {
        ("PUT", f"{BASE}/workflows/{{workflow_id}}"): {"description": "x"},
        ("POST", f"{BASE}/workflows/{{workflow_id}}/steps"): step,
        ("POST", f"{BASE}/workflows/{{workflow_id}}/schedule"): {"cron_expression": "0 4 * * *"},
        ("PUT", f"{BASE}/workflows/{{workflow_id}}/schedule"): {"timezone": "Europe/Berlin"},
        ("PUT", f"{BASE}/eval/runs/{{run_id}}"): {"score": 0.5},
        ("POST", f"{BASE}/eval/runs/{{run_id}}/results/{{result_id}}/retrieval"): {"grounding_passed": True},
        ("POST", f"{BASE}/agents/{{agent_id}}/files"): {"path": "/b.txt", "content": "x"},
        ("POST", f"{BASE}/agents/{{agent_id}}/files/{{path}}/copy"): {"destination_path": "/c.txt"},
        ("POST", f"{BASE}/agents/{{agent_id}}/files/{{path}}/move"): {"destination_path": "/d.txt"},
        ("PUT", f"{BASE}/agents/{{agent_id}}/files/{{path}}"): {"content": "x"},
        ("POST", f"{BASE}/sessions/{{session_id}}/events"): {"event_type": "system", "actor": "me", "content": "x"},
        ("POST", f"{BASE}/sessions/{{session_id}}/events/summarize"): {
            "start_event_id": made["session_id"],
            "end_event_id": made["session_id"],
        },
        ("POST", f"{BASE}/sessions/{{session_id}}/snapshots"): {"user_message": "Hello"},
        ("POST", f"{BASE}/agents/{{agent_id}}/runs"): {"session_id": made["session_id"], "task_input": "Hello"},
        ("POST", f"{BASE}/agents/{{agent_id}}/verifications"): {
            "session_id": made["session_id"],
            "output_content": "x",
        },
        ("POST", f"{BASE}/agents/{{agent_id}}/verification-rules"): {"rule_type": "completeness", "criteria": {}},
        ("PUT", f"{BASE}/verification-rules/{{rule_id}}"): {"enabled": False},
        ("POST", f"{BASE}/marketplace/agents/{{item_id}}/rate"): {"rating": 4},
    }


# They answer whoever asks, about nothing that anybody made.
WITHOUT = {("POST", f"{BASE}/compliance/reports/{{type}}")}


def walked(client: Neuron) -> list[Route]:
    return [
        route
        for route in routes_of(document(client))
        if route not in WITHOUT and "/marketplace/tools/" not in route[1] and "/runs/{run_id}/plan" not in route[1]
    ]


def test_a_stranger_finds_nothing_and_the_owner_reads_all(client: Neuron, stranger: Neuron) -> None:
    made = things(client)
    planned = [route for route in walked(client) if route[1].startswith(f"{BASE}/eval/runs")]
    rest = [route for route in walked(client) if route not in planned]

    open_to_strangers: list[Route] = []
    unread: list[Route] = []
    for routes, ids in ((planned, {**made, "run_id": made["_planned"]}), (rest, made)):
        walk = Walk(routes, ids, bodies(made), prefix=PREFIX)
        at_runs = [route for route in routes if "/observability/" in route[1]]
        executions = Walk(at_runs, {**ids, "execution_id": made["run_id"]}, bodies(made), prefix=PREFIX)
        open_to_strangers += walk.open_to(stranger) + executions.open_to(stranger)
        unread += [route for route in routes if route[0] == "GET" and walk.call(client, route) != 200]

    assert open_to_strangers == []
    assert unread == []
    assert len(rest) > 40


def test_whatever_comes_there_is_no_bug_and_no_surprise(client: Neuron) -> None:
    made = things(client)

    called = fuzz(document(client), client, prefix=PREFIX, examples=2, things=made)

    assert called > 60
