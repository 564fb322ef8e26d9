"""/v1/workflows over the wire."""

from __future__ import annotations

from typing import Any

SUM = {"id": "sum", "kind": "tool", "tool": "calculator", "arguments": {"expression": "{{input.n}} * 2"}}


def finished(client: Any, path: str) -> dict[str, Any]:
    return client.until(path, lambda found: found["status"] in ("completed", "failed", "cancelled"))


def test_a_workflow_is_made_changed_and_deleted(client):
    made = client.made("/v1/workflows", {"name": "Double it", "steps": [SUM], "metadata": {"team": "a"}})
    path = f"/v1/workflows/{made['id']}"
    changed = client.patch(path, {"output": "{{steps.sum.output}}", "description": "Doubles."}).json

    assert (made["slug"], made["version"], made["output"], made["steps"]) == ("double-it", 1, None, [SUM])
    assert (changed["version"], changed["output"]) == (2, "{{steps.sum.output}}")
    assert client.get("/v1/workflows/double-it").json == changed
    assert [found["version"] for found in client.get(f"{path}/versions").json["data"]] == [2, 1]
    assert client.get(f"{path}/versions/1").json["output"] is None
    assert client.get(f"{path}/versions/3").status == 404
    assert client.get("/v1/workflows").json["data"] == [changed]
    assert client.delete(path).status == 204
    assert client.get(path).status == 404


def test_an_execution_shows_each_step(client):
    client.made("/v1/workflows", {"name": "Double", "steps": [SUM], "output": "{{steps.sum.output}}"})
    started = client.post("/v1/workflows/double/run", {"input": {"n": 21}, "idempotency_key": "one"})
    again = client.post("/v1/workflows/double/run", {"input": {"n": 21}, "idempotency_key": "one"})
    other = client.post("/v1/workflows/double/run", {"input": {"n": 22}, "idempotency_key": "one"})

    done = finished(client, f"/v1/workflows/double/executions/{started.json['id']}")

    assert (started.status, started.json["status"], started.json["is_new"]) == (202, "queued", True)
    assert (again.json["id"], again.json["is_new"]) == (started.json["id"], False)
    assert (other.status, other.error["code"]) == (409, "idempotency_key_reused")
    assert (done["status"], done["output"], done["input"]) == ("completed", "21 * 2 = 42", {"n": 21})
    [step] = done["steps"]
    assert (step["kind"], step["status"], step["attempts"], step["error"]) == ("tool", "completed", 1, None)
    assert step["started_at"] <= step["finished_at"]
    [listed] = client.get("/v1/workflows/double/executions?status=completed").json["data"]
    assert listed["id"] == done["id"]
    assert "steps" not in listed
    assert client.get(f"/v1/runs/{done['id']}").json["kind"] == "workflow"
    types = [event["type"] for event in client.get(f"/v1/runs/{done['id']}/events").json["data"]]
    assert types == [
        "run.created",
        "run.started",
        "step.started",
        "tool.called",
        "tool.returned",
        "step.completed",
        "workflow.completed",
        "run.completed",
    ]


def test_an_execution_is_cancelled_as_a_run(client):
    steps = [{"id": "wait", "kind": "wait_time", "seconds": 600}]
    client.made("/v1/workflows", {"name": "Slow", "steps": steps})
    run = client.post("/v1/workflows/slow/run", {}).json["id"]
    path = f"/v1/workflows/slow/executions/{run}"
    client.until(path, lambda found: found["status"] == "waiting")

    client.post(f"/v1/runs/{run}/cancel", {})

    done = finished(client, path)
    assert (done["status"], done["steps"][0]["status"]) == ("cancelled", "waiting")


def test_problems_name_their_place(client):
    steps = [{**SUM, "tool": "nothing"}, {"id": "b", "kind": "http", "url": "x"}]
    told = client.post("/v1/workflows/validate", {"steps": steps}).json
    refused = client.post("/v1/workflows", {"name": "Bad", "steps": steps})

    assert (told["is_valid"], [found["field"] for found in told["problems"]]) == (
        False,
        ["steps[1].url", "steps[0].tool"],
    )
    assert (refused.status, refused.error["code"], refused.error["field"]) == (400, "invalid_workflow", "steps[1].url")
    assert refused.error["details"]["problems"] == told["problems"]
    assert client.post("/v1/workflows/validate", {"steps": [SUM]}).json == {"is_valid": True, "problems": []}


def test_a_wrong_input_is_refused_before_anything_runs(client):
    schema = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}
    client.made("/v1/workflows", {"name": "Strict", "steps": [SUM], "input_schema": schema})

    refused = client.post("/v1/workflows/strict/run", {"input": {"n": "x"}})

    assert (refused.status, refused.error["field"]) == (400, "input.n")
    assert client.get("/v1/workflows/strict/executions").json["data"] == []
    assert client.get("/v1/workflows/strict/executions?status=odd").status == 400


def test_a_reader_may_look_and_not_change(client, server):
    client.made("/v1/workflows", {"name": "Double", "steps": [SUM]})
    reader = server.client(client.made("/v1/keys", {"name": "Reader", "scopes": ["workflows:read"]})["key"])

    assert reader.get("/v1/workflows/double").status == 200
    assert reader.post("/v1/workflows", {"name": "No", "steps": [SUM]}).status == 403
    assert reader.post("/v1/workflows/double/run", {}).status == 403
    assert reader.get("/v1/workflows/double/executions").status == 403


def test_an_agent_may_have_a_workflow_as_a_tool(client: Any):
    step = {"id": "a", "kind": "tool", "tool": "current_time"}
    client.made("/v1/workflows", {"name": "Tell", "slug": "tell-time", "steps": [step]})

    made = client.made("/v1/agents", {"name": "Teller", "tools": ["workflow__tell-time"]})
    refused = client.post("/v1/agents", {"name": "Teller", "tools": ["workflow__tell-tim"]})

    assert made["tools"] == ["workflow__tell-time"]
    assert (refused.status, refused.error["field"]) == (400, "tools[0]")
    assert "workflow__tell-time" in refused.error["message"]
