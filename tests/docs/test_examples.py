"""Every example of every page, run against a live server with the built-in model.

`sh` and `python` blocks of a page run in order, in one shell, in a folder that holds `handbook.pdf`. A `text` block
right behind one shows what it prints. Blocks marked `no-run` are only checked for their syntax.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import DatabaseUrls
from tests.forking import Forked

from .handbook import FACT, FACT_PAGE, make
from .pages import ROOT, Example, examples, fits, pages

TESTED_ELSEWHERE = {
    "docs/api.md": "tests/surfaces/native/test_docs.py",
    "docs/models.md": "tests/models/test_docs.py",
}
NEEDS_SANDBOXES = {"docs/sandboxes.md"}
SERVED_WITH = {
    "docs/webhooks.md": {"GLIA_OUTBOUND_ALLOW": "127.0.0.1:8799"},
    "docs/observability.md": {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:8798",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json",
        "OTEL_SERVICE_NAME": "clerks",
    },
}
"""What the operator of the page's server has set, as the page says."""

MOST_NOT_RUN = 30
_SECONDS = 180

RUNNABLE = [
    page
    for page in pages()
    if any(example.is_run for example in examples(page)) and str(page.relative_to(ROOT)) not in TESTED_ELSEWHERE
]


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shared, so that the embedding model is built once."""
    return tmp_path_factory.mktemp("glia")


@pytest.fixture(scope="session")
def handbook(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("handbook") / "handbook.pdf"
    make(str(path))
    return path


@pytest.fixture
def shell(
    request: pytest.FixtureRequest, database_urls: DatabaseUrls, data_dir: Path, tmp_path: Path
) -> Iterator[dict[str, str]]:
    """A served installation; gives the environment that a reader's shell would have."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    program = tmp_path / "glia"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -P -m glia "$@"\n')
    program.chmod(0o755)
    page: Path = request.node.callspec.params["page"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GLIA_")} | {
        **SERVED_WITH.get(str(page.relative_to(ROOT)), {}),
        "GLIA_DATABASE_URL": database_urls.admin,
        "GLIA_DATA_DIR": str(data_dir),
        "GLIA_MODEL_DISCOVERY": "off",
        "PYTHONPATH": f"{ROOT / 'src'}:{ROOT / 'packages/neuais-python/src'}",
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
    }
    server = Forked(["serve", "--port", str(port)], environment, tmp_path / "serve.log", folder=tmp_path)
    try:
        _wait_until_ready(server, tmp_path / "serve.log")
        key = json.loads((data_dir / "credentials.json").read_text())["api_key"]
        yield environment | {"GLIA_URL": f"http://127.0.0.1:{port}", "GLIA_API_KEY": key, "PORT": str(port)}
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(30)


def _wait_until_ready(server: Forked, log: Path) -> None:
    until = time.monotonic() + 60
    while "Glia is ready" not in log.read_text():
        assert server.poll() is None, log.read_text()
        assert time.monotonic() < until, log.read_text()
        time.sleep(0.05)


@pytest.mark.parametrize("page", RUNNABLE, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_examples_of_a_page_do_what_it_shows(
    page: Path, shell: dict[str, str], handbook: Path, tmp_path: Path
) -> None:
    if str(page.relative_to(ROOT)) in NEEDS_SANDBOXES:
        _require_sandboxes(shell)
    shutil.copy(handbook, tmp_path)
    run = [example for example in examples(page) if example.is_run]

    outputs = _run(run, shell, tmp_path)

    for example, output in zip(run, outputs, strict=True):
        if example.printed is not None:
            assert fits(example.printed, output), f"{page.name}:{example.line} printed:\n{output}"


def _require_sandboxes(shell: dict[str, str]) -> None:
    headers = {"Authorization": f"Bearer {shell['GLIA_API_KEY']}"}
    request = urllib.request.Request(f"{shell['GLIA_URL']}/v1/sandbox-backend", headers=headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        found = json.load(answer)
    if not found["is_available"]:
        pytest.skip(f"No sandbox works here: {found['reason']}")


def test_the_readme_shows_an_answer_that_cites_the_right_page() -> None:
    shown = [example.printed or "" for example in examples(ROOT / "README.md") if example.is_run]

    assert any(f'"page":{FACT_PAGE},"quote":"{FACT}"' in text for text in shown)


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_examples_that_are_not_run_are_at_least_shell(page: Path) -> None:
    for example in examples(page):
        if example.language == "sh":
            checked = subprocess.run(["bash", "-n"], input=example.code, text=True, capture_output=True, check=False)
            assert checked.returncode == 0, f"{page.name}:{example.line}: {checked.stderr}"


def test_pages_tested_elsewhere_are() -> None:
    for page, test in TESTED_ELSEWHERE.items():
        assert Path(page).name in (ROOT / test).read_text()


def test_few_examples_are_not_run() -> None:
    skipped = [example for page in pages() for example in examples(page) if not example.is_run]

    assert len(skipped) <= MOST_NOT_RUN


def test_every_page_is_listed_and_every_link_leads_somewhere() -> None:
    for page in pages():
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
    for index in (ROOT / "docs/README.md", ROOT / "docs/decisions/README.md"):
        beside = {path.name for path in index.parent.glob("*.md")} - {"README.md"}
        assert not {name for name in beside if f"({name})" not in index.read_text()}, index


def test_what_a_page_shows_is_compared() -> None:
    assert fits("ready, …\n", "ready, 50 pages\n")
    assert not fits("ready, 50 pages\n", "failed, 0 pages\n")


def _run(run: list[Example], environment: dict[str, str], folder: Path) -> list[str]:
    """What each example printed on standard output. Fails at the first that fails, with what it said."""
    script = ["set -euo pipefail"]
    for example in run:
        script.append(f"printf '\\n@@ {example.line}\\n'")
        script.append(example.code if example.language == "sh" else _python(example.code))
    done = subprocess.run(
        ["bash", "-c", "\n".join(script)],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    log = (folder / "serve.log").read_text()[-2000:]
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}\n{log}"
    return re.split(r"\n@@ \d+\n", done.stdout)[1:]


def _python(code: str) -> str:
    return f"{sys.executable} - <<'END_OF_EXAMPLE'\n{code}END_OF_EXAMPLE\n"
