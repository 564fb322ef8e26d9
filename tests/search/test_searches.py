"""What a question finds, and for whom."""

from __future__ import annotations

import pytest

from glia.kit.errors import InvalidRequest
from glia.search import queries
from glia.search.service import wanted_of
from glia.wiring.searching import excerpt
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


def test_what_documents_say_is_found_with_the_page_it_stands_on(client: Client, stranger: Client) -> None:
    base = client.made("/v1/knowledge-bases", {"name": "Handbook"})["id"]
    text = (
        b"# Travel\n\nThe hotel that we have for the night is not to cost more than ninety crowns, and it is to be "
        b"on the list that was made for this.\n\n# Parking\n\nParking is free for visitors of the house."
    )
    document = client.upload(f"/v1/knowledge-bases/{base}/documents", text, "rules.md").json["id"]
    client.until(f"/v1/knowledge-bases/{base}/documents/{document}", lambda found: found["status"] == "ready")

    (passage,) = client.get("/v1/search?q=crown%20hotels&kinds=passage").json["data"]

    assert (passage["kind"], passage["id"], passage["parent_id"]) == ("passage", document, base)
    assert "ninety crowns" in passage["text"]
    assert isinstance(passage["chunk"], int)
    chunk = client.get(f"/v1/knowledge-bases/{base}/documents/{document}/chunks").json["data"][passage["chunk"]]
    assert (chunk["chunk"], "ninety crowns" in chunk["text"]) == (passage["chunk"], True)
    assert client.get("/v1/search?q=crown%20parachute&kinds=passage").json["data"] == []
    assert client.get("/v1/search?q=%27%26%7C&kinds=passage").json["data"] == []
    assert stranger.get("/v1/search?q=crowns&kinds=passage").json["data"] == []


def test_old_things_are_found_however_many_came_after_them(
    client: Client, everything: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, name in ((queries, "LOOKED_AT"), (queries, "_BUSY")):
        monkeypatch.setattr(module, name, 1)
    agent = client.made("/v1/agents", {"name": "Newer"})["id"]
    client.made("/v1/knowledge-bases", {"name": "Newer"})
    client.made("/v1/sessions", {"agent_id": agent, "title": "Newer"})
    client.made("/v1/memories", {"content": "Something newer.", "agent_id": agent})
    base = everything["knowledge_base"]
    client.upload(f"/v1/knowledge-bases/{base}/documents", b"Dots.", "newer.md")

    by_word = {(thing["kind"], thing["id"]) for thing in client.get("/v1/search?q=abo%20ZEB&limit=50").json["data"]}
    by_first = {(thing["kind"], thing["id"]) for thing in client.get("/v1/search?q=zebra").json["data"]}

    assert ("session", everything["session"]) in by_word
    assert {("document", everything["document"]), ("memory", everything["memory"])} <= by_first
    for kind in ("agent", "knowledge_base", "document", "session", "run", "memory", "deployment"):
        by_id = client.get(f"/v1/search?q={everything[kind]}").json["data"]
        assert [(thing["kind"], thing["id"]) for thing in by_id] == [(kind, everything[kind])]


def test_a_new_name_is_found_and_the_old_one_is_not(
    client: Client, everything: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "_BUSY", 0)
    session = everything["session"]
    assert found(client, "zebra", "&kinds=session") == {("session", "About one zebra")}

    assert client.request("PATCH", f"/v1/sessions/{session}", {"title": "About okapis"}).status == 200

    assert found(client, "okap", "&kinds=session") == {("session", "About okapis")}
    assert found(client, "one", "&kinds=session") == set()


@pytest.mark.parametrize(
    ("text", "asked", "shown"),
    [("short text", "text", "short text"), ("a b " * 200 + "needle end", "needle", "needle end"), ("x", "y", "x")],
)
def test_an_excerpt_shows_the_word(text: str, asked: str, shown: str) -> None:
    assert excerpt(text, asked).endswith(shown)
    assert len(excerpt(text, asked)) <= 302
