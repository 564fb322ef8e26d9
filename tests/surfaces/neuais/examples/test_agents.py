"""NeuAIs' published examples of agents, logs and metrics, with only the address changed."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

import pytest

from glia.identity.types import Credentials
from tests.surfaces.conftest import Server
from tests.surfaces.neuais.conftest import Neuais, Written, refusal

CREATE = """{
"name": "my-agent",
"runtime": "rust",
"binary_url": "https://storage.neuais.com/binaries/my-agent",
"config": {
"cpu": "1.0",
"memory": "1Gi",
"replicas": 3
},
"environment": {
"LOG_LEVEL": "info"
}
}"""
UPDATE = """{
"binary_url": "https://storage.neuais.com/binaries/my-agent-v2",
"config": {
"replicas": 5
}
}"""
CURL = 'curl -H "Authorization: Bearer eyJhbGciOiJIUzI1NiIs..." \\\nhttps://api.neuais.com/v1/agents'


@pytest.fixture
def agent(neuais: Neuais) -> dict[str, Any]:
    return neuais.made("/v1/agents", json.loads(CREATE))


def test_get_a_token_and_use_it(server: Server, credentials: Credentials):
    body = {"email": credentials.email, "password": credentials.password}

    found = Neuais(server.port).post("/v1/auth/token", body).json
    command = CURL.replace("https://api.neuais.com", f"http://127.0.0.1:{server.port}/neuais")
    command = command.replace("eyJhbGciOiJIUzI1NiIs...", found["access_token"]).replace("curl", "curl -sS", 1)
    shown = subprocess.run(
        ["sh", "-c", command], env={"PATH": os.environ["PATH"]}, capture_output=True, check=True, timeout=60
    )

    assert (found["token_type"], found["expires_in"]) == ("Bearer", 3600)
    assert json.loads(shown.stdout) == {"agents": [], "total": 0, "limit": 100, "offset": 0, "has_more": False}


def test_create_and_get_an_agent(neuais: Neuais, agent: dict[str, Any]):
    found = neuais.get(f"/v1/agents/{agent['id']}").json

    assert agent["id"].startswith("agt_")
    assert (agent["name"], agent["status"]) == ("my-agent", "deploying")
    assert {"id", "name", "status", "replicas", "region", "config", "endpoints", "created_at", "updated_at"} <= set(
        found
    )
    assert (found["replicas"], found["config"]["cpu"], found["config"]["memory"]) == (3, "1.0", "1Gi")
    assert "/deployments/my-agent" in found["endpoints"][0]


def test_list_agents(neuais: Neuais, agent: dict[str, Any]):
    found = neuais.get("/v1/agents").json

    assert {name: found[name] for name in ("total", "limit", "offset")} == {"total": 1, "limit": 100, "offset": 0}
    row = found["agents"][0]
    assert {"id", "name", "status", "replicas", "region", "created_at", "updated_at"} <= set(row)
    assert row["id"] == agent["id"]


def test_update_an_agent(neuais: Neuais, agent: dict[str, Any]):
    answer = neuais.put(f"/v1/agents/{agent['id']}", json.loads(UPDATE))

    assert answer.status == 200
    assert (answer.json["replicas"], answer.json["binary_url"][-3:]) == (5, "-v2")
    assert answer.json["config"]["memory"] == "1Gi"


def test_delete_an_agent(neuais: Neuais, agent: dict[str, Any]):
    assert neuais.delete(f"/v1/agents/{agent['id']}").json == {"message": "Agent deleted successfully"}


def test_start_stop_restart_and_scale(neuais: Neuais, agent: dict[str, Any]):
    path = f"/v1/agents/{agent['id']}"

    answers = [neuais.post(f"{path}/{act}") for act in ("start", "stop", "restart")]
    scaled = neuais.post(f"{path}/scale", {"replicas": 5})

    assert [answer.status for answer in answers] == [200, 200, 200]
    assert (scaled.status, scaled.json["replicas"]) == (200, 5)


def test_logs(neuais: Neuais, agent: dict[str, Any], written: Written):
    written.lines(agent, [("info", "Agent started")])

    line = neuais.get(f"/v1/agents/{agent['id']}/logs?tail=100&since=1h&level=info&follow=false").json["logs"][0]
    with neuais.stream("GET", f"/v1/agents/{agent['id']}/logs?follow=true") as stream:
        event = next(stream.events())

    assert {"timestamp", "level", "message"} <= set(line)
    assert (line["level"], line["message"]) == ("info", "Agent started")
    assert event["data"] == {name: line[name] for name in ("timestamp", "level", "message", "replica")}


@pytest.mark.parametrize("period", ["1h", "24h", "7d"])
@pytest.mark.parametrize("metric", ["cpu", "memory", "network"])
def test_metrics(neuais: Neuais, agent: dict[str, Any], written: Written, period: str, metric: str):
    written.samples(agent, [(45.2, 512.0, 1.0)], age_seconds=60)
    written.samples(agent, [(47.1, 524.0, 2.0)], age_seconds=30)

    found = neuais.get(f"/v1/agents/{agent['id']}/metrics?period={period}&metric={metric}").json["metrics"]

    assert list(found) == [metric]
    assert found[metric]
    assert all(set(point) == {"timestamp", "value"} for point in found[metric])


def test_an_error(neuais: Neuais):
    body = json.loads(CREATE)
    body["config"]["replicas"] = -1

    error = refusal(neuais.post("/v1/agents", body), 400)

    assert error["code"] == "invalid_request"
    assert error["message"].startswith("Invalid agent")
    assert error["details"]["field"] == "replicas"


def test_pages_filters_order_and_fields(neuais: Neuais, agent: dict[str, Any]):
    page = neuais.get("/v1/agents?limit=50&offset=100").json
    filtered = neuais.get("/v1/agents?status=running&region=us-west-2").json
    ordered = neuais.get("/v1/agents?sort=created_at:desc").json
    fields = neuais.get("/v1/agents?fields=id,name,status").json

    assert page == {"agents": [], "total": 1, "limit": 50, "offset": 100, "has_more": False}
    assert filtered["total"] == 0
    assert [row["id"] for row in ordered["agents"]] == [agent["id"]]
    assert fields["agents"] == [{"id": agent["id"], "name": "my-agent", "status": "deploying"}]
