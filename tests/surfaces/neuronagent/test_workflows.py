from __future__ import annotations

from typing import Any

import pytest

from tests.surfaces.conftest import Client

API = "/neuronagent/api/v1"
LATER = {"id": "a", "type": "tool", "inputs": {"tool_name": "calculator", "args": {"expression": "1"}}}
_ENDED = {"completed", "failed", "cancelled"}


@pytest.fixture
def client(native: Client) -> Client:
    """Of the whole server: what is made on one surface is looked at on the other."""
    return native


def put(client: Client, path: str, body: Any) -> Any:
    answer = client.request("PUT", path, body)
    assert answer.status == 200, answer.body
    return answer.json


def execute(client: Client, workflow: str, **body: Any) -> dict[str, Any]:
    answer = client.post(f"{API}/workflows/{workflow}/execute", body)
    assert answer.status == 202, answer.body
    id = answer.json["execution_id"]
    return client.until(f"{API}/workflow-executions/{id}", lambda found: found["status"] in _ENDED)


def by_name(execution: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {step["step_name"]: step for step in execution["steps"]}


def test_steps_at_the_top_are_executed_in_their_order(client: Client) -> None:
    agent = client.made(f"{API}/agents", {"name": "clerk", "system_prompt": "Test", "model_name": "gpt-4"})["id"]
    steps = [
        {
            "id": "sum",
            "type": "tool",
            "config": {"tool_name": "calculator", "args": {"expression": "{{inputs.a}} * 2"}},
        },
        {"id": "say", "type": "agent", "agent_id": agent, "input": "Tell the sum.", "depends_on": ["sum"]},
    ]

    workflow = client.made(f"{API}/workflows", {"name": "flow", "steps": steps})
    done = execute(client, workflow["id"], inputs={"a": 21}, trigger_type="webhook", trigger_data={"by": "test"})

    assert (done["status"], done["trigger_type"], done["trigger_data"]) == ("completed", "webhook", {"by": "test"})
    assert done["inputs"] == {"a": 21}
    assert by_name(done)["sum"]["output"] == "21 * 2 = 42"
    assert set(done["outputs"]) == {"say"}
    assert workflow["dag_definition"]["steps"] == steps
    assert [step["step_name"] for step in workflow["steps"]] == ["sum", "say"]


def test_steps_can_be_added_one_by_one(client: Client) -> None:
    workflow = client.made(f"{API}/workflows", {"name": "grown", "dag_definition": {}})["id"]
    empty = execute(client, workflow)
    first = client.made(
        f"{API}/workflows/{workflow}/steps",
        {
            "step_name": "first",
            "step_type": "tool",
            "inputs": {"tool_name": "calculator", "args": {"expression": "1 + 1"}},
        },
    )
    second = {
        "step_name": "then",
        "step_type": "tool",
        "inputs": {"tool_name": "calculator", "args": {"expression": "40 + 2"}},
        "dependencies": [first["id"]],
        "retry_config": {"max_retries": 1, "retry_delay_seconds": 0, "timeout_seconds": 5},
    }

    client.made(f"{API}/workflows/{workflow}/steps", second)
    again = client.post(f"{API}/workflows/{workflow}/steps", second)
    listed = client.get(f"{API}/workflows/{workflow}/steps").json
    done = execute(client, workflow)

    assert (empty["status"], empty["steps"]) == ("completed", [])
    assert again.status == 409
    assert [(step["step_name"], step["dependencies"]) for step in listed] == [("first", []), ("then", [first["id"]])]
    assert done["outputs"] == {"then": "40 + 2 = 42"}
    native = client.get(f"/v1/workflows/{workflow}").json
    assert [step["id"] for step in native["steps"]] == ["first", "then"]


def test_a_condition_decides_which_branch_runs(client: Client) -> None:
    def calculate(name: str, expression: str, *after: str) -> dict[str, Any]:
        return {
            "id": name,
            "type": "tool",
            "inputs": {"tool_name": "calculator", "args": {"expression": expression}},
            "depends_on": list(after),
        }

    steps = [
        {
            "id": "is large",
            "type": "conditional",
            "inputs": {"expression": "inputs.n > 10 and inputs.kind in ['a', 'b']", "else": ["small"]},
        },
        calculate("large", "1 + 1", "is large"),
        calculate("small", "2 + 2"),
    ]
    workflow = client.made(f"{API}/workflows", {"name": "branches", "steps": steps})["id"]

    high = by_name(execute(client, workflow, inputs={"n": 11, "kind": "a"}))
    low = by_name(execute(client, workflow, inputs={"n": 11, "kind": "c"}))

    assert (high["large"]["status"], high["small"]["status"]) == ("completed", "skipped")
    assert (low["large"]["status"], low["small"]["status"]) == ("skipped", "completed")


def test_a_failure_is_retried_and_then_what_was_done_is_undone(client: Client) -> None:
    steps = [
        {"id": "undo", "type": "tool", "inputs": {"tool_name": "calculator", "args": {"expression": "0 + 0"}}},
        {
            "id": "book",
            "type": "tool",
            "inputs": {"tool_name": "calculator", "args": {"expression": "1 + 1"}},
            "compensation_step_id": "undo",
        },
        {
            "id": "break",
            "type": "tool",
            "inputs": {"tool_name": "calculator", "args": {"expression": "1 / 0"}},
            "depends_on": ["book"],
            "retry_config": {"max_retries": 2, "retry_delay_seconds": 0},
        },
    ]
    workflow = client.made(f"{API}/workflows", {"name": "undone", "steps": steps})["id"]

    failed = execute(client, workflow)
    steps_of = by_name(failed)

    assert failed["status"] == "failed"
    assert "break" in failed["error_message"]
    assert steps_of["break"]["attempts"] == 3
    assert steps_of["book"]["compensated"] is True
    assert "undo" not in steps_of


def test_an_approval_waits_for_a_person(client: Client) -> None:
    steps = [
        {
            "id": "ask",
            "type": "approval",
            "inputs": {"approval_config": {"approval_type": "webhook", "message": "Go on?"}},
        }
    ]
    workflow = client.made(f"{API}/workflows", {"name": "asks", "steps": steps})["id"]
    execution = client.post(f"{API}/workflows/{workflow}/execute", {}).json["id"]

    client.until(f"/v1/runs/{execution}", lambda run: run["status"] == "waiting")
    approval = client.get(f"/v1/approvals?status=pending&run_id={execution}").json["data"][0]
    client.post(f"/v1/approvals/{approval['id']}/approve", {})
    done = client.until(f"{API}/workflows/{workflow}/executions/{execution}", lambda found: found["status"] in _ENDED)

    assert approval["reason"] == "Go on?"
    assert done["status"] == "completed"


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"approval_type": "ticket"}, "'ticket'"),
        ({"approval_type": "email"}, "recipients"),
        ({"approval_type": "email", "recipients": ["ada@example.org"]}, "GLIA_MAIL__URL"),
        ({"approval_type": "webhook", "recipients": ["http://127.0.0.1:9/"]}, "loopback"),
        ({"approval_type": "webhook", "recipients": [1]}, "recipients"),
    ],
)
def test_an_approval_that_could_tell_nobody_is_refused(client: Client, config: dict[str, Any], said: str) -> None:
    steps = [{"id": "ask", "type": "approval", "inputs": {"approval_config": config}}]

    refused = client.post(f"{API}/workflows", {"name": "asks nobody", "steps": steps})

    assert refused.status == 400
    assert said in refused.json["message"]


def test_the_whole_workflow_has_a_time_limit(client: Client) -> None:
    steps = [{"id": "wait", "type": "custom", "inputs": {"delay_seconds": 3600}}]
    dag = {"steps": steps, "timeout_seconds": 0.5}
    workflow = client.made(f"{API}/workflows", {"name": "late", "dag_definition": dag})["id"]

    failed = execute(client, workflow)

    assert failed["status"] == "failed"
    assert "0.5 s" in failed["error_message"]


def test_a_key_names_one_execution_and_an_execution_can_be_cancelled(client: Client) -> None:
    steps = [{"id": "wait", "type": "custom", "inputs": {"delay_seconds": 3600}}]
    workflow = client.made(f"{API}/workflows", {"name": "keyed", "steps": steps})["id"]

    first = client.post(f"{API}/workflows/{workflow}/execute", {"idempotency_key": "order-1"}).json
    again = client.post(f"{API}/workflows/{workflow}/execute", {"idempotency_key": "order-1"}).json
    client.post(f"{API}/workflow-executions/{first['id']}/cancel", {})
    done = client.until(f"{API}/workflow-executions/{first['id']}", lambda found: found["status"] in _ENDED)

    assert first["id"] == again["id"]
    assert done["status"] == "cancelled"
    assert [one["id"] for one in client.get(f"{API}/workflows/{workflow}/executions?status=cancelled").json] == [
        first["id"]
    ]
    assert client.get(f"{API}/workflows/{workflow}/executions?status=completed").json == []


def test_a_step_with_an_idempotency_key_is_done_once(client: Client) -> None:
    workflow = client.made(f"{API}/workflows", {"name": "once", "dag_definition": {}})["id"]
    inputs = {"tool_name": "calculator", "args": {"expression": "{{inputs.n}} + 0"}}
    body = {"step_name": "sum", "step_type": "tool", "inputs": inputs, "idempotency_key": "{{inputs.key}}"}
    client.made(f"{API}/workflows/{workflow}/steps", body)

    found = [by_name(execute(client, workflow, inputs={"n": n, "key": key}))["sum"] for n, key in ((1, "a"), (2, "a"))]
    other = by_name(execute(client, workflow, inputs={"n": 3, "key": "b"}))["sum"]

    assert [step["output"] for step in found] == ["1 + 0 = 1"] * 2
    assert [step["attempts"] for step in found] == [1, 0]
    assert other["output"] == "3 + 0 = 3"


def test_an_execution_needs_no_body(client: Client) -> None:
    workflow = client.made(f"{API}/workflows", {"name": "bare", "steps": [LATER]})["id"]

    assert client.post(f"{API}/workflows/{workflow}/execute").status == 202


def test_names_are_unique_and_changes_are_partial(client: Client) -> None:
    workflow = client.made(f"{API}/workflows", {"name": "one", "dag_definition": {"steps": []}})["id"]

    taken = client.post(f"{API}/workflows", {"name": "one", "dag_definition": {}})
    paused = put(client, f"{API}/workflows/{workflow}", {"status": "paused"})
    refused = client.post(f"{API}/workflows/{workflow}/execute", {})
    renamed = put(client, f"{API}/workflows/{workflow}", {**paused, "name": "two", "status": "active"})

    assert taken.status == 409
    assert refused.status == 409
    assert (renamed["name"], renamed["status"]) == ("two", "active")
    assert [one["id"] for one in client.get(f"{API}/workflows?status=active").json] == [workflow]
    assert client.delete(f"{API}/workflows/{workflow}").status == 204
    assert client.get(f"{API}/workflows/{workflow}").status == 404


def test_mistakes_in_definitions_are_named(client: Client) -> None:
    def refused(*steps: Any) -> str:
        answer = client.post(f"{API}/workflows", {"name": "wrong", "steps": list(steps)})
        assert answer.status == 400, answer.body
        return answer.json["error"]["message"]

    assert "type" in refused({"id": "a", "type": "magic"})
    assert "agent_id" in refused({"id": "a", "type": "agent", "input": "Hi"})
    assert "not there" in refused({"id": "a", "type": "custom", "depends_on": ["b"]})
    assert "unique" in refused({"id": "a", "type": "custom"}, {"id": "a", "type": "custom"})
    for expression in ("n >", "(" * 900, "not " * 400, "[[1]] in n", "a == 'x"):
        assert "expression" in refused({"id": "a", "type": "conditional", "inputs": {"expression": expression}})
    assert "max_retries" in refused({**LATER, "retry_config": {"max_retries": "many"}})
    assert "retry_config" in refused({**LATER, "retry_config": [1]})
    assert "timeout_seconds" in refused(
        {"id": "a", "type": "approval", "inputs": {"approval_config": {"timeout_seconds": "x"}}}
    )
    circle = [{"id": "a", "type": "custom", "depends_on": ["b"]}, {"id": "b", "type": "custom", "depends_on": ["a"]}]
    assert refused(*circle)


def test_a_schedule_fires_and_is_kept_in_both_spellings(client: Client) -> None:
    workflow = client.made(f"{API}/workflows", {"name": "nightly", "dag_definition": {}})["id"]
    path = f"{API}/workflows/{workflow}/schedule"

    assert client.get(path).status == 404
    made = client.made(path, {"cron_expression": "0 3 * * *", "timezone": "Europe/Berlin"})
    replaced = client.made(path, {"cron_expression": "*/5 * * * *"})
    off = put(client, path, {"enabled": False})
    bad = client.request("PUT", path, {"cron_expression": "every day"})

    assert made["next_run_at"] is not None
    assert (replaced["id"], replaced["timezone"]) == (made["id"], "UTC")
    assert (off["enabled"], off["next_run_at"], off["cron_expression"]) == (False, None, "*/5 * * * *")
    assert (bad.status, bad.json["error"]["details"]["field"]) == (400, "cron_expression")
    for spelling in ("workflow-schedules", "workflows/schedules"):
        assert [one["workflow_id"] for one in client.get(f"{API}/{spelling}").json] == [workflow]
    firing = client.post(f"/v1/triggers/{made['id']}/fire", {}).json
    execution = client.until(
        f"/v1/triggers/{made['id']}/firings", lambda found: found["data"] and found["data"][0]["run_id"] is not None
    )["data"][0]["run_id"]
    shown = client.until(f"{API}/workflow-executions/{execution}", lambda found: found["status"] in _ENDED)
    assert firing["trigger_id"] == made["id"]
    assert (shown["trigger_type"], shown["status"]) == ("schedule", "completed")
    assert client.delete(path).status == 204
    assert client.get(f"{API}/workflow-schedules").json == []
