from __future__ import annotations

from typing import Any

import pytest

from tests.surfaces.conftest import Client

API = "/neuronagent/api/v1"


@pytest.fixture
def client(native: Client) -> Client:
    """Of the whole server: what is made on one surface is looked at on the other."""
    return native


def task(client: Client, **fields: Any) -> dict[str, Any]:
    return client.made(f"{API}/eval/tasks", {"task_type": "end_to_end", **fields})


def test_tasks_are_kept_and_listed_newest_first(client: Client) -> None:
    golden = {"statements": ["select 1"]}
    first = task(client, input="What is 2 * 21?", expected_output="42", metadata={"level": 1})
    second = task(client, task_type="sql_side_effect", input="Count.", golden_sql_side_effects=golden)

    listed = client.get(f"{API}/eval/tasks").json
    sql = client.get(f"{API}/eval/tasks?task_type=sql_side_effect").json

    assert [one["id"] for one in listed] == [second["id"], first["id"]]
    assert [one["golden_sql_side_effects"] for one in sql] == [golden]
    assert client.get(f"{API}/eval/tasks/{first['id']}").json == first
    assert first["metadata"] == {"level": 1}
    assert client.post(f"{API}/eval/tasks", {"task_type": "taste", "input": "x"}).status == 400


def test_a_run_scores_equal_answers_and_halves_for_wrong_tools(client: Client) -> None:
    agent = client.made("/v1/agents", {"name": "counter", "tools": ["calculator"]})["id"]
    session = client.made("/v1/sessions", {"agent_id": agent})["id"]
    client.post(f"/v1/sessions/{session}/messages", {"content": "What is 17 * 23?"})
    said = client.until(f"/v1/sessions/{session}/messages", lambda found: len(found["data"]) > 1, 3)["data"]
    known = said[-1]["content"]
    tools = {"tools": [{"name": "calculator"}]}
    task(client, input="What is 17 * 23?", expected_output=known, expected_tool_sequence=tools)
    task(client, input="What is 17 * 23?", expected_output=known, expected_tool_sequence={"tools": [{"name": "sql"}]})
    task(client, input="What is 17 * 23?", expected_output="something else")
    run = client.made(f"{API}/eval/runs", {"dataset_version": "v1", "agent_id": agent})

    done = client.post(f"{API}/eval/runs/{run['id']}/execute", {})
    results = client.get(f"{API}/eval/runs/{run['id']}/results").json

    assert done.status == 200
    assert (done.json["total_tasks"], done.json["passed_tasks"], done.json["failed_tasks"]) == (3, 1, 2)
    assert done.json["score"] == pytest.approx(0.5)
    assert [(one["passed"], one["score"]) for one in results] == [(True, 1.0), (False, 0.5), (False, 0.0)]
    assert results[0]["actual_tool_sequence"] == tools
    assert results[0]["actual_output"] == known
    limited = client.made(f"{API}/eval/runs", {"dataset_version": "v1", "agent_id": agent})["id"]
    assert client.post(f"{API}/eval/runs/{limited}/execute", {"task_limit": 1}).json["total_tasks"] == 1


def test_how_well_passages_were_found_is_counted(client: Client) -> None:
    agent = client.made(f"{API}/agents", {"name": "finder", "system_prompt": "Test", "model_name": "gpt-4"})["id"]
    task(client, task_type="retrieval", input="Hello")
    run = client.made(f"{API}/eval/runs", {"dataset_version": "v1", "agent_id": agent})["id"]
    client.post(f"{API}/eval/runs/{run}/execute", {"task_type": "retrieval"})
    [result] = client.get(f"{API}/eval/runs/{run}/results").json

    made = client.made(
        f"{API}/eval/runs/{run}/results/{result['id']}/retrieval",
        {"retrieved_chunks": ["x", "a", "b"], "relevant_chunks": ["a", "c"], "grounding_passed": True},
    )

    assert (made["recall_at_k"], made["mrr"], made["eval_task_result_id"]) == (0.5, 0.5, result["id"])
    own = {"recall_at_k": 0.9, "mrr": 1.0, "grounding_passed": False}
    assert client.made(f"{API}/eval/runs/{run}/results/{result['id']}/retrieval", own)["recall_at_k"] == 0.9


def test_runs_can_be_filled_in_by_hand_and_need_an_agent_to_execute(client: Client) -> None:
    run = client.made(f"{API}/eval/runs", {"dataset_version": "v2", "total_tasks": 4, "metadata": {"by": "ci"}})

    changed = client.request(
        "PUT", f"{API}/eval/runs/{run['id']}", {"score": 0.75, "passed_tasks": 3, "failed_tasks": 1}
    )
    refused = client.post(f"{API}/eval/runs/{run['id']}/execute")

    assert (run["score"], run["completed_at"], run["metadata"]) == (None, None, {"by": "ci"})
    assert (changed.json["score"], changed.json["passed_tasks"]) == (0.75, 3)
    assert refused.status == 400
    assert [one["id"] for one in client.get(f"{API}/eval/runs?dataset_version=v2").json] == [run["id"]]
    assert client.get(f"{API}/eval/runs?dataset_version=v9").json == []
    assert client.post(f"{API}/eval/runs", {"dataset_version": "v", "agent_id": run["id"]}).status == 404
