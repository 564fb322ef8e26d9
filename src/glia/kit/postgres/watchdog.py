"""Stops the server when its owner dies, where the kernel cannot do it (not Linux, or not started by the main thread).

A script of its own, run with `python -I -S`. It waits on a pipe whose other end only the owner holds: end of file
means that the owner is gone, a byte means that it stopped the server itself.

    watchdog.py PID PID_FILE PG_CTL
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

_SECONDS = 60.0


def _first_line(path: str) -> str:
    try:
        with open(path, encoding="ascii") as file:  # noqa: PTH123 - pathlib is too heavy for this script
            return file.readline().strip()
    except OSError:
        return ""


def _stop(pid: int, pid_file: str, pg_ctl: str) -> None:
    if sys.platform == "win32":
        folder = os.path.dirname(pid_file)  # noqa: PTH120 - see above
        subprocess.run([pg_ctl, "stop", "-m", "fast", "-D", folder], timeout=_SECONDS, check=False)
        return
    # A server that has only begun has not written its file yet.
    until = time.monotonic() + _SECONDS
    while time.monotonic() < until:
        try:
            os.kill(pid, 0)
            if _first_line(pid_file) == str(pid):
                os.kill(pid, signal.SIGINT)
                return
        except ProcessLookupError:
            return
        time.sleep(0.02)


if __name__ == "__main__" and not os.read(0, 1):
    _stop(int(sys.argv[1]), sys.argv[2], sys.argv[3])
