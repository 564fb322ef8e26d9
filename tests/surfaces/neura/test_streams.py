"""Neura's streams, event by event."""

from __future__ import annotations

import time
from typing import Any

from tests.surfaces.conftest import Client
from tests.surfaces.neura.conftest import Neura, refusal
from tests.surfaces.neura.test_chat import COSTS


def transcript(neura: Neura, agent_id: str, query: str, **more: Any) -> list[dict[str, Any]]:
    path = f"/api/agents/{agent_id}/chat/stream"
    with neura.stream("POST", path, {"query": query, **more}) as stream:
        assert stream.status == 200
        assert stream.headers["content-type"].startswith("text/event-stream")
        return [item["data"] for item in stream.items() if "data" in item]


def test_a_transcript_event_by_event(neura: Neura, agent_id: str):
    events = transcript(neura, agent_id, "What is 17 * 23?")

    answer = events[-1]["answer"]
    thoughts = [event for event in events if event["type"] == "thinking"]
    assert all(set(thought) == {"type", "content"} for thought in thoughts)
    assert [event for event in events if event["type"] != "thinking"] == [
        {"type": "status", "message": "Agent loaded"},
        {"type": "tool_call", "tool": "calculator", "args": {"expression": "17 * 23"}},
        {"type": "tool_result", "tool": "calculator", "result": {"status": "ok", "output": "17 * 23 = 391"}},
        {"type": "token", "content": answer},
        {"type": "done", "answer": answer, "costs": dict.fromkeys(COSTS, 0.0)},
    ]


def test_sources_come_when_they_are_found_and_when_they_are_cited(neura: Neura, agent_id: str, client: Client):
    base = client.made("/v1/knowledge-bases", {"name": "Rules"})["id"]
    document = client.upload(f"/v1/knowledge-bases/{base}/documents", b"A hotel may cost 140 euros a night.", "r.txt")
    path = f"/v1/knowledge-bases/{base}/documents/{document.json['id']}"
    client.until(path, lambda found: found["status"] == "ready")

    events = transcript(neura, agent_id, "What may a hotel cost?", kb_ids=[base])

    cited = {"type": "sources", "sources": [f"kb://{base}/{document.json['id']}#0"]}
    types = [event["type"] for event in events]
    assert events[types.index("tool_result") + 1] == cited
    assert events[-2] == cited
    assert events[-1]["type"] == "done"


def test_an_artifact_is_sent_with_its_content(neura: Neura, agent_id: str):
    events = transcript(neura, agent_id, "run: open('report.html', 'w').write('<h1>Hi</h1>')")

    (artifact,) = [event for event in events if event["type"] == "artifact"]
    assert artifact == {
        "type": "artifact",
        "artifact_type": "html",
        "title": "report.html",
        "content": "<h1>Hi</h1>",
    }


def slow(neura: Neura, words: int = 30) -> str:
    body = {"name": "Slow", "use_web_search": False, "model_id": "openai/slow", "settings": {"max_tokens": words}}
    return neura.made("/api/agents", body)["agent_id"]


def test_tokens_come_while_the_model_writes(neura: Neura):
    agent = slow(neura)

    events = transcript(neura, agent, "Talk.")

    tokens = [event["content"] for event in events if event["type"] == "token"]
    assert len(tokens) > 5
    assert "".join(tokens) == events[-1]["answer"]
    assert events[-1]["costs"]["llm_cost"] is None


def test_a_reader_that_comes_back_sees_no_gap_and_no_repeat(neura: Neura, client: Client):
    agent = slow(neura)
    path = f"/api/agents/{agent}/chat/stream"
    seen: list[str] = []
    last = 0
    with neura.stream("POST", path, {"query": "Talk."}) as stream:
        for item in stream.items():
            last = item.get("id", last)
            if item.get("data", {}).get("type") == "token":
                seen.append(item["data"]["content"])
            if len(seen) == 3:
                break

    with neura.stream("POST", path, {"query": "Talk."}, {"Last-Event-ID": str(last)}) as stream:
        rest = [item["data"] for item in stream.items() if "data" in item]

    seen += [event["content"] for event in rest if event["type"] == "token"]
    assert rest[-1]["type"] == "done"
    assert "".join(seen) == rest[-1]["answer"]
    assert len(client.get("/v1/runs").json["data"]) == 1


def test_leaving_does_not_stop_the_run(neura: Neura, client: Client):
    agent = slow(neura)
    with neura.stream("POST", f"/api/agents/{agent}/chat/stream", {"query": "Talk."}) as stream:
        next(stream.items())
    time.sleep(0.05)

    (run,) = client.until("/v1/runs", lambda found: found["data"][0]["status"] in ("completed", "failed"))["data"]

    assert run["status"] == "completed"


def test_a_cancelled_run_ends_its_stream_with_an_error(neura: Neura, client: Client):
    agent = slow(neura, 4000)
    with neura.stream("POST", f"/api/agents/{agent}/chat/stream", {"query": "Talk."}) as stream:
        items = stream.items()
        next(items)
        client.post(f"/v1/runs/{stream.headers['x-run-id']}/cancel")
        events = [item["data"] for item in items if "data" in item]

    assert events[-1] == {"type": "error", "error": "The run was cancelled before it answered."}


def test_a_run_that_fails_ends_the_stream_with_an_error(neura: Neura, agent_id: str, client: Client):
    client.patch(f"/v1/agents/{agent_id}", {"limits": {"max_tokens": 1}})

    events = transcript(neura, agent_id, "What is 17 * 23?")
    answer = neura.post(f"/api/agents/{agent_id}/chat", {"query": "What is 17 * 23?"})

    assert events[-1]["type"] == "error"
    assert "max_tokens" in events[-1]["error"]
    assert (answer.status, refusal(answer)["error"]) == (400, events[-1]["error"])


def test_waiting_for_a_person_ends_the_stream_with_an_error(neura: Neura, agent_id: str, client: Client):
    client.patch(f"/v1/agents/{agent_id}", {"permissions": {"tools": {"calculator": "ask"}}})

    events = transcript(neura, agent_id, "What is 17 * 23?")

    assert events[-1] == {
        "type": "error",
        "error": "A person must approve a tool call before the agent can answer.",
    }


def test_a_budget_that_runs_out_ends_the_stream_with_an_error(neura: Neura, agent_id: str, client: Client):
    client.made("/v1/budgets", {"scope": "agent", "subject_id": agent_id, "limit_calls": 1})

    answer = neura.post(f"/api/agents/{agent_id}/chat", {"query": "What is 17 * 23?"})
    events = transcript(neura, agent_id, "What is 17 * 23?") if answer.status == 200 else []

    assert answer.status == 402
    assert refusal(answer)["error"] == "Budget exceeded"
    assert events == []
