"""The embedded PostgreSQL: one supervised server per data directory, made from the binaries of a wheel."""

from glia.kit.postgres.errors import AlreadyServed, NotRunning, PostgresFailed
from glia.kit.postgres.findings import Finding, check
from glia.kit.postgres.roles import Connection
from glia.kit.postgres.supervisor import EmbeddedPostgres

__all__ = ["AlreadyServed", "Connection", "EmbeddedPostgres", "Finding", "NotRunning", "PostgresFailed", "check"]
