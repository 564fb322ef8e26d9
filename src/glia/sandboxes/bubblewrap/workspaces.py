"""The folder of each sandbox on the host: its lock, its record, and the files of /workspace with their quota.

As root the files lie on a disk image of the quota's size, so the kernel refuses what is too much. Elsewhere they lie in
a plain folder, and the backend looks at its size from time to time.

    STATE/sandboxes/ID/lock         locked by the server whose sandbox it is, as long as it lives
                       record.json  what to kill and remove when that server has died
                       kept         there when the files outlive the sandbox
                       uid          the user they belong to
                       disk.img     the image, where there is one
                       files/       where it is mounted, or the files themselves
Everything here is blocking; call it from a thread.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import stat
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path

from glia.kit.errors import InvalidRequest
from glia.sandboxes.bubblewrap.mounting import attach_and_mount, unmount
from glia.sandboxes.errors import SandboxIdTaken, SandboxStartFailed
from glia.sandboxes.types import SandboxId

_SMALLEST_IMAGE = 4 * 1024 * 1024
_PROGRAM_SECONDS = 60
_MOST_ENTRIES, _DEEPEST = 200_000, 150
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True)
class Record:
    """pid, start_time: of the process whose death is the sandbox's (`/proc/PID/stat`, field 22)."""

    pid: int
    start_time: int
    cgroups: list[str]


class Workspace:
    """The folder of one sandbox, held by us."""

    def __init__(self, folder: Path, lock: int) -> None:
        self.folder = folder
        self._lock = lock

    @property
    def files(self) -> Path:
        return self.folder / "files"

    @property
    def image(self) -> Path:
        return self.folder / "disk.img"

    @property
    def is_kept(self) -> bool:
        return (self.folder / "kept").exists()

    @property
    def uid(self) -> int | None:
        try:
            return int((self.folder / "uid").read_text())
        except (OSError, ValueError):
            return None

    @property
    def is_new(self) -> bool:
        return not self.files.exists()

    def keep(self) -> None:
        (self.folder / "kept").touch()

    def open(self, *, disk_bytes: int, uid: int | None, blanks: Path | None) -> None:
        """Makes the files usable by the uid. blanks: where empty images are kept; None for a plain folder.
        Raises OSError, SandboxStartFailed."""
        is_new = self.is_new
        self.files.mkdir(mode=0o700, exist_ok=True)
        if is_new and blanks is not None:
            _copy_sparse(_blank(blanks, disk_bytes), self.image)
        if self.image.exists():
            unmount(self.files)
            if not is_new:
                _mend(self.image)
            attach_and_mount(self.image, self.files)
            if is_new:
                (self.files / "lost+found").rmdir()
        if uid is not None and self.files.stat().st_uid != uid:
            self._give_to(uid, is_new=is_new)
        self.files.chmod(0o700)

    def _give_to(self, uid: int, *, is_new: bool) -> None:
        if is_new:
            os.chown(self.files, uid, uid)
            return
        command = ["chown", "-R", "--no-dereference", f"{uid}:{uid}", str(self.files)]
        subprocess.run(command, check=True, timeout=_PROGRAM_SECONDS, capture_output=True)

    def note(self, record: Record) -> None:
        """Written before anything can go wrong with what it names."""
        beside = self.folder / "record.part"
        beside.write_text(json.dumps(asdict(record)))
        beside.replace(self.folder / "record.json")

    def record(self) -> Record | None:
        try:
            found = json.loads((self.folder / "record.json").read_text())
            return Record(int(found["pid"]), int(found["start_time"]), [str(name) for name in found["cgroups"]])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def used_bytes(self) -> int:
        """Of a plain folder, by looking. What cannot be looked at in full counts as full."""
        try:
            return _Counting().folder(os.open(self.files, _FOLDER), 0)
        except _TooMuch:
            return 2**62

    def mounted_bytes(self) -> int:
        found = os.statvfs(self.files)
        return (found.f_blocks - found.f_bfree) * found.f_frsize

    def close(self, *, is_kept: bool) -> None:
        """Lets go of the files, and deletes them unless they are to be kept. Raises OSError."""
        if self.image.exists():
            unmount(self.files)
        (self.folder / "record.json").unlink(missing_ok=True)
        if not is_kept:
            self.delete()
        os.close(self._lock)

    def delete(self) -> None:
        """What was made inside may be closed even to its owner, and deeper than a path or our stack may be."""
        if self.image.exists():
            self.image.unlink()
            self.files.rmdir()
        elif self.files.exists():
            for command in (["chmod", "-R", "u+rwX"], ["rm", "-rf", "--one-file-system"]):
                subprocess.run([*command, str(self.files)], capture_output=True, timeout=_PROGRAM_SECONDS, check=False)
        shutil.rmtree(self.folder, ignore_errors=True)


class _TooMuch(Exception):
    """More folders in each other, or more entries, than we look at."""


class _Counting:
    """Adds up a tree of a sandbox. Goes from descriptor to descriptor, so that no link leads out of it."""

    def __init__(self) -> None:
        self.entries = 0

    def folder(self, fd: int, depth: int) -> int:
        """Closes the descriptor."""
        used = 0
        try:
            with os.scandir(fd) as entries:
                for entry in entries:
                    self.entries += 1
                    if self.entries > _MOST_ENTRIES or depth > _DEEPEST:
                        raise _TooMuch
                    try:
                        used += entry.stat(follow_symlinks=False).st_blocks * 512
                        if entry.is_dir(follow_symlinks=False):
                            used += self._below(entry.name, fd, depth)
                    except FileNotFoundError:
                        continue
        finally:
            os.close(fd)
        return used

    def _below(self, name: str, parent: int, depth: int) -> int:
        try:
            return self.folder(os.open(name, _FOLDER, dir_fd=parent), depth + 1)
        except PermissionError:
            return self._closed(name, parent, depth)
        except NotADirectoryError:
            return 0

    def _closed(self, name: str, parent: int, depth: int) -> int:
        """A folder closed to its owner, which we may be; opened for the look."""
        place = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=parent)
        mode = stat.S_IMODE(os.fstat(place).st_mode)
        path = Path(f"/proc/self/fd/{place}")
        try:
            path.chmod(0o700)
            return self.folder(os.open(name, _FOLDER, dir_fd=parent), depth + 1)
        finally:
            path.chmod(mode)
            os.close(place)


class Workspaces:
    def __init__(self, state_dir: Path) -> None:
        self._folder = state_dir / "sandboxes"

    def take(self, id: SandboxId) -> Workspace:
        """Raises SandboxIdTaken while a sandbox of this id lives, here or in another server."""
        folder = self._place(id)
        while True:
            folder.mkdir(mode=0o711, parents=True, exist_ok=True)
            lock = _locked(folder)
            if lock is None:
                raise SandboxIdTaken(f"A sandbox {id!r} is there already.")
            if (folder / "lock").exists() and os.fstat(lock).st_nlink:
                return Workspace(folder, lock)
            os.close(lock)

    def exists(self, id: SandboxId) -> bool:
        return (self._place(id) / "kept").exists()

    def _place(self, id: SandboxId) -> Path:
        """Raises InvalidRequest."""
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,63}", id):
            raise InvalidRequest(f"{id!r} is no sandbox id: 1 to 64 of a-z, 0-9 and `-`.", field="id")
        return self._folder / id

    def ids(self) -> list[SandboxId]:
        if not self._folder.is_dir():
            return []
        names = sorted(entry.name for entry in self._folder.iterdir() if entry.is_dir())
        return [SandboxId(name) for name in names if re.fullmatch(r"[a-z0-9][a-z0-9-]{0,63}", name)]


def _locked(folder: Path) -> int | None:
    try:
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except FileNotFoundError:  # deleted since it was made
        folder.mkdir(mode=0o711, exist_ok=True)
        return _locked(folder)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        return None
    return lock


def _blank(blanks: Path, size_bytes: int) -> Path:
    """An empty file system, made once for each size: copying its few written blocks is much faster than making it."""
    size = max(_SMALLEST_IMAGE, size_bytes // 4096 * 4096)
    blank = blanks / f"{size}.img"
    if blank.exists():
        return blank
    blanks.mkdir(mode=0o700, parents=True, exist_ok=True)
    beside = blanks / f"{size}.{os.getpid()}.part"
    with beside.open("wb") as file:
        file.truncate(size)
    command = ["mkfs.ext4", "-q", "-F", "-m", "0", "-O", "^has_journal", "-E", "nodiscard,root_owner=0:0", str(beside)]
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    made = subprocess.run(command, capture_output=True, timeout=_PROGRAM_SECONDS, env=environment, check=False)
    if made.returncode:
        beside.unlink(missing_ok=True)
        raise SandboxStartFailed(
            f"mkfs.ext4 could not make a disk image: {made.stderr.decode('utf-8', 'replace')[:300]}"
        )
    beside.replace(blank)
    return blank


def _copy_sparse(source: Path, target: Path) -> None:
    with source.open("rb") as blank, target.open("wb") as copy:
        size = os.fstat(blank.fileno()).st_size
        os.ftruncate(copy.fileno(), size)
        at = 0
        while at < size:
            try:
                at = os.lseek(blank.fileno(), at, os.SEEK_DATA)
            except OSError:  # only holes from here on
                break
            end = os.lseek(blank.fileno(), at, os.SEEK_HOLE)
            os.pwrite(copy.fileno(), os.pread(blank.fileno(), end - at, at), at)
            at = end


def _mend(image: Path) -> None:
    """Without a journal, a machine that lost power may have left the file system unclean."""
    command = ["e2fsck", "-p", str(image)]
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    done = subprocess.run(command, capture_output=True, timeout=_PROGRAM_SECONDS, env=environment, check=False)
    if done.returncode >= 4:
        said = (done.stdout + done.stderr).decode("utf-8", "replace")
        raise SandboxStartFailed(f"The workspace's disk image is damaged: {said[:300]}")
