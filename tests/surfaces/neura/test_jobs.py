"""Jobs over Neura's wire."""

from __future__ import annotations

from typing import Any

import pytest

from glia.kit.ids import new_id
from tests.surfaces.conftest import Client, Server
from tests.surfaces.neura.conftest import Neura, refusal


@pytest.fixture
def path(agent_id: str) -> str:
    return f"/api/agents/{agent_id}/jobs"


def test_a_job_keeps_every_parameter(neura: Neura, path: str, agent_id: str, client: Client):
    bucket, data = str(new_id()), str(new_id())
    given: dict[str, Any] = {
        "name": "Survey",
        "job_type": "research",
        "description": "All of it.",
        "priority": 8,
        "total_steps": 4,
        "input_data": {"dataset_id": data, "topic": "tides"},
        "bucket_id": bucket,
        "assigned_model": "deepseek-ai/DeepSeek-V3.2",
        "assigned_provider": "deepinfra",
        "tags": ["a", "b"],
    }

    made = neura.made(path, given)

    assert {name: made[name] for name in given} == given
    assert (made["status"], made["progress_percentage"], made["agent_id"]) == ("pending", 0, agent_id)
    assert neura.get(f"{path}/{made['job_id']}").json == made
    for resource in (bucket, data):
        assert neura.get(f"{path}/by-resource/{resource}").json["job_id"] == made["job_id"]
    assert neura.get(f"{path}/by-resource/{new_id()}").status == 404
    assert client.get(f"/v1/jobs/{made['job_id']}").json["title"] == "Survey"


def test_the_defaults(neura: Neura, path: str):
    made = neura.made(path, {"name": "Plain"})

    assert (made["job_type"], made["priority"], made["total_steps"]) == ("general", 5, 1)
    assert (made["tags"], made["input_data"], made["output_data"]) == ([], {}, None)


def test_a_job_moves_as_it_may(neura: Neura, path: str):
    job = f"{path}/{neura.made(path, {'name': 'Work', 'total_steps': 4})['job_id']}"

    def moved(**changes: Any) -> dict[str, Any]:
        answer = neura.put(job, changes)
        assert answer.status == 200, answer.body
        return answer.json

    assert neura.put(job, {"status": "completed"}).status == 400
    begun = moved(status="in_progress", progress_percentage=10, current_step="reading")
    assert (begun["progress_percentage"], begun["current_step"]) == (10, "reading")
    assert moved(completed_steps=2)["progress_percentage"] == 50
    assert moved(status="paused")["status"] == "paused"
    moved(status="in_progress")
    done = moved(status="completed", output_data={"answer": 42})
    assert (done["progress_percentage"], done["output_data"]) == (100, {"answer": 42})
    assert done["completed_at"] is not None
    refused = neura.put(job, {"status": "in_progress"})
    assert refused.status == 400
    assert "has ended" in refusal(refused)["error"]


def test_a_failure_keeps_its_error(neura: Neura, path: str):
    job = f"{path}/{neura.made(path, {'name': 'Work'})['job_id']}"
    neura.put(job, {"status": "in_progress"})

    assert neura.put(job, {"status": "failed", "error": "No tide."}).json["error"] == "No tide."


def test_a_tree_and_its_filters(neura: Neura, path: str):
    top = neura.made(path, {"name": "Top"})["job_id"]
    child = neura.made(path, {"name": "Child", "parent_job_id": top, "job_type": "batch"})["job_id"]
    leaf = neura.made(path, {"name": "Leaf", "parent_job_id": child})["job_id"]

    tree = neura.get(f"{path}/{top}/tree").json

    assert tree["children"][0]["job_id"] == child
    assert tree["children"][0]["children"][0]["job_id"] == leaf
    assert tree["children"][0]["children"][0]["children"] == []

    def listed(query: str) -> list[str]:
        return [job["name"] for job in neura.get(f"{path}?{query}").json["jobs"]]

    assert listed("") == ["Leaf", "Child", "Top"]
    assert listed("parent_only=true") == ["Top"]
    assert listed("job_type=batch") == ["Child"]
    assert listed("status=in_progress") == []
    page = neura.get(f"{path}?limit=1&offset=1").json
    assert ([job["name"] for job in page["jobs"]], page["total"], page["limit"], page["offset"]) == (["Child"], 3, 1, 1)
    assert neura.delete(f"{path}/{top}").json == {"success": True}
    assert listed("") == []


def test_a_job_is_found_by_any_id_in_its_input(neura: Neura, path: str):
    made = neura.made(path, {"name": "Campaign", "input_data": {"campaign_id": "spring-2025", "topic_id": "no id"}})

    assert neura.get(f"{path}/by-resource/spring-2025").json["job_id"] == made["job_id"]
    assert neura.get(f"{path}/by-resource/no%20id").status == 404


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=x", "limit=1001", "offset=-1", "status=done", "job_type=odd", "parent_only=perhaps"]
)
def test_a_filter_that_cannot_be_right_is_a_400(neura: Neura, path: str, query: str):
    answer = neura.get(f"{path}?{query}")

    assert answer.status == 400
    refusal(answer)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": ""},
        {"name": "x", "job_type": "odd"},
        {"name": "x", "priority": 11},
        {"name": "x", "total_steps": 0},
        {"name": "x", "parent_job_id": "no id"},
        {"name": "x", "parent_job_id": "00000000-0000-7000-8000-000000000000"},
        {"name": "x", "tags": "a"},
    ],
)
def test_a_job_that_cannot_be_right_is_a_400(neura: Neura, path: str, body: dict[str, Any]):
    answer = neura.post(path, body)

    assert answer.status == 400
    refusal(answer)


def test_stale_jobs_are_closed_and_counted(neura: Neura, path: str, server: Server):
    quiet, fresh = (neura.made(path, {"name": name})["job_id"] for name in ("Quiet", "Fresh"))
    for job in (quiet, fresh):
        neura.put(f"{path}/{job}", {"status": "in_progress"})
    with server.admin() as admin:
        admin.execute("update jobs set updated_at = now() - interval '61 minutes' where id = %s", (quiet,))

    closed = neura.post(f"{path}/close-stale").json

    assert (closed["closed"], closed["job_ids"]) == (1, [quiet])
    assert neura.get(f"{path}/{quiet}").json["status"] == "failed"
    assert neura.get(f"{path}/{fresh}").json["status"] == "in_progress"
    assert neura.post(f"{path}/close-stale", {"max_age_minutes": -1}).status == 400


def test_a_job_is_not_found_under_another_agent(neura: Neura, path: str):
    job = neura.made(path, {"name": "Mine"})["job_id"]
    other = neura.made("/api/agents", {"name": "Other"})["agent_id"]

    assert neura.get(f"/api/agents/{other}/jobs/{job}").status == 404
