"""Brings a database to the newest schema: plain SQL files, in order, each in one transaction of its own."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

import psycopg

from glia.kit.errors import GliaError

_LOCK = 0x676C6961  # "glia": one migrating process at a time, the others wait


class MigrationRefused(GliaError):
    code = "migration_refused"


@dataclass(frozen=True)
class Migration:
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


def migrations(package: str = "glia.migrations") -> list[Migration]:
    found: list[Traversable] = [entry for entry in files(package).iterdir() if entry.name.endswith(".sql")]
    return [Migration(entry.name, entry.read_text("utf-8")) for entry in sorted(found, key=lambda entry: entry.name)]


def migrate(owner_url: str, wanted: list[Migration] | None = None) -> list[str]:
    """Applies what is missing and returns the names. Safe to call from several processes at once.

    owner_url: connects as the role that owns the schema.
    Raises MigrationRefused when the database is newer than this program, or a migration was changed after it ran.
    """
    wanted = migrations() if wanted is None else wanted
    with psycopg.connect(owner_url, autocommit=True, connect_timeout=10) as connection:
        connection.execute("select pg_advisory_lock(%s)", (_LOCK,))
        connection.execute("create schema if not exists glia")
        connection.execute("set search_path = glia, public")
        connection.execute(
            "create table if not exists migrations (name text primary key, checksum text not null,"
            " applied_at timestamptz not null default now())"
        )
        applied = dict(connection.execute("select name, checksum from migrations").fetchall())
        _refuse_surprises(applied, wanted)
        done: list[str] = []
        for migration in wanted:
            if migration.name in applied:
                continue
            with connection.transaction():
                connection.execute(migration.sql.encode())
                connection.execute(
                    "insert into migrations (name, checksum) values (%s, %s)", (migration.name, migration.checksum)
                )
            done.append(migration.name)
        return done


def _refuse_surprises(applied: dict[str, str], wanted: list[Migration]) -> None:
    known = {migration.name: migration.checksum for migration in wanted}
    if newer := sorted(set(applied) - set(known)):
        raise MigrationRefused(
            f"The database has migrations that this Glia does not know ({', '.join(newer)}); start a newer Glia on it."
        )
    if changed := sorted(name for name, checksum in applied.items() if known[name] != checksum):
        raise MigrationRefused(
            f"The migration {changed[0]} is not the one that was applied to this database;"
            " start the Glia version that made it, or restore the file."
        )
