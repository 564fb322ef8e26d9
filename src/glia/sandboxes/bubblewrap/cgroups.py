"""Control groups: limits, figures, freezing and killing, with version 2 and with version 1 directories.

Groups are made below the group of this process, never at the root of a hierarchy that somebody else manages. On hosts
with both versions the controllers are version 1 and freezing and killing go through the unified tree, where they
work even without controllers, and where a frozen process can still be killed.
"""

from __future__ import annotations

import errno
import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from glia.kit.errors import GliaError
from glia.sandboxes.types import Limits

OWN_PROCESSES = 4
"""bubblewrap's two processes, the agent, and the one that serves a command: they are ours, not the command's."""

_NEEDED = ("memory", "pids", "cpu")
_LEAF = "glia-server"
_PERIOD_MICROSECONDS = 100_000


class CgroupFailed(GliaError):
    """A limit could not be set, or does not read back as it was written."""


@dataclass(frozen=True)
class Hierarchies:
    """Where our own group lies. unified: in the version 2 tree. is_v2: the controllers are there. v1: by controller."""

    unified: Path | None = None
    is_v2: bool = False
    v1: dict[str, Path] = field(default_factory=dict[str, Path])

    @property
    def controllers(self) -> frozenset[str]:
        if self.is_v2 and self.unified is not None:
            return frozenset((self.unified / "cgroup.controllers").read_text().split()) & {*_NEEDED}
        return frozenset(self.v1) & {*_NEEDED}


def find(own: str, mounts: str, *, needs_writing: bool = True) -> Hierarchies:
    """own: the content of /proc/self/cgroup. mounts: of /proc/self/mountinfo. needs_writing: only places that we may
    write to count."""
    paths = {line.split(":", 2)[1]: line.split(":", 2)[2] for line in own.splitlines() if line.count(":") >= 2}
    unified: Path | None = None
    v1: dict[str, Path] = {}
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        fields, kind = before.split(), after.split()
        if not kind or kind[0] not in ("cgroup", "cgroup2"):
            continue
        if kind[0] == "cgroup2":
            unified = _own_place(fields[3], fields[4], paths.get("", "/"), needs_writing)
            continue
        for names, path in paths.items():
            if names and set(names.split(",")) <= set(kind[-1].split(",")):
                place = _own_place(fields[3], fields[4], path, needs_writing)
                v1.update({name: place for name in names.split(",") if place is not None})
    if unified is not None and unified.name == _LEAF:
        unified = unified.parent
    is_v2 = unified is not None and not (set(_NEEDED) & set(v1)) and (unified / "cgroup.controllers").exists()
    return Hierarchies(unified, is_v2, v1)


def _own_place(root: str, mount: str, own: str, needs_writing: bool) -> Path | None:
    inside = own[len(root) :] if root != "/" and own.startswith(root) else own
    place = Path(mount) / inside.lstrip("/")
    place = place if place.is_dir() else Path(mount)
    return place if not needs_writing or os.access(place, os.W_OK) else None


def find_own() -> Hierarchies:
    return find(Path("/proc/self/cgroup").read_text(), Path("/proc/self/mountinfo").read_text())


def delegate(hierarchies: Hierarchies) -> None:
    """Lets groups below ours have controllers (version 2). A group with children that have them may hold no
    processes itself, so ours move to a leaf first, when the kernel insists. Raises OSError."""
    here = hierarchies.unified
    if not hierarchies.is_v2 or here is None:
        return
    control = here / "cgroup.subtree_control"
    missing = hierarchies.controllers - set(control.read_text().split())
    if not missing:
        return
    wanted = " ".join(f"+{name}" for name in sorted(missing))
    try:
        control.write_text(wanted)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        leaf = here / _LEAF
        leaf.mkdir(exist_ok=True)
        for pid in (here / "cgroup.procs").read_text().split():
            with suppress(ProcessLookupError):
                (leaf / "cgroup.procs").write_text(pid)
        control.write_text(wanted)


@dataclass(frozen=True)
class Usage:
    """cpu_seconds is None where no controller counts it."""

    cpu_seconds: float | None
    memory_bytes: int | None
    pids: int | None


class Group:
    """The groups of one sandbox, one directory in each hierarchy that is used."""

    def __init__(self, hierarchies: Hierarchies, name: str) -> None:
        """name: never used before, because a name that is still frozen would hang who joins it."""
        self._v2 = hierarchies.unified / name if hierarchies.unified is not None else None
        self._is_v2 = hierarchies.is_v2
        wanted = () if hierarchies.is_v2 else _NEEDED + (() if self._v2 is not None else ("freezer", "cpuacct"))
        self._v1 = {key: hierarchies.v1[key] / name for key in wanted if key in hierarchies.v1}

    @classmethod
    def at(cls, directories: list[str]) -> Group:
        """The groups that a server of before noted down; for killing and removing."""
        group = cls(Hierarchies(), "")
        for directory in map(Path, directories):
            if (directory / "cgroup.events").exists():
                group._v2 = directory
            else:
                group._v1[str(directory)] = directory
        return group

    @property
    def directories(self) -> list[Path]:
        return [*([self._v2] if self._v2 is not None else []), *dict.fromkeys(self._v1.values())]

    @property
    def join_files(self) -> list[Path]:
        return [directory / "cgroup.procs" for directory in self.directories]

    def limits(self, controller: str) -> bool:
        files = {"memory": "memory.max", "pids": "pids.max", "cpu": "cpu.max"}
        return controller in self._v1 or (
            self._is_v2 and self._v2 is not None and (self._v2 / files[controller]).exists()
        )

    def create(self, limits: Limits) -> None:
        """Raises CgroupFailed, and leaves nothing behind then."""
        try:
            for directory in self.directories:
                directory.mkdir()
            for path, value in self._settings(limits):
                _write_and_check(path, value)
        except OSError as error:
            self.remove()
            raise CgroupFailed(f"The control group could not be made: {error}.") from error

    def _settings(self, limits: Limits) -> list[tuple[Path, str]]:
        quota = str(max(1000, int(limits.cpus * _PERIOD_MICROSECONDS)))
        pids = str(limits.pids + OWN_PROCESSES)
        memory = str(limits.memory_bytes)
        if self._is_v2 and self._v2 is not None:
            have = [
                (self._v2 / "memory.max", memory),
                (self._v2 / "memory.swap.max", "0"),
                (self._v2 / "pids.max", pids),
                (self._v2 / "cpu.max", f"{quota} {_PERIOD_MICROSECONDS}"),
            ]
            return [(path, value) for path, value in have if path.exists()]
        settings: list[tuple[Path, str]] = []
        if (directory := self._v1.get("memory")) is not None:
            settings.append((directory / "memory.limit_in_bytes", memory))
            if (directory / "memory.memsw.limit_in_bytes").exists():
                settings.append((directory / "memory.memsw.limit_in_bytes", memory))
        if (directory := self._v1.get("pids")) is not None:
            settings.append((directory / "pids.max", pids))
        if (directory := self._v1.get("cpu")) is not None:
            settings.append((directory / "cpu.cfs_period_us", str(_PERIOD_MICROSECONDS)))
            settings.append((directory / "cpu.cfs_quota_us", quota))
        return settings

    # --- Figures ------------------------------------------------------------------------------------------------------

    def usage(self) -> Usage:
        pids = _number(self._file("pids", "pids.current", "pids.current"))
        return Usage(self._cpu_seconds(), self._memory_bytes(), pids)

    def _cpu_seconds(self) -> float | None:
        if self._v2 is not None:
            return count_after(self._v2 / "cpu.stat", "usage_usec") / 1e6
        nanoseconds = _number(self._file("cpuacct", "", "cpuacct.usage"))
        return None if nanoseconds is None else nanoseconds / 1e9

    def _memory_bytes(self) -> int | None:
        """Without the page cache that the kernel gives back when asked, or files that were read look like a leak."""
        used = _number(self._file("memory", "memory.current", "memory.usage_in_bytes"))
        stat = self._file("memory", "memory.stat", "memory.stat")
        if used is None or stat is None:
            return None
        return max(0, used - count_after(stat, "inactive_file" if self._is_v2 else "total_inactive_file"))

    def oom_kills(self) -> int:
        path = self._file("memory", "memory.events", "memory.oom_control")
        return 0 if path is None else count_after(path, "oom_kill")

    def _file(self, controller: str, v2: str, v1: str) -> Path | None:
        if self._is_v2 and self._v2 is not None:
            return self._v2 / v2
        directory = self._v1.get(controller)
        return None if directory is None else directory / v1

    # --- Freezing and killing -----------------------------------------------------------------------------------------

    @property
    def can_freeze(self) -> bool:
        return self._v2 is not None or self._freezer() is not None

    def _freezer(self) -> Path | None:
        return next((d for d in self._v1.values() if (d / "freezer.state").exists()), None)

    def freeze(self, *, is_frozen: bool, patience_seconds: float = 5.0) -> None:
        """Returns when all processes stand still, or run again. Raises CgroupFailed when that takes too long."""
        if self._v2 is not None:
            control, value = self._v2 / "cgroup.freeze", "1" if is_frozen else "0"
        elif (freezer := self._freezer()) is not None:
            control, value = freezer / "freezer.state", "FROZEN" if is_frozen else "THAWED"
        else:
            raise CgroupFailed("There is no freezer on this machine.")
        deadline = time.monotonic() + patience_seconds
        while True:
            control.write_text(value)
            if self._is_frozen() == is_frozen:
                return
            if time.monotonic() > deadline:
                raise CgroupFailed("The sandbox's processes did not stand still in time.")
            time.sleep(0.001)

    def _is_frozen(self) -> bool:
        if self._v2 is not None:
            return count_after(self._v2 / "cgroup.events", "frozen") == 1
        freezer = self._freezer()
        return freezer is not None and (freezer / "freezer.state").read_text().strip() == "FROZEN"

    def kill(self) -> None:
        """Sends SIGKILL to every process, and lets frozen ones die. Does not wait for their end."""
        if self._v2 is not None and (self._v2 / "cgroup.kill").exists():
            with suppress(OSError):
                (self._v2 / "cgroup.kill").write_text("1")
        with suppress(OSError, CgroupFailed):
            if self._freezer() is not None:
                self.freeze(is_frozen=True, patience_seconds=0.2)
        for path in self.join_files:
            for pid in _pids(path):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        with suppress(OSError, CgroupFailed):
            if self.can_freeze:
                self.freeze(is_frozen=False, patience_seconds=1.0)

    def remove(self, *, patience_seconds: float = 5.0) -> bool:
        """Whether all are gone. A group stays busy for a moment after its last process has died."""
        deadline = time.monotonic() + patience_seconds
        for directory in self.directories:
            while not _removed(directory):
                if time.monotonic() > deadline:
                    return False
                time.sleep(0.002)
        return True


def _removed(directory: Path) -> bool:
    try:
        directory.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _write_and_check(path: Path, value: str) -> None:
    path.write_text(value)
    found = path.read_text().strip()
    is_bytes = path.name in ("memory.max", "memory.limit_in_bytes", "memory.memsw.limit_in_bytes")
    if found != value and not (is_bytes and found.isdigit() and int(found) // 4096 == int(value) // 4096):
        raise CgroupFailed(f"{path.name} was set to {value} and reads {found}.")


def _number(path: Path | None) -> int | None:
    try:
        return None if path is None else int(path.read_text())
    except (OSError, ValueError):
        return None


def count_after(path: Path, key: str) -> int:
    """The number after a word, in a file of such lines; 0 when it is not there."""
    with suppress(OSError):
        for line in path.read_text().splitlines():
            if line.startswith(f"{key} "):
                return int(line.split()[1])
    return 0


def _pids(path: Path) -> list[int]:
    with suppress(OSError):
        return [int(pid) for pid in path.read_text().split()]
    return []
