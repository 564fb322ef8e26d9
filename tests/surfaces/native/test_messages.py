"""Transcripts, and messages that are changed or taken back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.surfaces.conftest import Client

Open = Callable[[dict[str, Any]], str]


def test_a_transcript_has_every_call_and_result(client: Client, open_session: Open) -> None:
    session = open_session(client.made("/v1/agents", {"name": "Counts", "tools": ["calculator"]}))
    client.post(f"{session}/messages", {"content": "What is 6*7?"})

    entries = client.get(f"{session}/transcript").json["data"]

    assert [entry["kind"] for entry in entries] == ["said", "called", "returned", "answered"]
    assert entries[1]["arguments"]["expression"]
    assert entries[2]["tool_call_id"] == entries[1]["tool_call_id"]


def test_a_changed_message_is_read_by_later_runs_and_the_log_keeps_the_old_one(
    client: Client, agent: dict[str, Any], open_session: Open
) -> None:
    session = open_session(agent)
    client.post(f"{session}/messages", {"content": "The code is 1234."})

    changed = client.patch(f"{session}/messages/1", {"content": "The code is 9999."})

    assert changed.json["content"] == "The code is 9999."
    assert client.get(f"{session}/messages").json["data"][0]["content"] == "The code is 9999."
    client.post(f"{session}/messages", {"content": "And now?"})
    run = client.get(f"/v1/runs?session_id={session.split('/')[-1]}").json["data"][0]["id"]
    sent = client.get(f"/v1/runs/{run}/model-calls/1").body
    assert b"9999" in sent
    assert b"1234" not in sent
    stored = client.get(f"{session}/events?limit=1000").json["data"]
    assert stored[0]["data"]["content"] == "The code is 1234."
    assert "message.edited" in {event["type"] for event in stored}


def test_a_message_that_was_taken_back_is_gone_for_readers_and_models(
    client: Client, agent: dict[str, Any], open_session: Open
) -> None:
    session = open_session(agent)
    client.post(f"{session}/messages", {"content": "Forget this: bananas."})

    assert client.delete(f"{session}/messages/1").status == 204

    assert "bananas" not in client.get(f"{session}/messages").body.decode()
    assert client.delete(f"{session}/messages/1").status == 404
    assert client.patch(f"{session}/messages/1", {"content": "x"}).status == 404


def test_drafts_become_the_agent(client: Client, agent: dict[str, Any]) -> None:
    path = f"/v1/agents/{agent['id']}/drafts"
    client.made(path, {"number": 3, "instructions": "Be brief.", "tools": ["calculator"]})

    changed = client.post(f"{path}/3/activate").json

    assert (changed["instructions"], changed["tools"], changed["version"]) == ("Be brief.", ["calculator"], 2)
    assert changed["name"] == agent["name"]
    assert client.get(path).json["data"][0]["version"] == 2
    assert client.post(path, {"number": 3}).status == 409
    assert client.post(f"{path}/4/activate").status == 404


def test_a_recipe_is_a_tool_of_agents(client: Client, open_session: Open) -> None:
    client.made(
        "/v1/tool-recipes",
        {
            "name": "sums",
            "description": "Calculates exactly an expression.",
            "kind": "tool",
            "config": {"tool": "calculator"},
        },
    )
    session = open_session(client.made("/v1/agents", {"name": "Sums", "tools": ["sums"]}))

    answer = client.post(f"{session}/messages", {"content": 'Use the tool sums with the expression "6*7"'}).json

    assert "42" in answer["content"]
    assert [e["tool"] for e in client.get(f"{session}/transcript").json["data"] if e["kind"] == "called"] == ["sums"]
    assert client.patch("/v1/tool-recipes/sums", {"is_enabled": False}).json["is_enabled"] is False
    assert client.post("/v1/agents", {"name": "X", "tools": ["sum"]}).status == 400
    assert client.made("/v1/agents", {"name": "Y", "tools": ["sum?"]})["tools"] == ["sum?"]


def test_what_is_said_while_the_last_answer_is_written_is_answered_too(client: Client) -> None:
    settings = {"max_output_tokens": 100}
    client.made("/v1/agents", {"name": "Slow", "model": "openai/slow", "settings": settings, "tools": []})
    session = client.made("/v1/sessions", {"agent_id": "slow"})["id"]
    run = client.post(f"/v1/sessions/{session}/messages", {"content": "Begin", "background": True}).json["run_id"]
    events = f"/v1/runs/{run}/events?limit=1000"

    def kinds() -> list[str]:
        return [event["type"] for event in client.get(events).json["data"]]

    client.until(events, lambda found: any(event["type"] == "text.delta" for event in found["data"]))
    steered = {"content": "In French", "background": True, "when_busy": "steer"}
    assert client.post(f"/v1/sessions/{session}/messages", steered).json["outcome"] == "steered"
    client.until(f"/v1/runs/{run}", lambda found: found["status"] == "completed")

    assert kinds().count("model.responded") == 2
