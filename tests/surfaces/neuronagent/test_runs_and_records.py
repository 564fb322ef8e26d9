from __future__ import annotations

from typing import Any

import pytest

from tests.surfaces.conftest import Client

API = "/neuronagent/api/v1"


@pytest.fixture
def client(native: Client) -> Client:
    """Of the whole server: what is made on one surface is looked at on the other."""
    return native


@pytest.fixture
def agent(client: Client) -> str:
    return client.made("/v1/agents", {"name": "counter", "tools": ["calculator"]})["id"]


@pytest.fixture
def session(client: Client, agent: str) -> str:
    return client.made("/v1/sessions", {"agent_id": agent})["id"]


def test_a_run_tells_its_steps_states_and_reasons(client: Client, agent: str, session: str) -> None:
    body = {"session_id": session, "task_input": "What is 17 * 23?", "task_metadata": {"by": "test"}}

    run = client.made(f"{API}/agents/{agent}/runs", body)
    steps = client.get(f"{API}/runs/{run['id']}/steps").json
    traces = client.get(f"{API}/runs/{run['id']}/traces").json
    chain = client.get(f"{API}/observability/executions/{run['id']}/tool-chain").json
    tree = client.get(f"{API}/observability/executions/{run['id']}/decision-tree").json
    profile = client.get(f"{API}/observability/executions/{run['id']}/performance").json
    why = client.get(f"{API}/runs/{run['id']}/explain/tool/{chain[0]['tool_call_id']}").json

    assert (run["state"], run["task_input"], run["task_metadata"]) == ("completed", "What is 17 * 23?", {"by": "test"})
    assert "391" in run["final_answer"]
    assert [step["action_type"] for step in steps] == ["llm_call", "tool_call", "llm_call"]
    assert (traces[0]["from_state"], traces[-1]["to_state"]) == ("created", "completed")
    assert (chain[0]["tool_name"], chain[0]["status"]) == ("calculator", "ok")
    assert tree["children"][0]["children"][0]["description"] == "Calls calculator"
    assert profile["resource_usage"]["tool_calls"] == 1
    assert (why["tool"], why["run_id"]) == ("calculator", run["id"])
    for name in ("memory", "model", "plan"):
        assert client.get(f"{API}/runs/{run['id']}/explain/{name}").json["reason"]
    assert client.get(f"{API}/runs/{run['id']}/plan").status == 404
    assert client.post(f"{API}/runs/{run['id']}/cancel", {"reason": "late"}).json["state"] == "completed"
    assert client.get(f"{API}/runs/{run['id']}").json["id"] == run["id"]


def test_a_run_needs_a_session_of_its_agent(client: Client, session: str) -> None:
    other = client.made("/v1/agents", {"name": "other"})["id"]

    refused = client.post(f"{API}/agents/{other}/runs", {"session_id": session, "task_input": "Hi"})

    assert (refused.status, refused.json["error"]["details"]["field"]) == (400, "session_id")


def test_a_deterministic_snapshot_is_shown_again_without_a_run(client: Client, agent: str, session: str) -> None:
    body = {"user_message": "What is 17 * 23?", "deterministic_mode": True}
    kept = client.made(f"{API}/sessions/{session}/snapshots", body)
    before = len(client.get(f"/v1/runs?agent_id={agent}").json["data"])

    again = client.post(f"{API}/snapshots/{kept['id']}/replay", {}).json

    assert again["final_answer"] == kept["execution_state"]["final_answer"]
    assert [call["name"] for call in again["tool_calls"]] == ["calculator"]
    assert again["tool_results"][0]["tool_call_id"] == again["tool_calls"][0]["id"]
    assert again["session_id"] == session
    assert len(client.get(f"/v1/runs?agent_id={agent}").json["data"]) == before
    for path in (f"sessions/{session}", f"agents/{agent}"):
        assert [one["id"] for one in client.get(f"{API}/{path}/snapshots").json] == [kept["id"]]
    assert client.delete(f"{API}/snapshots/{kept['id']}").status == 204
    assert client.get(f"{API}/snapshots/{kept['id']}").status == 404


def test_any_other_snapshot_is_tried_again_beside_the_session(client: Client, agent: str, session: str) -> None:
    kept = client.made(f"{API}/sessions/{session}/snapshots", {"user_message": "What is 17 * 23?"})

    again = client.post(f"{API}/snapshots/{kept['id']}/replay", {}).json

    assert "391" in again["final_answer"]
    assert again["session_id"] != session
    assert len(client.get(f"/v1/runs?agent_id={agent}").json["data"]) == 2


def test_a_sessions_events_are_typed_counted_and_summarised(client: Client, session: str) -> None:
    client.made(f"{API}/sessions/{session}/snapshots", {"user_message": "What is 17 * 23?"})
    path = f"{API}/sessions/{session}/events"

    note = {"event_type": "system", "actor": "clock", "content": "Noon", "metadata": {"n": 1}}
    made = client.made(path, note)
    events = client.get(path).json
    span = {"start_event_id": events[0]["id"], "end_event_id": made["id"]}
    summary = client.made(f"{path}/summarize", span)
    context = client.get(f"{path}/context?max_events=2").json

    kinds = [event["event_type"] for event in events]
    assert (kinds[0], kinds[-2:]) == ("user_message", ["agent_response", "system"])
    assert "tool_execution" in kinds
    assert events[-1] == {**note, "id": made["id"], "session_id": session, "timestamp": events[-1]["timestamp"]}
    assert client.get(f"{path}/count").json == {"session_id": session, "count": len(events)}
    assert len(context["events"]) == 2
    [told] = context["summaries"]
    assert (told["id"], told["event_count"]) == (summary["id"], len(events))
    assert "17 * 23" in told["summary_text"]
    assert client.get(f"{path}?limit=1").json == [events[-1]]
    assert client.post(path, {**note, "event_type": "rumour"}).status == 400
    assert client.post(f"{path}/summarize", {**span, "start_event_id": session[:-1] + "0"}).status in (400, 201)


def test_an_answer_is_verified(client: Client, agent: str, session: str) -> None:
    rules = f"{API}/agents/{agent}/verification-rules"
    rule = client.made(rules, {"rule_type": "output_format", "criteria": {"format": "json"}, "enabled": True})

    queued = client.made(
        f"{API}/agents/{agent}/verifications", {"session_id": session, "output_content": "no", "priority": "high"}
    )
    path = f"{API}/verifications/{queued['queue_id']}/results"
    found: Any = client.until(path, lambda answer: "passed" in answer)

    assert (queued["status"], queued["priority"]) == ("pending", "high")
    assert (found["passed"], found["confidence"]) == (False, 1.0)
    assert found["issues"][0]["message"] == "The answer is not JSON."
    changed = client.request("PUT", f"{API}/verification-rules/{rule['id']}", {"enabled": False}).json
    assert (changed["enabled"], changed["rule_type"]) == (False, "output_format")
    assert client.delete(f"{API}/verification-rules/{rule['id']}").status == 204
    assert client.get(rules).json == []


def test_files_are_kept_with_their_paths_percent_encoded_or_not(client: Client, agent: str) -> None:
    files = f"{API}/agents/{agent}/files"

    made = client.made(files, {"path": "/notes/a.txt", "content": "tea"})
    encoded = client.get(f"{files}/%2Fnotes%2Fa.txt").json
    written = client.request("PUT", f"{files}/notes/raw.bin", {"content": "AAE=", "encoding": "base64"})
    binary = client.get(f"{files}/notes/raw.bin").json
    copied = client.post(f"{files}/notes/a.txt/copy", {"destination_path": "/b.txt"}).json
    moved = client.post(f"{files}/b.txt/move", {"destination_path": "/c.txt"}).json

    assert (made["path"], made["agent_id"]) == ("/notes/a.txt", agent)
    assert (encoded["content"], encoded["size"], encoded["mime_type"]) == ("tea", 3, "text/plain")
    assert written.status == 204
    assert (binary["content"], binary["encoding"]) == ("AAE=", "base64")
    assert copied == {"source_path": "/notes/a.txt", "destination_path": "/b.txt"}
    assert moved == {"source_path": "/b.txt", "destination_path": "/c.txt"}
    listed = client.get(f"{files}?path=/notes").json
    assert [file["path"] for file in listed["files"]] == ["/notes/a.txt", "/notes/raw.bin"]
    assert client.post(files, {"path": "/c.txt", "content": ""}).status == 409
    assert client.delete(f"{files}/c.txt").status == 204
    assert client.get(f"{files}/c.txt").status == 404


def test_what_is_not_available_says_so_in_the_surfaces_shape(client: Client) -> None:
    for method, path in (("POST", "/api/v1/llm/sql/generate"), ("GET", "/claw/v1/health")):
        answer = client.request(method, f"/neuronagent{path}", {} if method == "POST" else None)
        assert answer.status == 501
        assert answer.json["error"]["code"] == "not_implemented"


def test_every_answer_is_verified_when_the_agents_config_says_so(client: Client) -> None:
    fields = {"system_prompt": "Test", "model_name": "glia/embedded", "config": {"verification_enabled": True}}
    agent = client.made(f"{API}/agents", {"name": "careful", **fields})
    rules = f"{API}/agents/{agent['id']}/verification-rules"
    client.made(rules, {"rule_type": "completeness", "criteria": {"min_length": 100_000}})
    session = client.made(f"{API}/sessions", {"agent_id": agent["id"]})["id"]
    queue = f"{API}/agents/{agent['id']}/verifications"

    assert client.get(queue).json == []
    answer = client.made(f"{API}/sessions/{session}/messages", {"content": "What is 2 + 2?"})
    [queued] = client.get(queue).json
    found = client.until(f"{API}/verifications/{queued['queue_id']}/results", lambda found: "passed" in found)

    assert (queued["session_id"], found["passed"]) == (session, False)
    assert str(len(answer["content"])) in found["issues"][0]["message"]
    assert client.get(f"/v1/agents/{agent['id']}").json["deliberation"]["verifies"] is True
    off = client.request("PUT", f"{API}/agents/{agent['id']}", {"config": {"verification_enabled": False}}).json
    client.made(f"{API}/sessions/{session}/messages", {"content": "What is 3 + 3?"})
    assert off["config"] == {"verification_enabled": False}
    assert len(client.get(queue).json) == 1


def test_whether_to_verify_is_said_with_true_or_false(client: Client) -> None:
    body = {"name": "unsure", "system_prompt": "Test", "model_name": "m", "config": {"verification_enabled": "yes"}}

    assert client.post(f"{API}/agents", body).json["error"]["details"]["field"] == "config.verification_enabled"
