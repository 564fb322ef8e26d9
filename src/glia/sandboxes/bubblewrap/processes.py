"""Processes of the host: their end, their trees, their owners."""

from __future__ import annotations

import asyncio
import os
import select
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Handle:
    """A process that cannot be mistaken for another, even after its number is used again."""

    def __init__(self, pid: int) -> None:
        """Raises OSError when there is no such process."""
        self.pid = pid
        self.fd = os.pidfd_open(pid)
        self._watchers: list[Callable[[], None]] = []

    def is_dead(self) -> bool:
        poll = select.poll()
        poll.register(self.fd, select.POLLIN)
        return bool(poll.poll(0))

    def send(self, number: int) -> None:
        with suppress(ProcessLookupError, PermissionError):
            signal.pidfd_send_signal(self.fd, number)

    async def ended(self, timeout_seconds: float) -> bool:
        """Waits for its end; False when that does not come in time."""
        loop = asyncio.get_running_loop()
        over = loop.create_future()
        copy = os.dup(self.fd)  # another may wait for the same process, and a loop watches a descriptor only once
        loop.add_reader(copy, lambda: over.done() or over.set_result(None))
        try:
            async with asyncio.timeout(timeout_seconds):
                await over
        except TimeoutError:
            return False
        finally:
            loop.remove_reader(copy)
            os.close(copy)
        return True

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


@dataclass(frozen=True)
class Stat:
    parent: int
    start_time: int
    cpu_seconds: float
    memory_bytes: int


def stat(pid: int) -> Stat | None:
    with suppress(OSError, IndexError, ValueError):
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rsplit(")", 1)[1].split()
        if fields[0] in "ZX":
            return None
        ticks = sum(int(field) for field in fields[11:15])
        return Stat(int(fields[1]), int(fields[19]), ticks / _TICKS, int(fields[21]) * _PAGE)
    return None


def pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def tree(root: int) -> dict[int, Stat]:
    """A process and all its descendants."""
    known = {pid: found for pid in pids() if (found := stat(pid)) is not None}
    members = {root} & known.keys()
    while grown := {pid for pid, found in known.items() if found.parent in members} - members:
        members |= grown
    return {pid: known[pid] for pid in members}


def owned_by(numbers: range) -> dict[int, int]:
    """Processes whose user is in the range, with that user."""
    found: dict[int, int] = {}
    for pid in pids():
        with suppress(OSError):
            uid = Path(f"/proc/{pid}").stat().st_uid
            if uid in numbers:
                found[pid] = uid
    return found
