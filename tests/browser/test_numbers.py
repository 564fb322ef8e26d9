"""Every figure opens what it counts, and what is deleted can be taken back, in the browser."""

from __future__ import annotations

import json

from tests.browser.conftest import Journey
from tests.surfaces.conftest import Client

FACT = "The key is under the mat."


def _asked(client: Client, content: str, **spec: object) -> str:
    """A run of an agent, that has ended or waits."""
    client.made("/v1/agents", {"name": "Careful", "tools": ["calculator"], **spec})
    session = client.made("/v1/sessions", {"agent_id": "careful"})["id"]
    return client.post(f"/v1/sessions/{session}/messages", {"content": content}).json["run_id"]


def _waiting(client: Client) -> str:
    return _asked(client, "What is 17 * 23?", permissions={"tools": {"calculator": "ask"}})


def _block(client: Client) -> str:
    return client.made("/v1/memory-blocks", {"label": "persona", "content": "You are brief."})["id"]


def _found_twice(client: Client) -> str:
    memory = client.made("/v1/memories", {"content": FACT})["id"]
    for _ in range(2):
        body = {"tool": "memory_search", "arguments": {"query": "key"}}
        run = client.post("/v1/runs", body).json["id"]
        client.until(f"/v1/runs/{run}", lambda found: found["status"] == "completed")
    return memory


def _credit(client: Client) -> None:
    client.made("/v1/credits/grants", {"amount_micros": 5_000_000, "note": "First payment"})
    client.made("/v1/credits/adjustments", {"amount_micros": -1_250_000, "note": "A mistake"})


def test_the_figures_of_a_run_open_its_calls(journey: Journey, client: Client) -> None:
    run = _asked(client, "What is 17 * 23?")
    client.until(f"/v1/runs/{run}", lambda found: found["status"] == "completed")

    journey("numbers", "run", run=run)


def test_the_figures_of_the_queue_open_its_runs(journey: Journey, client: Client) -> None:
    run = _waiting(client)
    client.until(f"/v1/runs/{run}", lambda found: found["status"] == "waiting")

    journey("numbers", "queue")


def test_the_accounts_of_the_ledger_open_their_entries(journey: Journey, client: Client) -> None:
    _credit(client)

    journey("numbers", "ledger")


def test_the_finds_of_a_memory_open_their_calls(journey: Journey, client: Client) -> None:
    journey("numbers", "finds", memory=_found_twice(client))


def test_what_is_deleted_is_taken_back(journey: Journey, client: Client) -> None:
    memory = client.made("/v1/memories", {"content": FACT})["id"]

    journey("numbers", "taken_back", memory=memory, block=_block(client))


def test_what_was_deleted_elsewhere_is_told(journey: Journey, client: Client) -> None:
    budget = client.made("/v1/budgets", {"scope": "workspace", "period": "month", "limit_calls": 5})["id"]

    journey("numbers", "gone", budget=budget)


def test_who_may_little_is_told_so(journey: Journey, client: Client) -> None:
    client.made("/v1/agents", {"name": "Careful"})
    few = client.made("/v1/keys", {"name": "Reader", "scopes": ["agents:read"]})["key"]

    journey("numbers", "forbidden", few=few)


def test_the_lists_behind_figures_are_accessible_and_fit_a_phone(journey: Journey, client: Client) -> None:
    run = _waiting(client)
    client.until(f"/v1/runs/{run}", lambda found: found["status"] == "waiting")
    _credit(client)
    block = _block(client)
    client.delete(f"/v1/memory-blocks/{block}")
    memory = _found_twice(client)
    paths = [
        f"/runs/{run}?only=tools",
        "/runs?waits=approval",
        f"/usage/calls?run_id={run}&status=ok",
        "/usage/ledger?account=balance",
        f"/memory/facts/{memory}",
        "/memory?show=blocks&make=true",
        "/runs/019a0000-0000-7000-8000-000000000000",
    ]

    journey("numbers", "looks", paths=json.dumps(paths))
