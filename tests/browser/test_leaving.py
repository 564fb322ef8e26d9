"""What is being written when one goes elsewhere, and who one is when a token has ended."""

from __future__ import annotations

from collections.abc import Callable

from tests.browser.conftest import Journey
from tests.surfaces.conftest import Client

Converse = Callable[[str], str]


def _reckoner(client: Client) -> str:
    return client.made("/v1/agents", {"name": "Reckoner", "tools": ["calculator"]})["slug"]


def test_edits_are_not_left_without_a_question(journey: Journey, client: Client) -> None:
    journey("leaving", "unsaved", agent=_reckoner(client))


def test_a_draft_stays_with_its_conversation(journey: Journey, client: Client, converse: Converse) -> None:
    journey("leaving", "draft", session=converse(_reckoner(client)))


def test_a_refused_token_is_renewed_and_nobody_is_signed_out(
    journey: Journey, client: Client, converse: Converse
) -> None:
    journey("leaving", "renewal", session=converse(_reckoner(client)))


def test_a_person_is_told_what_their_role_may_not_do(journey: Journey, client: Client) -> None:
    person = {"email": "user@leaving.example", "password": "correct horse battery", "role": "user"}
    client.made("/v1/users", person)

    journey("leaving", "refusal", email=person["email"], password=person["password"])
