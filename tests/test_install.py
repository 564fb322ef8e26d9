"""requirements/install.py, with locks that name nothing: environments are real, packages are not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_an_environment_is_made_once_kept_updated_and_cleared_when_interrupted(tmp_path: Path) -> None:
    """One test, because making an environment takes seconds."""
    root = checkout(tmp_path)
    mark = root / ".venv" / "mark"

    # Two at once, with settings that would lead pip astray: one installs, the other waits.
    both = [
        begin(root, PIP_TARGET=str(root / "astray"), PYTHONDONTWRITEBYTECODE="1", HOME="/nonexistent") for _ in "12"
    ]
    said = [process.communicate(timeout=300)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert sum("installing into" in text for text in said) == 1
    assert not (root / "astray").exists()
    assert list((root / "src").rglob("*.pyc"))

    # The command is the program.
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [root / ".venv/bin/glia", "serve", "a b"]
    assert (
        subprocess.run(command, env=clean, capture_output=True, text=True, check=True).stdout == "started serve a b\n"
    )

    # A current one is left alone, a changed lock is installed into it.
    mark.touch()
    assert "installing" not in install(root)
    (root / "requirements" / "glia.txt").write_text("# nothing, again\n")
    assert "installing" in install(root)
    assert mark.exists()

    # One whose installation was interrupted is made anew.
    (root / ".venv.lock").write_text("installing\n")
    assert "installing" in install(root)
    assert not mark.exists()
    assert "installing" not in install(root)


def checkout(root: Path) -> Path:
    (root / "src" / "glia").mkdir(parents=True)
    (root / "src" / "glia" / "__init__.py").touch()
    (root / "src" / "glia" / "__main__.py").write_text("import sys; print('started', *sys.argv[1:])\n")
    (root / "requirements").mkdir()
    shutil.copyfile(ROOT / "requirements" / "install.py", root / "requirements" / "install.py")
    (root / "requirements" / "glia.txt").write_text("# nothing\n")
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
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    return said
