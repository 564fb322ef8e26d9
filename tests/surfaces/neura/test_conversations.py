"""Conversations over Neura's wire."""

from __future__ import annotations

from typing import Any

import pytest

from tests.surfaces.conftest import Client
from tests.surfaces.neura.conftest import Neura, refusal

SAID = [{"role": "user", "content": "My name is Ada and I live in Bergen."}, {"role": "assistant", "content": "Hello."}]


def said(conversation: dict[str, Any]) -> list[tuple[str, str]]:
    return [(message["role"], message["content"]) for message in conversation["messages"]]


@pytest.fixture
def path(agent_id: str) -> str:
    return f"/api/agents/{agent_id}/conversations"


def test_a_conversation_is_made_with_what_was_said(neura: Neura, path: str, agent_id: str):
    state = {"terminal": ["$ ls"], "files": []}

    made = neura.made(path, {"title": "Research", "messages": SAID, "sandboxState": state})

    assert (made["title"], made["messageCount"], made["agentId"]) == ("Research", 2, agent_id)
    assert said(made) == [(message["role"], message["content"]) for message in SAID]
    assert made["sandboxState"] == state
    assert neura.get(f"{path}/{made['id']}").json == made


def test_a_message_keeps_the_id_and_the_time_that_its_maker_gave_it(neura: Neura, path: str):
    message = {"id": "m-1", "role": "user", "content": "Hi.", "timestamp": "2025-01-15T10:30:00Z"}

    made = neura.made(path, {"title": "Kept", "messages": [message]})

    assert made["messages"] == [message]
    assert neura.put(f"{path}/{made['id']}", {"messages": made["messages"]}).json["messages"] == [message]


def test_a_chat_goes_on_from_it(neura: Neura, path: str, agent_id: str):
    made = neura.made(path, {"title": "Research", "messages": SAID})

    answer = neura.post(f"/api/agents/{agent_id}/chat", {"query": "Where do I live?", "conversation_id": made["id"]})

    assert "Bergen" in answer.json["answer"]
    after = neura.get(f"{path}/{made['id']}").json
    assert said(after)[2:] == [("user", "Where do I live?"), ("assistant", answer.json["answer"])]
    assert after["messageCount"] == 4


def test_the_list_is_light_and_newest_first(neura: Neura, path: str, agent_id: str, client: Client):
    first = neura.made(path, {"title": "First", "messages": []})
    second = neura.made(path, {"title": "Second", "messages": SAID})
    native = client.made("/v1/sessions", {"agent_id": agent_id, "title": "Native"})
    neura.post(f"/api/agents/{agent_id}/chat", {"query": "Hello", "conversation_id": first["id"]})

    listed = neura.get(path).json["conversations"]

    assert [(one["title"], one["messageCount"]) for one in listed] == [("First", 2), ("Native", 0), ("Second", 2)]
    assert set(listed[0]) == {"id", "title", "messageCount", "createdAt", "updatedAt", "agentId"}
    assert {one["id"] for one in listed} == {first["id"], second["id"], native["id"]}
    assert [one["title"] for one in neura.get(f"{path}?limit=1&offset=1").json["conversations"]] == ["Native"]
    assert neura.get(f"{path}?limit=0").status == 400


def test_a_change_keeps_what_is_the_same_and_replaces_the_rest(neura: Neura, path: str, agent_id: str):
    made = neura.made(path, {"title": "Old", "messages": SAID})
    longer = [*SAID, {"role": "user", "content": "More."}]
    other = [SAID[0], {"role": "assistant", "content": "Good day.", "mood": "calm"}]

    renamed = neura.put(f"{path}/{made['id']}", {"title": "New"}).json
    added = neura.put(f"{path}/{made['id']}", {"messages": longer}).json
    changed = neura.put(f"{path}/{made['id']}", {"messages": other, "sandboxState": {"files": [1]}}).json

    assert (renamed["title"], said(renamed)) == ("New", said(made))
    assert [message["id"] for message in added["messages"][:2]] == [message["id"] for message in made["messages"]]
    assert said(added) == [(message["role"], message["content"]) for message in longer]
    assert said(changed) == [(message["role"], message["content"]) for message in other]
    assert changed["messages"][1]["mood"] == "calm"
    assert changed["sandboxState"] == {"files": [1]}
    assert changed["messageCount"] == 2
    assert neura.get(path).json["conversations"][0]["messageCount"] == 2


def test_a_deleted_conversation_is_gone(neura: Neura, path: str):
    made = neura.made(path, {"title": "Gone", "messages": []})

    deleted = neura.delete(f"{path}/{made['id']}")

    assert (deleted.status, deleted.json) == (200, {"success": True})
    assert neura.get(f"{path}/{made['id']}").status == 404
    assert neura.get(path).json == {"conversations": []}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"title": "x"},
        {"messages": []},
        {"title": "", "messages": []},
        {"title": "x", "messages": [{"role": "wizard", "content": "x"}]},
        {"title": "x", "messages": [{"content": "x"}]},
        {"title": "x", "messages": ["x"]},
        {"title": "x", "messages": [], "sandboxState": "x"},
    ],
)
def test_what_cannot_be_right_is_a_400(neura: Neura, path: str, body: dict[str, Any]):
    answer = neura.post(path, body)

    assert answer.status == 400
    refusal(answer)


def test_a_conversation_is_not_found_under_another_agent(neura: Neura, path: str):
    made = neura.made(path, {"title": "Mine", "messages": []})
    other = neura.made("/api/agents", {"name": "Other"})["agent_id"]

    assert neura.get(f"/api/agents/{other}/conversations/{made['id']}").status == 404
