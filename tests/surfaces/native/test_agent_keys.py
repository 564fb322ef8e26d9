"""Keys that are bound to one agent: they talk to it, where a surface lets them, and do nothing else."""

from __future__ import annotations

import re
from typing import Any

from glia.kit.ids import new_id
from tests.surfaces.conftest import Client, native_document


def bound(client: Client, agent: dict[str, Any], **more: Any) -> tuple[dict[str, Any], Client]:
    made = client.made("/v1/keys", {"name": "shop", "agent_id": agent["id"], "surface": "neura", **more})
    return made, Client(client.port, made["key"])


def test_a_bound_key_is_shown_with_its_agent(client: Client, agent: dict[str, Any]) -> None:
    made, _ = bound(client, agent, rate_per_minute=7)

    assert re.fullmatch(r"nk-[0-9A-Za-z]{40}", made["key"])
    assert (made["agent_id"], made["rate_per_minute"], made["role"]) == (agent["id"], 7, "user")
    assert client.get(f"/v1/keys/{made['id']}").json["agent_id"] == agent["id"]


def test_a_bound_key_opens_nothing_of_the_native_surface(client: Client, agent: dict[str, Any]) -> None:
    _, key = bound(client, agent)
    paths = [
        re.sub(r"\{\w+\}", str(new_id()), path)
        for path, operations in native_document(client)["paths"].items()
        if "get" in operations and path.startswith("/v1/") and "/previews/" not in path
    ]

    opened = {path: status for path in paths if (status := key.get(path).status) not in {400, 403, 404}}

    assert len(paths) > 50
    assert opened == {}
    assert key.get("/v1/agents").status == 403
    assert key.get(f"/v1/agents/{agent['id']}").status == 403
    assert key.post("/v1/sessions", {"agent_id": agent["id"]}).status == 403
    assert key.post("/v1/keys", {"name": "more"}).status == 403
    message = key.get("/v1/agents").error["message"]
    assert agent["id"] in message


def test_a_bound_key_is_refused_by_other_surfaces(client: Client, agent: dict[str, Any]) -> None:
    _, key = bound(client, agent)
    body = {"model": f"agent:{agent['slug']}", "messages": [{"role": "user", "content": "Hello"}]}

    assert client.post("/v1/chat/completions", body).status == 200
    assert key.post("/v1/chat/completions", body).status == 403
    assert key.post("/v1/chat/completions", {**body, "model": "glia/embedded"}).status == 403


def test_no_surface_has_a_route_that_forgets_such_keys(client: Client, agent: dict[str, Any]) -> None:
    """Even what every key may read, such as which models there are, is closed to them."""
    _, key = bound(client, agent)
    paths = (
        "/v1/me",
        "/v1/models",
        "/neuralhub/v1/models",
        "/neuralhub/v1/agents",
        "/neuronagent/api/v1/embeddings/models",
        "/neuronagent/api/v1/agents",
        "/neura/api/agents",
        "/neura/api/v1/models",
        f"/neura/api/v1/agents/{agent['id']}",
    )

    assert {path: key.get(path).status for path in paths} == dict.fromkeys(paths, 403)


def test_a_key_is_bound_to_an_agent_of_its_own_workspace(
    client: Client, stranger: Client, agent: dict[str, Any]
) -> None:
    assert stranger.post("/v1/keys", {"name": "x", "agent_id": agent["id"]}).error["field"] == "agent_id"
    assert client.post("/v1/keys", {"name": "x", "agent_id": "nonsense"}).error["field"] == "agent_id"
    both = client.post("/v1/keys", {"name": "x", "agent_id": agent["id"], "scopes": ["*"]})
    assert (both.status, both.error["field"]) == (400, "scopes")


def test_a_minute_of_a_bound_key_is_counted_strictly(client: Client, agent: dict[str, Any]) -> None:
    _, key = bound(client, agent, rate_per_minute=2)

    answers = [key.get("/v1/agents") for _ in range(4)]

    assert [answer.status for answer in answers] == [403, 403, 429, 429]
    assert [answer.headers["x-ratelimit-remaining"] for answer in answers] == ["1", "0", "0", "0"]
    assert 1 <= int(answers[2].headers["retry-after"]) <= 60
    assert answers[3].error["code"] == "rate_limited"
