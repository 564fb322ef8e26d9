"""Each operation of the API is sent as its documentation says, and its example is read."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import neuais
from neuais import Client
from tests.clients.odd_server import OddServer, Said, odd_server, refused

AGENT = {
    "id": "agt_1a2b3c4d",
    "name": "my-agent",
    "status": "running",
    "replicas": 3,
    "region": "us-west-2",
    "config": {"cpu": "1.0", "memory": "1Gi"},
    "endpoints": ["https://my-agent.neuais.app"],
    "created_at": "2024-01-15T10:00:00Z",
    "updated_at": "2024-01-15T10:05:00Z",
}
USER = {"id": "usr_1", "email": "user@example.com", "role": "developer", "created_at": "2024-01-15T10:00:00Z"}
USAGE = {
    "period": "2024-01",
    "usage": {"compute_hours": 1000, "storage_gb": 500, "network_gb": 100},
    "cost": {"compute": 50.00, "storage": 10.00, "network": 5.00, "total": 65.00},
}
INVOICE = {"id": "inv_1a2b3c", "period": "2024-01", "amount": 65.00, "status": "paid", "due_date": "2024-02-01"}
WEBHOOK = {"id": "whk_1", "url": "https://example.com/webhook", "events": ["agent.created", "agent.stopped"]}
DELIVERY = {"id": "dlv_1", "event": "agent.created", "status": "delivered", "attempts": 1}
INVOICE_LINE = {"kind": "compute", "name": "my-agent", "quantity": 1300.0, "unit": "core hours", "amount": 65.0}
ATTEMPT = {"number": 1, "at": "2024-01-15T10:00:01Z", "latency_ms": 5, "status": 204, "response": "", "error": None}
SERVICE = {"name": "auth", "status": "healthy", "version": "1.0.0", "uptime": "5d 12h 30m"}
POINTS = [{"timestamp": "2024-01-15T10:00:00Z", "value": 45.2}, {"timestamp": "2024-01-15T10:01:00Z", "value": 47.1}]
LINE = {"timestamp": "2024-01-15T10:00:00Z", "level": "info", "message": "Agent started"}
DONE = {"message": "Agent deleted successfully"}
TOKEN = {"access_token": "eyJhbGciOiJIUzI1NiIs...", "token_type": "Bearer", "expires_in": 3600}

Does = Callable[[Client], Any]
CASES: list[tuple[Does, dict[str, Any], str, Any]] = [
    (
        lambda c: c.auth.token("user@example.com", "your-password").expires_in == 3600,
        TOKEN,
        "POST /v1/auth/token",
        {"email": "user@example.com", "password": "your-password"},
    ),
    (lambda c: c.agents.get("agt_1").config.cpu == "1.0", AGENT, "GET /v1/agents/agt_1", None),
    (
        lambda c: (
            c.agents.create(
                "my-agent",
                runtime="rust",
                binary_url="https://storage.neuais.com/binaries/my-agent",
                config=neuais.AgentConfig(cpu="1.0", memory="1Gi", replicas=3, extra={"mood": "fine"}),
                environment={"LOG_LEVEL": "info"},
            ).name
            == "my-agent"
        ),
        {name: AGENT[name] for name in ("id", "name", "status", "created_at")},
        "POST /v1/agents",
        {
            "name": "my-agent",
            "runtime": "rust",
            "binary_url": "https://storage.neuais.com/binaries/my-agent",
            "config": {"cpu": "1.0", "memory": "1Gi", "replicas": 3, "mood": "fine"},
            "environment": {"LOG_LEVEL": "info"},
        },
    ),
    (
        lambda c: c.agents.update("agt_1", binary_url="https://x/v2", config={"replicas": 5}),
        AGENT,
        "PUT /v1/agents/agt_1",
        {"binary_url": "https://x/v2", "config": {"replicas": 5}},
    ),
    (lambda c: c.agents.delete("agt_1").message, DONE, "DELETE /v1/agents/agt_1", None),
    (lambda c: c.agents.start("agt_1").name, AGENT, "POST /v1/agents/agt_1/start", None),
    (lambda c: c.agents.stop("agt_1").name, AGENT, "POST /v1/agents/agt_1/stop", None),
    (lambda c: c.agents.restart("agt_1").name, AGENT, "POST /v1/agents/agt_1/restart", None),
    (lambda c: c.agents.scale("agt_1", 5).name, AGENT, "POST /v1/agents/agt_1/scale", {"replicas": 5}),
    (
        lambda c: c.agents.logs("agt_1", tail=5, since="1h", level="warn")[0].message == "Agent started",
        {"logs": [LINE]},
        "GET /v1/agents/agt_1/logs?tail=5&since=1h&level=warn",
        None,
    ),
    (
        lambda c: c.agents.metrics("agt_1", period="24h", metric="cpu").metrics.cpu[1].value == 47.1,
        {"metrics": {"cpu": POINTS}},
        "GET /v1/agents/agt_1/metrics?period=24h&metric=cpu",
        None,
    ),
    (lambda c: c.services.list()[0].uptime == "5d 12h 30m", {"services": [SERVICE]}, "GET /v1/services", None),
    (lambda c: c.services.status("auth").status == "healthy", SERVICE, "GET /v1/services/auth/status", None),
    (lambda c: c.users.list(limit=5)[0].role == "developer", {"users": [USER]}, "GET /v1/users?limit=5", None),
    (lambda c: c.users.get("usr_1").email == "user@example.com", USER, "GET /v1/users/usr_1", None),
    (
        lambda c: c.users.create("user@example.com", password="secure-password", role="developer").id == "usr_1",
        USER,
        "POST /v1/users",
        {"email": "user@example.com", "password": "secure-password", "role": "developer"},
    ),
    (lambda c: c.users.update("usr_1", role="admin").id, USER, "PUT /v1/users/usr_1", {"role": "admin"}),
    (lambda c: c.users.delete("usr_1").message, DONE, "DELETE /v1/users/usr_1", None),
    (
        lambda c: c.billing.usage(period="last_month").cost.total == 65.0,
        USAGE,
        "GET /v1/billing/usage?period=last_month",
        None,
    ),
    (
        lambda c: c.billing.invoices()[0].due_date.isoformat() == "2024-02-01",
        {"invoices": [INVOICE]},
        "GET /v1/billing/invoices",
        None,
    ),
    (
        lambda c: (
            c.webhooks.create(
                "https://example.com/webhook", events=["agent.created", "agent.stopped"], secret="your-webhook-secret"
            ).events
            == ("agent.created", "agent.stopped")
        ),
        WEBHOOK,
        "POST /v1/webhooks",
        {
            "url": "https://example.com/webhook",
            "events": ["agent.created", "agent.stopped"],
            "secret": "your-webhook-secret",
        },
    ),
    (
        lambda c: c.billing.invoice("inv_1").lines[0].amount == 65.0,
        {**INVOICE, "lines": [INVOICE_LINE]},
        "GET /v1/billing/invoices/inv_1",
        None,
    ),
    (lambda c: c.webhooks.get("whk_1").url, WEBHOOK, "GET /v1/webhooks/whk_1", None),
    (
        lambda c: c.webhooks.delivery("whk_1", "dlv_1").log[0].status == 204,
        {**DELIVERY, "payload": {"event": "agent.created"}, "log": [ATTEMPT]},
        "GET /v1/webhooks/whk_1/deliveries/dlv_1",
        None,
    ),
    (
        lambda c: c.webhooks.redeliver_failed("whk_1").count == 2,
        {"count": 2},
        "POST /v1/webhooks/whk_1/redeliver",
        None,
    ),
    (lambda c: c.webhooks.list()[0].id == "whk_1", {"webhooks": [WEBHOOK]}, "GET /v1/webhooks", None),
    (lambda c: c.webhooks.delete("whk_1"), {}, "DELETE /v1/webhooks/whk_1", None),
    (
        lambda c: c.webhooks.deliveries("whk_1", limit=5)[0].attempts == 1,
        {"deliveries": [DELIVERY]},
        "GET /v1/webhooks/whk_1/deliveries?limit=5",
        None,
    ),
    (
        lambda c: c.webhooks.redeliver("whk_1", "dlv_1").id == "dlv_1",
        DELIVERY,
        "POST /v1/webhooks/whk_1/deliveries/dlv_1/redeliver",
        None,
    ),
]


@pytest.fixture(scope="module")
def odd() -> Iterator[OddServer]:
    with odd_server() as found:
        yield found


@pytest.mark.parametrize(("does", "answer", "asks", "body"), CASES, ids=[asks for _, _, asks, _ in CASES])
def test_each_operation_is_sent_and_read(odd: OddServer, does: Does, answer: dict[str, Any], asks: str, body: Any):
    odd.says(Said(body=answer))

    with Client("secret", base_url=odd.url) as client:
        assert does(client)

    [asked] = odd.asked
    assert f"{asked.method} {asked.path}" == asks
    assert asked.body == body


def test_what_is_read_and_what_is_refused_can_be_sent_to_another_process(odd: OddServer):
    odd.says(Said(body={**AGENT, "mood": "fine"}), refused(404, "not_found", field="id", reason="is nobody's"))
    with Client("secret", base_url=odd.url) as client:
        agent = client.agents.get("agt_1")
        with pytest.raises(neuais.NotFound) as caught:
            client.agents.get("agt_1")

    assert pickle.loads(pickle.dumps(agent)) == agent
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.field, again.status) == (str(caught.value), "id", 404)
    assert agent != client
    assert "mood" in repr(agent)
