"""What a question finds, and for whom."""

from __future__ import annotations

import pytest

from glia.kit.errors import InvalidRequest
from glia.search.service import wanted_of
from tests.surfaces.conftest import Client, Server, client, credentials, server, stranger

__all__ = ["client", "credentials", "server", "stranger"]  # fixtures


def found(client: Client, q: str, more: str = "") -> set[tuple[str, str]]:
    things = client.get(f"/v1/search?q={q}{more}").json["data"]
    return {(thing["kind"], thing["title"]) for thing in things}


@pytest.fixture
def everything(client: Client) -> dict[str, str]:
    agent = client.made("/v1/agents", {"name": "Zebra keeper"})["id"]
    base = client.made("/v1/knowledge-bases", {"name": "Zebra facts"})["id"]
    document = client.upload(f"/v1/knowledge-bases/{base}/documents", b"Stripes.", "zebra-100%.md").json["id"]
    session = client.made("/v1/sessions", {"agent_id": agent, "title": "About one zebra"})["id"]
    answer = client.post(f"/v1/sessions/{session}/messages", {"content": "How tall is it?", "background": True})
    memory = client.made("/v1/memories", {"content": "The user likes a zebra.", "agent_id": agent})["id"]
    body = {"name": "zebra", "runtime": "python", "binary_url": "storage://zebra.py", "replicas": 0}
    deployment = client.made("/v1/deployments", body)["id"]
    return {
        "agent": agent,
        "knowledge_base": base,
        "document": document,
        "session": session,
        "run": answer.json["run_id"],
        "memory": memory,
        "deployment": deployment,
    }


def test_every_kind_is_found_by_a_word_and_by_its_id(client: Client, everything: dict[str, str]) -> None:
    by_word = {(thing["kind"], thing["id"]) for thing in client.get("/v1/search?q=ZEB").json["data"]}

    assert by_word >= set(everything.items())
    for kind, id in everything.items():
        by_id = client.get(f"/v1/search?q={id}").json["data"]
        assert [(thing["kind"], thing["id"]) for thing in by_id] == [(kind, id)]


def test_every_word_must_be_there_and_signs_stand_for_themselves(client: Client, everything: dict[str, str]) -> None:
    assert found(client, "keeper%20zebra", "&kinds=agent") == {("agent", "Zebra keeper")}
    assert found(client, "keeper%20facts") == set()
    assert found(client, "100%25", "&kinds=document,memory") == {("document", "zebra-100%.md")}
    assert found(client, "how%20tall", "&kinds=session") == {("session", "About one zebra")}
    assert found(client, "zebra_", "&kinds=document") == set()


def test_another_workspace_finds_nothing_of_it(client: Client, stranger: Client, everything: dict[str, str]) -> None:
    assert found(client, "zebra")
    assert found(stranger, "zebra") == set()
    assert all(found(stranger, id) == set() for id in everything.values())


def test_a_key_finds_only_what_it_may_read(client: Client, server: Server, everything: dict[str, str]) -> None:
    key = client.made("/v1/keys", {"name": "narrow", "scopes": ["agents:read"]})["key"]
    none = client.made("/v1/keys", {"name": "none", "scopes": ["usage:read"]})["key"]

    assert found(server.client(key), "zebra") == {("agent", "Zebra keeper")}
    assert server.client(none).get("/v1/search?q=zebra").status == 403


@pytest.mark.parametrize("query", ["", "?q=%20", f"?q={'x' * 201}", "?q=x&kinds=planet", "?q=x&limit=51", "?q=%00"])
def test_questions_that_cannot_be_asked_are_refused(client: Client, query: str) -> None:
    assert client.get(f"/v1/search{query}").status == 400


def test_words_beyond_the_eighth_are_not_asked_for() -> None:
    assert len(wanted_of("a b c d e f g h i j", 5).patterns) == 8
    with pytest.raises(InvalidRequest):
        wanted_of(" ", 5)
