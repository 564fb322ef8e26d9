"""Under which account PostgreSQL runs. It refuses root, so a root process lends it a service user."""

from __future__ import annotations

import os
import stat
import sys
from dataclasses import dataclass
from pathlib import Path

from glia.kit.postgres.errors import ForeignOwner, MissingCapabilities, NoServiceUser

# What root does for the service user: hand files over, change to it, stop its server, connect to its socket.
_NEEDED = {"CAP_CHOWN": 0, "CAP_DAC_OVERRIDE": 1, "CAP_KILL": 5, "CAP_SETGID": 6, "CAP_SETUID": 7}
_PROCESS_STATUS = Path("/proc/self/status")


@dataclass(frozen=True)
class Account:
    """A user of this machine that the programs change to."""

    name: str
    uid: int
    gid: int

    def take(self, path: Path) -> None:
        """Makes a file or folder of ours belong to this account; never follows a symbolic link."""
        os.chown(path, self.uid, self.gid, follow_symlinks=False)


def is_root() -> bool:
    return sys.platform != "win32" and os.geteuid() == 0


def choose(service_user: str) -> Account | None:
    """The account to change to, or None when the present one will do. Raises NoServiceUser, MissingCapabilities."""
    if not is_root():
        return None
    import pwd

    try:
        entry = pwd.getpwnam(service_user)
    except KeyError:
        raise NoServiceUser(
            f"PostgreSQL refuses to run as root, and there is no user {service_user!r} to run it as. Make the user "
            f"with `useradd --system --no-create-home {service_user}`, or start Glia as an ordinary user."
        ) from None
    if entry.pw_uid == 0:
        raise NoServiceUser(
            f"The service user {service_user!r} is root itself (uid 0), which PostgreSQL refuses. Name another user."
        )
    _require_capabilities()
    return Account(service_user, entry.pw_uid, entry.pw_gid)


def _require_capabilities() -> None:
    if not _PROCESS_STATUS.exists():
        return
    line = next(line for line in _PROCESS_STATUS.read_text().splitlines() if line.startswith("CapEff:"))
    held = int(line.split()[1], 16)
    missing = [name for name, bit in _NEEDED.items() if not held >> bit & 1]
    if missing:
        raise MissingCapabilities(
            f"This process is root but lacks {', '.join(missing)}, which running the database as another user takes. "
            "Start Glia as an ordinary user (in a container: `--user`), or give those capabilities back."
        )


def require_own(cluster: Path, account: Account | None) -> None:
    """Raises ForeignOwner when an existing cluster belongs to neither the account nor this process."""
    if sys.platform == "win32" or not cluster.exists():
        return
    wanted, owner = account.uid if account else os.geteuid(), cluster.stat().st_uid
    if owner == wanted:
        return
    raise ForeignOwner(
        f"The database in {str(cluster)!r} belongs to {_name_of(owner)}, but it would run as {_name_of(wanted)}. Start "
        f"Glia as the former, or hand the files over with `chown -R {wanted} {cluster}` while nothing uses them."
    )


def closed_parent(path: Path, account: Account) -> Path | None:
    """The topmost folder above the path that the account cannot pass, judged by its mode bits."""
    for folder in reversed(path.parents):
        if not folder.exists():
            return None
        facts = folder.stat()
        bit = (
            stat.S_IXUSR
            if facts.st_uid == account.uid
            else stat.S_IXGRP
            if facts.st_gid == account.gid
            else stat.S_IXOTH
        )
        if not facts.st_mode & bit:
            return folder
    return None


def _name_of(uid: int) -> str:
    import pwd

    try:
        return f"user {pwd.getpwuid(uid).pw_name!r} (uid {uid})"
    except KeyError:
        return f"uid {uid}"
