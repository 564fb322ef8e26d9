"""Instructions, sandbox sessions and deployed models over Neura."""

from __future__ import annotations

from typing import Any

import pytest

from tests.surfaces.neura.conftest import Neura, refusal


def test_a_standing_instruction_as_the_example_shows(neura: Neura, agent_id: str) -> None:
    path = f"/api/agents/{agent_id}/instructions"
    text = "Always include citations with URLs when referencing data"
    made = neura.made(path, {"instruction_type": "standing", "action": text})
    assert neura.post(f"/api/agents/{agent_id}/chat", {"query": "Hello"}).json["instructions_active"] == 1

    listed = neura.get(path).json

    assert (listed["agent_id"], listed["agent_name"], listed["total"]) == (agent_id, "Helper", 1)
    (shown,) = listed["instructions"]
    assert shown == {
        "task_id": made["task_id"],
        "type": "standing",
        "action": text,
        "trigger": None,
        "schedule": None,
        "frequency": None,
        "timezone": None,
        "is_active": True,
        "execution_count": 1,
        "last_executed": shown["last_executed"],
        "created_at": made["created_at"],
    }
    assert shown["last_executed"].endswith("Z")
    assert neura.delete(f"{path}/{made['task_id']}").json == {"success": True}
    assert neura.delete(f"{path}/{made['task_id']}").status == 404
    assert neura.get(path).json["total"] == 0


@pytest.mark.parametrize(
    "body",
    [
        {"instruction_type": "scheduled", "action": "Send the report", "schedule": "0 9 * * *"},
        {"instruction_type": "scheduled", "action": "Send the report", "frequency": "hourly"},
        {"instruction_type": "scheduled", "action": "x", "schedule": "0 9 * * *", "timezone": "Europe/Berlin"},
        {"instruction_type": "conditional", "action": "Alert me", "trigger": "error rate exceeds 5%"},
        {"instruction_type": "conditional", "action": "Alert me", "trigger": "the user is angry"},
    ],
)
def test_instructions_of_the_other_types_are_given_back(neura: Neura, agent_id: str, body: dict[str, Any]) -> None:
    made = neura.made(f"/api/agents/{agent_id}/instructions", body)

    assert made["type"] == body["instruction_type"]
    assert {name: made[name] for name in body if name != "instruction_type"} == {
        name: value for name, value in body.items() if name != "instruction_type"
    }
    assert (made["is_active"], made["execution_count"], made["last_executed"]) == (True, 0, None)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"action": "x"}, "instruction_type"),
        ({"instruction_type": "always", "action": "x"}, "instruction_type"),
        ({"instruction_type": "standing"}, "action"),
        ({"instruction_type": "standing", "action": " "}, "action"),
        ({"instruction_type": "scheduled", "action": "x"}, "schedule"),
        ({"instruction_type": "scheduled", "action": "x", "schedule": "9 o'clock"}, "schedule"),
        ({"instruction_type": "scheduled", "action": "x", "frequency": "sometimes"}, "frequency"),
        ({"instruction_type": "conditional", "action": "x"}, "trigger"),
    ],
)
def test_what_is_no_instruction_is_a_400(neura: Neura, agent_id: str, body: dict[str, Any], field: str) -> None:
    answer = neura.post(f"/api/agents/{agent_id}/instructions", body)

    assert (answer.status, refusal(answer)["detail"]) == (400, f"Field: {field}")


def test_a_sandbox_session_is_saved_and_given_back_as_the_example_shows(neura: Neura, agent_id: str) -> None:
    path = f"/api/agents/{agent_id}/sandbox-session"
    chat = neura.made(f"/api/agents/{agent_id}/conversations", {"title": "Data", "messages": []})["id"]
    parts = {
        "terminal_lines": [
            {"type": "command", "text": "python analyze.py"},
            {"type": "output", "text": "Processing 1000 records..."},
        ],
        "files": [{"name": "output.csv", "path": "/home/user/output.csv"}],
        "artifacts": [{"type": "html", "title": "Dashboard", "content": "..."}],
    }
    session = {"status": "running", "template": "python", "totalCost": 0.012, "runtimeMinutes": 3.4}

    saved = neura.made(path, {"conversation_id": chat, **parts, "session": session})
    found = neura.get(f"{path}/{chat}").json

    assert saved["success"] is found["success"] is True
    shown = found["session"]
    assert {name: shown[name] for name in parts} == parts
    assert (shown["session_id"], shown["conversation_id"]) == (saved["session_id"], chat)
    assert (shown["status"], shown["template"], shown["total_cost"], shown["runtime_minutes"]) == (
        "running", "python", 0.012, 3.4,
    )  # fmt: skip
    neura.made(path, {"conversation_id": chat, "files": []})
    assert neura.get(f"{path}/{chat}").json["session"]["terminal_lines"] == parts["terminal_lines"]
    assert neura.delete(f"{path}/{chat}").json == {"success": True}
    assert neura.get(f"{path}/{chat}").status == 404
    assert neura.delete(f"{path}/{chat}").status == 404


def test_the_agents_own_code_writes_the_same_record(neura: Neura, agent_id: str) -> None:
    chat = neura.post(f"/api/agents/{agent_id}/chat", {"query": "run: print(6 * 7)"})
    conversation = chat.headers["x-conversation-id"]

    shown = neura.get(f"/api/agents/{agent_id}/sandbox-session/{conversation}").json["session"]

    assert [line["type"] for line in shown["terminal_lines"]] == ["command", "output"]
    assert shown["terminal_lines"][1]["text"] == "42"
    assert (shown["status"], shown["template"]) == ("running", "python")


def test_a_conversations_sandbox_state_and_its_sandbox_session_are_one_record(neura: Neura, agent_id: str) -> None:
    conversations, sessions = f"/api/agents/{agent_id}/conversations", f"/api/agents/{agent_id}/sandbox-session"
    state = {
        "terminal": [{"type": "command", "text": "ls"}],
        "files": [{"name": "a.txt", "path": "/a.txt"}],
        "artifacts": [],
        "session": {"status": "running", "totalCost": 0.5},
        "theme": "dark",
    }

    made = neura.made(conversations, {"title": "Data", "messages": [], "sandboxState": state})
    shown = neura.get(f"{sessions}/{made['id']}").json["session"]

    assert made["sandboxState"] == state
    assert (shown["terminal_lines"], shown["files"]) == (state["terminal"], state["files"])
    assert (shown["status"], shown["total_cost"]) == ("running", 0.5)

    neura.made(sessions, {"conversation_id": made["id"], "files": [], "session": {"status": "ended", "totalCost": 0.6}})
    after = neura.get(f"{conversations}/{made['id']}").json["sandboxState"]
    assert after == {**state, "files": [], "session": {"status": "ended", "totalCost": 0.6}}

    assert neura.put(f"{conversations}/{made['id']}", {"sandboxState": None}).json["sandboxState"] is None
    assert neura.get(f"{sessions}/{made['id']}").status == 404
    assert neura.put(f"{conversations}/{made['id']}", {"sandboxState": {}}).json["sandboxState"] == {}
    assert neura.delete(f"{sessions}/{made['id']}").status == 200
    assert neura.get(f"{conversations}/{made['id']}").json["sandboxState"] is None


def test_what_is_saved_as_a_sandbox_session_is_the_conversations_state(neura: Neura, agent_id: str) -> None:
    path = f"/api/agents/{agent_id}/conversations"
    made = neura.made(path, {"title": "Data", "messages": []})
    body = {"conversation_id": made["id"], "terminal_lines": [{"text": "ls"}], "session": {"runtimeMinutes": 2}}

    neura.made(f"/api/agents/{agent_id}/sandbox-session", body)

    assert made["sandboxState"] is None
    assert neura.get(f"{path}/{made['id']}").json["sandboxState"] == {
        "terminal": [{"text": "ls"}],
        "files": [],
        "artifacts": [],
        "session": {"runtimeMinutes": 2},
    }


def test_a_state_that_is_too_large_makes_no_conversation(neura: Neura, agent_id: str) -> None:
    path = f"/api/agents/{agent_id}/conversations"

    answer = neura.post(path, {"title": "x", "messages": [], "sandboxState": {"files": [1] * 1001}})

    assert answer.status == 400
    assert neura.get(path).json == {"conversations": []}


def test_sandbox_sessions_of_others_are_not_there(neura: Neura, neura_stranger: Neura, agent_id: str) -> None:
    path = f"/api/agents/{agent_id}/sandbox-session"
    chat = neura.made(f"/api/agents/{agent_id}/conversations", {"title": "Data", "messages": []})["id"]
    other = neura.made("/api/agents", {"name": "Other"})["agent_id"]

    assert neura_stranger.post(path, {"conversation_id": chat}).status == 404
    assert neura.post(f"/api/agents/{other}/sandbox-session", {"conversation_id": chat}).status == 404
    assert neura.post(path, {}).status == 400
    assert neura.post(path, {"conversation_id": chat, "files": "x"}).status == 400


def test_no_model_is_deployed_yet(neura: Neura) -> None:
    assert neura.get("/api/agent/deployed-models").json == {"deployed_models": [], "total": 0}
