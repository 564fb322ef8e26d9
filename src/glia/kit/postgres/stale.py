"""Tells a living server from what a dead one left behind, and clears the latter out of the way.

A pid in a file proves nothing: the process may be gone, a zombie that nobody reaps, or an unrelated one that got the
same number (the rule rather than the exception in containers).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from glia.kit.postgres.errors import PostgresFailed
from glia.kit.postgres.layout import Layout

_NOBODY = 2**31 - 1  # no system gives out a pid this high
_PROC = Path("/proc")
_POLL_SECONDS, _REPORT_SECONDS, _PATIENCE_SECONDS = 0.01, 5.0, 3.0


@dataclass(frozen=True)
class PidFile:
    """What `postmaster.pid` says. shared_memory: id of the System V segment that marks the cluster as in use."""

    pid: int
    shared_memory: int | None
    status: str

    @classmethod
    def read(cls, path: Path) -> PidFile | None:
        """None when the file is absent or half-written."""
        try:
            lines = path.read_text().splitlines()
            pid = int(lines[0])
        except (FileNotFoundError, NotADirectoryError, IndexError, ValueError):
            return None
        words = lines[6].split() if len(lines) > 6 else []
        shared_memory = int(words[1]) if len(words) == 2 and words[1].isdigit() else None
        return cls(pid, shared_memory, lines[7].strip() if len(lines) > 7 else "")


def living_server(layout: Layout) -> int | None:
    """The pid of a server that really runs on this cluster, or None."""
    file = PidFile.read(layout.pid_file)
    if file is None or file.pid == os.getpid():
        return None
    return file.pid if _serves(file.pid, str(layout.cluster)) else None


def clear(layout: Layout, on_progress: Callable[[str], None]) -> None:
    """Leaves the cluster free for a new server. Call it as the owner.

    A server that lives without an owner is asked to stop, and waited for as long as it lives: a second one is never
    started beside it.
    """
    if sys.platform == "win32":
        return  # PostgreSQL judges its own pid file there
    _stop_orphan(layout, on_progress)
    file = PidFile.read(layout.pid_file)
    if file is None:
        layout.pid_file.unlink(missing_ok=True)
    else:
        _wait_for_stragglers(layout, file, on_progress)
        _disarm(layout.pid_file)
    # Both: a forgotten .lock that names a living pid keeps the server from starting.
    layout.socket.unlink(missing_ok=True)
    layout.socket_lock.unlink(missing_ok=True)


def _stop_orphan(layout: Layout, on_progress: Callable[[str], None]) -> None:
    told, next_report = None, 0.0
    while (pid := living_server(layout)) is not None:
        if told != pid:
            _interrupt(pid)
            told = pid
        if time.monotonic() >= next_report:
            on_progress(f"A database server without an owner still runs (pid {pid}); waiting for it to stop.")
            next_report = time.monotonic() + _REPORT_SECONDS
        time.sleep(_POLL_SECONDS)


def _interrupt(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGINT)
    except ProcessLookupError:
        return
    except PermissionError:
        raise PostgresFailed(
            f"A database server of another user (pid {pid}) runs on this data directory. Stop it first: "
            f"`kill -INT {pid}`."
        ) from None


def _wait_for_stragglers(layout: Layout, file: PidFile, on_progress: Callable[[str], None]) -> None:
    """Waits until no process of a killed server has its shared memory attached.

    Such processes could still write to the files. Most notice the death of their parent at once; one in the middle of
    a long computation does not, and is ended after a while.
    """
    started, told = time.monotonic(), False
    while file.shared_memory is not None and _attached(file.shared_memory):
        waited = time.monotonic() - started
        if waited > _PATIENCE_SECONDS and not told:
            on_progress("Ending the last processes of a database server that was killed.")
            _quit_processes_in(layout.cluster)
            told = True
        time.sleep(_POLL_SECONDS)


def _attached(shared_memory: int) -> int:
    try:
        rows = (_PROC / "sysvipc/shm").read_text().splitlines()[1:]
    except OSError:
        return 0  # not Linux: PostgreSQL looks for itself, and refuses to start while one is attached
    fields = (row.split() for row in rows)
    return next((int(row[6]) for row in fields if int(row[1]) == shared_memory), 0)


def _quit_processes_in(cluster: Path) -> None:
    for folder in _PROC.glob("[0-9]*"):
        try:
            if (folder / "cwd").readlink() == cluster:
                os.kill(int(folder.name), signal.SIGQUIT)
        except OSError:
            continue  # gone, or not ours to see


def _disarm(pid_file: Path) -> None:
    """Puts a pid that nobody has into the file.

    Better than deleting it: PostgreSQL still checks the shared memory that the file names before it starts.
    """
    with pid_file.open("r+") as file:
        _, _, rest = file.read().partition("\n")
        file.seek(0)
        file.write(f"{_NOBODY}\n{rest}")


def _serves(pid: int, cluster: str) -> bool:
    if not _PROC.joinpath("self/stat").exists():
        return _serves_by_ps(pid, cluster)
    folder = _PROC / str(pid)
    try:
        state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
        arguments = (folder / "cmdline").read_bytes().decode(errors="surrogateescape").split("\0")
    except (OSError, IndexError):
        return False
    # A script in front of the server (`sh postgres -D ...`) still counts as the server.
    is_server = any(Path(argument).name.startswith("postgres") for argument in arguments[:3])
    return state not in "ZX" and is_server and cluster in arguments


def _serves_by_ps(pid: int, cluster: str) -> bool:
    done = subprocess.run(
        ["ps", "-o", "stat=,command=", "-p", str(pid)], capture_output=True, text=True, timeout=10, check=False
    )
    state, _, command = done.stdout.strip().partition(" ")
    return bool(state) and not state.startswith("Z") and "postgres" in command and cluster in command
