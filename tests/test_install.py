"""requirements/install.py, with locks that name nothing: environments are real, packages are not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Has an environment already, made by two that were started at once, with settings that would lead pip astray."""
    root = tmp_path_factory.mktemp("checkout")
    (root / "src" / "glia").mkdir(parents=True)
    (root / "src" / "glia" / "__init__.py").touch()
    (root / "src" / "glia" / "__main__.py").write_text("import sys; print('started', *sys.argv[1:])\n")
    (root / "requirements").mkdir()
    shutil.copyfile(ROOT / "requirements" / "install.py", root / "requirements" / "install.py")
    (root / "requirements" / "glia.txt").write_text("# nothing\n")
    both = [
        begin(root, PIP_TARGET=str(root / "astray"), PYTHONDONTWRITEBYTECODE="1", HOME="/nonexistent") for _ in "12"
    ]
    said = [process.communicate(timeout=120)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert sum("installing into" in text for text in said) == 1
    return root


def begin(root: Path, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-I", root / "requirements" / "install.py", root / ".venv", "glia"],
        env=os.environ | environment,
        stderr=subprocess.PIPE,
        text=True,
    )


def install(root: Path) -> str:
    process = begin(root)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    return said


def test_the_command_is_the_program(checkout: Path) -> None:
    done = subprocess.run(
        [checkout / ".venv/bin/glia", "serve", "a b"],
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == "started serve a b\n"
    assert list((checkout / "src").rglob("*.pyc"))


def test_a_current_environment_is_left_alone(checkout: Path) -> None:
    assert "installing" not in install(checkout)


def test_a_changed_lock_is_installed_into_the_same_environment(checkout: Path) -> None:
    mark = checkout / ".venv" / "mark"
    mark.touch()
    (checkout / "requirements" / "glia.txt").write_text("# nothing, again\n")

    assert "installing" in install(checkout)
    assert mark.exists()


def test_an_interrupted_installation_is_cleared_away(checkout: Path) -> None:
    mark = checkout / ".venv" / "mark"
    mark.touch()
    (checkout / ".venv.lock").write_text("installing\n")

    assert "installing" in install(checkout)
    assert not mark.exists()
    assert "installing" not in install(checkout)
