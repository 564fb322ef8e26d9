"""Clients as others write them: each asks in its own way and looks for its own fields."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from tests.surfaces.neuronagent.conftest import BASE, Neuron


class PlainClient:
    """A client of three methods over the standard library: everything by keyword, everything parsed."""

    def __init__(self, base_url: str, api_key: str) -> None:
        self.base_url = base_url.rstrip("/")
        self.api_key = api_key

    def call(self, method: str, path: str, body: Any = None) -> Any:
        with self._open(method, path, body) as response:
            text = response.read()
        return json.loads(text) if text else None

    def lines(self, method: str, path: str, body: Any) -> Iterator[str]:
        with self._open(method, path, body) as response:
            for line in response:
                yield line.decode().rstrip("\n")

    def _open(self, method: str, path: str, body: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.api_key}", "Content-Type": "application/json", "Accept": "*/*"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.base_url}{path}", data, headers, method=method)
        return urllib.request.urlopen(request, timeout=30)


@pytest.fixture
def plain(client: Neuron) -> PlainClient:
    return PlainClient(f"http://127.0.0.1:{client.port}{BASE}", client.key or "")


def test_a_python_client_reads_response_and_chunks(plain: PlainClient) -> None:
    agent = plain.call(
        "POST",
        "/agents",
        {
            "name": "py",
            "system_prompt": "Test",
            "model_name": "default",
            "enabled_tools": ["calculator"],
            "profile": "research",
        },
    )
    session = plain.call("POST", "/sessions", {"agent_id": agent["id"]})

    answer = plain.call("POST", f"/sessions/{session['id']}/messages", {"role": "user", "content": "What is 6*7?"})
    listed = plain.call("GET", f"/sessions/{session['id']}/messages?limit=100&offset=0")
    text, event = "", ""
    for line in plain.lines(
        "POST", f"/sessions/{session['id']}/messages", {"role": "user", "content": "And 2*8?", "stream": True}
    ):
        if line.startswith("event:"):
            event = line[6:].strip()
        elif line.startswith("data:") and event == "chunk":
            text += json.loads(line[5:])["content"]

    assert "42" in answer["response"]
    assert isinstance(answer["tokens_used"], int)
    assert isinstance(listed, list)
    assert isinstance(listed[0]["id"], int)
    assert "16" in text


def test_a_typescript_client_reads_a_message_and_the_top_of_an_error(plain: PlainClient) -> None:
    agent = plain.call("POST", "/agents", {"name": "ts", "system_prompt": "Test", "model_name": "default"})
    tool = plain.call(
        "POST", "/tools", {"name": "ts_tool", "description": "x", "schema": {}, "implementation": "print(1)"}
    )
    session = plain.call("POST", "/sessions", {"agent_id": agent["id"], "external_user_id": "u"})

    message = plain.call("POST", f"/sessions/{session['id']}/messages", {"content": "Hi", "role": "user"})

    assert {"id", "session_id", "role", "content", "created_at"} <= set(message)
    assert session["last_activity_at"]
    assert tool["schema"] == tool["arg_schema"]
    with pytest.raises(urllib.error.HTTPError) as failed:
        plain.call("GET", "/agents/00000000-0000-0000-0000-000000000000")
    assert json.load(failed.value)["message"].startswith("There is no agent")


def test_a_client_that_sends_back_what_it_fetched(plain: PlainClient) -> None:
    plain.call("POST", "/agents", {"name": "whole", "system_prompt": "Test", "model_name": "default"})
    fetched = plain.call("GET", "/agents?search=whole")[0]

    fetched["description"] = "New description"
    updated = plain.call("PUT", f"/agents/{fetched['id']}", fetched)

    assert updated["description"] == "New description"
    assert updated["id"] == fetched["id"]


def test_a_test_suite_finds_lists_where_it_expects_them(plain: PlainClient) -> None:
    agent = plain.call("POST", "/agents", {"name": "suite", "system_prompt": "Test", "model_name": "default"})
    session = plain.call("POST", "/sessions", {"agent_id": agent["id"]})

    for path in (
        "/agents",
        "/sessions",
        "/tools",
        f"/agents/{agent['id']}/sessions",
        f"/agents/{agent['id']}/versions",
        f"/agents/{agent['id']}/relationships",
        f"/sessions/{session['id']}/messages",
        f"/sessions/{session['id']}/reflections",
        "/specializations",
        "/blueprints",
    ):
        assert isinstance(plain.call("GET", path), list), path
    reflected = plain.call("POST", f"/agents/{agent['id']}/reflect", {"response_content": "An answer."})
    assert isinstance(reflected, dict)
