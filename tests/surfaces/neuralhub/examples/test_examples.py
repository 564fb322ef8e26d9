"""Every example of NeuralHub's API reference, as it stands there, against this server."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any
from uuid import UUID

from tests.surfaces.neuralhub.conftest import Hub

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


def test_run_is_accepted_and_polled(hub: Hub, finished: Callable[[Hub, str], Any]) -> None:
    accepted = hub.post(
        "/v1/run",
        {
            "target": "agent_default",
            "type": "agent",
            "input": {"goal": "Find the latest news on AI agents"},
            "async": True,
        },
    )

    assert accepted.status == 202
    assert set(accepted.json) == {"runId", "status"}
    assert accepted.json["status"] == "pending"
    run = finished(hub, accepted.json["runId"])
    assert UUID(run["runId"])
    assert run["state"] in {"SUCCESS", "FAILED"}
    assert TIME.fullmatch(run["createdAt"])
    assert isinstance(run["events"], list)


def test_a_run_tells_its_tool_calls(hub: Hub) -> None:
    answer = hub.post(
        "/v1/run", {"target": "agent_default", "type": "agent", "input": {"goal": "What is 17*23?"}, "async": False}
    )

    assert answer.status == 200
    assert answer.json["state"] == "SUCCESS"
    assert "391" in answer.json["result"]
    (call,) = answer.json["events"]
    assert call["tool"] == "calculator"
    assert call["input"] == {"expression": "17*23"}
    assert call["output"] == "17*23 = 391"
    assert call["error"] is None
    assert TIME.fullmatch(call["started"])
    assert call["duration"] >= 0


def test_agents_are_listed_and_shown(hub: Hub) -> None:
    made = hub.made(
        "/v1/agents",
        {
            "name": "Research Assistant",
            "model_id": "google/gemini-2.5-flash-lite",
            "system_prompt": "You are a helpful researcher...",
        },
    )

    listed = hub.get("/v1/agents")
    shown = hub.get(f"/v1/agents/{made['id']}")

    assert listed.status == 200
    assert [(agent["name"], agent["model_id"]) for agent in listed.json if agent["id"] == made["id"]] == [
        ("Research Assistant", "google/gemini-2.5-flash-lite")
    ]
    assert shown.json["system_prompt"] == "You are a helpful researcher..."
    assert shown.json["name"] == "Research Assistant"


def test_a_memory_is_stored_and_found(hub: Hub) -> None:
    stored = hub.post(
        "/v1/memory",
        {"content": "The user prefers Python over JavaScript.", "metadata": {"source": "chat_session_1"}},
    )

    found = hub.get("/v1/memory/search?q=Which+language+does+the+user+prefer%3F")

    assert stored.status == 201
    assert stored.json["id"].startswith("mem_")
    assert TIME.fullmatch(stored.json["created_at"])
    assert found.status == 200
    assert found.json[0]["id"] == stored.json["id"]
    assert found.json[0]["content"] == "The user prefers Python over JavaScript."
    assert 0 < found.json[0]["similarity"] <= 1


def test_a_file_is_uploaded_and_listed(hub: Hub) -> None:
    content = bytes(range(256)) * 40
    uploaded = hub.request("POST", "/v1/storage/upload?filename=file.png", raw=content)

    listed = hub.get("/v1/storage/list")

    assert uploaded.status == 201
    workspace, name = uploaded.json["pathname"].split("/")
    assert UUID(workspace)
    assert name == "file.png"
    assert uploaded.json["url"].startswith("http")
    (blob,) = listed.json["blobs"]
    assert blob["pathname"] == uploaded.json["pathname"]
    assert blob["url"].startswith("http")


def test_a_body_without_a_name_is_uploaded_too(hub: Hub) -> None:
    uploaded = hub.request("POST", "/v1/storage/upload", raw=b"Binary File Content")

    assert uploaded.status == 201
    assert "/upload-" in uploaded.json["pathname"]


def test_models_have_costs_in_both_shapes(hub: Hub) -> None:
    answer = hub.get("/v1/models")

    assert answer.status == 200
    assert answer.json["object"] == "list"
    assert answer.json["data"] == answer.json["models"]
    embedded = next(model for model in answer.json["models"] if model["id"] == "glia/embedded")
    assert embedded["input_cost"] == 0
    assert embedded["output_cost"] == 0
    assert embedded["capabilities"]


def test_chat_streams_a_completion(hub: Hub) -> None:
    body = {
        "model": "google/gemini-2.5-flash-lite",
        "messages": [
            {"role": "system", "content": "You are an assistant."},
            {"role": "user", "content": "Hello!"},
        ],
        "stream": True,
    }
    with hub.stream("POST", "/v1/chat/completions", body) as stream:
        lines = [line for line in stream.everything().decode().split("\n\n") if line]

    assert stream.status == 200
    assert stream.headers["content-type"].startswith("text/event-stream")
    assert stream.headers["x-model-substituted"] == "glia/embedded"
    assert lines[-1] == "data: [DONE]"
    chunks = [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]
    assert all(chunk["object"] == "chat.completion.chunk" for chunk in chunks)
    assert "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks)
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"


def test_chat_answers_whole(hub: Hub) -> None:
    body = {"model": "google/gemini-2.5-flash-lite", "messages": [{"role": "user", "content": "Hello!"}]}
    answer = hub.post("/v1/chat/completions", body)

    assert answer.status == 200
    assert answer.json["object"] == "chat.completion"
    assert answer.json["id"].startswith("chatcmpl-")
    assert answer.json["choices"][0]["index"] == 0
    assert answer.json["choices"][0]["message"]["content"]


def test_a_resource_is_launched_listed_and_ended(hub: Hub) -> None:
    launched = hub.post("/v1/resources", {"template": "python-data", "env": {"MY_VAR": "value"}})
    listed = hub.get("/v1/resources")

    assert launched.status == 201, launched.body
    id = launched.json["id"]
    assert id.startswith("sbx-")
    assert launched.json["url"].startswith("http")
    assert [(each["id"], each["template"]) for each in listed.json] == [(id, "python-data")]
    assert hub.post(f"/v1/resources/{id}/exec", {"cmd": "echo $MY_VAR"}).json["stdout"] == "value\n"

    ended = hub.delete(f"/v1/resources/{id}")

    assert (ended.status, ended.body) == (204, b"")
    assert hub.get("/v1/resources").json == []
    assert hub.get(f"/v1/resources/{id}").status == 404


def test_llms_txt_is_for_everybody(anybody: Hub) -> None:
    markdown = anybody.get("/llms.txt")
    wrapped = anybody.get("/llms.txt", headers={"Accept": "application/json"})

    assert markdown.status == wrapped.status == 200
    assert markdown.headers["content-type"].startswith("text/markdown")
    assert markdown.body.decode().startswith("# NeuralHub Capabilities\n")
    assert wrapped.json == {"content": markdown.body.decode()}


def test_the_manifest_names_tools(hub: Hub) -> None:
    answer = hub.get("/v1/mcp/manifest")

    assert answer.status == 200
    names = {tool["name"]: tool for tool in answer.json["tools"]}
    assert names["calculator"]["description"]
    assert names["calculator"]["inputSchema"]["properties"]["expression"]
    assert answer.json["endpoint"]["url"].endswith("/mcp")


def test_a_key_is_made_and_listed(hub: Hub) -> None:
    made = hub.post(
        "/v1/keys", {"name": "Agent Production Key", "scopes": ["chat:write", "run:write", "memories:read"]}
    )
    listed = hub.get("/v1/keys")

    assert made.status == 201
    assert made.json["key"].startswith("nh_")
    assert made.json["key"].startswith(made.json["prefix"])
    assert isinstance(made.json["id"], int)
    assert TIME.fullmatch(made.json["created_at"])
    shown = next(key for key in listed.json["keys"] if key["id"] == made.json["id"])
    assert shown["name"] == "Agent Production Key"
    assert shown["prefix"] == made.json["prefix"]
    assert shown["last_used_at"] is None
    assert made.json["key"] not in listed.body.decode()
