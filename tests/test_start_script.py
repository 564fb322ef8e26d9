"""`./glia`: when it installs, which Python it takes, and what it hands on. The installation itself is stood in for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

_INSTALL = """
import pathlib, shutil, sys
folder, locks = pathlib.Path(sys.argv[1]), sys.argv[2:]
here = pathlib.Path(__file__).parent
with (here / "calls").open("a") as calls:
    calls.write(" ".join(locks) + "\\n")
(folder / "bin").mkdir(parents=True, exist_ok=True)
python = folder / "bin" / "python"
python.write_text('#!/bin/sh\\necho "$PWD: $*"\\n')
python.chmod(0o755)
(folder / "glia").mkdir(exist_ok=True)
for name in locks:
    shutil.copyfile(here / f"{name}.txt", folder / "glia" / f"{name}.txt")
(folder / "glia" / "place").write_text(f"{here.parent} {python.resolve()}")
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    root = tmp_path / "a checkout"
    (root / "requirements").mkdir(parents=True)
    (root / "glia").write_bytes((ROOT / "glia").read_bytes())
    (root / "glia").chmod(0o755)
    (root / "requirements" / "install.py").write_text(_INSTALL)
    for name in ("glia", "weights", "dev"):
        (root / "requirements" / f"{name}.txt").write_text(f"{name}==1\n")
    return root


def start(root: Path, *arguments: str, path: str | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GLIA_")}
    clean |= {"GLIA_PYTHON": sys.executable, "GLIA_DATABASE_URL": "given", **environment}
    if path is not None:
        clean |= {"PATH": path, "GLIA_PYTHON": ""}
    return subprocess.run(
        [root / "glia", *arguments], env=clean, cwd="/", capture_output=True, text=True, timeout=60, check=False
    )


def calls(root: Path) -> list[str]:
    log = root / "requirements" / "calls"
    return log.read_text().splitlines() if log.exists() else []


def test_it_installs_once_and_then_hands_over_where_it_was_called(checkout: Path) -> None:
    first = start(checkout, "ask", "two words")
    second = start(checkout, "serve")

    assert first.stdout == "/: -P -m glia ask two words\n"
    assert second.stdout == "/: -P -m glia serve\n"
    assert calls(checkout) == ["glia weights"]


def test_a_changed_lock_installs_again(checkout: Path) -> None:
    start(checkout)

    (checkout / "requirements" / "weights.txt").write_text("weights==2\n")
    start(checkout)
    start(checkout)

    assert len(calls(checkout)) == 2


def test_a_moved_checkout_installs_again(checkout: Path) -> None:
    start(checkout)

    moved = checkout.rename(checkout.with_name("elsewhere"))
    start(moved)

    assert len(calls(moved)) == 2


def test_the_environment_may_lie_elsewhere(checkout: Path, tmp_path: Path) -> None:
    start(checkout, GLIA_VENV=str(tmp_path / "venv"))

    assert (tmp_path / "venv" / "bin" / "python").exists()
    assert not (checkout / ".venv").exists()


def test_a_python_that_does_not_work_is_passed_over(checkout: Path, tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    for name, text in (
        ("python3", "echo no such version >&2; exit 127"),
        ("python3.13", f'exec {sys.executable} "$@"'),
    ):
        (programs / name).write_text(f"#!/bin/sh\n{text}\n")
        (programs / name).chmod(0o755)

    done = start(checkout, path=f"{programs}:/usr/bin:/bin")

    assert done.returncode == 0, done.stderr
    assert len(calls(checkout)) == 1


def test_testing_also_installs_the_tools_and_fails_when_a_check_fails(checkout: Path) -> None:
    well = start(checkout, "test", "tests/one.py")

    assert calls(checkout) == ["glia weights dev"]
    assert well.returncode != 0, "there is no lint-imports in the stand-in environment"
    assert "import-linter" in well.stderr
    assert "-m pytest -n 3 tests/one.py" in well.stdout.splitlines()[-1]

    linter = checkout / ".venv" / "bin" / "lint-imports"
    linter.write_text("#!/bin/sh\n")
    linter.chmod(0o755)
    assert start(checkout, "test").returncode == 0

    for module in ("ruff", "basedpyright", "pytest"):
        python = checkout / ".venv" / "bin" / "python"
        python.write_text(f'#!/bin/sh\n[ "$3" != {module} ]\n')
        assert start(checkout, "test").returncode != 0, f"a failing {module} is not noticed"
