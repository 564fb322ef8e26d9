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

from tests.sandboxes import attacks, attacks_in_use, conformance

_NOBODY_IN_PARTICULAR = 61_183
_ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user runs these facts directly")


@pytest.fixture
def code() -> Iterator[Path]:
    """A copy of what the facts need, since that user may not read ours, and a home beside it."""
    base = Path(tempfile.mkdtemp(prefix="glia-sandbox-user-"))
    base.chmod(0o755)
    for part in ("src/glia/sandboxes", "tests/sandboxes"):
        shutil.copytree(_ROOT / part, base / "code" / part.removeprefix("src/"))
    for name in ("glia/__init__.py", "glia/kit/__init__.py", "glia/kit/errors.py"):
        (base / "code" / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(_ROOT / "src" / name, base / "code" / name)
    (base / "code/tests/__init__.py").touch()
    (base / "home").mkdir()
    os.chown(base / "home", _NOBODY_IN_PARTICULAR, _NOBODY_IN_PARTICULAR)
    yield base
    shutil.rmtree(base, ignore_errors=True)


@pytest.mark.parametrize("facts", ["conformance", "attacks"])
def test_as_an_ordinary_user(code: Path, facts: str) -> None:
    """All of them in one process of that user; each that does not hold shows its traceback."""
    python = next((path for path in ("/usr/bin/python3", "/usr/local/bin/python3") if _is_new_enough(path)), None)
    if python is None:
        pytest.skip("no Python 3.11 under /usr that an ordinary user could run")
    home = code / "home"
    drop = ["setpriv", "--reuid", str(_NOBODY_IN_PARTICULAR), "--regid", str(_NOBODY_IN_PARTICULAR), "--clear-groups"]
    environment = [f"HOME={home}", "PATH=/usr/bin:/bin", f"PYTHONPATH={code / 'code'}"]
    command = [*drop, "env", "-i", *environment, python, "-B", "-m", "tests.sandboxes.ordinary", str(home), facts]

    done = subprocess.run(command, capture_output=True, timeout=600, cwd=home, check=False)

    assert done.returncode == 0, done.stderr.decode()[-3000:]
    results = json.loads(done.stdout)
    if "probe" in results:
        pytest.skip(results["probe"])
    assert len(results) == len(
        {"conformance": conformance.FACTS, "attacks": [*attacks.FACTS, *attacks_in_use.FACTS]}[facts]
    )
    failures = {name: trace for name, trace in results.items() if trace}
    assert not failures, "\n\n".join(f"{name}\n{trace}" for name, trace in failures.items())


def _is_new_enough(path: str) -> bool:
    script = "import sys; sys.exit(sys.version_info < (3, 11))"
    return Path(path).exists() and subprocess.run([path, "-c", script], check=False).returncode == 0
