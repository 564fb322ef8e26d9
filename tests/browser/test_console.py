"""Journeys through the console in a real browser, on a real server with real runs.

They need Chromium and a built console (`./glia console build`, which also brings the driver), and are skipped without.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from glia.console import build
from glia.identity.types import Credentials
from tests.surfaces.conftest import Client, Server, client, credentials, server

__all__ = ["client", "credentials", "server"]  # fixtures

_JOURNEYS = build.SOURCE / "tests" / "browser" / "journeys.mjs"

Journey = Callable[..., None]


def _absence() -> str:
    if not any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))):
        return "there is no Chromium: apt-get install chromium"
    if not build.is_current() or not (build.SOURCE / "node_modules" / "playwright-core").is_dir():
        return "the console is not built: ./glia console build"
    return "" if build.find_npm() and shutil.which("node") else "there is no Node on PATH"


pytestmark = pytest.mark.skipif(bool(_absence()), reason=_absence() or "everything is there")


@pytest.fixture
def journey(server: Server, credentials: Credentials, tmp_path: Path) -> Journey:
    """Runs one journey of the script. GLIA_TEST_SHOTS names a folder for its screenshots."""
    shots = Path(os.environ.get("GLIA_TEST_SHOTS", tmp_path))
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))

    def run(name: str, **scene: Any) -> None:
        given = {
            "CHROMIUM": chromium,
            "GLIA_URL": f"http://127.0.0.1:{server.port}",
            "GLIA_KEY": credentials.api_key,
            "EMAIL": credentials.email,
            "PASSWORD": credentials.password,
            "SHOTS": str(shots),
        }
        environment = {**os.environ, **given, **{name.upper(): str(value) for name, value in scene.items()}}
        done = subprocess.run(
            ["node", str(_JOURNEYS), name], env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr[-3000:]

    return run


def _session(client: Client, agent: str) -> str:
    return client.made("/v1/sessions", {"agent_id": agent})["id"]


def _run(client: Client, session: str, content: str) -> str:
    return client.post(f"/v1/sessions/{session}/messages", {"content": content, "background": True}).json["run_id"]


def test_a_new_user_gets_a_cited_answer(journey: Journey) -> None:
    journey("first_answer")


def test_a_reload_in_the_middle_of_an_answer_shows_all_of_it(journey: Journey, client: Client) -> None:
    client.made(
        "/v1/agents", {"name": "Slow", "model": "openai/slow", "settings": {"max_output_tokens": 40}, "tools": []}
    )

    journey("reload_midway", session=_session(client, "slow"))


def test_a_call_approved_on_a_phone_goes_on_in_another_window(journey: Journey, client: Client) -> None:
    client.made("/v1/agents", {"name": "Careful", "permissions": {"tools": {"calculator": "ask"}}})
    session = _session(client, "careful")
    _run(client, session, "What is 17 * 23?")

    journey("approve", session=session)


def test_an_uploaded_document_is_found_and_cited(journey: Journey, client: Client) -> None:
    base = client.made("/v1/knowledge-bases", {"name": "Rooms"})["id"]
    client.made("/v1/agents", {"name": "Clerk", "knowledge_base_ids": [base]})

    journey("upload_and_cite", base=base, agent="clerk")


def test_a_link_to_an_event_opens_it(journey: Journey, client: Client) -> None:
    client.made("/v1/agents", {"name": "Helper"})
    run = _run(client, _session(client, "helper"), "What is 2 + 2?")
    client.until(f"/v1/runs/{run}", lambda found: found["status"] == "completed")

    journey("event_link", run=run)


def test_every_screen_is_accessible_and_fits_a_phone(journey: Journey, client: Client) -> None:
    base = client.made("/v1/knowledge-bases", {"name": "Rooms"})["id"]
    client.upload(f"/v1/knowledge-bases/{base}/documents", b"# Rooms\n\nThe red room holds twelve people.", "a.md")
    client.made("/v1/agents", {"name": "Careful", "permissions": {"tools": {"calculator": "ask"}}})
    session = _session(client, "careful")
    run = _run(client, session, "What is 17 * 23?")
    client.until(f"/v1/runs/{run}", lambda found: found["status"] == "waiting")

    journey("accessible", base=base, session=session, run=run, agent="careful")
