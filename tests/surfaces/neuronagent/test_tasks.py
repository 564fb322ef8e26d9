from __future__ import annotations

import time
from typing import Any

import pytest

from tests.surfaces.conftest import Client, Server
from tests.surfaces.neuronagent.place import Place


@pytest.fixture
def place(native: Client) -> Place:
    return Place(native)


def begin(place: Place, kind: str, status: int = 201, agent: str | None = None, **input: Any) -> Any:
    agent = agent or place.agent()
    body = {"task_type": kind, "session_id": place.session(agent), "agent_id": agent, "input": input, "priority": 3}
    return place.post("/async-tasks", body, status)


def ended(place: Place, id: str) -> Any:
    deadline = time.monotonic() + 60
    while (task := place.get(f"/async-tasks/{id}"))["status"] in {"pending", "running"}:
        assert time.monotonic() < deadline, task
        time.sleep(0.05)
    return task


def test_an_agents_turn_is_done_in_the_background(place: Place) -> None:
    task = begin(place, "agent_execution", user_message="What is 6 * 7?", metadata={"ticket": 4})

    done = ended(place, task["id"])

    assert task["status"] in {"pending", "running"}
    assert (done["status"], done["priority"], done["metadata"]) == ("completed", 3, {"ticket": 4})
    assert done["result"]["final_answer"]
    assert done["result"]["tokens_used"] > 0
    assert isinstance(done["result"]["tool_calls"], list)
    assert done["started_at"] <= done["completed_at"]
    path = f"/async-tasks?session_id={task['session_id']}&agent_id={task['agent_id']}"
    assert [one["id"] for one in place.get(f"{path}&status=completed")] == [task["id"]]
    assert place.get(f"{path}&status=failed") == []
    place.post(f"/async-tasks/{task['id']}/cancel", None, 404)
    place.get("/async-tasks?status=asleep", 400)


def test_data_is_worked_through(place: Place) -> None:
    task = begin(place, "data_processing", data="a,b\n2,x\n1,y\n", transform={"sort": "a", "filter": {"b": "y"}})

    done = ended(place, task["id"])

    assert done["status"] == "completed", done
    assert done["result"]["rows"] == [{"a": "1", "b": "y"}]
    assert done["result"]["row_count"] == 1


def test_code_runs_in_a_sandbox_and_its_failure_is_told(place: Place) -> None:
    agent = place.agent()
    good = begin(place, "code_execution", agent=agent, code="print(6 * 7)")
    bad = begin(place, "code_execution", agent=agent, code="raise SystemExit(3)", timeout="5s")

    done, failed = ended(place, good["id"]), ended(place, bad["id"])

    assert (done["status"], done["result"]["output"].strip()) == ("completed", "42")
    assert (failed["status"], failed["result"]["exit_code"]) == ("failed", 3)
    assert failed["error_message"]
    again = place.post(f"/async-tasks/{bad['id']}/retry", None, 201)
    assert again["metadata"]["retry_of"] == bad["id"]
    assert ended(place, again["id"])["status"] == "failed"


def test_a_task_of_no_known_type_fails_and_bad_ones_are_refused(place: Place) -> None:
    assert ended(place, begin(place, "moonshot")["id"])["error_message"].startswith("There is no task type")
    begin(place, "agent_execution", 400)
    agent, other = place.agent(), place.agent()
    body = {"task_type": "agent_execution", "session_id": place.session(agent), "agent_id": other, "input": {}}
    place.post("/async-tasks", body, 400)
    place.post("/async-tasks", {**body, "session_id": "00000000-0000-7000-8000-000000000000"}, 404)


def test_a_task_can_be_cancelled(place: Place) -> None:
    slow = place.client.made(
        "/v1/agents", {"name": "Slow", "model": "openai/slow", "settings": {"max_output_tokens": 4000}}
    )["id"]
    task = begin(place, "agent_execution", agent=slow, user_message="Talk")

    assert place.post(f"/async-tasks/{task['id']}/cancel") == {"task_id": task["id"], "status": "cancelled"}
    assert ended(place, task["id"])["status"] == "cancelled"


def test_alerts_are_sent_when_a_task_ends(place: Place, server: Server) -> None:
    agent, other = place.agent(), place.agent()
    body = {"agent_id": agent, "user_id": "ada", "webhook_url": "https://alerts.invalid/"}
    first = place.post("/alert-preferences", body)
    second = place.post("/alert-preferences", {**body, "alert_types": ["completion", "milestone"]})

    for one in (agent, other):
        ended(place, begin(place, "data_processing", agent=one, data="a\n1\n")["id"])

    assert (second["id"], second["status"]) == (first["id"], "updated")
    [preference] = place.get(f"/agents/{agent}/alert-preferences")
    assert preference["alert_types"] == ["completion", "milestone"]
    assert place.get("/alert-preferences?user_id=bob") == []
    assert place.get("/webhooks") == []
    [endpoint] = place.client.get("/v1/webhooks").json["data"]
    sent = place.client.get(f"/v1/webhooks/{endpoint['id']}/deliveries").json["data"]
    assert {one["type"] for one in sent} == {"job.started", "job.completed"}
    assert len(sent) == 2
    place.delete(f"/alert-preferences/{first['id']}")
    assert place.get("/alert-preferences") == []


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"channels": ["email"], "email_address": "a@example.org"}, "GLIA_MAIL__URL"),
        ({"channels": ["push"]}, "push"),
        ({"channels": ["webhook"]}, "webhook_url"),
        ({"channels": ["pigeon"]}, "channels"),
        ({"alert_types": ["doom"], "webhook_url": "https://alerts.invalid/"}, "alert_types"),
    ],
)
def test_alerts_that_cannot_be_sent_are_refused(place: Place, body: dict[str, Any], said: str) -> None:
    assert said in place.post("/alert-preferences", body, 400)["message"]


def test_figures_tell_how_much_there_is_and_how_it_goes(place: Place) -> None:
    agent = place.client.made(
        "/v1/agents", {"name": "Sums", "tools": ["calculator"], "permissions": {"tools": {"calculator": "ask"}}}
    )["id"]
    session = place.session(agent)
    place.say(session, "What is 17 * 23?")
    [asked] = place.get("/approvals")
    place.post(f"/approvals/{asked['id']}/reject", {})
    place.client.until(f"/v1/runs/{asked['run_id']}", lambda one: one["status"] == "completed")
    place.client.made("/v1/memories", {"content": "Ada counts.", "agent_id": agent})

    overview = place.get("/analytics/overview")
    assert (overview["total_agents"], overview["total_sessions"]) == (1, 1)
    assert overview["total_messages"] >= 2
    assert place.get("/governance/tool-risk")[0]["blocked_calls"] == 1
    assert place.get("/governance/policy-blocks") == [{"reason_code": "approval_denied", "count": 1}]
    [performance] = place.get("/governance/agent-performance")
    assert (performance["agent_id"], performance["executions"], performance["score"]) == (agent, 1, 1.0)
    assert [one["agent_id"] for one in place.get("/governance/memory-growth")] == [agent]
    assert isinstance(place.get("/governance/costs"), list)
    stats = place.get(f"/agents/{agent}/retrieval-stats?days=9999")
    assert (stats["days"], stats["source_usage"]) == (365, {"vector_db": 0, "web": 0, "api": 0})
    assert place.get(f"/analytics/retrieval-stats?agent_id={agent}")["total_decisions"] == 0
