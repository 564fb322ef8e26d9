"""Pictures in answers: fetched by the server when somebody asks, and by the browser never."""

from __future__ import annotations

from collections.abc import Callable

from tests.browser.conftest import Journey
from tests.surfaces.conftest import Client
from tests.surfaces.elsewhere import Elsewhere, elsewhere

__all__ = ["elsewhere"]  # fixtures


def test_a_picture_comes_when_it_is_asked_for_and_not_from_its_own_host(
    journey: Journey, client: Client, converse: Callable[[str], str], elsewhere: Elsewhere
) -> None:
    client.made("/v1/agents", {"name": "Echo", "model": "openai/echo", "tools": []})

    journey("pictures", "shown_on_request", session=converse("echo"), elsewhere=elsewhere.url)

    assert elsewhere.asked == ["/dot.gif?said=secret", "/svg"]
    assert not {"cookie", "referer", "origin", "authorization"} & set(elsewhere.headers)
