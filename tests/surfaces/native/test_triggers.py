"""Triggers over the wire: made, changed, fired, looked at; a schedule and a webhook that start real runs."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Any

import pytest

from tests.surfaces.conftest import Answer, Client, Server

CRON = {"kind": "cron", "cron": "30 2 * * *", "timezone": "Europe/Berlin"}


def body(agent: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"name": "Report", "agent_id": agent["id"], "message": "Report.", "when": CRON, **changes}


def send(client: Client, made: dict[str, Any], content: bytes, id: str = "msg_1", at: float | None = None) -> Answer:
    at = int(at or time.time())
    key = base64.b64decode(made["secret"].removeprefix("whsec_"))
    digest = hmac.new(key, f"{id}.{at}.".encode() + content, hashlib.sha256).digest()
    headers = {
        "Webhook-Id": id,
        "Webhook-Timestamp": str(at),
        "Webhook-Signature": "v1," + base64.b64encode(digest).decode(),
        "Content-Type": "text/plain",
    }
    return Client(client.port).request("POST", made["hook_path"], raw=content, headers=headers)


def test_a_trigger_is_made_changed_and_deleted(client: Client, agent: dict[str, Any]):
    made = client.made("/v1/triggers", body(agent, agent_id=agent["slug"]))
    path = f"/v1/triggers/{made['id']}"
    assert made["when"] == CRON
    assert made["status"] == "active"
    assert made["next_at"] > made["created_at"]
    assert (made["hook_path"], made["secret"]) == (None, None)
    assert client.get(path).json == {name: value for name, value in made.items() if name != "secret"}

    changed = client.patch(
        path, {"when": {"kind": "interval", "every_seconds": 60}, "overlap": "queue", "max_failures": 3}
    ).json
    assert changed["when"]["every_seconds"] == 60
    assert (changed["overlap"], changed["max_failures"], changed["name"]) == ("queue", 3, "Report")
    assert client.patch(path, {"max_failures": None}).json["max_failures"] is None

    paused = client.post(f"{path}/pause").json
    assert (paused["status"], paused["next_at"]) == ("paused", None)
    assert [one["id"] for one in client.get("/v1/triggers?status=paused").json["data"]] == [made["id"]]
    assert client.get("/v1/triggers?kind=cron").json["data"] == []
    assert client.post(f"{path}/resume").json["status"] == "active"

    assert client.delete(path).status == 204
    assert client.get(path).status == 404


def test_a_preview_shows_the_clock_change(client: Client, agent: dict[str, Any]):
    made = client.made("/v1/triggers", body(agent))

    ahead = client.get(f"/v1/triggers/{made['id']}/preview?count=100").json["data"]
    assert len(ahead) == 100
    assert ahead[0]["at"] == made["next_at"]
    assert all("T02:30:00" in one["local"] or "T03:00:00" in one["local"] for one in ahead)
    fresh = client.post("/v1/triggers/preview", {"when": CRON, "count": 3})
    assert fresh.json["data"] == ahead[:3]
    assert client.post("/v1/triggers/preview", {"when": {"kind": "webhook"}}).error["field"] == "when.kind"
    assert client.get(f"/v1/triggers/{made['id']}/preview?count=0").error["field"] == "count"


def test_an_interval_starts_runs_that_answer(client: Client, agent: dict[str, Any]):
    made = client.made("/v1/triggers", body(agent, when={"kind": "interval", "every_seconds": 1}, message="Say hello."))
    path = f"/v1/triggers/{made['id']}/firings"

    found = client.until(path, lambda page: any(one["run_status"] == "completed" for one in page["data"]))
    client.post(f"/v1/triggers/{made['id']}/pause")

    firing = next(one for one in found["data"] if one["run_status"] == "completed")
    messages = client.get(f"/v1/sessions/{firing['session_id']}/messages").json["data"]
    assert [message["role"] for message in messages] == ["user", "assistant"]
    assert messages[0]["content"] == "Say hello."


def test_a_trigger_is_fired_by_hand_also_when_paused(client: Client, agent: dict[str, Any]):
    made = client.made("/v1/triggers", body(agent))
    client.post(f"/v1/triggers/{made['id']}/pause")

    fired = client.post(f"/v1/triggers/{made['id']}/fire")

    assert fired.status == 202
    assert (fired.json["cause"], fired.json["outcome"]) == ("manual", "started")
    assert client.get(f"/v1/runs/{fired.json['run_id']}").json["agent_id"] == agent["id"]


def test_a_failed_run_fires_a_trigger(client: Client, agent: dict[str, Any]):
    tool = {
        "name": "gone",
        "description": "Is gone when it is wanted.",
        "schema": {"type": "object", "properties": {}},
        "http": {"url": "https://example.org/"},
    }
    id = client.made("/v1/tools", tool)["id"]
    broken = client.made("/v1/agents", {"name": "Broken", "tools": ["gone"]})
    client.delete(f"/v1/tools/{id}")
    when = {
        "kind": "event",
        "event_type": "run.failed",
        "agent_id": broken["slug"],
        "filter": [{"field": "error.code", "op": "exists"}],
    }
    made = client.made("/v1/triggers", body(agent, when=when, message="It said: {{ event.data.error.message }}"))
    session = client.made("/v1/sessions", {"agent_id": broken["id"]})["id"]
    run = client.post(f"/v1/sessions/{session}/messages", {"content": "Hello", "background": True}).json["run_id"]
    client.until(f"/v1/runs/{run}", lambda found: found["status"] == "failed")

    path = f"/v1/triggers/{made['id']}/firings"
    (firing,) = client.until(path, lambda page: any(one["outcome"] == "started" for one in page["data"]))["data"]

    assert firing["cause"] == "event"
    messages = client.get(f"/v1/sessions/{firing['session_id']}/messages").json["data"]
    assert "gone" in messages[0]["content"]


def test_a_signed_webhook_starts_a_run(client: Client, agent: dict[str, Any]):
    made = client.made("/v1/triggers", body(agent, when={"kind": "webhook"}, message="New: {{ payload.title }}"))
    shown = client.get(f"/v1/triggers/{made['id']}").json
    assert made["secret"].startswith("whsec_")
    assert "secret" not in shown
    assert shown["hook_path"] == made["hook_path"]

    taken = send(client, made, json.dumps({"title": "Fire"}).encode())

    assert (taken.status, taken.json["outcome"]) == (202, "started")
    run = client.get(f"/v1/runs/{taken.json['run_id']}").json
    messages = client.get(f"/v1/sessions/{run['session_id']}/messages").json["data"]
    assert messages[0]["content"] == "New: Fire"
    replayed = send(client, made, b"{}")
    assert (replayed.status, replayed.error["code"]) == (409, "already_delivered")
    late = send(client, made, b"{}", "msg_2", time.time() - 600)
    assert (late.status, late.error["code"]) == (401, "signature_refused")
    wrong = send(client, made | {"secret": "whsec_AAAA"}, b"{}", "msg_3")
    assert (wrong.status, wrong.error["code"]) == (401, "signature_refused")
    large = send(client, made, b"x" * 300_000, "msg_4")
    assert large.status == 413
    nobody = Client(client.port)
    assert nobody.post("/v1/hooks/nothing-here", {}).status == 404
    assert nobody.get(made["hook_path"]).status == 405
    assert nobody.get(f"/v1/triggers/{made['id']}").status == 401


def test_an_unsigned_webhook_has_a_token_that_is_shown_once(client: Client, agent: dict[str, Any]):
    when = {"kind": "webhook", "verification": "url_token"}
    made = client.made("/v1/triggers", body(agent, when=when, message="{{ body }}"))

    assert client.get(f"/v1/triggers/{made['id']}").json["hook_path"] is None
    assert Client(client.port).post(made["hook_path"], {"ring": True}).status == 202
    renewed = client.post(f"/v1/triggers/{made['id']}/secret").json
    assert renewed["hook_path"] != made["hook_path"]
    assert Client(client.port).post(made["hook_path"], {}).status == 404


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"when": {"kind": "cron", "cron": "61 * * * *"}}, "when.cron"),
        ({"when": {"kind": "cron", "cron": "0 0 * *"}}, "when.cron"),
        ({"when": {"kind": "cron", "cron": "0 0 * * *", "timezone": "Mars/Base"}}, "when.timezone"),
        ({"when": {"kind": "interval", "every_seconds": 0}}, "when.every_seconds"),
        ({"when": {"kind": "interval", "every_seconds": 0.5}}, "when.every_seconds"),
        ({"when": {"kind": "interval", "every_seconds": 5, "cron": "* * * * *"}}, "when.cron"),
        ({"when": {"kind": "at", "at": "yesterday"}}, "when.at"),
        ({"when": {"kind": "at", "at": "2001-01-01T00:00:00Z"}}, "when.at"),
        ({"when": {"kind": "at"}}, "when.at"),
        ({"when": {"kind": "event", "event_type": "run.exploded"}}, "when.event_type"),
        ({"when": {"kind": "metric", "metric": "luck", "above": 1}}, "when.metric"),
        ({"when": {"kind": "metric", "metric": "tokens"}}, "when.above"),
        ({"when": {"kind": "moon"}}, "when.kind"),
        ({"when": "0 0 * * *"}, "when"),
        ({"when": {"kind": "webhook", "verification": "none"}}, "when.verification"),
        ({"message": "{{ payload.x }}"}, "message"),
        ({"message": ""}, "message"),
        ({"name": ""}, "name"),
        ({"overlap": "often"}, "overlap"),
        ({"missed": "twice"}, "missed"),
        ({"max_failures": 0}, "max_failures"),
        ({"session_id": "x"}, "session_id"),
    ],
)
def test_what_is_wrong_is_named(client: Client, agent: dict[str, Any], changes: dict[str, Any], field: str):
    answer = client.post("/v1/triggers", body(agent, **changes))

    assert (answer.status, answer.error["field"]) == (400, field)


def test_unknown_fields_are_named(client: Client, agent: dict[str, Any]):
    answer = client.post("/v1/triggers", body(agent, colour="red", when=CRON | {"tz": "UTC"}))

    assert answer.headers["x-ignored-fields"] == "colour, when.tz"


def test_a_trigger_takes_the_right_to_start_runs(client: Client, agent: dict[str, Any], server: Server):
    key = client.made("/v1/keys", {"name": "Narrow", "scopes": ["triggers:*", "agents:read"]})["key"]

    refused = server.client(key).post("/v1/triggers", body(agent))

    assert (refused.status, refused.error["details"]["scope"]) == (403, "runs:write")


def test_a_trigger_starts_a_workflow(client: Client, agent: dict[str, Any]):
    flow = client.made("/v1/workflows", {"name": "Fan", "steps": [{"id": "a", "kind": "tool", "tool": "current_time"}]})
    wanted = {"name": "Nightly", "workflow_id": flow["slug"], "input": {"at": "{{ fired_at }}"}, "when": CRON}
    made = client.made("/v1/triggers", wanted)
    assert (made["workflow_id"], made["input"]) == (flow["id"], wanted["input"])
    assert (made["agent_id"], made["message"]) == (None, None)

    fired = client.post(f"/v1/triggers/{made['id']}/fire").json

    found = client.until(f"/v1/workflows/{flow['id']}/executions/{fired['run_id']}", lambda one: one["finished_at"])
    assert found["status"] == "completed"
    assert found["input"]["at"][:2] == "20"
    assert [one["id"] for one in client.get(f"/v1/triggers?workflow_id={flow['slug']}").json["data"]] == [made["id"]]
    changed = client.patch(f"/v1/triggers/{made['id']}", {"agent_id": agent["slug"], "message": "Hello."}).json
    assert (changed["agent_id"], changed["workflow_id"]) == (agent["id"], None)


def test_what_a_trigger_cannot_start_names_its_field(client: Client, agent: dict[str, Any]):
    flow = client.made("/v1/workflows", {"name": "Own", "steps": [{"id": "a", "kind": "tool", "tool": "current_time"}]})
    wanted = {"name": "Nightly", "when": CRON}
    for more, field in [
        ({"workflow_id": "nowhere"}, "workflow_id"),
        ({"workflow_id": "00000000-0000-7000-8000-000000000000"}, "workflow_id"),
        ({}, "agent_id"),
        ({"agent_id": agent["id"]}, "message"),
        ({"agent_id": agent["id"], "message": "Hello.", "input": {}}, "input"),
        ({"agent_id": agent["id"], "workflow_id": flow["id"]}, "workflow_id"),
        ({"workflow_id": flow["id"], "message": "Hello."}, "message"),
        ({"workflow_id": flow["id"], "session_id": agent["id"]}, "session_id"),
        ({"workflow_id": flow["id"], "input": {"a": "{{ payload }}"}}, "input"),
    ]:
        refused = client.post("/v1/triggers", wanted | more)
        assert (refused.status, refused.error["field"]) == (400, field), more
