"""The official Node client against a live server."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.surfaces.openai.conftest import Live

CLIENTS = Path(__file__).parents[2] / "clients" / "node"


@pytest.fixture(scope="module")
def node_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The clients as their lock has them, installed outside the checkout."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("node and npm are not installed")
    folder = tmp_path_factory.mktemp("node")
    for file in CLIENTS.iterdir():
        if file.is_file():
            shutil.copy(file, folder)
    installed = subprocess.run(
        [npm, "ci", "--no-audit", "--no-fund"], check=False, cwd=folder, capture_output=True, text=True, timeout=120
    )
    if installed.returncode != 0 and "CI" not in os.environ:
        pytest.skip(f"npm could not install the clients: {installed.stderr[-300:]}")
    assert installed.returncode == 0, installed.stderr
    return folder


def test_the_node_client_works_unchanged(here: Live, node_folder: Path) -> None:
    ran = subprocess.run(
        ["node", "openai.mjs", here.url, here.api_key],
        check=False,
        cwd=node_folder,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert ran.returncode == 0, ran.stderr
    seen = json.loads(ran.stdout)
    assert {"glia/embedded", "agent:quoting"} <= set(seen["models"])
    for name in ("chat", "chatStream", "response", "retrieved", "streamed"):
        assert "391" in seen[name], name
    assert seen["chatTokens"] > 0
    assert (seen["events"][0], seen["events"][-1]) == ("response.created", "response.completed")
    assert seen["background"][0] == "completed"
    assert "391" in seen["background"][1]
    assert (seen["file"], seen["files"], seen["deleted"]) == ("hello", ["a.txt"], True)
    assert seen["items"].count("message") == 3
    assert seen["error"] == ["NotFoundError", 404, "model_not_found", "model"]
