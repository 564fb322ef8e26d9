"""Failures in Neura's shape, whatever fails."""

from __future__ import annotations

import pytest

from glia.identity.service import StillInProgress
from glia.kit.ids import new_id
from glia.surfaces.neura.words import neura_status
from tests.surfaces.conftest import Client, Server
from tests.surfaces.neura.conftest import Neura, refusal


def test_nobody_is_a_401(server: Server):
    nobody = Neura(server.port)

    answer = nobody.get("/api/agents")

    assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
    refusal(answer)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/nothing", 404),
        ("GET", "/", 404),
        ("PATCH", "/api/agents", 405),
        ("GET", "/api/agents/00000000-0000-7000-8000-000000000000", 404),
        ("GET", "/api/agents/no-such-agent", 404),
    ],
)
def test_what_is_not_there_is_told_in_neuras_shape(neura: Neura, method: str, path: str, status: int):
    answer = neura.request(method, path)

    assert answer.status == status
    refusal(answer)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/datasets/pipeline/start"),
        ("GET", "/api/datasets/pipeline/x/status"),
        ("GET", "/api/datasets"),
        ("POST", "/api/datasets/x/enable-rag"),
        ("GET", "/api/datasets/x/rag-status"),
        ("GET", "/api/datasets/x/samples"),
        ("POST", "/api/training/jobs"),
        ("GET", "/api/marketplace"),
        ("GET", "/api/glassbox/sessions"),
        ("GET", "/api/connections"),
        ("POST", "/api/runtime/pair"),
    ],
)
def test_what_is_not_built_says_so(neura: Neura, method: str, path: str):
    answer = neura.request(method, path)

    assert answer.status == 501
    assert "not built" in refusal(answer)["error"]


def test_a_body_that_is_no_json_is_a_400(neura: Neura):
    assert neura.post("/api/agents", raw=b"{", headers={"Content-Type": "application/json"}).status == 400
    assert neura.post("/api/agents", raw=b"[]", headers={"Content-Type": "application/json"}).status == 400
    text = neura.post("/api/agents", raw=b"name: x", headers={"Content-Type": "text/yaml"})
    assert text.status == 415
    refusal(text)


def test_json_that_curl_calls_a_form_is_taken(neura: Neura, agent_id: str):
    headers = {"Content-Type": "application/x-www-form-urlencoded"}

    assert neura.post("/api/agents", raw=b'{"name": "x"}', headers=headers).status == 201
    assert neura.post(f"/api/agents/{agent_id}/chat", raw=b'{"query": "hello"}', headers=headers).status == 200
    assert neura.post("/api/agents", raw=b"name=x", headers=headers).status == 400


def test_an_error_names_the_field_as_this_api_calls_it(neura: Neura, agent_id: str):
    nowhere = str(new_id())
    chat, tools = f"/api/agents/{agent_id}/chat", f"/api/agents/{agent_id}/tools"

    base = refusal(neura.post("/api/agents", {"name": "x", "kb_ids": [nowhere]}))
    agents = refusal(neura.post(chat, {"query": "x", "selected_agent_ids": [nowhere]}))
    circle = refusal(neura.put(tools, {"selected_agent_ids": [agent_id]}))
    long = refusal(neura.post(chat, {"query": "x" * 400_001}))

    assert base["detail"] == "Field: kb_ids"
    assert agents["detail"] == "Field: selected_agent_ids[0]"
    assert circle["error"].startswith("`selected_agent_ids` would lead back")
    assert (long["detail"], long["error"][:7]) == ("Field: query", "`query`")


def test_a_key_that_is_still_at_work_is_told_as_something_to_try_again():
    error = StillInProgress("The first request is still being answered; try again shortly.")

    assert neura_status(error) == 429
    assert error.retry_after_seconds >= 1


def test_a_body_that_is_too_large_is_told(neura: Neura):
    answer = neura.post("/api/agents", raw=b"{" + b" " * 11_000_000, headers={"Content-Type": "application/json"})

    assert answer.status == 413
    refusal(answer)


def test_a_key_without_the_scope_is_a_403(neura: Neura, client: Client, server: Server):
    key = client.made("/v1/keys", {"name": "reader", "scopes": ["agents:read"]})["key"]

    answer = Neura(server.port, key).post("/api/agents", {"name": "x"})

    assert answer.status == 403
    assert "agents:write" in refusal(answer)["error"]


def test_too_many_requests_are_told_as_neura_does(client: Client, server: Server):
    key = client.made("/v1/keys", {"name": "slow", "rate_per_minute": 2})["key"]
    slow = Neura(server.port, key)

    answers = [slow.get("/api/agents") for _ in range(3)]

    assert [answer.status for answer in answers] == [200, 200, 429]
    assert answers[2].json == {"error": "Rate limit exceeded: 3/2 per minute"}
    assert int(answers[2].headers["retry-after"]) >= 1
    assert answers[0].headers["x-ratelimit-limit"] == "2"


def test_strict_fields_are_a_400(strict_server: Server):
    strict = Neura(strict_server.port, strict_server.workspace().api_key)

    answer = strict.post("/api/agents", {"name": "x", "colour": "blue"})

    assert answer.status == 400
    assert "colour" in refusal(answer)["error"]
