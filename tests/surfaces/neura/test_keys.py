"""Keys of one agent, the external chat, and how it is used."""

from __future__ import annotations

import re
from typing import Any

from tests.surfaces.conftest import Server
from tests.surfaces.neura.conftest import Neura, refusal


def keyed(neura: Neura, agent_id: str, **body: Any) -> tuple[dict[str, Any], Neura]:
    made = neura.made(f"/api/agents/{agent_id}/api-keys", body)
    return made, Neura(neura.port, None)


def ask(guest: Neura, key: str, agent_id: str, **body: Any) -> Any:
    return guest.post(f"/api/v1/agents/{agent_id}/chat", body or {"message": "Hello"}, headers={"X-API-Key": key})


def test_a_key_is_shown_once_as_the_example_shows(neura: Neura, agent_id: str) -> None:
    made, _ = keyed(neura, agent_id, key_name="production", rate_limit=30)

    assert set(made) == {"key_id", "key", "key_name", "rate_limit", "endpoint", "message"}
    assert re.fullmatch(r"nk-[0-9A-Za-z]{40}", made["key"])
    assert made["endpoint"] == f"http://127.0.0.1:{neura.port}/neura/api/v1/agents/{agent_id}/chat"
    assert made["message"] == "API key created. Store it securely."
    listed = neura.get(f"/api/agents/{agent_id}/api-keys").json
    assert listed["total"] == 1
    (shown,) = listed["keys"]
    assert shown == {
        "key_id": made["key_id"],
        "key_name": "production",
        "key_prefix": f"{made['key'][:6]}...",
        "rate_limit": 30,
        "is_active": True,
        "created_at": shown["created_at"],
        "last_used": None,
    }
    default = neura.made(f"/api/agents/{agent_id}/api-keys", {})
    assert (default["key_name"], default["rate_limit"]) == ("Default", 60)


def test_a_key_talks_to_its_agent(neura: Neura, agent_id: str) -> None:
    made, guest = keyed(neura, agent_id)

    answer = ask(guest, made["key"], agent_id, message="Hello")
    by_query = ask(
        guest, made["key"], agent_id, query="Hello", conversation_history=[{"role": "user", "content": "Hi"}]
    )

    assert answer.status == by_query.status == 200, answer.body
    assert set(answer.json) == {"answer", "sources", "usage"}
    assert answer.json["answer"]
    assert answer.json["sources"] == []
    assert answer.json["usage"]["total_cost"] == 0.0
    assert answer.json["usage"]["latency_ms"] >= 0
    (shown,) = neura.get(f"/api/agents/{agent_id}/api-keys").json["keys"]
    assert shown["last_used"] is not None
    assert len(neura.get(f"/api/agents/{agent_id}/conversations").json["conversations"]) == 2


def test_a_key_opens_nothing_else(server: Server, neura: Neura, neura_stranger: Neura, agent_id: str) -> None:
    made, guest = keyed(neura, agent_id)
    other = neura.made("/api/agents", {"name": "Other"})["agent_id"]
    foreign = neura_stranger.made("/api/agents", {"name": "Foreign"})["agent_id"]
    unknown = "0190f0c1-0000-7000-8000-000000000001"

    for elsewhere in (other, foreign, unknown, "nonsense"):
        answer = ask(guest, made["key"], elsewhere)
        assert answer.status == 403, answer.body
        assert refusal(answer)["error"] == "API key does not have access to this resource"
    headers = {"X-API-Key": made["key"]}
    for method, path in (
        ("GET", "/api/agents"),
        ("GET", f"/api/agents/{agent_id}"),
        ("POST", f"/api/agents/{agent_id}/chat"),
        ("GET", f"/api/agents/{agent_id}/conversations"),
        ("GET", f"/api/agents/{agent_id}/api-keys"),
        ("GET", f"/api/agents/{agent_id}/api-usage"),
        ("GET", "/api/tools/agents"),
        ("GET", "/api/tools/inference"),
        ("GET", "/api/agent/deployed-models"),
    ):
        body = {"query": "Hello"} if method == "POST" else None
        assert guest.request(method, path, body, headers=headers).status == 403, path
    assert server.client(made["key"]).get("/v1/agents").status == 403


def test_a_key_tells_nothing_of_its_maker_and_ends_nobodys_sign_in(server: Server, neura: Neura, agent_id: str) -> None:
    raw = neura.made(f"/api/agents/{agent_id}/api-keys", {})["key"]
    guest = Neura(server.port, raw)

    for query in ("{ me { id } }", "mutation { logout }"):
        answer = guest.post("/graphql", {"query": query}).json
        assert answer["data"] is None
        assert answer["errors"][0]["extensions"]["code"] == "FORBIDDEN"


def test_a_key_can_be_made_without_a_body(neura: Neura, agent_id: str) -> None:
    answer = neura.post(f"/api/agents/{agent_id}/api-keys")

    assert (answer.status, answer.json["key_name"], answer.json["rate_limit"]) == (201, "Default", 60)


def test_a_revoked_key_opens_nothing(neura: Neura, agent_id: str) -> None:
    made, guest = keyed(neura, agent_id)
    other = neura.made("/api/agents", {"name": "Other"})["agent_id"]

    assert neura.delete(f"/api/agents/{other}/api-keys/{made['key_id']}").status == 404
    assert neura.delete(f"/api/agents/{agent_id}/api-keys/{made['key_id']}").json == {"success": True}
    assert ask(guest, made["key"], agent_id).status == 401
    assert neura.get(f"/api/agents/{agent_id}/api-keys").json["keys"][0]["is_active"] is False


def test_one_request_too_many_is_told_in_numbers(neura: Neura, agent_id: str) -> None:
    made, guest = keyed(neura, agent_id, rate_limit=2)

    answers = [ask(guest, made["key"], agent_id) for _ in range(3)]

    assert [answer.status for answer in answers] == [200, 200, 429]
    assert answers[2].json == {"error": "Rate limit exceeded: 3/2 per minute"}
    assert int(answers[2].headers["retry-after"]) >= 1


def test_wrong_requests_are_400_in_this_apis_shape(neura: Neura, agent_id: str) -> None:
    made, guest = keyed(neura, agent_id)

    for body, field in (
        ({}, "message"),
        ({"message": " "}, "message"),
        ({"message": 7}, "message"),
        ({"message": "x", "conversation_history": [{"role": "robot", "content": "x"}]}, "conversation_history[0].role"),
    ):
        answer = guest.post(f"/api/v1/agents/{agent_id}/chat", body, headers={"X-API-Key": made["key"]})
        assert answer.status == 400, answer.body
        assert refusal(answer)["detail"] == f"Field: {field}"
    assert guest.post(f"/api/v1/agents/{agent_id}/chat", {"message": "x"}).status == 401
    for body, field in (
        ({"rate_limit": 0}, "rate_limit"),
        ({"rate_limit": "x"}, "rate_limit"),
        ({"key_name": ""}, "key_name"),
    ):
        answer = neura.post(f"/api/agents/{agent_id}/api-keys", body)
        assert (answer.status, refusal(answer)["detail"]) == (400, f"Field: {field}")


def test_usage_counts_requests_by_day_and_key(neura: Neura, agent_id: str) -> None:
    path = f"/api/agents/{agent_id}/api-usage"
    empty = neura.get(path).json
    assert empty["summary"] == {
        "total_requests": 0, "total_tokens": 0, "total_cost": 0.0, "avg_latency_ms": 0, "success_rate": 100.0,
        "error_count": 0, "last_request": None,
    }  # fmt: skip
    assert (empty["period"], empty["daily"], empty["per_key"]) == ("30d", [], [])
    made, guest = keyed(neura, agent_id, key_name="production")
    for _ in range(3):
        assert ask(guest, made["key"], agent_id).status == 200

    found = neura.get(f"{path}?period=24h").json

    assert found["period"] == "24h"
    summary = found["summary"]
    assert (summary["total_requests"], summary["error_count"], summary["success_rate"]) == (3, 0, 100.0)
    assert summary["total_tokens"] > 0
    assert summary["last_request"].endswith("Z")
    (day,) = found["daily"]
    assert (set(day), day["requests"], day["cost"]) == ({"date", "requests", "cost"}, 3, 0.0)
    assert found["per_key"] == [{"key_id": made["key_id"], "key_name": "production", "requests": 3, "cost": 0.0}]
    assert neura.get(f"{path}?period=1y").status == 400
