"""The database: reachable, migrated, closed between tenants, and who works on it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, LiteralString

import psycopg

from glia.cli.checks.finding import Finding, ok, problem, warning
from glia.cli.home import Home
from glia.kit.db import APP_ROLE, SYSTEM_ROLE
from glia.kit.migrate import migrations
from glia.kit.postgres import PostgresFailed
from glia.runs.types import ENGINE_ABI

_LARGEST_SKEW_SECONDS = 5.0
_OLDEST_MAJOR = 15
_ISOLATION = "One tenant could read another's data."

_Connection = psycopg.Connection[tuple[Any, ...]]


def check_database(place: Home) -> Iterator[Finding]:
    try:
        app_url, owner_url = place.app_url(wait_seconds=0), place.owner_url(wait_seconds=0)
    except PostgresFailed as error:
        yield ok(f"The database was not looked into: {error.message}")
        return
    try:
        with _connect(app_url) as connection, _connect(owner_url) as owner:
            yield from _look(connection, owner, is_own=place.settings.database_url is not None)
    except psycopg.OperationalError as error:
        said = " ".join(str(error).split())
        yield problem(
            f"The database does not let us in: {re.sub(r'password=[^ ]*', '', said)[:300]}",
            "Everything is kept there.",
            "Check that it runs, and the host, user and password in GLIA_DATABASE_URL.",
        )


def _connect(url: str) -> _Connection:
    return psycopg.connect(url, autocommit=True, connect_timeout=5)


def _look(connection: _Connection, owner: _Connection, *, is_own: bool) -> Iterator[Finding]:
    yield _version(connection)
    yield _clock(connection)
    yield _vector(connection)
    yield from _login(connection) if is_own else ()
    if not _value(owner, "select to_regclass('glia.migrations') is not null"):
        yield ok("The database holds no Glia yet; `glia serve` makes it.")
        return
    migrated = _migrations(owner)
    yield migrated
    if migrated.level == "problem":
        return
    yield from _isolation(connection)
    yield _workers(connection)
    yield _waiting(connection)


def _version(connection: _Connection) -> Finding:
    major = connection.info.server_version // 10_000
    if major >= _OLDEST_MAJOR:
        return ok(f"The database answers: PostgreSQL {major}.")
    return problem(f"The database is PostgreSQL {major}.", f"{_OLDEST_MAJOR} is the oldest that works.", "Upgrade it.")


def _clock(connection: _Connection) -> Finding:
    theirs: datetime = _value(connection, "select clock_timestamp()")
    skew = abs((datetime.now(UTC) - theirs).total_seconds())
    if skew <= _LARGEST_SKEW_SECONDS:
        return ok("This machine's clock agrees with the database's.")
    return warning(
        f"This machine's clock is {skew:.0f} s off the database's.",
        "Keys and sign-ins expire early or late. Runs are safe: only the database's clock decides about them.",
        "Let both machines keep time with NTP.",
    )


def _vector(connection: _Connection) -> Finding:
    installed = _value(connection, "select extversion from pg_extension where extname = 'vector'")
    if installed:
        return ok(f"The database has pgvector {installed}.")
    available = _value(connection, "select default_version from pg_available_extensions where name = 'vector'")
    how = "As a superuser, run `create extension vector` in this database."
    if not available:
        how = "Install pgvector on the database server, then, as a superuser, run `create extension vector`."
    return problem("The database has no pgvector.", "Documents are searched with it.", how)


def _login(connection: _Connection) -> Iterator[Finding]:
    is_superuser = _value(connection, "select rolsuper from pg_roles where rolname = session_user")
    if is_superuser:
        yield warning(
            f"GLIA_DATABASE_URL signs in as the superuser {connection.info.user!r}.",
            "Row-level security binds us because we change to a lesser role, but the password opens everything.",
            "Make a role that owns the database and is no superuser, as docs/operations.md shows.",
        )


def _migrations(connection: _Connection) -> Finding:
    applied = dict(connection.execute("select name, checksum from glia.migrations").fetchall())
    ours = {migration.name: migration.checksum for migration in migrations()}
    if newer := sorted(applied.keys() - ours.keys()):
        return problem(
            f"The database has migrations that this Glia does not know: {', '.join(newer)}.",
            "An older program would misread newer tables.",
            "Start a Glia at least as new as the one that migrated it.",
        )
    if changed := sorted(name for name, checksum in applied.items() if ours[name] != checksum):
        return problem(
            f"The migration {changed[0]} is not the one that was applied.",
            "The tables may differ from what the program expects.",
            "Start the version that applied it, or restore the file.",
        )
    if missing := sorted(ours.keys() - applied.keys()):
        return problem(
            f"The database lacks {_count(len(missing), 'migration')}, {missing[0]} first.",
            "The program expects newer tables.",
            "Run `glia migrate`, or start `glia serve`, which does it by itself.",
        )
    return ok(f"All {len(ours)} migrations are applied.")


def _isolation(connection: _Connection) -> Iterator[Finding]:
    strong = connection.execute(
        "select rolname from pg_roles where rolname = any(%s) and (rolsuper or rolbypassrls)",
        ([APP_ROLE, SYSTEM_ROLE],),
    ).fetchall()
    for (role,) in strong:
        yield problem(
            f"The role {role} may bypass row-level security.", _ISOLATION, f"alter role {role} nosuperuser nobypassrls"
        )
    open_tables = connection.execute(
        """select c.relname from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'workspace_id'
           where c.relnamespace = 'glia'::regnamespace and c.relkind in ('r', 'p')
             and not (c.relrowsecurity and c.relforcerowsecurity) order by 1"""
    ).fetchall()
    for (table,) in open_tables:
        yield problem(
            f"The table {table} has no row-level security.", _ISOLATION, f"select glia.isolate('glia.{table}')"
        )
    if not strong and not open_tables:
        yield ok("Every workspace's rows are closed to the others, and no role of ours can bypass that.")


def _workers(connection: _Connection) -> Finding:
    alive, stale = connection.execute(
        "select count(*) filter (where lease_until >= clock_timestamp()),"
        " count(*) filter (where lease_until < clock_timestamp()) from glia.workers"
    ).fetchall()[0]
    if stale and not alive:
        return warning(
            f"{_count(stale, 'worker')} stopped without signing off, and none is alive.",
            "What they were doing waits.",
            "Start `glia serve` or `glia worker`: it takes the runs over within seconds.",
        )
    rest = f"; {stale} stopped without signing off, and their runs are taken over" if stale else ""
    return ok(f"{_count(alive, 'live worker')}{rest}.")


def _waiting(connection: _Connection) -> Finding:
    with connection.transaction():
        connection.execute(f"set local role {SYSTEM_ROLE}".encode())
        waiting, newer, version = connection.execute(
            "select count(*), count(*) filter (where engine_abi > %(abi)s),"
            " min(engine_abi) filter (where engine_abi > %(abi)s) from glia.runs where status = 'queued'",
            {"abi": ENGINE_ABI},
        ).fetchall()[0]
    if not newer:
        return ok(f"{_count(waiting, 'run')} queued." if waiting else "No run waits for a worker.")
    return warning(
        f"{_count(newer, 'run')} {'waits' if newer == 1 else 'wait'} for engine version {version}; ours is"
        f" {ENGINE_ABI}.",
        "A newer Glia began them, and an older engine would misread their log.",
        "Start a `glia serve` or `glia worker` of the version that began them, or cancel them.",
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _value(connection: _Connection, sql: LiteralString) -> Any:
    row = connection.execute(sql).fetchone()
    return None if row is None else row[0]
