"""Brings a database to the newest schema: plain SQL files, in order, each in one transaction of its own."""

from __future__ import annotations

import hashlib
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

import psycopg

from glia.kit.db import APP_ROLE, SYSTEM_ROLE, DatabaseUnusable, in_one_line
from glia.kit.errors import GliaError, StorageFull

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
    Raises DatabaseUnusable when the database cannot be reached or prepared, MigrationRefused when it is newer than this
    program or a migration was changed after it ran.
    """
    wanted = migrations() if wanted is None else wanted
    with _connected(owner_url) as connection:
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


@contextmanager
def _connected(owner_url: str) -> Generator[psycopg.Connection[tuple[Any, ...]], None, None]:
    """A connection, with what an operator can mend said in one sentence."""
    try:
        connection = psycopg.connect(owner_url, autocommit=True, connect_timeout=10)
    except (psycopg.OperationalError, psycopg.ProgrammingError) as error:
        raise DatabaseUnusable(
            f"The database gives no connection: {in_one_line(error)}. Check that it runs, and the host, user and"
            " password in GLIA_DATABASE_URL."
        ) from error
    user, database = connection.info.user, connection.info.dbname  # cannot be asked once it is closed
    try:
        with connection:
            yield connection
    except psycopg.errors.InsufficientPrivilege as error:
        raise DatabaseUnusable(_wish(user, database, in_one_line(error))) from error
    except psycopg.errors.FeatureNotSupported as error:
        raise DatabaseUnusable(
            f"The database cannot be prepared: {in_one_line(error)}. Install pgvector on its server."
        ) from error
    except psycopg.errors.DiskFull as error:
        raise StorageFull("The database's disk is full; free some space, then start again.") from error
    except psycopg.OperationalError as error:
        raise DatabaseUnusable(f"The database connection was lost: {in_one_line(error)}. Start again.") from error


def _wish(user: str, database: str, said: str) -> str:
    """What a superuser has to do once for a login role that is none."""
    return (
        f"The database role {user!r} may not prepare the database: {said}. Make the roles {APP_ROLE} and"
        f" {SYSTEM_ROLE} if they are missing (`create role {APP_ROLE} nologin; create role {SYSTEM_ROLE} nologin`),"
        f' then run there as a superuser: `grant {APP_ROLE}, {SYSTEM_ROLE} to "{user}" with admin option;'
        f' grant create on database "{database}" to "{user}"; create extension if not exists vector`.'
    )


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
