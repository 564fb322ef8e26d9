"""The Python client against the live server, with a program that really runs."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

import neuais
from neuais import Agent, AsyncClient, Client
from tests.clients.conftest import CuttingProxy, Place, blocks_of
from tests.surfaces.conftest import Server

README = Path(__file__).parents[2] / "packages" / "neuais-python" / "README.md"
SMALL = {"cpu": "0.5", "memory": "64Mi"}


@pytest.fixture
def client(place: Place) -> Iterator[Client]:
    with Client(place.key, base_url=place.url) as found:
        yield found


@pytest.fixture
def deploy(client: Client, place: Place) -> Callable[..., Agent]:
    def deployed(name: str = "my-agent", **more: Any) -> Agent:
        config = {**SMALL, **more.pop("config", {})}
        return client.agents.create(name, runtime="python", binary_url=place.program, config=config, **more)

    return deployed


def say(agent: Agent, text: str) -> None:
    with urllib.request.urlopen(f"{agent.endpoints[0]}/say?{text}", timeout=20) as answer:
        assert answer.status == 200


def test_a_program_is_deployed_and_looked_after(client: Client, deploy: Callable[..., Agent]):
    made = deploy(environment={"LOG_LEVEL": "info"}, config={"replicas": 1})
    assert (made.status, made.environment_names) == ("deploying", ("LOG_LEVEL",))

    agent = client.agents.wait_until_running(made.id)

    assert (agent.replicas, agent.ready_replicas, agent.config.cpu) == (1, 1, "0.5")
    assert agent.extra == {}
    say(agent, "hello")
    lines = stream_until(client, agent, "hello")
    assert lines[-1].level == "info"
    assert [line.message for line in client.agents.logs(agent.id, tail=1, since="1h")] == ["hello"]
    assert client.agents.logs(agent.id, level="error") == ()
    metrics = client.agents.metrics(agent.id, period="1h", metric="cpu")
    assert metrics.period == "1h"
    assert client.agents.scale(agent.id, 2).replicas == 2
    assert client.agents.wait_until_running(agent.id).config.replicas == 2
    assert client.agents.stop(agent.id).id == agent.id
    assert client.agents.start(agent.id).status in ("deploying", "running")
    assert client.agents.restart(agent.id).id == agent.id
    changed = client.agents.update(agent.id, environment={"SAYS": "bye"}, config={"cpu": "0.6"})
    assert (changed.config.cpu, changed.environment_names) == ("0.6", ("SAYS",))
    assert client.agents.delete(agent.id).message == "Agent deleted successfully"
    with pytest.raises(neuais.NotFound):
        client.agents.get(agent.id)


def stream_until(client: Client, agent: Agent, text: str) -> list[neuais.LogLine]:
    found: list[neuais.LogLine] = []
    for line in client.agents.stream_logs(agent.id):
        found.append(line)
        if line.message == text:
            return found
    raise AssertionError("the stream ended")


def test_logs_are_followed_over_cut_connections(
    client: Client, place: Place, cutting: CuttingProxy, deploy: Callable[..., Agent]
):
    agent = client.agents.wait_until_running(deploy().id)
    with Client(place.key, base_url=f"http://127.0.0.1:{cutting.port}/neuais") as cut_client:
        lines = cut_client.agents.stream_logs(agent.id, after=0)
        stream = (line.message for line in lines if line.message != "started")
        heard: list[str] = []

        for number in range(3):
            say(agent, f"before-{number}")
            heard.append(next(stream))
            cutting.cut()
            say(agent, f"behind-{number}")
            heard.append(next(stream))

    assert heard == [f"{word}-{number}" for number in range(3) for word in ("before", "behind")]


def test_a_stream_ends_when_its_agent_is_deleted(client: Client, deploy: Callable[..., Agent]):
    agent = client.agents.wait_until_running(deploy().id)
    say(agent, "last")
    stream = client.agents.stream_logs(agent.id)
    assert "last" in (line.message for line in stream)

    client.agents.delete(agent.id)

    assert "last" not in [line.message for line in stream]


async def test_the_same_with_await(place: Place, cutting: CuttingProxy):
    async with AsyncClient(place.key, base_url=f"http://127.0.0.1:{cutting.port}/neuais") as client:
        made = await client.agents.create(
            "other", runtime="python", binary_url=place.program, config={"memory": "64Mi"}
        )
        agent = await client.agents.wait_until_running(made.id)
        stream = client.agents.stream_logs(agent.id, after=0)
        assert (await anext(stream)).message == "started"
        cutting.cut()
        say(agent, "two")
        assert (await anext(stream)).message == "two"
        await stream.aclose()
        async with client.live() as live:
            await live.subscribe("logs", agent.id)
            say(agent, "three")
            async for event in live:
                assert isinstance(event, neuais.LogEvent)
                assert event.data.message == "three"
                break
        assert [found.name async for found in client.agents.iterate(status="running")] == ["other"]


def test_everything_is_told_live_over_cut_connections(
    client: Client, place: Place, cutting: CuttingProxy, deploy: Callable[..., Agent]
):
    with Client(place.key, base_url=f"http://127.0.0.1:{cutting.port}/neuais") as cut_client, cut_client.live() as live:
        states = live.subscribe("status")
        agent = client.agents.wait_until_running(deploy().id)
        events = iter(live)
        assert any(isinstance(event, neuais.StatusEvent) and event.data.status == "running" for event in events)
        live.unsubscribe(states)
        lines = live.subscribe("logs", agent.id, level="info")
        say(agent, "one")
        assert next(message for message in messages(events, lines)) == "one"

        cutting.cut()
        say(agent, "two")
        say(agent, "three")

        assert list(islice(messages(events, lines), 2)) == ["two", "three"]
        with pytest.raises(neuais.LiveError) as refused:
            live.subscribe("status", "agt_00000000-0000-7000-8000-000000000000")
        assert refused.value.code == "not_found"
        client.agents.delete(agent.id)
        assert [event.type for event in events][-1] == "ended"


def messages(events: Iterator[neuais.LiveEvent], subscription: str) -> Iterator[str]:
    for event in events:
        if isinstance(event, neuais.LogEvent) and event.subscription == subscription:
            yield event.data.message


def test_lists_are_filtered_sorted_and_cut(client: Client, deploy: Callable[..., Agent]):
    for number in range(5):
        deploy(f"agent-{number}", config={"replicas": 0, "region": f"r{number % 2}"})

    names = [agent.name for agent in client.agents.iterate(sort="name", page_size=2)]
    page = client.agents.list(region="r0", sort="name:desc", limit=2, fields=["id", "name"])

    assert names == [f"agent-{number}" for number in range(5)]
    assert [agent.name for agent in page] == ["agent-4", "agent-2"]
    assert (page.total, page.limit, page.offset, page.has_more) == (3, 2, 0, True)


def test_refusals_say_what_is_wrong(client: Client, place: Place, deploy: Callable[..., Agent]):
    deploy(config={"replicas": 0})

    with pytest.raises(neuais.InvalidRequest) as invalid:
        deploy("other", config={"replicas": -1})
    with pytest.raises(neuais.Conflict):
        deploy(config={"replicas": 0})
    with pytest.raises(neuais.InvalidRequest, match="mood"):
        client.agents.list(fields=["mood"])
    with pytest.raises(neuais.NotFound):
        client.agents.get("agt_00000000-0000-7000-8000-000000000000")
    with pytest.raises(neuais.Unauthorized):
        Client("wrong", base_url=place.url).agents.list()

    assert invalid.value.field == "replicas"
    assert invalid.value.reason
    assert invalid.value.request_id


def test_a_create_that_is_sent_twice_makes_one(client: Client, deploy: Callable[..., Agent]):
    first = deploy(config={"replicas": 0}, idempotency_key="once")

    assert deploy(config={"replicas": 0}, idempotency_key="once").id == first.id
    assert client.agents.list().total == 1


def test_webhooks_tell_what_happens_and_are_verified(client: Client, place: Place, deploy: Callable[..., Agent]):
    made = client.webhooks.create(
        place.receiver, events=["agent.created", "agent.deleted"], secret="your-webhook-secret"
    )
    agent = deploy(config={"replicas": 0})

    [received] = come(place, 1)

    event = neuais.verify_signature(received["body"].encode(), received["headers"], "your-webhook-secret")
    assert (event.event, event.data["agent_id"], event.data["name"]) == ("agent.created", agent.id, "my-agent")
    with pytest.raises(neuais.InvalidSignature):
        neuais.verify_signature(received["body"].encode(), received["headers"], "another")
    assert [(found.id, found.has_secret, found.extra) for found in client.webhooks.iterate()] == [(made.id, True, {})]
    delivery = until_delivered(client, made.id)
    assert (delivery.event, delivery.response_status, delivery.extra) == ("agent.created", 204, {})
    assert client.webhooks.redeliver(made.id, delivery.id).id == delivery.id
    again = come(place, 2)[1]
    assert again["headers"][neuais.ID_HEADER] == received["headers"][neuais.ID_HEADER] == delivery.id[4:]
    whole = client.webhooks.delivery(made.id, delivery.id)
    assert (whole.payload or {})["event"] == "agent.created"
    assert whole.log[0].status == 204
    assert client.webhooks.redeliver_failed(made.id).count == 0
    assert client.webhooks.get(made.id).status == "active"
    client.webhooks.delete(made.id)
    assert list(client.webhooks.list()) == []


def come(place: Place, count: int) -> list[dict[str, Any]]:
    """What the receiver got, once it is so much."""
    deadline = time.monotonic() + 60
    while True:
        with urllib.request.urlopen(place.receiver, timeout=60) as answer:
            found = json.load(answer)
        if len(found) >= count:
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.05)


def until_delivered(client: Client, webhook: str) -> neuais.Delivery:
    deadline = time.monotonic() + 60
    while True:
        [found] = client.webhooks.deliveries(webhook)
        if found.status == "delivered":
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.05)


def test_users_come_and_go(client: Client):
    email = f"{uuid4().hex}@example.com"
    made = client.users.create(email, password="secure-password", role="developer", name="Ada")

    assert (made.role, made.name, made.status, made.extra) == ("developer", "Ada", "active", {})
    assert client.users.get(made.id, fields=["email"]).email == email
    assert client.users.update(made.id, role="viewer").role == "viewer"
    assert email in [user.email for user in client.users.iterate(sort="created_at", page_size=1)]
    [owner] = [user for user in client.users.list() if user.role == "owner"]
    assert client.users.delete(made.id).message
    with pytest.raises(neuais.Conflict):
        client.users.delete(owner.id)
    with pytest.raises(neuais.InvalidRequest) as refused:
        client.users.create("nobody", password="secure-password")
    assert refused.value.field == "email"


def test_services_and_bills_are_told(client: Client):
    services = client.services.list(sort="name")
    auth = client.services.status("auth")
    usage = client.billing.usage()

    names = {"auth", "iam", "kms", "billing", "compute", "storage", "database", "ai-network"}
    assert {service.name for service in services} == names
    assert (auth.status, auth.extra) == ("healthy", {})
    assert auth.checks
    assert auth.checks[0].latency_ms >= 0
    assert usage.extra == usage.usage.extra == usage.cost.extra == {}
    assert usage.cost.total == pytest.approx(usage.cost.compute + usage.cost.storage + usage.cost.network)
    assert client.billing.usage(period="last_month").period < usage.period
    assert list(client.billing.iterate_invoices()) == []
    with pytest.raises(neuais.NotFound):
        client.billing.invoice("inv_00000000-0000-7000-8000-000000000000")


def test_someone_signs_in(place: Place, server: Server):
    owner = server.workspace()
    with Client(email=owner.email, password=owner.password, base_url=place.url) as client:
        assert client.agents.list().total == 0
        token = client.auth.token(owner.email, owner.password)
        assert token.expires_in == 3600
    with Client("wrong", base_url=place.url) as client:
        client.auth.login(owner.email, owner.password)
        assert client.agents.list().total == 0
    with pytest.raises(neuais.Unauthorized):
        Client(email=owner.email, password="wrong", base_url=place.url).agents.list()


def test_the_examples_of_the_readme_do_what_they_say(
    hello: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("NEUAIS_BASE_URL", hello.url)
    monkeypatch.setenv("NEUAIS_TOKEN", hello.key)

    exec("\n".join(blocks_of(README, "python")), {"__name__": "readme"})

    told = capsys.readouterr().out
    assert "hello running http://" in told
    assert "replicas must be" in told
