from __future__ import annotations

import time

import pytest

from glia.surfaces.neuronagent.webhooks import names_for
from tests.surfaces.conftest import Client
from tests.surfaces.neuronagent.place import Place

URL = "https://hooks.invalid/here"


@pytest.fixture
def place(native: Client) -> Place:
    return Place(native)


def test_a_webhook_is_made_shown_changed_and_deleted(place: Place) -> None:
    body = {"url": URL, "events": ["message.created", "agent.created"], "secret": "s3cret", "metadata": {"a": 1}}
    made = place.post("/webhooks", body, 201)
    path = f"/webhooks/{made['id']}"

    assert (made["secret"], made["has_secret"], made["enabled"]) == (None, True, True)
    assert (made["timeout_seconds"], made["retry_count"], made["metadata"]) == (30, 3, {"a": 1})
    assert made["events"] == ["message.created", "agent.created"]
    assert place.get("/webhooks") == [made]
    changed = place.put(path, {"enabled": False, "retry_count": 5, "events": ["job.failed"]})
    assert (changed["enabled"], changed["retry_count"], changed["events"]) == (False, 5, ["job.failed"])
    assert changed["metadata"] == {"a": 1}
    assert "s3cret" not in place.client.get(f"/v1/webhooks/{made['id']}").body.decode()
    place.delete(path)
    place.get(path, 404)


def test_unknown_events_are_kept_and_bad_ones_refused(place: Place) -> None:
    made = place.post("/webhooks", {"url": URL, "events": ["moon.rises"]}, 201)

    assert made["events"] == ["moon.rises"]
    for body in (
        {"url": URL, "events": []},
        {"url": URL},
        {"events": ["*"]},
        {"url": "http://127.0.0.1/", "events": ["*"]},
    ):
        assert place.answer("POST", "/webhooks", body).status in {400, 403}, body


def test_deliveries_tell_what_happened_and_what_came_of_it(place: Place) -> None:
    events = ["agent.created", "agent.updated", "agent.deleted", "session.created", "message.sent", "tool.executed"]
    webhook = place.post("/webhooks", {"url": URL, "events": events, "secret": "x"}, 201)["id"]
    agent = place.client.made("/v1/agents", {"name": "Sums", "tools": ["calculator"]})["id"]
    place.put(f"/agents/{agent}", {"description": "Adds up."})
    place.say(place.session(agent), "What is 17 * 23?")
    place.delete(f"/agents/{agent}")

    path, deadline = f"/webhooks/{webhook}/deliveries", time.monotonic() + 60
    found = place.get(path)
    while {one["event_type"] for one in found} != set(events) or any(one["status"] == "pending" for one in found):
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
        found = place.get(path)

    assert {one["event_type"] for one in found} == set(events)
    assert {one["status"] for one in found} == {"retrying"}
    first = found[0]
    assert (first["status_code"], first["webhook_id"]) == (None, webhook)
    assert first["attempt_count"] >= 1  # more on a slow machine
    assert first["error_message"]
    assert first["next_retry_at"] is not None
    assert next(one for one in found if one["event_type"] == "agent.created")["payload"]["agent_id"] == agent
    assert len(place.get(f"{path}?limit=2&offset=1")) == 2
    assert place.post(f"/webhooks/{webhook}/deliveries/{first['id']}/retry")["id"] == first["id"]
    tested = place.post(f"/webhooks/{webhook}/test")
    assert (tested["event_type"], tested["attempt_count"]) == ("webhook.test", 1)


def test_an_event_that_is_named_twice_has_its_usual_name() -> None:
    assert names_for(["message.created", "message.sent"])["message.received"] == "message.sent"
    assert names_for(["message.created"])["message.received"] == "message.created"
