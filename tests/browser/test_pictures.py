"""Pictures in answers: fetched by the server when somebody asks, and by the browser never."""

from __future__ import annotations

from collections.abc import Callable

from tests.browser.conftest import Journey
from tests.surfaces.conftest import Client
from tests.surfaces.elsewhere import Elsewhere, elsewhere

__all__ = ["elsewhere"]  # fixtures

Converse = Callable[[str], str]
Say = Callable[[str, str], str]


def test_a_picture_comes_when_it_is_asked_for_and_not_from_its_own_host(
    journey: Journey, client: Client, converse: Converse, elsewhere: Elsewhere
) -> None:
    client.made("/v1/agents", {"name": "Echo", "model": "openai/echo", "tools": []})
    before = len(elsewhere.asked)

    journey("pictures", "shown_on_request", session=converse("echo"), elsewhere=elsewhere.url)

    assert elsewhere.asked[before:] == ["/dot.gif?said=secret", "/svg"]
    assert not {"cookie", "referer", "origin", "authorization"} & set(elsewhere.headers)


def test_a_picture_that_a_tool_has_found_stands_under_its_result(
    journey: Journey, client: Client, converse: Converse, say: Say, elsewhere: Elsewhere
) -> None:
    base = client.made("/v1/knowledge-bases", {"name": "Garden"})["id"]
    text = f"The plan of the garden: ![The plan]({elsewhere.url}/plan.gif)".encode()
    document = client.upload(f"/v1/knowledge-bases/{base}/documents", text, "garden.txt").json["id"]
    path = f"/v1/knowledge-bases/{base}/documents/{document}"
    client.until(path, lambda found: found["status"] in {"ready", "failed"})
    client.made("/v1/agents", {"name": "Gardener", "knowledge_base_ids": [base]})
    session = converse("gardener")
    run = say(session, "What is the plan of the garden?")
    client.until(f"/v1/runs/{run}", lambda found: found["status"] == "completed")
    before = len(elsewhere.asked)

    journey("pictures", "under_a_tool", session=session, elsewhere=elsewhere.url)

    assert elsewhere.asked[before:] == ["/plan.gif"]
