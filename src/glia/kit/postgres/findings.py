"""What `glia doctor` says about the embedded PostgreSQL. Looks only; changes nothing and starts no server."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from glia.kit.postgres import account, binaries, cluster, preflight, stale
from glia.kit.postgres.account import Account
from glia.kit.postgres.binaries import Binaries
from glia.kit.postgres.errors import PostgresFailed
from glia.kit.postgres.layout import Layout

_FEW_FREE_BYTES, _TOO_FEW_FREE_BYTES = 1024**3, 200 * 1024**2
_MEBI = 1024**2

T = TypeVar("T")


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. how_to_fix is empty when there is nothing to do."""

    level: Literal["ok", "warning", "problem"]
    what: str
    how_to_fix: str = ""


def check(data_dir: Path, *, service_user: str = "glia") -> list[Finding]:
    """Everything that can be wrong before a start, in the order in which a start would meet it."""
    return list(_check(Layout.of(data_dir), service_user))


def _check(layout: Layout, service_user: str) -> Iterator[Finding]:
    place = _attempt(layout.require_usable_path, lambda _: "The data directory can be used: its path and its rights.")
    yield place
    found = _attempt_value(binaries.find)
    if isinstance(found, Finding):
        yield found
    else:
        yield Finding("ok", f"PostgreSQL {found.major} is in {str(found.folder)!r} and may be executed.")
    if place.level == "ok":
        yield from _contents(layout, found, service_user)


def _contents(layout: Layout, found: Binaries | Finding, service_user: str) -> Iterator[Finding]:
    if isinstance(found, Binaries):
        yield _attempt(
            lambda: cluster.require_same_major(layout, found), lambda _: "The programs fit the data directory."
        )
        yield _processor(layout, found)
    who = _attempt_value(lambda: account.choose(service_user))
    if isinstance(who, Finding):
        yield who
    else:
        yield _owner(layout, who)
        if who is not None:
            yield _closed_folders(layout, who, found if isinstance(found, Binaries) else None)
    yield _space(layout)
    yield _pid_file(layout)


def _attempt_value(look: Callable[[], T]) -> T | Finding:
    try:
        return look()
    except PostgresFailed as error:
        # Our messages say what is wrong in the first sentence and the way out in the others.
        what, _, way_out = error.message.partition(". ")
        return Finding("problem", f"{what.rstrip('.')}.", way_out)


def _attempt(look: Callable[[], T], well: Callable[[T], str]) -> Finding:
    result = _attempt_value(look)
    return result if isinstance(result, Finding) else Finding("ok", well(result))


def _processor(layout: Layout, found: Binaries) -> Finding:
    model, abilities = preflight.processor()
    if preflight.is_remembered(layout, found):
        return Finding("ok", f"The vector extension ran on this processor ({model}).")
    if platform.machine() in ("x86_64", "AMD64") and abilities and "avx" not in abilities.split():
        return Finding(
            "problem",
            f"This processor ({model}) lacks AVX, which the vector extension of the embedded PostgreSQL uses.",
            "Set GLIA_DATABASE_URL to a PostgreSQL of your own that has pgvector.",
        )
    return Finding("ok", f"The vector extension is tried on this processor ({model}) at the next start.")


def _owner(layout: Layout, who: Account | None) -> Finding:
    runs_as = f"the service user {who.name!r}" if who else "the present user"
    return _attempt(
        lambda: account.require_own(layout.cluster, who), lambda _: f"The database server runs as {runs_as}."
    )


def _closed_folders(layout: Layout, who: Account, found: Binaries | None) -> Finding:
    paths = [layout.run] if found is None else [layout.run, found.program("postgres")]
    closed = next((folder for path in paths if (folder := account.closed_parent(path, who))), None)
    if closed is None:
        return Finding("ok", f"The service user {who.name!r} can reach the data directory and the programs.")
    return Finding(
        "warning",
        f"The folder {str(closed)!r} is closed to the service user {who.name!r}, so the server is given the capability "
        "CAP_DAC_READ_SEARCH (or CAP_DAC_OVERRIDE) to pass it.",
        f"For a server without it, use folders that {who.name!r} can reach, for example --data-dir /var/lib/glia.",
    )


def _space(layout: Layout) -> Finding:
    folder = next(folder for folder in (layout.data_dir, *layout.data_dir.parents) if folder.exists())
    free = shutil.disk_usage(folder).free
    what = f"There are {free // _MEBI} MiB free for the data directory."
    way_out = f"Free some space on the disk of {str(folder)!r}: a new database takes 70 MiB, and it grows with use."
    if free < _TOO_FEW_FREE_BYTES:
        return Finding("problem", what, way_out)
    return Finding("warning", what, way_out) if free < _FEW_FREE_BYTES else Finding("ok", what)


def _pid_file(layout: Layout) -> Finding:
    try:
        file = stale.PidFile.read(layout.pid_file)
        pid = stale.living_server(layout)
    except PermissionError:
        return Finding("warning", f"{str(layout.pid_file)!r} may not be read by this user.", "Ask as its owner.")
    if pid is not None:
        return Finding("ok", f"A database server runs on this data directory (pid {pid}).")
    if file is not None:
        return Finding("ok", "A killed database server left its pid file; the next start clears it away.")
    return Finding("ok", "No database server runs on this data directory.")
