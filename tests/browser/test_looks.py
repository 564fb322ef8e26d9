"""Every screen by every rule of axe, on a wide screen and a phone, light and dark."""

from __future__ import annotations

from collections.abc import Callable

from tests.browser.conftest import Journey
from tests.surfaces.conftest import Client


def test_every_screen_is_accessible_and_fits_a_phone(
    journey: Journey, client: Client, converse: Callable[[str], str], say: Callable[[str, str], str]
) -> None:
    base = client.made("/v1/knowledge-bases", {"name": "Rooms"})["id"]
    client.upload(f"/v1/knowledge-bases/{base}/documents", b"# Rooms\n\nThe red room holds twelve people.", "a.md")
    client.made("/v1/agents", {"name": "Careful", "permissions": {"tools": {"calculator": "ask"}}})
    session = converse("careful")
    run = say(session, "What is 17 * 23?")
    client.until(f"/v1/runs/{run}", lambda found: found["status"] == "waiting")

    journey("looks", "accessible", base=base, session=session, run=run, agent="careful")
