"""Makes the cluster: whole or not at all, with its roles, its database and its extension."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from glia.kit.postgres import preflight, settings
from glia.kit.postgres.binaries import SETTING, Binaries
from glia.kit.postgres.errors import PostgresFailed, WrongMajor
from glia.kit.postgres.layout import Layout
from glia.kit.postgres.programs import Programs
from glia.kit.postgres.roles import (
    DATABASE,
    Secrets,
    database_statements,
    is_only_existing_database,
    role_statements,
    sync_folder,
)

_SECONDS = 300.0


def require_same_major(layout: Layout, binaries: Binaries) -> None:
    """Raises WrongMajor when another major version made the cluster, PostgresFailed when it is no cluster at all."""
    made_by = layout.major_on_disk()
    if made_by is None and layout.cluster.is_dir() and any(layout.cluster.iterdir()):
        raise PostgresFailed(
            f"The folder {str(layout.cluster)!r} holds files but no database (PG_VERSION is missing), so it is left "
            "alone. Restore it from a backup, or move it away to begin with an empty database."
        )
    if made_by is None or made_by == binaries.major:
        return
    raise WrongMajor(
        f"The database in {str(layout.cluster)!r} was made by PostgreSQL {made_by}, but the programs in "
        f"{str(binaries.folder)!r} are PostgreSQL {binaries.major}. To go on with it, set {SETTING} to the `bin` "
        f"folder of PostgreSQL {made_by}. To move it, start it that way, run `pg_dump --format=custom`, start Glia "
        f"without {SETTING} on a new data directory, and `pg_restore` the dump there.",
        made_by=made_by,
        programs=binaries.major,
    )


def make(layout: Layout, programs: Programs, passwords: Secrets) -> Secrets:
    """Makes a new cluster, about 1 s. Only a finished one gets the final name, so a kill leaves nothing half-done.

    The fresh cluster is also where the processor is tried: there is nothing in it yet that could be lost.
    """
    unfinished = layout.unfinished
    preflight.fresh_folder(unfinished, programs)
    try:
        _initdb(layout, programs, passwords)
        settle(layout, programs, passwords, unfinished, timeout_seconds=_SECONDS)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    settled = passwords.settled()
    settled.store(layout.secrets)
    unfinished.rename(layout.cluster)
    sync_folder(layout.data_dir)
    preflight.remember(layout, programs.binaries)
    return settled


def settle(
    layout: Layout, programs: Programs, passwords: Secrets, cluster: Path, *, timeout_seconds: float | None
) -> None:
    """Brings roles, passwords, database and extension of a stopped cluster to what roles.py says."""
    roles = preflight.standalone(
        programs, cluster, "postgres", role_statements(passwords), timeout_seconds=timeout_seconds
    )
    if not is_only_existing_database(roles.output):
        programs.require(roles, "Making the database roles")
    extension = preflight.standalone(
        programs, cluster, DATABASE, database_statements(), timeout_seconds=timeout_seconds
    )
    preflight.require_fit(extension)
    preflight.require_extension(extension)
    programs.require(extension, "Preparing the database")


def _initdb(layout: Layout, programs: Programs, passwords: Secrets) -> None:
    # In the folder of the socket, because the programs' account can read there and nobody else can.
    password_file = layout.run / "initdb.password"
    password_file.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(password_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(f"{passwords.superuser}\n")
        if programs.account:
            programs.account.take(password_file)
        arguments = settings.initdb_arguments(programs.binaries.major)
        finished = programs.run(
            "initdb",
            *("-D", str(layout.unfinished), f"--pwfile={password_file}"),
            *arguments,
            timeout_seconds=preflight.INITDB_SECONDS,
        )
        programs.require(finished, "Making the database")
    finally:
        password_file.unlink(missing_ok=True)
