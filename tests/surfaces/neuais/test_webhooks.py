"""Webhooks with the payload and the signature that clients of NeuAIs check."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from glia.settings import Settings
from glia.webhooks.service import WebhookConfig
from tests.surfaces.conftest import Client, Server, start_server
from tests.surfaces.neuais.conftest import Neuais, refusal

EVENTS = ["agent.created", "agent.updated", "agent.deleted", "agent.started", "agent.stopped", "agent.error"]
SECRET = "your-webhook-secret"


class Receiver:
    """Keeps what it gets. statuses: what it answers next; 200 once there are none."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.statuses: list[int] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(receiver.statuses.pop(0) if receiver.statuses else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/webhook"

    def until(self, is_enough: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 60
        while not is_enough():
            assert time.monotonic() < deadline, self.got
            time.sleep(0.03)


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    found = Receiver()
    yield found
    found.server.shutdown()


@pytest.fixture(scope="module")
def telling(tmp_path_factory: pytest.TempPathFactory, receiver: Receiver) -> Iterator[Server]:
    """A server that may call the receiver."""
    settings = Settings(outbound_allow=f"127.0.0.1:{receiver.port}", webhooks=WebhookConfig(first_retry_seconds=0.1))
    yield from start_server(tmp_path_factory.mktemp("telling"), settings)


@pytest.fixture
def told(telling: Server, receiver: Receiver) -> Neuais:
    receiver.got.clear()
    return Neuais(telling.port, telling.workspace().api_key)


def test_a_delivery_is_as_the_reference_shows_and_signed(told: Neuais, receiver: Receiver):
    body = {"url": receiver.url, "events": ["agent.created", "agent.deleted"], "secret": SECRET}
    made = told.made("/v1/webhooks", body)
    assert (made["url"], made["events"], made["status"]) == (receiver.url, body["events"], "active")
    assert SECRET not in json.dumps(made)

    agent = told.agent()
    receiver.until(lambda: len(receiver.got) == 1)
    told.delete(f"/v1/agents/{agent['id']}")
    receiver.until(lambda: len(receiver.got) == 2)

    for (headers, raw), event in zip(receiver.got, body["events"], strict=True):
        said = json.loads(raw)
        assert set(said) == {"event", "timestamp", "data"}
        assert said["event"] == headers["x-neuais-event"] == event
        assert said["data"] == {"agent_id": agent["id"], "name": "my-agent"}
        signed = f"{headers['x-neuais-timestamp']}.".encode() + raw
        digest = hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
        assert headers["x-neuais-signature"] == f"sha256={digest}"
        assert abs(time.time() - int(headers["x-neuais-timestamp"])) < 60
    assert len({headers["x-neuais-id"] for headers, _ in receiver.got}) == 2


def test_a_failed_delivery_is_tried_again_and_can_be_sent_once_more(told: Neuais, receiver: Receiver):
    webhook = told.made("/v1/webhooks", {"url": receiver.url, "events": ["agent.created"], "secret": SECRET})
    path = f"/v1/webhooks/{webhook['id']}/deliveries"
    receiver.statuses = [500, 503]

    agent = told.agent()
    receiver.until(lambda: len(receiver.got) == 3)

    (found,) = told.until(path, lambda page: page["deliveries"][0]["status"] == "delivered")["deliveries"]
    assert (found["event"], found["attempts"], found["response_status"]) == ("agent.created", 3, 200)
    assert len({headers["x-neuais-id"] for headers, _ in receiver.got}) == 1
    again = told.post(f"{path}/{found['id']}/redeliver")
    assert (again.status, again.json["status"]) == (202, "pending")
    receiver.until(lambda: len(receiver.got) == 4)
    one = told.until(f"{path}/{found['id']}", lambda delivery: len(delivery["log"]) == 4)
    assert [attempt["status"] for attempt in one["log"]] == [500, 503, 200, 200]
    assert one["payload"]["data"]["agent_id"] == agent["id"]
    assert told.post(f"/v1/webhooks/{webhook['id']}/redeliver").json == {"count": 0}


def test_all_six_events_can_be_asked_for(neuais: Neuais):
    made = neuais.made("/v1/webhooks", {"url": "https://hooks.invalid/", "events": EVENTS})

    assert made["events"] == EVENTS
    assert not made["has_secret"]
    assert neuais.get("/v1/webhooks").json["webhooks"] == [made]
    assert neuais.get(f"/v1/webhooks/{made['id']}").json == made
    assert neuais.delete(f"/v1/webhooks/{made['id']}").json == {"message": "Webhook deleted successfully"}
    refusal(neuais.get(f"/v1/webhooks/{made['id']}"), 404)


def test_stopping_and_changing_an_agent_is_told(neuais: Neuais):
    webhook = neuais.made("/v1/webhooks", {"url": "https://hooks.invalid/", "events": EVENTS})
    agent = neuais.agent()
    path = f"/v1/agents/{agent['id']}"

    assert neuais.put(path, {"config": {"cpu": "0.5"}}).status == 200
    assert neuais.post(f"{path}/stop").status == 200
    assert neuais.delete(path).status == 200

    found = neuais.get(f"/v1/webhooks/{webhook['id']}/deliveries").json["deliveries"]
    events = [one["event"] for one in found]
    assert {"agent.created", "agent.updated", "agent.stopped", "agent.deleted"} >= set(events)
    assert {"agent.created", "agent.updated", "agent.deleted"} <= set(events)


def test_endpoints_of_other_surfaces_are_there_too(neuais: Neuais):
    native = Client(neuais.port, neuais.key)
    made = native.made("/v1/webhooks", {"url": "https://hooks.invalid/", "event_types": ["deployment.*", "run.failed"]})
    mine = neuais.made("/v1/webhooks", {"url": "https://hooks.invalid/", "events": ["agent.error"], "secret": SECRET})

    shown = {one["id"]: one["events"] for one in neuais.get("/v1/webhooks").json["webhooks"]}
    assert shown == {f"whk_{made['id']}": [*EVENTS, "glia.run.failed"], mine["id"]: ["agent.error"]}
    seen = native.get(f"/v1/webhooks/{mine['id'].removeprefix('whk_')}").json
    assert (seen["style"], seen["event_types"], seen["has_secret"]) == ("timestamped", ["deployment.error"], True)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"url": "http://127.0.0.1/hook"}, "url"),
        ({"url": "http://10.0.0.1/hook"}, "url"),
        ({"url": "http://[::1]/hook"}, "url"),
        ({"url": "http://169.254.169.254/latest"}, "url"),
        ({"url": "ftp://example.org/"}, "url"),
        ({"url": "nothing"}, "url"),
        ({"events": ["agent.exploded"]}, "events"),
        ({"events": ["agent.created", "deployment.created"]}, "events"),
        ({"events": []}, "events"),
        ({"events": "agent.created"}, "events"),
    ],
)
def test_what_cannot_be_told_is_refused(neuais: Neuais, changes: dict[str, Any], field: str):
    body = {"url": "https://hooks.invalid/", "events": ["agent.created"], "secret": SECRET, **changes}

    error = refusal(neuais.post("/v1/webhooks", body), 400)

    assert error["details"]["field"] == field
