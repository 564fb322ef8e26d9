"""One user id of the host for each sandbox, from a range that nobody else has.

Who holds a uid holds a lock on a file named after it, so that servers on the same machine do not give out the same one,
and a dead server holds none. The file names the folder that the uid's files lie in, which keeps it until the folder is
gone.
"""

from __future__ import annotations

import fcntl
import os
import random
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from glia.kit.errors import Unavailable

# The ranges that systemd's UIDS-GIDS page leaves to nobody: the large one, and for hosts whose own user namespace maps
# only 65,536 ids, a small one among them.
RANGES = (range(1_900_000_000, 1_900_065_536), range(60_706, 61_184))


def usable_range(uid_map: str) -> range | None:
    """uid_map: the content of /proc/self/uid_map. None when no range is mapped here as a whole."""
    rows = [[int(field) for field in line.split()] for line in uid_map.splitlines() if line.strip()]
    for candidate in RANGES:
        if any(start <= candidate.start and candidate.stop <= start + count for start, _, count in rows):
            return candidate
    return None


@dataclass(frozen=True)
class Uid:
    number: int
    lock: int


class Uids:
    def __init__(self, folder: Path, numbers: range) -> None:
        self._folder = folder
        self.numbers = numbers

    def take(self, owner: Path) -> Uid:
        """A free one; the one that `owner` had before, if it had one. Raises Unavailable when there is none."""
        remembered = owner / "uid"
        before = [int(remembered.read_text())] if remembered.exists() else []
        for number in self._candidates(before):
            lock = self._lock(number)
            if lock is None:
                continue
            text = os.pread(lock, 4096, 0).decode()
            if text and text != str(owner) and Path(text).exists():
                os.close(lock)
                continue
            os.ftruncate(lock, 0)
            os.pwrite(lock, str(owner).encode(), 0)
            remembered.write_text(str(number))
            return Uid(number, lock)
        raise Unavailable(f"All {len(self.numbers)} user ids for sandboxes are taken.")

    def give_back(self, uid: Uid, *, is_kept: bool) -> None:
        """is_kept: the files stay, and with them the uid."""
        if not is_kept:
            (self._folder / str(uid.number)).unlink(missing_ok=True)
        os.close(uid.lock)

    def forget(self, number: int) -> None:
        """The files of a uid that nobody holds are gone."""
        lock = self._lock(number)
        if lock is not None:
            self.give_back(Uid(number, lock), is_kept=False)

    def abandoned(self) -> set[int]:
        """Those that were given out and that no living server holds."""
        numbers = [int(path.name) for path in self._folder.glob("[0-9]*")]
        return {number for number in numbers if not self._is_held(number)}

    def _is_held(self, number: int) -> bool:
        lock = self._lock(number)
        if lock is not None:
            os.close(lock)
        return lock is None

    def _candidates(self, before: list[int]) -> Iterable[int]:
        yield from before
        start = random.randrange(len(self.numbers))  # noqa: S311  # only so that two servers rarely try the same
        for step in range(len(self.numbers)):
            yield self.numbers[(start + step) % len(self.numbers)]

    def _lock(self, number: int) -> int | None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = os.open(self._folder / str(number), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(file)
            return None
        if os.fstat(file).st_nlink == 0:  # given back between the two calls
            os.close(file)
            return self._lock(number)
        return file
