"""The Python client against a server that misbehaves."""

from __future__ import annotations

import hashlib
import hmac
import json
import runpy
import time
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

import neuais
from neuais import AsyncClient, Client, _requests
from tests.clients.odd_server import HANGS_UP, OddServer, Said, odd_server, refused

PACKAGE = Path(__file__).parents[2] / "packages" / "neuais-python"

AGENT = {
    "id": "agt_1",
    "name": "my-agent",
    "status": "running",
    "replicas": 3,
    "region": "us-west-2",
    "created_at": "2024-01-15T10:00:00Z",
    "updated_at": "2024-01-15T10:05:00Z",
}
LINE = {"timestamp": "2024-01-15T10:00:00Z", "level": "info", "message": "one", "replica": "r"}
TOKEN = {"access_token": "first", "token_type": "Bearer", "expires_in": 3600}


@pytest.fixture(scope="module")
def shared() -> Iterator[OddServer]:
    with odd_server() as found:
        yield found


@pytest.fixture
def odd(shared: OddServer, monkeypatch: pytest.MonkeyPatch) -> OddServer:
    monkeypatch.setattr(_requests, "_FIRST_PAUSE_SECONDS", 0.01)
    return shared


@pytest.fixture
def client(odd: OddServer) -> Iterator[Client]:
    with Client("secret", base_url=odd.url) as found:
        yield found


def rows(*ids: str) -> list[dict[str, Any]]:
    return [{**AGENT, "id": id} for id in ids]


def event(id: int, message: str) -> str:
    return f"id: {id}\ndata: {json.dumps({**LINE, 'message': message})}\n\n"


def test_the_list_of_the_documentation_is_read(client: Client, odd: OddServer):
    odd.says(Said(body={"agents": [AGENT | {"mood": "fine"}], "total": 1, "limit": 100, "offset": 0}))

    agents = client.agents.list()

    assert [agent.name for agent in agents] == ["my-agent"]
    assert (agents.total, agents.limit, agents.offset, agents.has_more) == (1, 100, 0, False)
    assert agents[0].created_at.isoformat() == "2024-01-15T10:00:00+00:00"
    assert agents[0].extra == {"mood": "fine"}
    assert odd.asked[0].path == "/v1/agents"
    assert odd.asked[0].headers["authorization"] == "Bearer secret"


def test_a_field_that_was_not_selected_says_so(client: Client, odd: OddServer):
    odd.says(Said(body={"agents": [{"id": "agt_1"}], "total": 1, "limit": 100, "offset": 0, "has_more": False}))

    [agent] = client.agents.list(fields=["id"], status="running", sort="created_at:desc", limit=5)

    assert agent.id == "agt_1"
    assert odd.asked[0].path == "/v1/agents?status=running&limit=5&sort=created_at%3Adesc&fields=id"
    with pytest.raises(AttributeError, match="sent no `status`"):
        _ = agent.status
    with pytest.raises(AttributeError, match="sent no `endpoints`"):
        _ = agent.endpoints  # which has a default where the server says nothing of it


@pytest.mark.parametrize("passing", [refused(429, "rate_limit_exceeded"), Said(502), Said(503), Said(504), HANGS_UP])
def test_a_passing_fault_is_tried_again(client: Client, odd: OddServer, passing: Said):
    odd.says(passing, passing, Said(body=AGENT))

    assert client.agents.get("agt_1").name == "my-agent"
    assert len(odd.asked) == 3


def test_a_post_is_sent_again_under_one_key(client: Client, odd: OddServer):
    odd.says(HANGS_UP, Said(503), refused(409, "conflict", {"Retry-After": "0"}), Said(body=AGENT))

    client.agents.create("my-agent", runtime="python", binary_url="http://x/y", config={"cpu": "1.0"})

    assert {asked.body["config"]["cpu"] for asked in odd.asked} == {"1.0"}
    assert len({asked.headers["idempotency-key"] for asked in odd.asked}) == 1
    assert len(odd.asked) == 4


@pytest.mark.parametrize("lasting", [refused(400, "invalid_request"), refused(409, "conflict"), Said(500)])
def test_a_lasting_fault_is_not(client: Client, odd: OddServer, lasting: Said):
    odd.says(lasting)

    with pytest.raises(neuais.ApiError):
        client.agents.get("agt_1")
    assert len(odd.asked) == 1


def test_the_server_is_waited_for_as_long_as_it_says(client: Client, odd: OddServer):
    odd.says(refused(429, "rate_limit_exceeded", {"Retry-After": "1"}), Said(body=AGENT))
    began = time.monotonic()

    client.agents.get("agt_1")

    assert time.monotonic() - began >= 1


def test_but_not_for_longer_than_a_minute(client: Client, odd: OddServer):
    odd.says(refused(429, "rate_limit_exceeded", {"Retry-After": formatdate(time.time() + 3600, usegmt=True)}))

    with pytest.raises(neuais.RateLimitExceeded) as caught:
        client.agents.get("agt_1")
    assert len(odd.asked) == 1
    assert 3500 < (caught.value.retry_after or 0) <= 3600


def test_tries_come_to_an_end(client: Client, odd: OddServer):
    odd.says(HANGS_UP)

    with pytest.raises(neuais.ConnectionFailed, match="gave no answer"):
        client.agents.get("agt_1")
    assert len(odd.asked) == 4
    odd.says(Said(503))
    with pytest.raises(neuais.ServiceUnavailable):
        client.with_options(max_retries=1).agents.get("agt_1")
    assert len(odd.asked) == 2


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "invalid_request", neuais.InvalidRequest),
        (401, "unauthorized", neuais.Unauthorized),
        (403, "forbidden", neuais.Forbidden),
        (404, "not_found", neuais.NotFound),
        (409, "conflict", neuais.Conflict),
        (429, "rate_limit_exceeded", neuais.RateLimitExceeded),
        (500, "internal_error", neuais.InternalError),
        (503, "service_unavailable", neuais.ServiceUnavailable),
    ],
)
def test_each_code_has_its_error(client: Client, odd: OddServer, status: int, code: str, kind: type[neuais.ApiError]):
    headers = {"X-Request-Id": "req-1", "Retry-After": "61"}
    odd.says(refused(status, code, headers, field="replicas", reason="must be greater than 0"))

    with pytest.raises(kind) as caught:
        client.agents.scale("agt_1", -1)
    error = caught.value
    assert type(error) is kind
    assert (error.status, error.code, error.field, error.reason) == (status, code, "replicas", "must be greater than 0")
    assert (error.request_id, error.retry_after, error.message) == ("req-1", 61, f"It is {code}.")


def test_an_answer_of_something_else_is_told(client: Client, odd: OddServer):
    odd.says(Said(body=["what"]))
    with pytest.raises(neuais.UnexpectedAnswer, match="list of agents"):
        client.agents.list()
    odd.says(Said(404, "gone"))
    with pytest.raises(neuais.NotFound, match="status 404"):
        client.agents.get("agt_1")


def test_a_list_is_read_page_by_page_and_nothing_comes_twice(client: Client, odd: OddServer):
    pages = [("a", "b"), ("b", "c"), ("d",)]  # `b` was moved to the second page by one made meanwhile
    envelopes = [
        {"agents": rows(*ids), "total": 5, "limit": 2, "offset": 2 * n, "has_more": n < 2}
        for n, ids in enumerate(pages)
    ]
    odd.says(*[Said(body=envelope) for envelope in envelopes])

    found = [agent.id for agent in client.agents.iterate(status="running", page_size=2)]

    assert found == ["a", "b", "c", "d"]
    assert [asked.path.partition("?")[2] for asked in odd.asked] == [
        f"limit=2&offset={offset}&status=running" for offset in (0, 2, 4)
    ]


def test_a_stream_that_breaks_goes_on_behind_its_last_line(client: Client, odd: OddServer):
    odd.says(
        Said(503),
        Said(chunks=(": still here\n\n", event(7, "one"), event(8, "two"), 'id: 9\ndata: {"half'), is_whole=False),
        HANGS_UP,
        Said(chunks=(event(9, "three"),)),
        refused(404, "not_found"),
    )

    lines = list(client.agents.stream_logs("agt_1", level="info"))

    assert [(line.id, line.message) for line in lines] == [(7, "one"), (8, "two"), (9, "three")]
    assert [asked.headers.get("last-event-id") for asked in odd.asked] == [None, None, "8", "8", "9"]
    assert odd.asked[0].path == "/v1/agents/agt_1/logs?follow=true&level=info"


def test_a_stream_that_is_refused_says_why(client: Client, odd: OddServer):
    odd.says(refused(404, "not_found"))

    with pytest.raises(neuais.NotFound):
        next(client.agents.stream_logs("agt_1"))
    odd.says(Said(body={"logs": []}))
    with pytest.raises(neuais.UnexpectedAnswer):
        next(client.agents.stream_logs("agt_1"))


def test_a_token_is_fetched_once_and_renewed_when_it_is_refused_or_old(odd: OddServer):
    agents = Said(body={"agents": [], "total": 0, "limit": 100, "offset": 0})
    second = Said(body=TOKEN | {"access_token": "second", "expires_in": 0})
    third = Said(body=TOKEN | {"access_token": "third"})
    odd.says(Said(body=TOKEN), agents, refused(401, "unauthorized"), second, agents, third, agents)

    with Client(email="user@example.com", password="your-password", base_url=odd.url + "/v1/") as client:
        for _ in range(3):
            client.agents.list()

    told = [asked.headers.get("authorization", asked.body) for asked in odd.asked]
    login = {"email": "user@example.com", "password": "your-password"}
    assert told == [login, *["Bearer first"] * 2, login, "Bearer second", login, "Bearer third"]


def test_a_refused_token_that_cannot_be_renewed_is_an_error(client: Client, odd: OddServer):
    odd.says(refused(401, "unauthorized"))

    with pytest.raises(neuais.Unauthorized):
        client.agents.list()
    assert len(odd.asked) == 1


def test_the_environment_names_server_and_token(odd: OddServer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("NEUAIS_BASE_URL", odd.url)
    monkeypatch.setenv("NEUAIS_TOKEN", "from-outside")
    odd.says(Said(body=AGENT))

    with Client() as client:
        client.agents.get("my agent/x")

    assert odd.asked[0].path == "/v1/agents/my%20agent%2Fx"
    assert odd.asked[0].headers["authorization"] == "Bearer from-outside"
    monkeypatch.delenv("NEUAIS_TOKEN")
    with Client() as client, pytest.raises(neuais.NeuaisError, match="no token"):
        client.agents.list()


def test_a_slow_answer_is_given_up(client: Client, odd: OddServer):
    odd.says(Said(body=AGENT, seconds=2))

    with pytest.raises(neuais.TimedOut, match=r"within 0.1 s"):
        client.with_options(timeout=0.1, max_retries=0).agents.get("agt_1")


def test_an_agent_is_waited_for(client: Client, odd: OddServer):
    odd.says(Said(body=AGENT | {"status": "deploying"}), Said(body=AGENT))
    assert client.agents.wait_until_running("agt_1").status == "running"
    odd.says(Said(body=AGENT | {"status": "error", "reason": "It crashed 5 times."}))
    with pytest.raises(neuais.WaitFailed, match="It crashed 5 times") as caught:
        client.agents.wait_until_running("agt_1")
    assert caught.value.agent.status == "error"
    odd.says(Said(body=AGENT | {"status": "deploying"}))
    with pytest.raises(neuais.WaitFailed, match="still 'deploying'"):
        client.agents.wait_until_running("agt_1", timeout=0.2)


async def test_the_same_with_await(odd: OddServer):
    envelope = {"agents": rows("a"), "total": 2, "limit": 1, "offset": 0, "has_more": True}
    last = envelope | {"agents": rows("b"), "offset": 1, "has_more": False}
    odd.says(HANGS_UP, Said(body=envelope), Said(503), Said(body=last))

    async with AsyncClient("secret", base_url=odd.url) as client:
        assert [agent.id async for agent in client.agents.iterate(page_size=1)] == ["a", "b"]
        odd.says(Said(chunks=(event(1, "one"),), is_whole=False), Said(chunks=(event(2, "two"),)), Said(404))
        assert [line.message async for line in client.agents.stream_logs("agt_1")] == ["one", "two"]
    assert odd.asked[1].headers["last-event-id"] == "1"


def test_a_signature_is_checked():
    body = b'{"event":"agent.created","timestamp":"2024-01-15T10:00:00Z","data":{"agent_id":"agt_1","name":"my-agent"}}'
    headers = signed(body, "your-webhook-secret", time.time())

    event = neuais.verify_signature(body, headers, "your-webhook-secret")

    assert (event.event, event.data["name"]) == ("agent.created", "my-agent")
    for other, about, secret in (
        (body + b" ", headers, "your-webhook-secret"),
        (body, headers, "another"),
        (body, {}, "your-webhook-secret"),
        (body, signed(body, "your-webhook-secret", time.time() - 301), "your-webhook-secret"),
        (body, {**headers, "x-neuais-timestamp": "soon"}, "your-webhook-secret"),
    ):
        with pytest.raises(neuais.InvalidSignature):
            neuais.verify_signature(other, about, secret)


def signed(body: bytes, secret: str, at: float) -> dict[str, str]:
    digest = hmac.new(secret.encode(), f"{int(at)}.".encode() + body, hashlib.sha256).hexdigest()
    return {"x-neuais-timestamp": str(int(at)), "x-neuais-signature": f"sha256={digest}"}


def test_the_client_without_await_is_made_from_the_one_with():
    made = runpy.run_path(str(PACKAGE / "make_sync.py"))["made"]()

    assert made == {file.name: file.read_text() for file in (PACKAGE / "src" / "neuais" / "_sync").glob("*.py")}
