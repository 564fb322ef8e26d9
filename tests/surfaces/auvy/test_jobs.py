"""Invoking: jobs, their streams, traces, delegation, knowledge, interventions."""

from __future__ import annotations

from typing import Any

import pytest

from tests.surfaces.auvy.conftest import Auvy, refusal
from tests.surfaces.conftest import Client


def _events(auvy: Auvy, job: str, query: str = "", headers: dict[str, str] | None = None) -> list[dict[str, Any]]:
    with auvy.stream("GET", f"/v1/jobs/{job}/stream{query}", headers=headers) as stream:
        assert stream.status == 200
        return [{"id": item["id"], **item["data"]} for item in stream.events()]


def test_a_job_ends_with_its_result(auvy: Auvy, sums: dict[str, Any]):
    started = auvy.invoke(sums["id"], "What is 17 * 23?")
    job = auvy.done(started["job_id"])

    assert started["status"] == "pending"
    assert (job["status"], job["progress"], job["failedReason"], job["waitingFor"]) == ("completed", 100, None, None)
    assert job["result"]["message"] == "17 * 23 = 391"
    assert job["result"]["usage"]["total_tokens"] > 0
    assert job["created_at"] <= job["processed_at"] <= job["finished_at"]
    assert auvy.get(f"/v1/jobs/{started['job_id']}/status").json == job
    assert (job["neuron_id"], job["trace_id"]) == (sums["id"], started["trace_id"])


def test_the_stream_of_a_job_event_by_event_and_from_every_cursor(auvy: Auvy, sums: dict[str, Any]):
    started = auvy.invoke(sums["id"], "What is 17 * 23?", stream=True)

    events = _events(auvy, started["job_id"])

    assert [event["type"] for event in events] == [
        "state_update",
        "reflex_call",
        "reflex_call",
        "token",
        "content_block",
        "complete",
    ]
    assert events[1] | {"call_id": ""} == {
        "id": events[1]["id"],
        "type": "reflex_call",
        "status": "started",
        "call_id": "",
        "tool": "calculator",
        "arguments": {"expression": "17 * 23"},
    }
    assert (events[2]["status"], events[2]["result"]) == ("completed", "17 * 23 = 391")
    assert events[3]["token"] == events[4]["content_block"]["text"] == events[5]["result"]["message"]
    cursors = [event["id"] for event in events]
    assert cursors == sorted(set(cursors))
    for index, cursor in enumerate(cursors):
        assert _events(auvy, started["job_id"], f"?after={cursor}") == events[index + 1 :]
    assert _events(auvy, started["job_id"], headers={"Last-Event-ID": str(cursors[2])}) == events[3:]
    refusal(auvy.get(f"/v1/jobs/{started['job_id']}/stream?after=x"), 400)
    refusal(auvy.get("/v1/jobs/00000000-0000-7000-8000-000000000000/stream"), 404)


def test_a_stream_is_followed_while_the_neuron_writes_and_left_without_harm(auvy: Auvy):
    slow = auvy.neuron("Slow", neuron_config={"model": "openai/slow", "max_tokens": 12})
    started = auvy.invoke(slow["id"], "Hello", stream=True)

    with auvy.stream("GET", f"/v1/jobs/{started['job_id']}/stream") as stream:
        seen = []
        for item in stream.events():
            seen.append({"id": item["id"], **item["data"]})
            if item["data"]["type"] == "token":
                break
    rest = _events(auvy, started["job_id"], f"?after={seen[-1]['id']}")

    text = "".join(event["token"] for event in [*seen, *rest] if event["type"] == "token")
    assert rest[-1]["type"] == "complete"
    assert text == rest[-1]["result"]["message"] == "".join(f"word{number} " for number in range(12))


def test_a_model_that_no_provider_has_is_answered_by_the_default_one(auvy: Auvy):
    neuron = auvy.neuron("As published", neuron_config={"model": "claude-haiku-4-5"})

    job = auvy.done(auvy.invoke(neuron["id"], "Hello")["job_id"])

    assert job["status"] == "completed"


def test_a_failed_job_says_why(auvy: Auvy, client: Client):
    broken = auvy.neuron("Broken", neuron_config={"model": "nobody/nothing"})
    client.patch(f"/v1/agents/{broken['id']}", {"settings": {"default_if_unknown": False}})
    started = auvy.invoke(broken["id"], "Hello")

    job = auvy.done(started["job_id"])
    last = _events(auvy, started["job_id"])[-1]

    assert job["status"] == "failed"
    assert "nobody/nothing" in job["failedReason"]
    assert (last["type"], last["error"]) == ("error", job["failedReason"])


def test_jobs_are_cancelled_once(auvy: Auvy):
    slow = auvy.neuron("Slow", neuron_config={"model": "openai/slow", "max_tokens": 400})
    started = auvy.invoke(slow["id"], "Hello")
    auvy.until(f"/v1/jobs/{started['job_id']}", lambda job: job["status"] == "running")

    refusal(auvy.post(f"/v1/jobs/{started['job_id']}/resume"), 400)
    cancelled = auvy.post(f"/v1/jobs/{started['job_id']}/cancel")
    job = auvy.done(started["job_id"])

    assert cancelled.status == 200
    assert job["status"] == "cancelled"
    refusal(auvy.post(f"/v1/jobs/{started['job_id']}/cancel"), 400)
    refusal(auvy.post(f"/v1/jobs/{started['job_id']}/input", {"message": "More"}), 400)
    assert _events(auvy, started["job_id"])[-1]["code"] == "cancelled"


def test_jobs_are_listed_with_filters(auvy: Auvy, sums: dict[str, Any]):
    jobs = [auvy.invoke(sums["id"], f"What is {number} + 1?")["job_id"] for number in range(3)]
    for job in jobs:
        auvy.done(job)

    page = auvy.get("/v1/jobs?limit=2&status=completed").json

    assert ([job["job_id"] for job in page["jobs"]], page["total"]) == ([jobs[2], jobs[1]], 3)
    assert (page["limit"], page["offset"]) == (2, 0)
    assert auvy.get("/v1/jobs?status=failed").json["jobs"] == []
    assert auvy.get(f"/v1/jobs?neuron_id={sums['id']}&offset=2").json["jobs"][0]["job_id"] == jobs[0]
    refusal(auvy.get("/v1/jobs?status=odd"), 400)
    refusal(auvy.get("/v1/jobs?neuron_id=odd"), 400)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"message": " "},
        {"message": "Hi", "neuron_task_options": {"trace_type": "odd"}},
        {"message": "Hi", "neuron_task_options": {"traceType": 1}},
        {"message": "Hi", "neuron_task_options": {"persistence": "system"}},
        {"message": "Hi", "neuron_task_options": {"trace_type": "thread", "traceType": "system"}},
        {"message": "Hi", "neuron_task_options": "system"},
        {"message": "Hi", "engagement_resource_id": "x"},
        {"message": 7},
    ],
)
def test_what_cannot_be_invoked_is_refused(auvy: Auvy, sums: dict[str, Any], body: dict[str, Any]):
    refusal(auvy.post(f"/v1/neurons/{sums['id']}/invoke", body), 400)


def test_traces_go_on_and_tell_what_they_cost(auvy: Auvy, sums: dict[str, Any]):
    first = auvy.invoke(sums["id"], "What is 2 + 2?")
    auvy.done(first["job_id"])
    second = auvy.invoke(sums["id"], "What is 3 + 3?", trace_id=first["trace_id"])
    auvy.done(second["job_id"])

    page = auvy.get(f"/v1/traces?neuron_id={sums['id']}").json
    (trace,) = page["traces"]
    said = auvy.get(f"/v1/traces/{first['trace_id']}/messages").json

    assert second["trace_id"] == first["trace_id"] == trace["id"]
    assert (page["total"], page["limit"], page["offset"], page["has_more"]) == (1, 20, 0, False)
    assert (trace["title"], trace["message_count"], trace["trace_type"]) == ("What is 2 + 2?", 4, "thread")
    costs = trace["cost_summary"]
    assert costs["total_tokens"] == costs["input_tokens"] + costs["output_tokens"] > 0
    assert costs["total_cost_usd"] == 0
    assert [message["content"] for message in said["messages"]] == [
        "What is 2 + 2?",
        "2 + 2 = 4",
        "What is 3 + 3?",
        "3 + 3 = 6",
    ]
    assert said["messages"][0]["id"] == first["user_engram_id"]
    assert [(one["source_type"], one["target_type"]) for one in said["messages"][:2]] == [
        ("user", "neuron"),
        ("neuron", "user"),
    ]
    assert auvy.get("/v1/traces?search=3%20%2B%203").json["total"] == 1
    assert auvy.get("/v1/traces?search=nothing").json["total"] == 0
    assert auvy.get(f"/v1/traces?created_after={trace['created_at']}").json["total"] == 1
    assert auvy.get(f"/v1/traces?created_before={trace['created_at']}").json["total"] == 0
    for query in ("sort=size", "order=up", "created_after=soon", "trace_type=odd", "neuron_id=x"):
        refusal(auvy.get(f"/v1/traces?{query}"), 400)


def test_a_trace_has_no_title_before_the_first_reply(auvy: Auvy):
    slow = auvy.neuron("Slow", neuron_config={"model": "openai/slow", "max_tokens": 400})
    started = auvy.invoke(slow["id"], "Hello there")

    before = auvy.get(f"/v1/traces/{started['trace_id']}").json["title"]
    auvy.post(f"/v1/jobs/{started['job_id']}/cancel")

    assert before is None


def test_system_traces_are_listed_only_when_asked_for(auvy: Auvy, sums: dict[str, Any]):
    structured = auvy.neuron("Structured", neuron_config={"neuron_type": "completion"})
    system = auvy.invoke(sums["id"], "What is 2 + 2?", neuron_task_options={"traceType": "system"})
    completion = auvy.invoke(structured["id"], "Hello", data={"order": 7})
    thread = auvy.invoke(sums["id"], "What is 3 + 3?", neuron_task_options={"trace_type": "thread"})
    for job in (system, completion, thread):
        auvy.done(job["job_id"])

    listed = [trace["id"] for trace in auvy.get("/v1/traces").json["traces"]]
    hidden = {trace["id"] for trace in auvy.get("/v1/traces?trace_type=system").json["traces"]}

    assert listed == [thread["trace_id"]]
    assert hidden == {system["trace_id"], completion["trace_id"]}
    assert system["user_engram_id"] is completion["user_engram_id"] is None
    said = auvy.get(f"/v1/traces/{completion['trace_id']}/messages").json["messages"][0]["content"]
    assert said.startswith("Hello\n\n{")
    assert '"order": 7' in said
    body = {"message": "Hi", "trace_id": system["trace_id"], "neuron_task_options": {"trace_type": "thread"}}
    refusal(auvy.post(f"/v1/neurons/{sums['id']}/invoke", body), 400)


def test_a_trace_belongs_to_its_neuron(auvy: Auvy, auvy_stranger: Auvy, sums: dict[str, Any]):
    started = auvy.invoke(sums["id"], "What is 2 + 2?")
    other = auvy.neuron("Other")

    refusal(auvy.post(f"/v1/neurons/{other['id']}/invoke", {"message": "Hi", "trace_id": started["trace_id"]}), 409)
    refusal(auvy.post(f"/v1/neurons/{other['id']}/invoke", {"message": "Hi", "trace_id": "x"}), 404)
    refusal(auvy_stranger.get(f"/v1/traces/{started['trace_id']}"), 404)


def test_an_inactive_neuron_takes_no_work(auvy: Auvy, client: Client):
    neuron = auvy.neuron("Asleep", is_active=False)
    session = client.made("/v1/sessions", {"agent_id": neuron["id"]})["id"]

    refusal(auvy.post(f"/v1/neurons/{neuron['id']}/invoke", {"message": "Hi"}), 409)
    elsewhere = client.post(f"/v1/sessions/{session}/messages", {"content": "Hi"})

    assert elsewhere.error["code"] == "agent_inactive"


def test_delegated_work_stays_on_the_trace(auvy: Auvy):
    worker = auvy.neuron("Worker Bee", description="Knows sums.", neuron_config={"tools": ["calculator"]})
    boss = auvy.neuron("Boss", neuron_config={"sub_neuron_ids": [worker["id"]]})
    started = auvy.invoke(boss["id"], 'Use delegate_worker-bee with {"task": "What is 6 * 7?"}')
    job = auvy.done(started["job_id"])

    calls = [event for event in _events(auvy, started["job_id"]) if event["type"] == "reflex_call"]
    page = auvy.get("/v1/traces").json
    said = auvy.get(f"/v1/traces/{started['trace_id']}/messages").json["messages"]

    assert job["status"] == "completed"
    assert {call["tool"] for call in calls} == {"delegate_worker-bee"}
    assert [trace["id"] for trace in page["traces"]] == [started["trace_id"]]
    delegated = [message for message in said if message["is_delegated"]]
    assert [(one["source_id"], one["target_id"]) for one in delegated] == [
        (boss["id"], worker["id"]),
        (worker["id"], boss["id"]),
    ]
    assert page["traces"][0]["cost_summary"]["total_tokens"] > job["result"]["usage"]["total_tokens"]


def test_a_neuron_searches_its_folder_and_its_documents_only(auvy: Auvy, client: Client):
    for name, path, text in (
        ("eu.md", "/policies/eu", "The blue parrot is the mascot of Europe."),
        ("us.md", "/policies/us", "The green parrot is the mascot of America."),
        ("asia.md", "/misc", "The golden parrot is the mascot of Asia."),
    ):
        auvy.made("/v1/vault/documents", {"name": name, "path": path, "content": text})
    listed = auvy.until("/v1/vault", lambda vault: all(one["status"] == "ready" for one in vault["documents"]))
    asia = next(one["id"] for one in listed["documents"] if one["name"] == "asia.md")
    neuron = auvy.neuron("Reader", neuron_config={"vault_path": "/policies/eu", "resource_ids": [asia]})

    started = auvy.invoke(neuron["id"], "Which parrots are mascots? Search for: parrot mascot")
    auvy.done(started["job_id"])
    results = [event["result"] for event in _events(auvy, started["job_id"]) if event.get("result")]

    found = " ".join(result for result in results if isinstance(result, str))
    assert "blue parrot" in found
    assert "golden parrot" in found
    assert "green parrot" not in found
    folder = auvy.get("/v1/vault?path=/policies").json
    assert [(one["path"], one["documents"]) for one in folder["folders"]] == [("/policies/eu", 1), ("/policies/us", 1)]
    assert client.get(f"/v1/agents/{neuron['id']}").json["knowledge"]["path"] == "policies/eu"


def test_an_intervention_lets_the_waiting_job_go_on(auvy: Auvy, client: Client, sums: dict[str, Any]):
    client.patch(f"/v1/agents/{sums['id']}", {"permissions": {"tools": {"calculator": "ask"}}})
    started = auvy.invoke(sums["id"], "What is 17 * 23?")
    waiting = auvy.done(started["job_id"])
    (id,) = waiting["waitingFor"]["intervention_ids"]

    listed = auvy.get("/v1/interventions?status=pending").json
    answered = auvy.post(
        f"/v1/interventions/{id}/respond",
        {"action": "approve", "comment": "Fine.", "fields": {"expression": "2 + 2"}},
    )
    job = auvy.until(f"/v1/jobs/{started['job_id']}", lambda job: job["status"] == "completed")

    assert (waiting["status"], waiting["waitingFor"]["kind"]) == ("waiting", "intervention")
    assert [(one["id"], one["fields"]) for one in listed["interventions"]] == [(id, {"expression": "17 * 23"})]
    assert (answered.json["status"], answered.json["edited_fields"]) == ("approved", {"expression": "2 + 2"})
    assert "4" in job["result"]["message"]
    refusal(auvy.post(f"/v1/interventions/{id}/respond", {"action": "reject"}), 409)
    refusal(auvy.post(f"/v1/interventions/{id}/respond", {"action": "perhaps"}), 400)
    assert auvy.get(f"/v1/interventions/{id}").json["comment"] == "Fine."


def test_a_job_is_told_more_or_decided_by_input(auvy: Auvy, client: Client, sums: dict[str, Any]):
    client.patch(f"/v1/agents/{sums['id']}", {"permissions": {"tools": {"calculator": "ask"}}})
    started = auvy.invoke(sums["id"], "What is 17 * 23?")
    auvy.done(started["job_id"])

    refusal(auvy.post(f"/v1/jobs/{started['job_id']}/input", {}), 400)
    told = auvy.post(f"/v1/jobs/{started['job_id']}/input", {"message": "Thank you."})
    decided = auvy.post(f"/v1/jobs/{started['job_id']}/input", {"action": "approve"})
    job = auvy.until(f"/v1/jobs/{started['job_id']}", lambda job: job["status"] == "completed")

    assert (told.status, told.json["accepted"]) == (200, "message")
    assert decided.json["accepted"] == "decision"
    said = [one["content"] for one in auvy.get(f"/v1/traces/{started['trace_id']}/messages").json["messages"]]
    assert "Thank you." in said
    assert job["result"] is not None


def test_an_idempotency_key_begins_one_job(auvy: Auvy, sums: dict[str, Any]):
    send = {"headers": {"Idempotency-Key": "once"}}

    first = auvy.post(f"/v1/neurons/{sums['id']}/invoke", {"message": "What is 2 + 2?"}, **send)
    again = auvy.post(f"/v1/neurons/{sums['id']}/invoke", {"message": "What is 2 + 2?"}, **send)

    assert first.json == again.json
    assert auvy.get("/v1/jobs").json["total"] == 1


def test_a_text_that_is_too_long_is_refused_by_its_name(auvy: Auvy, sums: dict[str, Any]):
    answer = auvy.post(f"/v1/neurons/{sums['id']}/invoke", {"message": "x" * 400_001})

    refusal(answer, 400)
    assert answer.json["field"] == "message"


def test_traces_are_sorted_by_the_titles_that_are_shown(auvy: Auvy, sums: dict[str, Any]):
    for text in ("Beta: 1 + 1?", "alpha: 2 + 2?", "Gamma: 3 + 3?"):
        auvy.done(auvy.invoke(sums["id"], text)["job_id"])

    up = auvy.get("/v1/traces?sort=title&order=asc").json["traces"]
    down = auvy.get("/v1/traces?sort=title&limit=2").json["traces"]

    assert [trace["title"][0] for trace in up] == ["a", "B", "G"]
    assert [trace["title"][0] for trace in down] == ["G", "B"]


def test_interventions_are_a_brains_own(auvy: Auvy):
    steps = {"steps": [{"id": "ask", "kind": "wait_approval", "message": "Go on?"}]}
    pathway = auvy.made("/v1/pathways", {"name": "Ask", "definition": steps})["id"]
    job = auvy.done(auvy.post(f"/v1/pathways/{pathway}/execute").json["job_id"])
    (id,) = job["waitingFor"]["intervention_ids"]
    elsewhere = {"X-Brain-Id": auvy.made("/v1/brains", {"name": "Other"})["id"]}

    assert job["current_step"] == "waiting"
    assert auvy.get("/v1/interventions", headers=elsewhere).json["total"] == 0
    refusal(auvy.get(f"/v1/interventions/{id}", headers=elsewhere), 404)
    refusal(auvy.post(f"/v1/interventions/{id}/respond", {"action": "approve"}, headers=elsewhere), 404)
    assert auvy.get("/v1/interventions").json["total"] == 1


def test_what_is_wrong_with_a_pathway_is_named_as_it_was_written(auvy: Auvy):
    body = {"name": "Odd", "definition": {"steps": [{"id": "a", "kind": "odd"}]}}

    answer = auvy.post("/v1/pathways", body)

    assert "`agent`" in refusal(answer, 400)
    assert answer.json["field"] == "definition.steps[0].kind"
