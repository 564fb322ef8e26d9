"""The palette, global search and the keys."""

from __future__ import annotations

from tests.browser.conftest import Journey
from tests.surfaces.conftest import Client


def _scene(client: Client) -> str:
    agent = client.made("/v1/agents", {"name": "Zebra keeper"})["id"]
    return client.made("/v1/sessions", {"agent_id": agent, "title": "About one zebra"})["id"]


def test_the_palette_leads_to_screens_and_to_things(journey: Journey, client: Client) -> None:
    journey("search", "palette", session=_scene(client))


def test_the_page_of_results_is_accessible(journey: Journey, client: Client) -> None:
    _scene(client)

    journey("search", "looks")
