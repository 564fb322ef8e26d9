"""Runs PostgreSQL's programs, all through the same launcher, so that all see the same account and limits."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from glia.kit.errors import StorageFull
from glia.kit.postgres import settings
from glia.kit.postgres.account import Account
from glia.kit.postgres.binaries import Binaries
from glia.kit.postgres.errors import ClosedFolder, PostgresFailed

LAUNCHER = Path(__file__).with_name("launcher.py")
TAIL_BYTES = 800
_STATUS_BYTES = 4096


@dataclass(frozen=True)
class Finished:
    """How a program ended: its return code (negative: the signal that killed it) and what it said."""

    returncode: int
    output: str

    @property
    def tail(self) -> str:
        return self.output[-TAIL_BYTES:].strip()


@dataclass(frozen=True)
class Programs:
    """PostgreSQL's programs, ready to run as the right account.

    needed: paths beyond the programs' own folders that they must be able to reach.
    """

    binaries: Binaries
    account: Account | None
    needed: Sequence[Path]

    def spawn(
        self, name: str, *arguments: str, death_signal: int, stdin: int = subprocess.DEVNULL, output: IO[bytes] | int
    ) -> subprocess.Popen[bytes]:
        """Starts a program as a direct child in its own session, so that Ctrl-C in a terminal does not reach it.

        death_signal: what the program gets when the calling thread ends (Linux); 0 for nothing.
        Raises ClosedFolder, PostgresFailed.
        """
        command = [str(self.binaries.program(name)), *arguments]
        if sys.platform == "win32":
            return subprocess.Popen(
                command, stdin=stdin, stdout=output, stderr=subprocess.STDOUT, env=settings.environment()
            )
        status, child_status = os.pipe()
        try:
            child = subprocess.Popen(
                self._launched(command, child_status, death_signal),
                stdin=stdin,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd="/",
                env=settings.environment(),
                pass_fds=(child_status,),
                start_new_session=True,
            )
        finally:
            os.close(child_status)
        with os.fdopen(status, "rb") as said:
            refusal = said.read(_STATUS_BYTES)
        if refusal:
            child.wait()
            raise self._refused(refusal.decode(errors="surrogateescape"))
        return child

    def run(self, name: str, *arguments: str, stdin: bytes = b"", timeout_seconds: float | None) -> Finished:
        """Runs a program to its end. timeout_seconds None: for what may have to recover a database first."""
        child = self.spawn(name, *arguments, death_signal=signal.SIGTERM, stdin=subprocess.PIPE, output=subprocess.PIPE)
        try:
            output, _ = child.communicate(stdin, timeout=timeout_seconds)
        except subprocess.TimeoutExpired:
            raise PostgresFailed(
                f"`{name}` did not end within {timeout_seconds} s. The machine may be stuck."
            ) from None
        finally:
            if child.poll() is None:
                child.kill()
                child.wait()
        return Finished(child.returncode, output.decode(errors="replace"))

    def require(self, finished: Finished, task: str) -> Finished:
        """The same result when it ended well; otherwise raises what it said."""
        if finished.returncode == 0:
            return finished
        raise failure(f"{task} failed ({ending(finished.returncode)})", finished.tail)

    def _launched(self, command: list[str], status: int, death_signal: int) -> list[str]:
        uid, gid = (self.account.uid, self.account.gid) if self.account else (-1, -1)
        paths = [str(path) for path in (*self.binaries.needed, *self.needed)]
        numbers = [os.getpid(), status, int(death_signal), uid, gid, len(paths)]
        return [sys.executable, "-I", "-S", str(LAUNCHER), *map(str, numbers), *paths, *command]

    def _refused(self, refusal: str) -> PostgresFailed:
        kind, _, text = refusal.partition("\0")
        name = self.account.name if self.account else "this user"
        if kind == "closed":
            return ClosedFolder(
                f"{text!r} is closed to the service user {name!r}, as which PostgreSQL must run, and this system lets "
                f"no capability past that. Use a data directory and an installation that {name!r} can reach, or open "
                f"the folder yourself with `chmod o+x {text}`.",
                folder=text,
            )
        if kind == "account":
            return PostgresFailed(
                f"Changing to the service user {name!r} was refused: {text}. Start Glia as that user."
            )
        return PostgresFailed(f"PostgreSQL could not be started: {text}.")


def ending(returncode: int) -> str:
    """How a process ended, in words."""
    if returncode < 0:
        return f"killed by {signal.Signals(-returncode).name}"
    return f"exit status {returncode}"


def failure(what: str, tail: str) -> PostgresFailed | StorageFull:
    """The error for a program that failed, with the end of what it said."""
    if "No space left on device" in tail:
        return StorageFull(f"{what} because the disk is full. Free some space, then start again. It said: {tail}")
    return PostgresFailed(f"{what}. The end of what it said: {tail or '(nothing)'}")
