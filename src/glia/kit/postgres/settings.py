"""How the embedded PostgreSQL is set up, as data."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from glia.kit.postgres.layout import PORT

OLDEST_MAJOR = 16  # the first with `grant ... with inherit false, set true`

SERVER: Mapping[str, str] = {
    "port": str(PORT),
    "listen_addresses": "",  # the unix socket is the only way in
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "jit": "off",
    "fsync": "on",
    "idle_in_transaction_session_timeout": "30s",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_destination": "stderr",
    "logging_collector": "off",
    "log_checkpoints": "off",
    # A failing statement may hold what a user wrote; the error alone is enough to find it.
    "log_min_error_statement": "panic",
}

STANDALONE: Mapping[str, str] = {
    "exit_on_error": "on",
    "log_checkpoints": "off",
    "log_min_error_statement": "panic",  # the statements hold passwords
}

_KEPT_FROM_ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT", "TMPDIR")


def options(settings: Mapping[str, str]) -> list[str]:
    """The settings as command-line arguments of `postgres`."""
    return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]


def initdb_arguments(major: int) -> Sequence[str]:
    """Same collation and encoding on every platform. The builtin locale came with PostgreSQL 17."""
    locale = (
        ("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
        if major >= 17
        else ("--locale=C.UTF-8",)
    )
    return ("--username=glia", "--encoding=UTF8", "--auth=scram-sha-256", *locale)


def environment() -> dict[str, str]:
    """What the programs see: nothing of PGHOST, PGPORT, PGDATA and the like that the user may have set."""
    kept = {name: os.environ[name] for name in _KEPT_FROM_ENVIRONMENT if name in os.environ}
    return {"PATH": os.defpath, **kept, "LC_ALL": "C", "TZ": "UTC"}
