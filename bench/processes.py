"""CPU time and memory of whole process trees, from /proc."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import psutil

NANOSECONDS = 1e9
MEGABYTE = 1e6


@dataclass(frozen=True)
class Memory:
    """In MB. Pages that several processes share are counted once in pss, in every process in rss."""

    rss: float
    pss: float


def tree(pid: int) -> list[psutil.Process]:
    root = psutil.Process(pid)
    return [root, *root.children(recursive=True)]


def postgres_in(pid: int) -> int:
    """The embedded PostgreSQL's main process below `glia serve`. Raises LookupError."""
    below = [process for process in tree(pid) if process.name().startswith("postgres")]
    if not below:
        raise LookupError("There is no PostgreSQL below this process; start the server without GLIA_DATABASE_URL.")
    return min(below, key=lambda process: process.create_time()).pid


class Watched:
    """`glia serve` and its database, counted apart."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._postgres = postgres_in(pid)

    def _parts(self) -> tuple[list[psutil.Process], list[psutil.Process]]:
        database = tree(self._postgres)
        pids = {process.pid for process in database}
        return [process for process in tree(self._pid) if process.pid not in pids], database

    @staticmethod
    def of_tree(pid: int) -> float:
        """CPU seconds of a process and those below it."""
        return sum(map(_cpu, tree(pid)))

    def cpu_seconds(self) -> tuple[float, float]:
        """Of our processes and of PostgreSQL's, since they began. Threads and processes that ended are left out."""
        ours, database = self._parts()
        return sum(map(_cpu, ours)), sum(map(_cpu, database))

    def memory(self) -> tuple[Memory, Memory]:
        ours, database = self._parts()
        return _memory(ours), _memory(database)


def cpu_seconds(pid: int) -> float:
    """Of one process, with all its threads, since it began."""
    return _cpu(psutil.Process(pid))


def _cpu(process: psutil.Process) -> float:
    """The scheduler's own count, which is exact; utime and stime are samples."""
    try:
        return sum(
            int(file.read_text().split()[0]) for file in Path(f"/proc/{process.pid}/task").glob("*/schedstat")
        ) / (NANOSECONDS)
    except (FileNotFoundError, ProcessLookupError):
        return 0.0


def _memory(processes: list[psutil.Process]) -> Memory:
    found = [process.memory_full_info() for process in processes]
    return Memory(sum(one.rss for one in found) / MEGABYTE, sum(one.pss for one in found) / MEGABYTE)
