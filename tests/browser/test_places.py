"""Memory, tools and sandboxes: what agents know, what they may call, and where their code runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from glia.settings import Settings
from tests.browser.conftest import Journey
from tests.failures.process import free_port
from tests.surfaces.conftest import Client, Server, start_server
from tests.tools.mcp_process import McpProcess, mcp_process

_PORT = free_port()


@pytest.fixture(scope="module")
def kit() -> Iterator[McpProcess]:
    with mcp_process(port=_PORT) as process:
        yield process


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One that may call the tests' MCP server."""
    settings = Settings(outbound_allow=f"127.0.0.1:{_PORT}")
    yield from start_server(tmp_path_factory.mktemp("places"), settings)


@pytest.fixture
def desk(client: Client) -> str:
    return client.made("/v1/agents", {"name": "Desk"})["id"]


def _block(client: Client, desk: str) -> str:
    body = {"agent_id": desk, "label": "persona", "content": "You are brief."}
    return client.made("/v1/memory-blocks", body)["id"]


def _memory(client: Client, desk: str, content: str = "Ada lives in Kyiv.") -> str:
    return client.made("/v1/memories", {"agent_id": desk, "content": content})["id"]


def _event(client: Client, run: str, kind: str) -> Any:
    return next(event for event in client.get(f"/v1/runs/{run}/events").json["data"] if event["type"] == kind)


def test_a_block_is_edited_taken_back_and_two_writers_lose_nothing(journey: Journey, client: Client, desk: str) -> None:
    journey("places", "block", block=_block(client, desk))


def test_a_fact_is_forgotten_brought_back_found_and_leads_to_its_run(
    journey: Journey, client: Client, desk: str, converse: Callable[[str], str], say: Callable[[str, str], str]
) -> None:
    _memory(client, desk)
    client.made("/v1/agents", {"name": "Learner", "tools": ["memory_save"]})
    run = say(converse("learner"), "Remember that the blue room holds twelve people.")
    client.until(f"/v1/runs/{run}", lambda found: found["status"] == "completed")

    journey("places", "facts", agent=desk)


def test_a_server_is_connected_and_its_tool_tried_with_consent(
    journey: Journey, client: Client, kit: McpProcess
) -> None:
    journey("places", "connect", mcp_url=kit.url)


def test_a_command_runs_is_interrupted_and_its_file_is_seen(journey: Journey, client: Client) -> None:
    journey("places", "sandbox")


def test_a_file_that_a_tool_made_is_shown_and_downloaded(journey: Journey, client: Client) -> None:
    code = "open('out.csv', 'w').write('name,age\\nAda,36\\n')"
    run = client.post("/v1/runs", {"tool": "run_code", "arguments": {"code": code}}).json["id"]
    client.until(f"/v1/runs/{run}", lambda found: found["status"] == "completed")

    journey("places", "artifact", run=run, event=_event(client, run, "artifact.created")["seq"])


def test_an_agent_is_told_to_recall_and_is_shown_as_a_program(journey: Journey, client: Client, desk: str) -> None:
    journey("places", "agent_memory", agent="desk")

    assert client.get(f"/v1/agents/{desk}/memory/settings").json["recalls"] is True


def test_the_screens_are_accessible_and_fit_a_phone(
    journey: Journey, client: Client, desk: str, kit: McpProcess
) -> None:
    memory = _memory(client, desk)
    _memory(client, desk, "Ada lives in Lviv.")
    box = client.made("/v1/sandboxes", {"name": "scratch"})["id"]
    client.post(f"/v1/sandboxes/{box}/exec", {"command": "echo hello > notes.txt"})

    journey(
        "places",
        "looks",
        block=_block(client, desk),
        memory=memory,
        server=client.made("/v1/mcp-servers", {"name": "kit", "url": kit.url})["id"],
        sandbox=box,
    )
