"""The data directory and what lies in it."""

from __future__ import annotations

import fcntl
import json
import os
import stat
from collections.abc import Iterator

from glia.cli.checks.finding import Finding, ok, problem, warning
from glia.cli.home import Home
from glia.kit.postgres import check
from glia.kit.postgres.layout import Layout
from glia.kit.postgres.lock import owner_of

_PRIVATE = "It holds credentials and every tenant's data."


def check_place(place: Home) -> Iterator[Finding]:
    yield _folder(place)
    if place.data_dir.is_dir():
        yield _credentials(place)
        yield _served(place)
    if place.settings.database_url is not None:
        yield ok("GLIA_DATABASE_URL is set, so the embedded PostgreSQL is not used.")
        return
    for found in check(place.data_dir, service_user=place.settings.service_user):
        why = "" if found.level == "ok" else "`glia serve` starts its own PostgreSQL, which needs this."
        yield Finding(found.level, found.what, why, found.how_to_fix)


def _folder(place: Home) -> Finding:
    folder = place.data_dir
    if not folder.exists():
        return ok(f"The data directory {str(folder)!r} does not exist yet; the first start makes it.")
    if not folder.is_dir():
        return problem(f"{str(folder)!r} is not a folder.", "Everything is kept there.", "Name another: --data-dir.")
    if not os.access(folder, os.W_OK | os.X_OK):
        return problem(
            f"The data directory {str(folder)!r} may not be written by this user.",
            "Credentials, uploads and models are kept there.",
            "Run this as the user that runs `glia serve`, or name another folder with --data-dir.",
        )
    mode = stat.S_IMODE(folder.stat().st_mode)
    if mode & 0o007:
        return warning(
            f"The data directory {str(folder)!r} is open to every user of this machine (mode {mode:04o}).",
            _PRIVATE,
            f"`chmod o-rwx {folder}`",
        )
    return ok(f"The data directory {str(folder)!r} is there and private (mode {mode:04o}).")


def _credentials(place: Home) -> Finding:
    path = place.credentials
    if not path.exists():
        return ok("There is no credentials.json; the first start writes it, and it may be deleted once noted.")
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        return problem(
            f"{str(path)!r} can be read by others (mode {mode:04o}).",
            "Whoever reads it may do everything.",
            f"`chmod 600 {path}`, and make new keys if somebody may have read it.",
        )
    try:
        json.loads(path.read_text())["api_key"]
    except PermissionError:
        return warning(f"{str(path)!r} may not be read by this user.", "", "Ask as its owner, or set GLIA_API_KEY.")
    except (ValueError, KeyError, TypeError):
        return warning(
            f"{str(path)!r} is damaged.",
            "The commands take their key from it when GLIA_API_KEY is not set.",
            "Make a key with `glia key create` and set GLIA_API_KEY to it.",
        )
    return ok(f"{str(path)!r} is private and holds a key.")


def _served(place: Home) -> Finding:
    path = Layout.of(place.data_dir).owner_lock
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return ok("No `glia serve` runs on this data directory.")
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return ok(f"This data directory is served by process {owner_of(path) or 'unknown'}.")
    finally:
        os.close(descriptor)
    return ok("No `glia serve` runs on this data directory.")
