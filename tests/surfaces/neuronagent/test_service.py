"""What is outside /api/v1, and what every answer has."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
import yaml

from glia.surfaces.neuronagent.app import neuronagent_surface
from glia.surfaces.shared.asgi import App
from tests.surfaces.conftest import Server
from tests.surfaces.neuronagent.conftest import BASE, Neuron, refused


def test_the_service_routes_need_no_key(server: Server) -> None:
    anyone = Neuron(server.port)

    assert anyone.get("/neuronagent/health").json == {"status": "ok"}
    assert anyone.get("/neuronagent/healthz").json == {"status": "ok"}
    assert anyone.get("/neuronagent/readyz").json == {"ready": True}
    version = anyone.get("/neuronagent/version").json
    assert version["api_version"] == "v1"
    assert set(version) == {
        "version",
        "build_date",
        "git_commit",
        "api_version",
        "runtime_mode",
        "neurondb_compatible",
        "migration_version",
    }
    assert b"glia_http_requests_total" in anyone.get("/neuronagent/metrics").body
    assert b"# TYPE neurondb_agent_executions_total counter" in anyone.get("/neuronagent/metrics").body
    assert b"<html" in anyone.get("/neuronagent/docs").body.lower()


@pytest.mark.parametrize("path", ["/openapi.yaml", "/docs/openapi.yaml"])
def test_the_document_is_there_as_yaml_and_as_json(server: Server, path: str) -> None:
    anyone = Neuron(server.port)

    found = yaml.load(anyone.get("/neuronagent" + path).body, Loader=yaml.CSafeLoader)

    assert found == anyone.get("/neuronagent/openapi.json").json
    assert found["paths"]["/api/v1/sessions/{session_id}/messages"]["post"]["responses"]["201"]
    assert "get" in found["paths"]["/ws"]


def test_every_answer_has_the_headers_of_the_contract(client: Neuron) -> None:
    answer = client.get("/agents", headers={"X-Request-ID": "my-own-id"})

    assert answer.headers["x-request-id"] == "my-own-id"
    assert answer.headers["x-api-version"] == "v1"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert {"x-xss-protection", "referrer-policy", "permissions-policy", "content-security-policy"} <= set(
        answer.headers
    )
    UUID(client.get("/agents").headers["x-request-id"])
    assert refused(client.get("/agents/x", headers={"X-Request-ID": "again"}), 400)["request_id"] == "again"


def test_browsers_may_call_from_anywhere_unless_the_operator_says_otherwise(client: Neuron) -> None:
    asked = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}

    preflight = client.request("OPTIONS", "/agents", headers=asked)

    assert preflight.status == 204
    assert preflight.headers["access-control-allow-origin"] == "*"
    assert preflight.headers["access-control-allow-methods"] == "GET, POST, PUT, DELETE, OPTIONS"
    assert "Authorization" in preflight.headers["access-control-allow-headers"]
    assert (
        client.get("/agents", headers={"Origin": "https://app.example"}).headers["access-control-allow-origin"] == "*"
    )


def test_errors_have_one_shape_whatever_went_wrong(client: Neuron, server: Server) -> None:
    missing = "01900000-0000-7000-8000-000000000000"

    assert refused(Neuron(server.port).get("/agents"), 401)["code"] == "unauthorized"
    assert refused(Neuron(server.port, "wrong").get("/agents"), 401)["code"] == "unauthorized"
    assert refused(client.get(f"/agents/{missing}"), 404)["code"] == "not_found"
    assert refused(client.get("/nothing"), 404)["code"] == "not_found"
    assert refused(client.request("PATCH", "/agents"), 405)["code"] == "client_error"
    assert refused(client.request("POST", "/agents", raw=b"{"), 400)["code"] == "bad_request"
    assert refused(client.request("POST", "/agents", raw=b"[]"), 400)["code"] == "bad_request"
    assert (
        refused(client.post("/agents", {"name": "x" * 2_000_000, "system_prompt": "x"}), 413)["code"] == "client_error"
    )


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x", "offset=-1", "offset=100001", "offset=1.5"])
def test_a_part_of_a_list_that_cannot_be_is_refused(client: Neuron, query: str) -> None:
    refused(client.get(f"/agents?{query}"), 400)


def test_roles_decide_who_may_write_and_who_may_delete(client: Neuron, with_role: Callable[..., Neuron]) -> None:
    agent = client.agent()
    user, reader = with_role("user"), with_role("read-only")

    assert len(user.key or "") == 44
    assert (user.key or "").endswith("=")
    assert ":" not in (user.key or "")
    assert reader.get("/agents").status == 200
    assert refused(reader.post("/agents", {"name": "no", "system_prompt": "x"}), 403)["code"] == "forbidden"
    assert refused(reader.post(f"/agents/{agent['id']}/clone"), 403)
    assert refused(reader.get("/blueprints"), 403)
    session = user.session(agent)
    refused(reader.post(f"/sessions/{session}/messages", {"content": "hello"}), 403)
    refused(user.delete(f"/agents/{agent['id']}"), 403)
    assert user.put(f"/agents/{agent['id']}", {"description": "mine"}).status == 200
    assert with_role("admin").delete(f"/agents/{agent['id']}").status == 204


def test_who_asks_too_often_is_told_when_to_come_back(with_role: Callable[..., Neuron]) -> None:
    slow = with_role("user", rate=2)
    answers = [slow.get("/agents") for _ in range(3)]

    assert [answer.status for answer in answers] == [200, 200, 429]
    assert refused(answers[2], 429)["code"] == "rate_limit_exceeded"
    assert int(answers[2].headers["retry-after"]) >= 1
    assert answers[2].json["retryable"] is True
    assert answers[0].headers["x-ratelimit-limit"] == "2"


def test_apikey_is_a_scheme_too(client: Neuron) -> None:
    anyone = Neuron(client.port)

    assert anyone.get("/agents", headers={"Authorization": f"ApiKey {client.key}"}).status == 200


def test_a_repeated_post_gives_the_first_answer(client: Neuron) -> None:
    body = {"name": "once", "system_prompt": "x"}
    first, second = (client.post("/agents", body, headers={"Idempotency-Key": "k1"}) for _ in range(2))

    assert first.status == second.status == 201
    assert first.json == second.json


def test_fields_that_nothing_reads_are_named(client: Neuron) -> None:
    answer = client.post("/agents", {"name": "odd", "system_prompt": "x", "colour": "red"})

    assert answer.status == 201
    assert answer.headers["x-ignored-fields"] == "colour"
    assert BASE.startswith("/neuronagent")


def test_unknown_fields_are_refused_where_the_operator_wants_that(
    server: Server, client: Neuron, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONFIG_REJECT_UNKNOWN_FIELDS", "true")
    session = client.session(client.agent())

    async def ask(house: Any) -> list[tuple[int, Any]]:
        app = neuronagent_surface(house)
        return [
            await _post(app, client, "/api/v1/sessions", {"agent_id": session, "colour": "red"}),
            await _post(app, client, f"/api/v1/sessions/{session}/messages", {"content": "Hello", "colour": "red"}),
        ]

    for status, body in server.do(ask):
        assert status == 400
        assert body["error"]["details"]["field"] == "colour"
    assert client.post("/sessions", {"agent_id": client.agent("other")["id"], "colour": "red"}).status == 201


async def _post(app: App, client: Neuron, path: str, body: Any) -> tuple[int, Any]:
    """Straight to a surface of our own, which has read the environment as it is now."""
    headers = [(b"authorization", f"Bearer {client.key}".encode()), (b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": path, "headers": headers, "query_string": b"", "state": {}}
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": json.dumps(body).encode(), "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent[0]["status"], json.loads(b"".join(message.get("body", b"") for message in sent[1:]))
