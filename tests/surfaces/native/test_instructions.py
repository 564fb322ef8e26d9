"""Instructions, statistics and consoles over the native surface."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.surfaces.conftest import Client


def test_instructions_are_made_listed_and_deleted(client: Client, agent: dict[str, Any]) -> None:
    path = f"/v1/agents/{agent['slug']}/instructions"
    rule = client.made(path, {"kind": "standing", "action": "Be brief."})
    scheduled = client.made(path, {"kind": "scheduled", "action": "Report.", "schedule": "0 9 * * *"})
    conditional = client.made(path, {"kind": "conditional", "action": "Tell.", "trigger": "a run fails"})

    assert [one["id"] for one in client.get(path).json["data"]] == [conditional["id"], scheduled["id"], rule["id"]]
    assert client.get(f"/v1/agents/{agent['id']}").json["standing_instructions"][0]["text"] == "Be brief."
    assert client.get(f"/v1/triggers/{conditional['trigger_id']}").json["when"]["event_type"] == "run.failed"
    for one in (rule, scheduled, conditional):
        assert client.delete(f"{path}/{one['id']}").status == 204
        assert client.delete(f"{path}/{one['id']}").status == 404
    assert client.get(path).json["data"] == []
    assert client.get(f"/v1/triggers/{conditional['trigger_id']}").status == 404
    assert client.post(path, {"kind": "conditional", "action": "Tell."}).error["field"] == "trigger"


def test_statistics_count_what_people_asked(
    client: Client, agent: dict[str, Any], open_session: Callable[[dict[str, Any]], str]
) -> None:
    path = f"/v1/agents/{agent['id']}/statistics"
    assert client.get(path).json == {
        "totals": {
            "requests": 0, "completed": 0, "failed": 0, "tokens": 0, "cost_micros": None, "latency_ms": None,
            "last_at": None,
        },
        "daily": [],
        "per_key": [],
    }  # fmt: skip
    session = open_session(agent)
    for _ in range(3):
        assert client.post(f"{session}/messages", {"content": "Hello"}).status == 200

    found = client.get(path).json

    assert (found["totals"]["requests"], found["totals"]["completed"]) == (3, 3)
    assert found["totals"]["tokens"] > 0
    assert found["totals"]["cost_micros"] == 0
    assert found["totals"]["latency_ms"] >= 0
    assert [day["requests"] for day in found["daily"]] == [3]
    assert [(key["name"], key["requests"]) for key in found["per_key"]] == [("First key", 3)]


def test_code_that_runs_writes_the_sessions_console(
    client: Client, agent: dict[str, Any], open_session: Callable[[dict[str, Any]], str]
) -> None:
    session = open_session(agent)
    assert client.get(f"{session}/console").status == 404
    saved = client.request("PUT", f"{session}/console", {"terminal_lines": [{"type": "command", "text": "ls"}]}).json
    code = "run: open('a.csv', 'w').write('1'); print('made')"
    assert client.post(f"{session}/messages", {"content": code}).status == 200

    found = client.get(f"{session}/console").json

    assert found["id"] == saved["id"]
    assert [one["type"] for one in found["terminal_lines"]][:3] == ["command", "command", "output"]
    assert found["terminal_lines"][2]["text"].startswith("made")
    assert [one["name"] for one in found["files"]] == ["a.csv"]
    assert (found["details"]["status"], found["details"]["template"]) == ("running", "python")
    too_long = client.request("PUT", f"{session}/console", {"terminal_lines": [{}] * 2_001})
    assert too_long.error["field"] == "terminal_lines"
    assert client.delete(f"{session}/console").status == 204
    assert client.delete(f"{session}/console").status == 404
