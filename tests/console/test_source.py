"""The console's own checks: its types, its style, and the tests of what it reads out of a log."""

from __future__ import annotations

import os
import subprocess

import pytest

from glia.console import build

_TOOLS = build.SOURCE / "node_modules" / ".bin"


@pytest.mark.skipif(not _TOOLS.is_dir(), reason="the console's tools are not installed: ./glia console build")
@pytest.mark.parametrize("command", ["tsc --noEmit", "biome check src tests", "vitest run"])
def test_the_source_holds(command: str) -> None:
    tool, *arguments = command.split()

    done = subprocess.run(
        [_TOOLS / tool, *arguments],
        cwd=build.SOURCE,
        env={**os.environ, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
