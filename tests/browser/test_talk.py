"""From signing in to an answer, and conversations that go on elsewhere."""

from __future__ import annotations

from collections.abc import Callable

from tests.browser.conftest import Journey
from tests.surfaces.conftest import Client

Converse = Callable[[str], str]
Say = Callable[[str, str], str]


def test_a_new_user_gets_a_cited_answer(journey: Journey) -> None:
    journey("first", "first_answer")


def test_a_reload_in_the_middle_of_an_answer_shows_all_of_it(
    journey: Journey, client: Client, converse: Converse
) -> None:
    settings = {"max_output_tokens": 40}
    client.made("/v1/agents", {"name": "Slow", "model": "openai/slow", "settings": settings, "tools": []})

    journey("talk", "reload_midway", session=converse("slow"))


def test_a_call_approved_on_a_phone_goes_on_in_another_window(
    journey: Journey, client: Client, converse: Converse, say: Say
) -> None:
    client.made("/v1/agents", {"name": "Careful", "permissions": {"tools": {"calculator": "ask"}}})
    session = converse("careful")
    say(session, "What is 17 * 23?")

    journey("talk", "approve", session=session)


def test_an_uploaded_document_is_found_and_cited(journey: Journey, client: Client) -> None:
    base = client.made("/v1/knowledge-bases", {"name": "Rooms"})["id"]
    client.made("/v1/agents", {"name": "Clerk", "knowledge_base_ids": [base]})

    journey("knowledge", "upload_and_cite", base=base, agent="clerk")


def test_a_link_to_an_event_opens_it(journey: Journey, client: Client, converse: Converse, say: Say) -> None:
    client.made("/v1/agents", {"name": "Helper"})
    run = say(converse("helper"), "What is 2 + 2?")
    client.until(f"/v1/runs/{run}", lambda found: found["status"] == "completed")

    journey("runs", "event_link", run=run)


def _slow(client: Client, words: int) -> None:
    settings = {"max_output_tokens": words}
    client.made("/v1/agents", {"name": "Slow", "model": "openai/slow", "settings": settings, "tools": []})


def test_a_stopped_answer_keeps_what_was_seen(journey: Journey, client: Client, converse: Converse) -> None:
    _slow(client, 4000)

    journey("talk", "stop", session=converse("slow"))


def test_a_message_to_a_run_at_work_steers_it(journey: Journey, client: Client, converse: Converse) -> None:
    _slow(client, 40)

    journey("talk", "steer", session=converse("slow"))


def test_a_second_device_shows_the_same_text(journey: Journey, client: Client, converse: Converse) -> None:
    _slow(client, 40)

    journey("talk", "second_device", session=converse("slow"))


def test_an_edited_message_is_asked_in_a_branch_and_compared(
    journey: Journey, client: Client, converse: Converse, say: Say
) -> None:
    client.made("/v1/agents", {"name": "Helper"})
    session = converse("helper")
    for question in ("What is 2 + 2?", "What is 5 * 5?"):
        run = say(session, question)
        client.until(f"/v1/runs/{run}", lambda found: found["status"] == "completed")

    journey("talk", "branch_and_compare", session=session)


def test_what_a_model_writes_does_no_harm(journey: Journey, client: Client, converse: Converse) -> None:
    client.made("/v1/agents", {"name": "Echo", "model": "openai/echo", "tools": []})

    journey("talk", "hostile", session=converse("echo"))
