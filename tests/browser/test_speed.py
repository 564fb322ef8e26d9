"""How fast the console is, and how calm; `-s` shows the figures."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from tests.browser.conftest import Journey
from tests.surfaces.conftest import Client

_MANY = 5_000


def _grown(export: dict[str, Any], events: int) -> dict[str, Any]:
    """The same session with its model call and tool call over and over: a file like any that was exported."""
    found = copy.deepcopy(export)
    head, tail = found["events"][:3], found["events"][-1:]
    body = found["events"][3:-1]
    middle = [copy.deepcopy(body[number % len(body)]) for number in range(events - len(head) - len(tail))]
    for step, event in enumerate(middle):
        if "tool_call_id" in event["data"]:
            event["data"]["tool_call_id"] = f"call-{step // len(body)}"
    found["events"] = [*head, *middle, *tail]
    for seq, event in enumerate(found["events"], start=1):
        event["seq"] = seq
    return found


def test_a_run_of_five_thousand_events_opens_at_once(
    journey: Journey, client: Client, converse: Callable[[str], str], say: Callable[[str, str], str]
) -> None:
    client.made("/v1/agents", {"name": "Helper"})
    session = converse("helper")
    run = say(session, "What is 17 * 23?")
    client.until(f"/v1/runs/{run}", lambda found: found["status"] == "completed")
    export = client.get(f"/v1/sessions/{session}/export").json
    copied = client.made("/v1/sessions/import", _grown(export, _MANY))["id"]
    long_run = next(found for found in client.get("/v1/runs").json["data"] if found["session_id"] == copied)

    shown = sum(not event["type"].endswith(".delta") for event in _all_events(client, long_run["id"]))
    journey("speed", "big_run", run=long_run["id"], events=shown)


def _all_events(client: Client, run: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = client.get(f"/v1/runs/{run}/events?limit=1000&after={cursor or 0}").json
        found += page["data"]
        if not (cursor := page["next_cursor"]):
            return found


def test_an_answer_at_two_hundred_tokens_a_second_stays_calm(
    journey: Journey, client: Client, converse: Callable[[str], str]
) -> None:
    client.made("/v1/agents", {"name": "Echo", "model": "openai/echo", "tools": []})

    journey("speed", "streaming", session=converse("echo"))
