"""The demonstration in `docs/` does what it says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_demonstration_shows_what_it_promises(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GLIA_")}
    shown = subprocess.run(
        [sys.executable, ROOT / "docs" / "demo.py"],
        env=environment | {"PYTHONPATH": str(ROOT / "src")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )

    assert shown.returncode == 0, shown.stdout + shown.stderr
    for promised in (
        "Approved. It answers: 17 * 23 = 391",
        "After one model call the run waits for: budget.",
        "it goes on by itself: 12 * 12 = 144",
        "the fork:     10 * 4 = 40",
        "It fired, and its run answered: 6 * 7 = 42",
        "harbour__tide: High water in Brest at 14:20.",
        "before 1x, pause 0x, after 1x",
    ):
        assert promised in shown.stdout, shown.stdout
