"""The same facts for a user without any rights. Root lends one for it; everybody else is one already."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sandboxes import attacks, conformance

_NOBODY_IN_PARTICULAR = 61_183
_ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user runs these facts directly")


@pytest.fixture(scope="module")
def results() -> Iterator[dict[str, str]]:
    """The facts run once, in a process of that user, with its own copy of what they need: it may not read ours."""
    python = next((path for path in ("/usr/bin/python3", "/usr/local/bin/python3") if _is_new_enough(path)), None)
    if python is None:
        pytest.skip("no Python 3.11 under /usr that an ordinary user could run")
    base = Path(tempfile.mkdtemp(prefix="glia-sandbox-user-"))
    base.chmod(0o755)
    for part in ("src/glia/sandboxes", "tests/sandboxes"):
        shutil.copytree(_ROOT / part, base / "code" / part.removeprefix("src/"))
    for name in ("glia/__init__.py", "glia/kit/__init__.py", "glia/kit/errors.py"):
        (base / "code" / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(_ROOT / "src" / name, base / "code" / name)
    (base / "code/tests/__init__.py").touch()
    home = base / "home"
    home.mkdir()
    os.chown(home, _NOBODY_IN_PARTICULAR, _NOBODY_IN_PARTICULAR)
    drop = ["setpriv", "--reuid", str(_NOBODY_IN_PARTICULAR), "--regid", str(_NOBODY_IN_PARTICULAR), "--clear-groups"]
    command = [
        *drop,
        "env",
        "-i",
        f"HOME={home}",
        "PATH=/usr/bin:/bin",
        f"PYTHONPATH={base / 'code'}",
        python,
        "-B",
        "-m",
    ]
    try:
        done = subprocess.run(
            [*command, "tests.sandboxes.ordinary", str(home)], capture_output=True, timeout=600, cwd=home, check=False
        )
        assert done.returncode == 0, done.stderr.decode()[-3000:]
        yield json.loads(done.stdout)
    finally:
        shutil.rmtree(base, ignore_errors=True)


def _is_new_enough(path: str) -> bool:
    if not Path(path).exists():
        return False
    script = "import sys; sys.exit(sys.version_info < (3, 11))"
    return subprocess.run([path, "-c", script], check=False).returncode == 0


@pytest.mark.parametrize("name", [fact.__name__ for fact in (*conformance.FACTS, *attacks.FACTS)])
def test_as_an_ordinary_user(results: dict[str, str], name: str) -> None:
    if "probe" in results:
        pytest.skip(results["probe"])
    assert results[name] == "", results[name]
