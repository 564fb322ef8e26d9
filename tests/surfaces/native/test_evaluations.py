"""Evaluations over the wire, against the built-in model."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

from tests.surfaces.conftest import Client

CASES = [
    {"input": "What is 17 * 23?", "expected_answer": "391", "expected_tools": ["calculator"], "tags": ["sum"]},
    {"input": "What is 2 + 2?", "expected_answer": "5", "expected_tools": []},
]
SCORERS = [{"kind": "exact", "mode": "contains"}, {"kind": "tool_sequence", "mode": "exact"}]


@pytest.fixture
def set_path(client: Client) -> str:
    return f"/v1/evaluation-sets/{client.made('/v1/evaluation-sets', {'name': 'Sums', 'cases': CASES})['id']}"


def start(client: Client, agent: dict[str, Any], set_path: str, **more: Any) -> str:
    body = {"evaluation_set_id": set_path.rpartition("/")[2], "agent_id": agent["slug"], "scorers": SCORERS, **more}
    answer = client.post("/v1/evaluations", body)
    assert answer.status == 202, answer.body
    return f"/v1/evaluations/{answer.json['id']}"


def done(client: Client, path: str) -> Any:
    return client.until(path, lambda found: found["status"] not in {"queued", "running"}, 60)


def test_an_evaluation_from_start_to_export(client: Client, agent: dict[str, Any], set_path: str):
    path = start(client, agent, set_path, name="First", metadata={"commit": "abc"})
    found = done(client, path)

    assert (found["status"], found["total"], found["done"], found["failed"]) == ("completed", 2, 2, 0)
    assert (found["name"], found["agent_version"], found["metadata"]) == ("First", 1, {"commit": "abc"})
    exact, tools = found["summary"]["scorers"]
    assert (exact["name"], exact["mean"], exact["pass_rate"]) == ("exact", 0.5, 0.5)
    assert tools["mean"] == 0.5
    results = client.get(f"{path}/results").json["data"]
    assert results[0]["tools"] == ["calculator"]
    assert "391" in results[0]["answer"]
    assert client.get(f"{path}/results/{results[0]['id']}").json == results[0]
    assert client.get(f"/v1/runs/{results[0]['run_id']}").json["session_id"] == results[0]["session_id"]
    assert [one["number"] for one in client.get(f"{path}/results?passed=false").json["data"]] == [2]
    first_page = client.get(f"{path}/results?limit=1").json
    assert first_page["has_more"] is True
    rest = client.get(f"{path}/results?cursor={first_page['next_cursor']}").json
    assert [one["number"] for one in rest["data"]] == [2]
    progress = client.get(f"/v1/runs/{found['run_id']}/events").json["data"]
    assert [one["data"]["done"] for one in progress if one["type"] == "job.progress"][-1] == 2

    as_json = client.get(f"{path}/export").json
    assert as_json["evaluation"]["id"] == found["id"]
    assert len(as_json["results"]) == 2
    as_csv = client.get(f"{path}/export?format=csv")
    assert as_csv.headers["content-type"].startswith("text/csv")
    assert [row["exact score"] for row in csv.DictReader(io.StringIO(as_csv.body.decode()))] == ["1.0", "0.0"]
    assert client.get(f"{path}/export?format=xml").error["field"] == "format"

    second = done(client, start(client, agent, set_path))
    comparison = client.get(f"{path}/compare?with={second['id']}&scorer=exact").json
    assert [one["finding"] for one in comparison["scorers"]] == ["too_few_cases"] * 2
    assert [one["verdict"] for one in comparison["cases"]] == ["same", "same"]
    assert client.get(f"{path}/compare?with={second['id']}&verdict=worse").json["cases_total"] == 0
    assert client.get(f"{path}/compare").error["field"] == "with"
    listed = client.get(f"/v1/evaluations?agent_id={agent['slug']}&status=completed").json["data"]
    assert [one["id"] for one in listed] == [second["id"], found["id"]]

    assert client.post(f"{path}/cancel").json["status"] == "completed"
    assert client.delete(path).status == 204
    assert client.get(path).status == 404
    assert client.delete(set_path).status == 204
    assert client.get(f"/v1/evaluations/{second['id']}").status == 404


def test_the_built_in_model_leaves_rubrics_unscored(client: Client, agent: dict[str, Any], set_path: str):
    rubric = {"kind": "rubric", "rubric": "Is it right?"}

    found = done(client, start(client, agent, set_path, scorers=[rubric]))

    assert found["summary"]["scorers"][0]["unscored"] == 2
    (score,) = client.get(f"/v1/evaluations/{found['id']}/results").json["data"][0]["scores"]
    assert (score["score"], score["passed"]) == (None, None)
    assert "built-in model cannot judge" in score["reason"]


def test_cases_are_added_changed_and_deleted(client: Client, set_path: str):
    added = client.made(f"{set_path}/cases", {"cases": [{"input": "Three", "rubric": "Short."}]})
    case = added["data"][0]
    path = f"{set_path}/cases/{case['id']}"
    assert (added["added"], case["version"], case["rubric"]) == (1, 1, "Short.")
    assert client.get(path).json == case

    changed = client.patch(path, {"rubric": None, "tags": ["new"]}).json
    assert (changed["version"], changed["rubric"], changed["tags"], changed["input"]) == (2, None, ["new"], "Three")
    assert [one["id"] for one in client.get(f"{set_path}/cases?tag=new").json["data"]] == [case["id"]]
    assert client.get(set_path).json["cases"] == 3
    assert client.patch(set_path, {"name": "Others"}).json["name"] == "Others"

    assert client.delete(path).status == 204
    assert client.get(path).status == 404
    assert client.get(set_path).json["cases"] == 2


def test_lines_are_imported_all_or_none(client: Client, set_path: str):
    lines = client.get(f"{set_path}/export").body
    kind = {"Content-Type": "application/x-ndjson"}

    assert [json.loads(line) for line in lines.splitlines()] == CASES
    assert client.post(f"{set_path}/import", raw=lines, headers=kind).json == {"added": 2}
    assert client.post(f"{set_path}/import", {"cases": CASES}).json == {"added": 2}
    refused = client.post(f"{set_path}/import", raw=lines + b'{"input": 3}\n', headers=kind)
    assert (refused.status, refused.error["field"]) == (400, "line[3].input")
    assert client.post(f"{set_path}/import", raw=lines, headers={"Content-Type": "image/png"}).status == 415
    assert client.post(f"{set_path}/import", {"case": []}).error["field"] == "case"
    assert client.get(set_path).json["cases"] == 6


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"scorers": [{"kind": "magic"}]}, 400, "scorers[0].kind"),
        ({"scorers": "exact"}, 400, "scorers"),
        ({"scorers": [{"kind": "rubric", "model": "nobody/nothing"}]}, 400, "scorers[0].model"),
        ({"repeats": 11}, 400, "repeats"),
        ({"concurrency": "many"}, 400, "concurrency"),
        ({"agent_version": 7}, 400, "agent_version"),
        ({"evaluation_set_id": "x"}, 400, "evaluation_set_id"),
        ({"agent_id": "nobody"}, 404, None),
    ],
)
def test_a_bad_start_names_the_field(
    client: Client, agent: dict[str, Any], set_path: str, body: dict[str, Any], status: int, field: str | None
):
    whole = {"evaluation_set_id": set_path.rpartition("/")[2], "agent_id": agent["id"], "scorers": SCORERS}

    refused = client.post("/v1/evaluations", whole | body)

    assert (refused.status, refused.error.get("field")) == (status, field)


def test_a_bad_set_names_the_field(client: Client):
    for body, field in (
        ({"name": ""}, "name"),
        ({"name": "x", "cases": [{"input": "ok"}, {"input": ""}]}, "cases[1].input"),
        ({"name": "x", "cases": [{"input": "ok", "expected": "?"}]}, "cases[0].expected"),
        ({}, "name"),
    ):
        refused = client.post("/v1/evaluation-sets", body)
        assert (refused.status, refused.error["field"]) == (400, field)


def test_a_key_that_may_only_read_starts_nothing(server: Any, client: Client, agent: dict[str, Any], set_path: str):
    reader = server.client(client.made("/v1/keys", {"name": "Reader", "role": "read-only"})["key"])
    body = {"evaluation_set_id": set_path.rpartition("/")[2], "agent_id": agent["id"], "scorers": SCORERS}

    assert reader.get(set_path).status == 200
    assert reader.post("/v1/evaluations", body).status == 403
    assert reader.post(f"{set_path}/import", raw=b'{"input": "x"}').status == 403
    assert reader.delete(set_path).status == 403
