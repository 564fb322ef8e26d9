"""Home: every number opens what it counts."""

from __future__ import annotations

from collections.abc import Callable

from tests.browser.conftest import Journey
from tests.surfaces.conftest import Client


def test_every_number_at_home_opens_what_it_counts(
    journey: Journey, client: Client, converse: Callable[[str], str], say: Callable[[str, str], str]
) -> None:
    client.made("/v1/budgets", {"scope": "workspace", "period": "day", "limit_micros": 2_000_000})
    client.made("/v1/agents", {"name": "Careful", "permissions": {"tools": {"calculator": "ask"}}})
    run = say(converse("careful"), "What is 17 * 23?")
    client.until(f"/v1/runs/{run}", lambda found: found["status"] == "waiting")

    journey("home", "numbers")
