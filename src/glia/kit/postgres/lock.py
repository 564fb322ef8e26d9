"""Who owns a data directory: the live process that holds this lock. The kernel frees it when that process dies."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from glia.kit.postgres.errors import AlreadyServed


class OwnerLock:
    """Held from the start of the server to its end. The file also names the holder's process id."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def take(cls, path: Path) -> OwnerLock:
        """Raises AlreadyServed when another live process holds it."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            _lock(descriptor)
        except OSError:
            os.close(descriptor)
            raise _already_served(path) from None
        os.truncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        return cls(descriptor)

    def release(self) -> None:
        os.truncate(self._descriptor, 0)
        os.close(self._descriptor)


def owner_of(path: Path) -> int | None:
    """The process id in the lock file; it says nothing about whether that process lives."""
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None


def _lock(descriptor: int) -> None:
    if sys.platform == "win32":
        import msvcrt

        # Beyond the content, because a locked region cannot be read by others there.
        os.lseek(descriptor, 1 << 20, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        os.lseek(descriptor, 0, os.SEEK_SET)
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _already_served(path: Path) -> AlreadyServed:
    pid = owner_of(path)
    who = f"process {pid}" if pid else "another process"
    return AlreadyServed(
        f"The data directory {str(path.parent)!r} is already served by {who}. Stop that one, choose another data "
        "directory (`--data-dir`), or start `glia worker` to add a worker to it.",
        pid=pid,
    )
