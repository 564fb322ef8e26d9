"""What can go wrong with the embedded PostgreSQL. Every message names the value and the way out."""

from __future__ import annotations

from glia.kit.errors import GliaError


class PostgresFailed(GliaError):
    """The embedded PostgreSQL did not do what was asked; the others below are special cases."""

    code, status = "database_failed", 503


class NotRunning(PostgresFailed):
    code = "database_not_running"


class AlreadyServed(PostgresFailed):
    """Another live process owns the data directory; `details["pid"]` is its process id, or None when unknown."""

    code, status = "data_dir_in_use", 409


class BinariesMissing(PostgresFailed):
    code = "postgres_binaries_missing"


class WrongMajor(PostgresFailed):
    """The data directory was made by another major version of PostgreSQL."""

    code = "postgres_major_differs"


class ProcessorUnfit(PostgresFailed):
    """The vector extension holds instructions that this processor does not know."""

    code = "processor_unfit"


class PathTooLong(PostgresFailed):
    code = "data_dir_path_too_long"


class NoServiceUser(PostgresFailed):
    code = "service_user_missing"


class MissingCapabilities(PostgresFailed):
    """This process is root in name, but was stripped of what changing to the service user takes."""

    code = "capabilities_missing"


class ForeignOwner(PostgresFailed):
    """The database files belong to another account of this machine."""

    code = "data_dir_of_another_user"


class ClosedFolder(PostgresFailed):
    """A folder on the way is closed to the service user; `details["folder"]` names it."""

    code = "folder_closed"
