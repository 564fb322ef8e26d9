"""Receptors, their channels and public links; pathways; search."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.surfaces.auvy.conftest import Auvy, refusal
from tests.surfaces.conftest import Client

ASK = {"steps": [{"id": "ask", "kind": "wait_approval", "message": "Go on?"}]}


def _signed(secret: str, body: bytes, id: str = "msg_1") -> dict[str, str]:
    at = str(int(time.time()))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.new(key, f"{id}.{at}.".encode() + body, hashlib.sha256).digest()
    signature = f"v1,{base64.b64encode(digest).decode()}"
    return {"webhook-id": id, "webhook-timestamp": at, "webhook-signature": signature}


def test_a_target_has_one_receptor_that_fires_it(auvy: Auvy, sums: dict[str, Any]):
    receptor = auvy.made("/v1/receptors", {"name": "Door", "slug": "door", "neuron_id": sums["id"]})

    refusal(auvy.post("/v1/receptors", {"name": "Second", "neuron_id": sums["id"]}), 409)
    fired = auvy.post(f"/v1/receptors/{receptor['id']}/fire", {"message": "What is 2 + 3?"})

    assert (fired.status, auvy.done(fired.json["job_id"])["result"]["message"]) == (202, "2 + 3 = 5")
    path = f"/v1/receptors/{receptor['workspace_slug']}/door"
    assert auvy.get(path).json["id"] == receptor["id"]
    assert auvy.get(f"/v1/receptors/{receptor['workspace_slug']}/{receptor['id']}").status == 200
    refusal(auvy.get("/v1/receptors/elsewhere/door"), 404)
    refusal(auvy.post(f"/v1/receptors/{receptor['id']}/fire", {}), 400)
    changed = auvy.patch(path, {"name": "Gate", "message": "Do: {{ payload.message }}", "is_active": False}).json
    assert (changed["name"], changed["is_active"]) == ("Gate", False)
    assert [one["name"] for one in auvy.get(f"/v1/receptors?neuron_id={sums['id']}").json] == ["Gate"]
    assert auvy.delete(path).status == 200
    refusal(auvy.get(path), 404)


def test_a_receptor_has_the_scope_of_its_target(auvy: Auvy, sums: dict[str, Any]):
    receptor = auvy.made("/v1/receptors", {"name": "Door", "slug": "scoped", "neuron_id": sums["id"]})
    path = f"/v1/receptors/{receptor['workspace_slug']}/scoped"

    auvy.put(f"/v1/neurons/{sums['id']}", {"scope": "workspace"})

    assert (receptor["scope"], auvy.get(path).json["scope"]) == ("brain", "workspace")


def test_a_schedule_is_kept_and_fires_when_told(auvy: Auvy, sums: dict[str, Any], client: Client):
    body = {"name": "Morning", "neuron_id": sums["id"], "channel": "cron", "cron": "0 9 * * 1-5"}
    receptor = auvy.made("/v1/receptors", {**body, "timezone": "Europe/Berlin", "message": "What is 1 + 1?"})

    fired = auvy.post(f"/v1/receptors/{receptor['id']}/fire").json

    assert (receptor["cron"], receptor["timezone"]) == ("0 9 * * 1-5", "Europe/Berlin")
    assert receptor["next_at"] is not None
    assert auvy.done(fired["job_id"])["result"]["message"] == "1 + 1 = 2"
    refusal(auvy.post(f"/v1/receptors/{receptor['id']}/fire", {"message": "Other"}), 400)
    assert client.get(f"/v1/triggers/{receptor['id']}").json["when"]["kind"] == "cron"


def test_what_a_receptor_cannot_be_is_refused(auvy: Auvy, sums: dict[str, Any]):
    base = {"name": "Bad", "neuron_id": sums["id"]}

    for body in (
        {"name": "Nobody"},
        {**base, "pathway_id": sums["id"]},
        {**base, "channel": "cron"},
        {**base, "channel": "cron", "cron": "often"},
        {**base, "cron": "* * * * *"},
        {**base, "channel": "pigeon"},
        {**base, "neuron_id": "x"},
        {**base, "slug": "No Slug"},
    ):
        refusal(auvy.post("/v1/receptors", body), 400)
    refusal(auvy.post("/v1/receptors", {**base, "neuron_id": "00000000-0000-7000-8000-000000000000"}), 404)


def test_slack_and_email_come_as_signed_requests(auvy: Auvy, client: Client):
    for channel, payload, said in (
        ("slack", {"event": {"text": "What is 2 + 2?"}}, "What is 2 + 2?"),
        ("email", {"subject": "Sums", "text": "What is 2 + 2?"}, "Sums\n\nWhat is 2 + 2?"),
    ):
        neuron = auvy.neuron(f"On {channel}")
        receptor = auvy.made("/v1/receptors", {"name": channel, "neuron_id": neuron["id"], "channel": channel})
        body = json.dumps(payload).encode()
        headers = {"Content-Type": "application/json"}

        unsigned = client.request("POST", receptor["hook_path"], raw=body, headers=headers)
        signed = client.request(
            "POST", receptor["hook_path"], raw=body, headers=headers | _signed(receptor["secret"], body)
        )

        assert unsigned.status == 401
        assert signed.status == 202
        job = auvy.done(signed.json["run_id"])
        messages = auvy.get(f"/v1/traces/{job['trace_id']}/messages").json["messages"]
        assert messages[0]["content"] == said
        shown = auvy.get(f"/v1/receptors/{receptor['workspace_slug']}/{receptor['id']}").json
        assert (shown["channel"], shown["secret"]) == (channel, None)


def test_a_public_link_works_without_a_key_until_it_is_replaced(auvy: Auvy, sums: dict[str, Any]):
    receptor = auvy.made("/v1/receptors", {"name": "Door", "description": "Asks.", "neuron_id": sums["id"]})
    visitor = Auvy(auvy.port)
    link = auvy.post(f"/v1/receptors/{receptor['id']}/share").json["url"]

    looked = visitor.get(link)
    fired = visitor.post(link, {"message": "What is 6 * 7?"})
    with visitor.stream("GET", fired.json["stream_url"]) as stream:
        last = [item["data"] for item in stream.events()][-1]
    other = auvy.invoke(sums["id"], "What is 2 + 2?")["job_id"]

    assert looked.json == {"name": "Door", "description": "Asks.", "channel": "http", "is_active": True}
    assert (fired.status, last["result"]["message"]) == (202, "6 * 7 = 42")
    refusal(visitor.get(f"{link}/jobs/{other}/stream"), 404)
    refusal(visitor.post(link, {}), 400)
    again = auvy.post(f"/v1/receptors/{receptor['id']}/share").json["url"]
    refusal(visitor.get(link), 404)
    assert visitor.get(again).status == 200
    auvy.delete(f"/v1/receptors/{receptor['id']}/share")
    refusal(visitor.post(again, {"message": "Hi"}), 404)


def test_receptors_of_completion_neurons_work_in_system_traces(auvy: Auvy, sums: dict[str, Any]):
    structured = auvy.neuron("Structured", neuron_config={"neuron_type": "completion"})
    quiet = auvy.made("/v1/receptors", {"name": "Quiet", "neuron_id": structured["id"]})
    loud = auvy.made("/v1/receptors", {"name": "Loud", "neuron_id": sums["id"]})

    first = auvy.post(f"/v1/receptors/{quiet['id']}/fire", {"message": "Hi"}).json
    options = {"neuron_task_options": {"trace_type": "system"}}
    second = auvy.post(f"/v1/receptors/{loud['id']}/fire", {"message": "What is 1 + 1?", **options}).json
    for job in (first, second):
        auvy.done(job["job_id"])

    assert auvy.get("/v1/traces").json["total"] == 0
    assert auvy.get("/v1/traces?trace_type=system").json["total"] == 2


def test_a_pathway_waits_for_its_human_step(auvy: Auvy):
    made = auvy.made("/v1/pathways", {"name": "Ask first", "definition": ASK})
    started = auvy.post(f"/v1/pathways/{made['id']}/execute", {"input": {"order": 7}})
    waiting = auvy.done(started.json["job_id"])
    (id,) = waiting["waitingFor"]["intervention_ids"]

    auvy.post(f"/v1/interventions/{id}/respond", {"action": "reject", "comment": "No."})
    job = auvy.until(f"/v1/jobs/{started.json['job_id']}", lambda job: job["status"] in ("completed", "failed"))

    assert (started.status, waiting["status"], waiting["pathway_id"]) == (202, "waiting", made["id"])
    assert job["status"] in ("completed", "failed")
    changed = auvy.put(f"/v1/pathways/{made['id']}", {"description": "Changed", "is_active": False}).json
    assert (changed["description"], changed["version"], changed["is_active"]) == ("Changed", 2, False)
    refusal(auvy.post(f"/v1/pathways/{made['id']}/execute"), 400)
    assert [one["slug"] for one in auvy.get("/v1/pathways").json] == ["ask-first"]
    refusal(auvy.post("/v1/pathways", {"name": "Bad", "definition": {"steps": [{"id": "x"}]}}), 400)
    assert auvy.delete(f"/v1/pathways/{made['id']}").status == 200
    refusal(auvy.get(f"/v1/pathways/{made['id']}"), 404)


def test_search_finds_things_by_path(auvy: Auvy, auvy_stranger: Auvy):
    auvy.neuron("Billing", description="Sends invoices.")
    auvy.made("/v1/pathways", {"name": "Billing run", "definition": ASK})

    by_path = auvy.post("/v1/search", {"query": "neurons/billing"}).json
    everywhere = auvy.post("/v1/search", {"query": "billing"}).json

    assert [(one["path"], one["title"], one["score"]) for one in by_path["results"]] == [
        ("neurons/billing", "Billing", 1.0)
    ]
    assert by_path["results"][0]["snippet"] == "Sends invoices."
    assert [one["path"] for one in everywhere["results"]] == ["neurons/billing", "pathways/billing-run"]
    assert auvy_stranger.post("/v1/search", {"query": "billing"}).json["results"] == []
    refusal(auvy.post("/v1/search", {"query": " "}), 400)


def test_a_receptor_that_repeats_nothing_needs_no_payload(auvy: Auvy, sums: dict[str, Any]):
    body = {"name": "Sum", "neuron_id": sums["id"], "message": "What is 2 + 3?"}
    receptor = auvy.made("/v1/receptors", body)

    fired = auvy.post(f"/v1/receptors/{receptor['id']}/fire")
    system = auvy.post(f"/v1/receptors/{receptor['id']}/fire", {"neuron_task_options": {"trace_type": "system"}})

    assert auvy.done(fired.json["job_id"])["result"]["message"] == "2 + 3 = 5"
    assert auvy.get(f"/v1/traces/{fired.json['trace_id']}").json["trace_type"] == "thread"
    assert auvy.get(f"/v1/traces/{system.json['trace_id']}").json["trace_type"] == "system"


def test_a_link_of_a_schedule_fires_it(auvy: Auvy, sums: dict[str, Any]):
    body = {"name": "Daily", "neuron_id": sums["id"], "channel": "cron", "cron": "0 9 * * *", "message": "2 + 3?"}
    receptor = auvy.made("/v1/receptors", body)
    link = auvy.post(f"/v1/receptors/{receptor['id']}/share").json["url"]
    visitor = Auvy(auvy.port, None)

    refusal(visitor.post(link, {"message": "Something else"}), 400)
    fired = visitor.post(link, {})

    assert fired.status == 202
    assert auvy.done(fired.json["job_id"])["status"] == "completed"


@pytest.mark.parametrize(("given", "field"), [({"cron": "x"}, "cron"), ({"timezone": "Mars"}, "timezone")])
def test_what_is_wrong_with_a_schedule_is_named_as_it_was_written(
    auvy: Auvy, sums: dict[str, Any], given: dict[str, Any], field: str
):
    body = {"name": "Odd", "neuron_id": sums["id"], "channel": "cron", "cron": "0 9 * * *", **given}

    answer = auvy.post("/v1/receptors", body)

    assert f"`{field}`" in refusal(answer, 400)
    assert answer.json["field"] == field


def test_a_slug_is_given_once_however_many_ask_for_it(auvy: Auvy):
    neurons = [auvy.neuron(f"N{number}")["id"] for number in range(6)]

    def ask(neuron: str) -> int:
        return auvy.post("/v1/receptors", {"name": "Door", "neuron_id": neuron, "slug": "door"}).status

    with ThreadPoolExecutor(6) as pool:
        statuses = list(pool.map(ask, neurons))

    assert sorted(statuses) == [201, 409, 409, 409, 409, 409]
