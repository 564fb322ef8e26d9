"""Sessions, messages, and the turn between them."""

from __future__ import annotations

from typing import Any

import pytest

from glia.models.prices import Price
from tests.surfaces.conftest import Client, Server
from tests.surfaces.neuronagent.conftest import Neuron, refused

MISSING = "01900000-0000-7000-8000-000000000000"


@pytest.fixture
def counter(client: Neuron) -> dict[str, Any]:
    return client.agent("counter", enabled_tools=["calculator"])


def test_a_session_comes_back_as_it_was_opened(client: Neuron) -> None:
    agent = client.agent()
    body = {
        "agent_id": agent["id"],
        "external_user_id": "user123",
        "metadata": {"project": "research", "user_name": "own"},
    }

    made = client.made("/sessions", body)

    assert {name: made[name] for name in body} == body
    assert made["updated_at"] == made["last_activity_at"]
    assert client.get(f"/sessions/{made['id']}").json == made
    changed = client.put(f"/sessions/{made['id']}", {"metadata": {"b": 2}}).json
    assert (changed["metadata"], changed["external_user_id"]) == ({"b": 2}, "user123")
    changed = client.put(f"/sessions/{made['id']}", {"external_user_id": "other"}).json
    assert (changed["metadata"], changed["external_user_id"]) == ({"b": 2}, "other")
    assert client.get(f"/agents/{agent['id']}/sessions?external_user_id=other").json[0]["id"] == made["id"]
    assert client.get(f"/agents/{agent['id']}/sessions?external_user_id=user123").json == []
    assert client.get(f"/sessions?agent_id={agent['id']}&end_date=2001-01-01T00:00:00Z").json == []
    assert client.delete(f"/sessions/{made['id']}").status == 204
    refused(client.get(f"/sessions/{made['id']}"), 404)


def test_the_user_of_a_session_is_the_one_that_memory_knows(client: Neuron, native: Client) -> None:
    session = client.session(client.agent(), external_user_id="maria")

    assert native.get(f"/v1/sessions/{session}").json["metadata"]["user_name"] == "maria"


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"agent_id": "agent_research_001"}, 400),
        ({"agent_id": MISSING}, 404),
        ({}, 400),
        ({"external_user_id": ""}, 400),
        ({"external_user_id": "x" * 256}, 400),
        ({"metadata": {"text": "x" * 6000}}, 400),
        ({"metadata": []}, 400),
    ],
)
def test_a_session_that_cannot_be_is_refused(client: Neuron, wrong: dict[str, Any], status: int) -> None:
    given = {"agent_id": client.agent()["id"], **wrong} if wrong else {}

    refused(client.post("/sessions", given), status)


def test_sessions_are_listed_by_what_happened_last(client: Neuron) -> None:
    agent = client.agent()
    first, second = client.session(agent), client.session(agent)
    client.say(first, "Hello")

    found = client.get("/sessions").json

    assert [each["id"] for each in found] == [first, second]
    assert [each["id"] for each in client.get("/sessions?limit=1&offset=1").json] == [second]


def test_a_message_is_answered_with_all_that_clients_look_for(client: Neuron, counter: dict[str, Any]) -> None:
    session = client.session(counter)

    answer = client.post(f"/sessions/{session}/messages", {"content": "What is 6*7?", "metadata": {"priority": "high"}})

    assert answer.status == 201
    said = answer.json
    assert isinstance(said["id"], int)
    assert said["role"] == "assistant"
    assert "42" in said["content"]
    assert said["response"] == said["content"]
    assert (said["session_id"], said["agent_id"]) == (session, counter["id"])
    [call], [result] = said["tool_calls"], said["tool_results"]
    assert call["name"] == "calculator"
    assert call["arguments"]["expression"]
    assert result["tool_call_id"] == call["id"]
    assert "42" in result["content"]
    assert result["error"] is None
    assert said["metadata"] == {"tool_calls": [call], "tokens_used": said["tokens_used"]}
    assert said["tokens_used"] > 0


def test_a_turn_leaves_a_row_for_everything(client: Neuron, counter: dict[str, Any]) -> None:
    session = client.session(counter)
    answer = client.post(f"/sessions/{session}/messages", {"content": "What is 6*7?", "metadata": {"a": 1}}).json

    rows = client.get(f"/sessions/{session}/messages").json

    assert [row["role"] for row in rows] == ["user", "assistant", "tool", "assistant"]
    assert rows[0]["metadata"] == {"a": 1}
    assert rows[1]["metadata"]["tool_call"] == answer["tool_calls"][0]
    assert (rows[1]["tool_name"], rows[2]["tool_name"]) == ("calculator", "calculator")
    assert rows[2]["tool_call_id"] == answer["tool_calls"][0]["id"]
    assert rows[3]["id"] == answer["id"]
    assert rows[3]["token_count"] == answer["token_count"]
    assert [row["id"] for row in rows] == sorted(row["id"] for row in rows)
    keys = {"id", "session_id", "role", "content", "tool_name", "tool_call_id", "token_count", "metadata", "created_at"}
    assert set(rows[0]) == keys
    path = f"/sessions/{session}/messages"
    assert client.get(f"{path}?role=tool").json == [rows[2]]
    assert client.get(f"{path}?search=WHAT%20IS").json == [rows[0]]
    assert client.get(f"{path}?limit=1&offset=2").json == [rows[2]]
    assert client.get(f"{path}?start_date=2099-01-01T00:00:00Z").json == []
    refused(client.get(f"{path}?role=robot"), 400)
    refused(client.get(f"{path}?end_date=never"), 400)


def test_ids_of_messages_are_their_own_in_every_session(client: Neuron, counter: dict[str, Any]) -> None:
    answers = [client.say(client.session(counter), "2+2?") for _ in range(3)]

    assert len({answer["id"] for answer in answers}) == 3
    for answer in answers:
        assert client.get(f"/messages/{answer['id']}").json["content"] == answer["content"]
        assert client.get(f"/sessions/{answer['session_id']}/messages/{answer['id']}").status == 200
    refused(client.get(f"/sessions/{answers[0]['session_id']}/messages/{answers[1]['id']}"), 404)
    refused(client.get("/messages/msg_xyz789"), 400)
    refused(client.get("/messages/0"), 404)
    refused(client.get("/messages/99999999999999999"), 404)


def test_a_changed_message_is_what_later_answers_read(client: Neuron, native: Client) -> None:
    agent = client.agent("reader", enabled_tools=[])
    session = client.session(agent)
    client.say(session, "The password is swordfish.")
    first = client.get(f"/sessions/{session}/messages").json[0]

    changed = client.put(
        f"/messages/{first['id']}", {"content": "The password is tulip.", "metadata": {"edited": True}}
    )

    assert changed.json["content"] == "The password is tulip."
    assert changed.json["metadata"] == {"edited": True}
    assert changed.json["created_at"] == first["created_at"]
    assert client.get(f"/messages/{first['id']}").json == changed.json
    shown = native.get(f"/v1/sessions/{session}/messages").json["data"]
    assert shown[0]["content"] == "The password is tulip."
    later = client.say(session, "What is the password?")
    assert "swordfish" not in later["content"]
    refused(client.put(f"/messages/{first['id']}", {"content": " "}), 400)
    nested = client.put(f"/sessions/{session}/messages/{first['id']}", {"metadata": {}})
    assert nested.json["metadata"] == {}


def test_a_deleted_message_is_gone(client: Neuron, native: Client) -> None:
    session = client.session(client.agent())
    answer = client.say(session, "Hello")
    rows = client.get(f"/sessions/{session}/messages").json

    assert client.delete(f"/messages/{rows[0]['id']}").status == 204
    assert client.delete(f"/sessions/{session}/messages/{answer['id']}").status == 204

    assert client.get(f"/sessions/{session}/messages").json == []
    assert native.get(f"/v1/sessions/{session}/messages").json["data"] == []
    refused(client.get(f"/messages/{answer['id']}"), 404)
    refused(client.delete(f"/messages/{answer['id']}"), 404)
    more = [client.say(session, "Hi")["id"] for _ in range(2)]
    gone = client.post("/messages/batch/delete", {"ids": [more[0], 7]}).json
    assert [result["success"] for result in gone["results"]] == [True, False]
    gone = client.post(f"/sessions/{session}/messages/batch/delete", {"message_ids": [more[1]]}).json
    assert gone["success"] == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"content": ""},
        {"content": "  "},
        {"content": "x" * 100_001},
        {"content": 5},
        {},
        {"content": "x", "role": "robot"},
        {"content": "x", "metadata": {"text": "x" * 6000}},
        {"content": "x", "stream": "yes"},
    ],
)
def test_a_message_that_cannot_be_is_refused(client: Neuron, wrong: dict[str, Any]) -> None:
    session = client.session(client.agent())

    refused(client.post(f"/sessions/{session}/messages", wrong), 400)


def test_a_message_to_nobody_is_refused(client: Neuron) -> None:
    refused(client.post(f"/sessions/{MISSING}/messages", {"content": "x"}), 404)
    refused(client.post("/sessions/session_abc123/messages", {"content": "x"}), 400)
    refused(client.get(f"/sessions/{MISSING}/messages"), 404)


def test_a_stream_tells_the_turn_event_by_event(client: Neuron, counter: dict[str, Any]) -> None:
    session = client.session(counter)

    with client.stream("POST", f"/sessions/{session}/messages", {"content": "What is 6*7?", "stream": True}) as stream:
        assert stream.status == 200
        assert stream.headers["content-type"].startswith("text/event-stream")
        events = [(item["event"], item["data"]) for item in stream.items() if "event" in item]

    names = [name for name, _ in events]
    assert names[0] == "tool_calls"
    assert names[1] == "tool_results"
    assert names[-1] == "done"
    assert set(names[2:-1]) == {"chunk"}
    assert '"calculator"' in events[0][1]["data"]
    text = "".join(data["content"] for name, data in events if name == "chunk")
    stored = client.get(f"/sessions/{session}/messages?role=assistant").json[-1]
    assert text == stored["content"]
    done = events[-1][1]
    assert done["tokens_used"] == stored["metadata"]["tokens_used"]
    assert [call["name"] for call in done["tool_calls"]] == ["calculator"]
    assert done["tool_results"][0]["error"] is None


def test_a_stream_ends_with_an_error_when_the_turn_fails(client: Neuron, native: Client) -> None:
    agent = native.made("/v1/agents", {"name": "Lost", "model": "openai/none/such"})
    native.patch(f"/v1/agents/{agent['id']}", {"model": "nowhere/at-all", "limits": {"max_tokens": 1}})
    session = client.session(agent)

    with client.stream("POST", f"/sessions/{session}/messages", {"content": "hi", "stream": True}) as stream:
        events = [item for item in stream.items() if "event" in item]

    assert [item["event"] for item in events][-2:] == ["error", "done"]
    assert events[-2]["data"]["error"]
    failed = client.post(f"/sessions/{session}/messages", {"content": "hi"})
    assert failed.status >= 400
    assert failed.json["error"]["message"]


def test_a_repeat_under_the_same_key_gets_the_same_turn(client: Neuron, counter: dict[str, Any]) -> None:
    session = client.session(counter)
    path, body, headers = f"/sessions/{session}/messages", {"content": "2+2?"}, {"Idempotency-Key": "turn-1"}

    first, second = (client.post(path, body, headers=headers) for _ in range(2))

    assert first.json == second.json
    assert second.headers["idempotency-replayed"] == "true"
    assert [row["role"] for row in client.get(path).json].count("user") == 1


def test_a_message_to_a_session_at_work_waits_for_its_turn(client: Neuron, native: Client) -> None:
    agent = native.made("/v1/agents", {"name": "Slow", "model": "openai/slow", "settings": {"max_output_tokens": 6}})
    session = client.session(agent)
    native.post(f"/v1/sessions/{session}/messages", {"content": "first", "background": True})

    second = client.say(session, "second")

    assert second["content"].startswith("word0")
    said = [row["content"] for row in client.get(f"/sessions/{session}/messages?role=user").json]
    assert said == ["first", "second"]


def test_a_turn_that_waits_for_a_person_says_so(client: Neuron, native: Client) -> None:
    agent = native.made("/v1/agents", {"name": "Careful", "tools": ["calculator"], "permissions": {"default": "ask"}})
    session = client.session(agent)

    answer = client.post(f"/sessions/{session}/messages", {"content": "What is 6*7?"})

    assert answer.status == 202
    assert answer.json["status"] == "waiting"
    assert answer.json["metadata"]["waiting_for"] == ["approval"]


def test_a_turn_without_room_in_the_budget_waits_and_goes_on_when_there_is_some(server: Server, client: Neuron) -> None:
    server.house.models._resolver._prices._own["openai/slow"] = Price(input=1_000_000, output=2_000_000)  # type: ignore[attr-defined]
    agent = client.agent(
        "spender", model_name="openai/slow", config={"max_tokens": 20, "budget": {"max_cost": 0.00001}}
    )
    session = client.session(agent)
    try:
        answer = client.post(f"/sessions/{session}/messages", {"content": "Tell me"})
        assert answer.status == 202
        assert answer.json["metadata"]["waiting_for"] == ["budget"]

        client.put(f"/agents/{agent['id']}/budget", {"budget_amount": 5})

        path = f"/sessions/{session}/messages"
        rows = client.until(path, lambda rows: len(rows) == 2)
        assert rows[-1]["content"]
        spent = client.get(f"/agents/{agent['id']}/budget").json
        assert spent["total_cost"] == client.get(f"/agents/{agent['id']}/costs").json["total_cost"] > 0
    finally:
        del server.house.models._resolver._prices._own["openai/slow"]  # type: ignore[attr-defined]
