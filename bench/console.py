"""What the console computes: opening a run of 5,000 events, and an answer that streams at 200 tokens a second.

    GLIA_TEST_DATABASE_URL=postgresql://... python bench/console.py [--profile]

Chromium plays the journeys of `tests/browser/test_speed.py` against a real server and a model that echoes. `computed`
is what the page's main thread spent of its own time, in ms, which other work on the machine does not stretch;
`--profile` also lists the functions that took most of it. Needs Chromium and a built console (`./glia console build`).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

_TESTS = Path(__file__).resolve().parent.parent / "tests" / "browser" / "test_speed.py"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", action="store_true")
    environment = {**os.environ, **({"PROFILE": "1"} if parser.parse_args().profile else {})}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-n", "0", "-q", "-s", str(_TESTS)]
    played = subprocess.run(
        command, env=environment, cwd=_TESTS.parents[2], stdout=subprocess.PIPE, text=True, timeout=900, check=False
    )
    print("\n".join(line for line in played.stdout.splitlines() if not line.startswith((".{", "{"))))
    sys.exit(played.returncode)


if __name__ == "__main__":
    main()
