"""Starts `glia` processes as forks of one that has imported it already.

Importing takes more processor time than all the rest of a start, and the tests that kill servers start hundreds. A fork
is a process like any other: it has its own pid, environment, output and death. `tests/test_install.py` and
`tests/test_start_script.py` start Glia the long way.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from functools import cache, partial
from itertools import pairwise
from pathlib import Path
from typing import Any

_IMPORTED = ("glia.cli.serve", "glia.cli.worker", "glia.surfaces.native.app", "glia.surfaces.openai.app")


class Forked:
    """What a test needs of `subprocess.Popen`."""

    def __init__(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        log: Path,
        *,
        output: Path | None = None,
        folder: Path = Path(),
    ) -> None:
        """arguments: what follows `glia`. environment: all of it. log: gets stdout and stderr appended; only stderr
        when there is an `output` for stdout."""
        self.returncode: int | None = None
        log.touch(0o600)
        _share_models(arguments, environment)
        self.pid: int = _ask(
            {
                "start": {
                    "arguments": list(arguments),
                    "environment": {**environment, "GLIA_SKIP_CONSOLE": "1"},  # whether it is built is not for tests
                    "log": str(log.absolute()),
                    "output": str((output or log).absolute()),
                    "folder": str(folder.absolute()),
                }
            }
        )
        # Its parent keeps it as a zombie until `poll` asks how it ended, so the pid stays its own.
        self._pidfd = os.pidfd_open(self.pid)

    def poll(self) -> int | None:
        return self._after(0)

    def wait(self, timeout: float) -> int:
        """timeout: seconds. Raises TimeoutError."""
        code = self._after(timeout)
        if code is None:
            raise TimeoutError(f"Process {self.pid} did not end within {timeout} s.")
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            signal.pidfd_send_signal(self._pidfd, number)

    def _after(self, seconds: float) -> int | None:
        if self.returncode is None and select.select([self._pidfd], [], [], seconds)[0]:
            self.returncode = _ask({"ended": self.pid})
            os.close(self._pidfd)
        return self.returncode


def run(
    arguments: Sequence[str], environment: Mapping[str, str], *, timeout: float = 60
) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end. environment: all of it. timeout: seconds; raises TimeoutError."""
    with tempfile.TemporaryDirectory(prefix="glia-command-") as folder:
        output, errors = Path(folder, "output"), Path(folder, "errors")
        child = Forked(arguments, environment, errors, output=output)
        try:
            code = child.wait(timeout)
        except TimeoutError:
            child.send_signal(signal.SIGKILL)
            child.wait(10)
            raise
        return subprocess.CompletedProcess(arguments, code, output.read_text(), errors.read_text())


def _share_models(arguments: Sequence[str], environment: Mapping[str, str]) -> None:
    from tests.built_models import share_built_models  # not in the process that forks, which does not find `tests`

    after = dict(pairwise(arguments))
    if given := after.get("--data-dir") or environment.get("GLIA_DATA_DIR"):
        with contextlib.suppress(OSError):  # a folder that cannot be used, or has models already
            Path(given).mkdir(mode=0o700, parents=True, exist_ok=True)
            share_built_models(Path(given))


def _ask(question: dict[str, Any]) -> int:
    place = _forker()
    place.write(json.dumps(question).encode() + b"\n")
    place.flush()
    return int(json.loads(place.readline()))


@cache
def _forker() -> Any:
    """The line to a process of this test process; it ends when the line does."""
    ours, theirs = socket.socketpair()
    process = subprocess.Popen([sys.executable, __file__, str(theirs.fileno())], pass_fds=[theirs.fileno()])
    theirs.close()
    place = ours.makefile("rwb")

    def end() -> None:
        ours.shutdown(socket.SHUT_RDWR)
        process.wait(10)

    atexit.register(end)
    return place


def _serve(line: socket.socket) -> None:
    gc.disable()  # what is imported stays
    for name in _IMPORTED:
        importlib.import_module(name)
    _hash_quickly()
    gc.freeze()
    gc.enable()
    living: set[int] = set()
    with line.makefile("rwb") as place:
        for text in place:
            question = json.loads(text)
            if "start" in question:
                answer = _start(line, question["start"])
                living.add(answer)
            else:
                answer = _end_of(question["ended"])
                living.discard(question["ended"])
            place.write(json.dumps(answer).encode() + b"\n")
            place.flush()
    for pid in living:  # of tests that failed before they stopped what they had started
        os.kill(pid, signal.SIGKILL)


def _hash_quickly() -> None:
    """The first password of each installation would be most of its start."""
    from glia.identity import service
    from glia.identity.passwords import Cost, Passwords

    service.Passwords = partial(Passwords, Cost(rounds=1, memory_kib=64, lanes=1))  # type: ignore[misc]


def _end_of(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _start(line: socket.socket, asked: dict[str, Any]) -> int:
    if pid := os.fork():
        return pid
    code = 1
    try:
        line.close()
        code = _be_glia(asked)
    except BaseException:  # noqa: BLE001  # nothing may return into the parent's loop
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _be_glia(asked: dict[str, Any]) -> int:
    os.closerange(3, 256)
    for descriptor, name in ((1, "output"), (2, "log")):
        file = os.open(asked[name], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.dup2(file, descriptor)
        os.close(file)
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    sys.argv = ["glia", *asked["arguments"]]
    try:
        importlib.import_module("glia.cli").main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        atexit._run_exitfuncs()  # type: ignore[attr-defined]  # os._exit leaves them out
    return 0


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
