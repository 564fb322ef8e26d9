"""Money, what starts by itself, and who may do what, in the browser."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from glia.settings import Settings
from tests.browser.conftest import Journey
from tests.failures.process import free_port
from tests.surfaces.conftest import Client, start_server

TWICE = {"kind": "tool", "tool": "calculator", "arguments": {"expression": "{{item}} * 2"}}
STEPS = [
    {"id": "fee", "kind": "tool", "tool": "calculator", "arguments": {"expression": "3% of {{input.amount}}"}},
    {
        "id": "is_large",
        "kind": "condition",
        "depends_on": ["fee"],
        "if": {"left": "{{input.amount}}", "op": "gt", "right": 100},
        "then": ["ask"],
        "else": ["note"],
    },
    {"id": "ask", "kind": "wait_approval", "message": "Refund {{input.amount}} euros?"},
    {"id": "note", "kind": "tool", "tool": "current_time"},
    {"id": "each", "kind": "map", "over": [1, 2], "step": TWICE},
    {"id": "done", "kind": "tool", "tool": "current_time", "depends_on": ["ask", "note", "each", "fee"]},
]


def _clerk(client: Client, **spec: Any) -> str:
    return client.made("/v1/agents", {"name": "Clerk", "tools": ["calculator"], **spec})["id"]


def _asked(client: Client, session: str) -> str:
    return client.post(f"/v1/sessions/{session}/messages", {"content": "What is 17 * 23?"}).json["run_id"]


def _stopped(client: Client, agent: str) -> str:
    """A run that a budget of one call has stopped."""
    session = client.made("/v1/sessions", {"agent_id": agent})["id"]
    body = {"scope": "session", "subject_id": session, "limit_calls": 1, "name": "One call"}
    client.made("/v1/budgets", body)
    run = _asked(client, session)
    client.until(f"/v1/runs/{run}", lambda found: found["status"] == "waiting")
    return run


def test_a_budget_that_stopped_a_run_is_raised(journey: Journey, client: Client) -> None:
    run = _stopped(client, _clerk(client))

    journey("affairs", "budget", run=run)


def test_a_schedule_is_made_fired_changed_and_paused(journey: Journey, client: Client) -> None:
    _clerk(client)

    journey("affairs", "schedule")


def test_a_key_is_made_used_and_revoked(journey: Journey) -> None:
    journey("affairs", "key")


def test_a_webhook_is_delivered_again(journey: Journey, tmp_path: Path) -> None:
    """On a server of its own: endpoints on this machine are refused unless the operator names them."""
    port = free_port()
    for server in start_server(tmp_path, Settings(outbound_allow=f"127.0.0.1:{port}")):
        key = server.workspace().api_key
        agent = _clerk(server.client(key))

        journey(
            "affairs",
            "webhook",
            agent=agent,
            receiver=port,
            glia_url=f"http://127.0.0.1:{server.port}",
            glia_key=key,
        )


def test_a_workflow_is_drawn_executed_approved_and_cancelled(journey: Journey) -> None:
    journey("affairs", "workflow")


def test_two_tabs_of_one_sign_in_both_stay_signed_in(journey: Journey, client: Client) -> None:
    _clerk(client)

    journey("affairs", "two_tabs")


def test_the_screens_are_accessible_and_fit_a_phone(journey: Journey, client: Client) -> None:
    agent = _clerk(client)
    _stopped(client, agent)
    for _ in range(3):
        _asked(client, client.made("/v1/sessions", {"agent_id": agent})["id"])
    client.post("/v1/chat/completions", {"model": "glia/embedded", "messages": [{"role": "user", "content": "Hi"}]})
    client.made("/v1/budgets", {"scope": "workspace", "period": "month", "limit_micros": 20_000_000, "name": "Month"})
    budget = client.get("/v1/budgets").json["data"][-1]["id"]
    client.made("/v1/credits/grants", {"amount_micros": 5_000_000, "note": "First payment"})
    cron = {"kind": "cron", "cron": "30 7 * * MON-FRI", "timezone": "Europe/Berlin"}
    trigger = client.made(
        "/v1/triggers", {"name": "Morning report", "agent_id": agent, "message": "Report.", "when": cron}
    )["id"]
    client.post(f"/v1/triggers/{trigger}/fire")
    top = client.made(
        "/v1/jobs", {"title": "Move the archive", "agent_id": agent, "message": "Begin.", "total_steps": 3}
    )
    for title in ("Copy", "Compare"):
        client.made("/v1/jobs", {"title": title, "parent_id": top["id"]})
    client.made("/v1/workflows", {"name": "Refund", "steps": STEPS})
    run = client.post("/v1/workflows/refund/run", {"input": {"amount": 900}}).json["id"]
    client.until(f"/v1/runs/{run}", lambda found: found["status"] == "waiting")
    webhook = client.made("/v1/webhooks", {"url": "https://hooks.invalid/", "description": "Team"})["id"]
    delivery = client.post(f"/v1/webhooks/{webhook}/ping").json["id"]
    key = client.made("/v1/keys", {"name": "Reader", "scopes": ["agents:read"]})["id"]
    user = client.get("/v1/users").json["data"][0]["id"]
    entry = client.get("/v1/audit-log").json["data"][0]["id"]
    paths = [
        "/usage?by=tokens",
        "/usage/calls",
        "/usage/budgets",
        f"/usage/budgets/{budget}",
        "/usage/ledger",
        "/automation/triggers",
        "/automation/triggers/new",
        f"/automation/triggers/{trigger}",
        "/automation/jobs",
        f"/automation/jobs/{top['id']}",
        "/automation/workflows",
        "/automation/workflows/refund?step=ask",
        "/automation/workflows/new",
        f"/automation/workflows/refund/{run}?step=fee",
        "/settings/workspace",
        "/settings/people",
        f"/settings/people/{user}",
        f"/settings/keys?key={key}",
        "/settings/webhooks",
        f"/settings/webhooks/{webhook}?delivery={delivery}",
        "/settings/models",
        f"/settings/audit?entry={entry}",
        "/settings/health",
    ]
    half = len(paths) // 2

    journey("affairs", "looks", paths=json.dumps(paths[:half]))
    journey("affairs", "looks", paths=json.dumps(paths[half:]))
