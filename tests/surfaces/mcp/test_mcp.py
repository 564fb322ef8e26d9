"""/mcp, spoken to by the official client over a real socket, in both revisions."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import httpx2
import pytest
from mcp import MCPError

from tests.surfaces.conftest import Client, Server
from tests.surfaces.mcp.conftest import Connects

SUM = "What is 17 * 23?"


async def test_both_revisions_are_spoken(connects: Connects) -> None:
    async with connects("auto") as modern, connects("legacy") as legacy:
        assert modern.protocol_version == "2026-07-28"
        assert legacy.protocol_version == "2025-11-25"
        assert legacy.server_info is not None
        assert (legacy.server_info.name, legacy.server_info.title) == ("glia", "Glia")
        assert "ask_" in (modern.instructions or "")


async def test_an_agent_is_a_tool_that_answers(connects: Connects, agent: dict[str, Any], revision: str) -> None:
    async with connects(revision) as mcp:
        tools = {tool.name: tool for tool in (await mcp.list_tools()).tools}
        answer = await mcp.call_tool("ask_helper", {"message": SUM})

    assert {"ask_helper", "search_knowledge", "read_session", "read_run", "calculator"} <= set(tools)
    assert not {"memory_save", "knowledge_search", "conversation_search"} & set(tools)
    assert not answer.is_error
    assert "391" in answer.content[0].text
    assert set(answer.structured_content) == {"answer", "citations", "session_id", "run_id"}


async def test_a_session_goes_on_and_can_be_read(connects: Connects, agent: dict[str, Any]) -> None:
    async with connects() as mcp:
        first = (await mcp.call_tool("ask_helper", {"message": SUM})).structured_content
        second = await mcp.call_tool("ask_helper", {"message": "And 2 + 2?", "session_id": first["session_id"]})
        session = (await mcp.call_tool("read_session", {"session_id": first["session_id"]})).structured_content
        run = (await mcp.call_tool("read_run", {"run_id": first["run_id"]})).structured_content

    assert second.structured_content["session_id"] == first["session_id"]
    assert [message["role"] for message in session["messages"]] == ["user", "assistant"] * 2
    assert run["status"] == "completed"


async def test_answers_bring_their_citations(connects: Connects, client: Client) -> None:
    base = client.made("/v1/knowledge-bases", {"name": "Docs"})["id"]
    uploaded = client.upload(
        f"/v1/knowledge-bases/{base}/documents", b"The warranty of the kettle lasts exactly seven years."
    )
    document = uploaded.json["document"]["id"] if "document" in uploaded.json else uploaded.json["id"]
    client.until(f"/v1/knowledge-bases/{base}/documents/{document}", lambda found: found["status"] == "ready")
    client.made("/v1/agents", {"name": "Reader", "knowledge_base_ids": [base]})

    async with connects() as mcp:
        found = (await mcp.call_tool("search_knowledge", {"query": "warranty of the kettle"})).structured_content
        answer = await mcp.call_tool("ask_reader", {"message": "How long does the warranty of the kettle last?"})

    assert "seven years" in found["results"][0]["text"]
    assert answer.structured_content["citations"][0]["document_id"] == document


async def test_progress_is_told_while_the_run_works(connects: Connects, agent: dict[str, Any], revision: str) -> None:
    heard: list[str | None] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        heard.append(message)

    async with connects(revision) as mcp:
        await mcp.call_tool("ask_helper", {"message": SUM}, progress_callback=hear)
        async with asyncio.timeout(60):
            while "Calling calculator" not in heard:
                await asyncio.sleep(0.02)


async def test_tools_of_the_workspace_are_called(connects: Connects, client: Client, revision: str) -> None:
    tool = {
        "name": "greet",
        "description": "Greets.",
        "schema": {"type": "object", "properties": {}},
        "http": {"url": "http://127.0.0.1:9/"},
    }
    client.made("/v1/tools", tool)
    client.made("/v1/tools", tool | {"name": "guarded", "permission": "ask"})

    async with connects(revision) as mcp:
        names = {tool.name for tool in (await mcp.list_tools()).tools}
        computed = await mcp.call_tool("calculator", {"expression": "6 * 7"})
        refused = await mcp.call_tool("greet", {})
        guarded = await mcp.call_tool("guarded", {})

    assert "greet" in names
    assert "guarded" not in names
    assert computed.content[0].text == "6 * 7 = 42"
    assert "loopback" in refused.content[0].text
    assert guarded.is_error
    assert "agreement" in guarded.content[0].text


async def test_a_run_that_waits_for_a_person_says_so(connects: Connects, client: Client) -> None:
    client.made("/v1/agents", {"name": "Careful", "permissions": {"tools": {"calculator": "ask"}}})

    async with connects() as mcp:
        answer = await mcp.call_tool("ask_careful", {"message": SUM})

    assert answer.is_error
    assert answer.structured_content["error"]["code"] == "run_waiting"
    assert "approval" in answer.content[0].text


async def test_errors_are_structured(connects: Connects, agent: dict[str, Any], revision: str) -> None:
    async with connects(revision) as mcp:
        wrong = await mcp.call_tool("ask_helper", {"text": "?"})
        missing = await mcp.call_tool("read_run", {"run_id": "0190a000-0000-7000-8000-000000000000"})
        with pytest.raises(MCPError, match="no_such_tool"):
            await mcp.call_tool("no_such_tool", {})
        with pytest.raises(MCPError, match="memory"):
            await mcp.call_tool("memory_save", {"content": "x"})

    assert (wrong.is_error, missing.is_error) == (True, True)
    assert missing.structured_content["error"]["code"] == "not_found" or "run" in missing.content[0].text


async def test_a_key_sees_what_its_scopes_allow(connects: Connects, client: Client, agent: dict[str, Any]) -> None:
    reader = client.made("/v1/keys", {"name": "Reader", "scopes": ["*:read"]})["key"]

    async with connects(key=reader) as mcp:
        names = {tool.name for tool in (await mcp.list_tools()).tools}
        asked = await mcp.call_tool("ask_helper", {"message": SUM})
        called = await mcp.call_tool("calculator", {"expression": "1"})

    assert names == {"search_knowledge", "read_session", "read_run"}
    assert [result.structured_content["error"]["code"] for result in (asked, called)] == ["forbidden"] * 2


async def test_another_workspaces_agents_are_not_there(
    connects: Connects, client: Client, stranger: Client, agent: dict[str, Any]
) -> None:
    async with connects() as mcp:
        first = (await mcp.call_tool("ask_helper", {"message": SUM})).structured_content
    stranger.made("/v1/agents", {"name": "Theirs"})
    async with connects(key=stranger.key) as mcp:
        names = {tool.name for tool in (await mcp.list_tools()).tools}
        with pytest.raises(MCPError):
            await mcp.call_tool("ask_helper", {"message": SUM})
        answers = [
            await mcp.call_tool("read_session", {"session_id": first["session_id"]}),
            await mcp.call_tool("read_run", {"run_id": first["run_id"]}),
            await mcp.call_tool("ask_theirs", {"message": SUM, "session_id": first["session_id"]}),
        ]

    assert "ask_theirs" in names
    assert "ask_helper" not in names
    assert all(answer.is_error for answer in answers)


async def test_a_call_that_is_taken_back_cancels_its_run(
    connects: Connects, client: Client, endless_agent: dict[str, Any]
) -> None:
    async with connects("2026-07-28") as mcp:
        asking = asyncio.create_task(mcp.call_tool("ask_slow", {"message": "Go on."}))
        deadline = time.monotonic() + 60
        while not (runs := client.get("/v1/runs").json["data"]):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
        asking.cancel()
        ended = await asyncio.to_thread(
            client.until, f"/v1/runs/{runs[0]['id']}", lambda run: run["status"] not in {"queued", "running"}
        )

    assert ended["status"] == "cancelled"


def test_without_a_key_nothing_is_told(mcp_port: int) -> None:
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    headers = {"Accept": "application/json, text/event-stream"}

    answer = httpx2.post(f"http://127.0.0.1:{mcp_port}/mcp", json=body, headers=headers)

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json()["error"]["data"]["code"] == "unauthorized"
    assert answer.json()["id"] is None


def test_only_posts_to_the_one_path_are_answered(mcp_port: int, client: Client) -> None:
    headers = {"Authorization": f"Bearer {client.key}", "Accept": "text/event-stream"}

    got = httpx2.get(f"http://127.0.0.1:{mcp_port}/mcp", headers=headers)
    elsewhere = httpx2.post(f"http://127.0.0.1:{mcp_port}/mcp/other", headers=headers, json={})
    junk = httpx2.post(
        f"http://127.0.0.1:{mcp_port}/mcp",
        headers=headers | {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"},
        content=b"{",
    )

    assert (got.status_code, got.headers["allow"]) == (405, "POST")
    assert elsewhere.status_code == 404
    assert junk.status_code == 400
    assert json.loads(junk.text)["error"]["code"] == -32700


def test_the_surface_keeps_the_rate_limit(mcp_port: int, client: Client) -> None:
    key = client.made("/v1/keys", {"name": "Slow", "rate_per_minute": 2})["key"]
    headers = {"Authorization": f"Bearer {key}", "Accept": "application/json, text/event-stream"}
    body = {"jsonrpc": "2.0", "id": 1, "method": "ping"}

    statuses = [
        httpx2.post(f"http://127.0.0.1:{mcp_port}/mcp", json=body, headers=headers).status_code for _ in range(3)
    ]

    assert statuses == [200, 200, 429]


def test_a_body_that_is_too_large_is_refused(mcp_port: int, client: Client) -> None:
    headers = {"Authorization": f"Bearer {client.key}", "Accept": "application/json, text/event-stream"}

    answer = httpx2.post(f"http://127.0.0.1:{mcp_port}/mcp", headers=headers, content=b"x" * 5_000_000)

    assert answer.status_code == 413


def test_the_front_sends_mcp_to_its_surface(server: Server) -> None:
    answer = server.client().get("/mcp")

    assert answer.json["jsonrpc"] == "2.0"
