"""Where everything of the embedded PostgreSQL lies inside the data directory."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from glia.kit.postgres.errors import PathTooLong, PostgresFailed

PORT = 5432  # only a part of the socket's file name: no TCP port is opened
LONGEST_SOCKET_PATH_BYTES = 107  # sun_path on Linux holds 108 with the closing zero
LARGEST_LOG_BYTES = 10 * 1024 * 1024


@dataclass(frozen=True)
class Layout:
    """Paths below one data directory; `data_dir` is absolute with symbolic links resolved."""

    data_dir: Path

    @classmethod
    def of(cls, data_dir: Path) -> Layout:
        return cls(data_dir.expanduser().resolve())

    @property
    def cluster(self) -> Path:
        return self.data_dir / "pg"

    @property
    def unfinished(self) -> Path:
        """A cluster while it is being made; renamed to `cluster` once nothing is missing."""
        return self.data_dir / "pg.new"

    @property
    def scratch(self) -> Path:
        return self.data_dir / "pg.scratch"

    @property
    def run(self) -> Path:
        return self.data_dir / "run"

    @property
    def socket(self) -> Path:
        return self.run / f".s.PGSQL.{PORT}"

    @property
    def socket_lock(self) -> Path:
        return self.run / f".s.PGSQL.{PORT}.lock"

    @property
    def pid_file(self) -> Path:
        return self.cluster / "postmaster.pid"

    @property
    def log(self) -> Path:
        return self.data_dir / "postgres.log"

    @property
    def owner_lock(self) -> Path:
        return self.data_dir / "postgres.lock"

    @property
    def secrets(self) -> Path:
        return self.data_dir / "postgres.json"

    @property
    def preflight(self) -> Path:
        return self.data_dir / "postgres-preflight.json"

    def require_usable_path(self) -> None:
        """Raises PathTooLong when the socket's path does not fit the kernel's limit, PostgresFailed for what else
        makes the data directory unusable: a comma in its path, a file in its place, no right to write."""
        if "," in str(self.data_dir):
            raise PostgresFailed(
                f"The data directory {str(self.data_dir)!r} has a comma in its path, which PostgreSQL reads as the end "
                "of a name. Choose another one (`--data-dir`)."
            )
        length = len(os.fsencode(self.socket))
        if length > LONGEST_SOCKET_PATH_BYTES:
            raise PathTooLong(
                f"The data directory {str(self.data_dir)!r} is too long: the database's socket in it would have a path "
                f"of {length} bytes, and the system allows {LONGEST_SOCKET_PATH_BYTES}. Choose a data directory whose "
                f"path is at least {length - LONGEST_SOCKET_PATH_BYTES} bytes shorter (`--data-dir`)."
            )

        self._require_writable()

    def _require_writable(self) -> None:
        above = (self.data_dir, *self.data_dir.parents)
        existing = next(path for path in above if os.path.exists(path))  # noqa: PTH110 - False where we may not look
        if not existing.is_dir():
            raise PostgresFailed(f"{str(existing)!r} is a file, not a folder. Choose another data directory.")
        if not os.access(existing, os.W_OK | os.X_OK):
            raise PostgresFailed(
                f"The data directory {str(self.data_dir)!r} cannot be used: {str(existing)!r} may not be written by "
                "this user. Start Glia as the folder's owner, or choose another data directory (`--data-dir`)."
            )

    def major_on_disk(self) -> int | None:
        """The major version that made the cluster, or None when there is no cluster yet."""
        version = self.cluster / "PG_VERSION"
        return int(version.read_text().split(".")[0]) if version.is_file() else None

    def rotate_log(self) -> None:
        """Keeps one old log once the current one has grown past its largest size."""
        if self.log.is_file() and self.log.stat().st_size > LARGEST_LOG_BYTES:
            self.log.replace(self.log.with_name("postgres.log.1"))
