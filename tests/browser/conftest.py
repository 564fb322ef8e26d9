"""What every journey needs: the shared server, a workspace of its own, and Chromium that plays it.

A theme has a file here (`test_<theme>.py`, which sets the scene) and one in `console/tests/browser` (`<theme>.mjs`,
which plays). Journeys need Chromium and a built console (`./glia console build`, which also brings the driver), and are
skipped without.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from glia.console import build
from glia.identity.types import Credentials
from tests.surfaces.conftest import Client, Server, client, credentials, server, stranger

__all__ = ["client", "credentials", "server", "stranger"]  # fixtures

_JOURNEYS = build.SOURCE / "tests" / "browser" / "journeys.mjs"

Journey = Callable[..., None]


@cache
def _chromium() -> str | None:
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@cache
def _absence() -> str:
    if _chromium() is None:
        return "there is no Chromium: apt-get install chromium"
    if not build.is_current() or not (build.SOURCE / "node_modules" / "playwright-core").is_dir():
        return "the console is not built: ./glia console build"
    return "" if build.find_npm() and shutil.which("node") else "there is no Node on PATH"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "journey" in getattr(item, "fixturenames", ()) and _absence():
            item.add_marker(pytest.mark.skip(reason=_absence()))


@pytest.fixture
def journey(server: Server, credentials: Credentials, tmp_path: Path) -> Journey:
    """Plays one journey: `journey(theme, name, **scene)`. GLIA_TEST_SHOTS names a folder for its screenshots."""
    shots = Path(os.environ.get("GLIA_TEST_SHOTS", tmp_path))

    def play(theme: str, name: str, **scene: Any) -> None:
        given = {
            "CHROMIUM": str(_chromium()),
            "GLIA_URL": f"http://127.0.0.1:{server.port}",
            "GLIA_KEY": credentials.api_key,
            "EMAIL": credentials.email,
            "PASSWORD": credentials.password,
            "SHOTS": str(shots),
        }
        environment = {**os.environ, **given, **{key.upper(): str(value) for key, value in scene.items()}}
        done = subprocess.run(
            ["node", str(_JOURNEYS), theme, name],
            env=environment,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        print(done.stdout)
        assert done.returncode == 0, done.stderr[-3000:]

    return play


@pytest.fixture
def converse(client: Client) -> Callable[[str], str]:
    """Opens a session with an agent, by its slug, and gives its id."""
    return lambda agent: client.made("/v1/sessions", {"agent_id": agent})["id"]


@pytest.fixture
def say(client: Client) -> Callable[[str, str], str]:
    """Says something in a session, and gives the run's id."""

    def said(session: str, content: str) -> str:
        body = {"content": content, "background": True}
        return client.post(f"/v1/sessions/{session}/messages", body).json["run_id"]

    return said
