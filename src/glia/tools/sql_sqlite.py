"""Reads a SQLite file of the operator's: read-only, one statement, bounded in time and size."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import orjson

from glia.tools.sql_reading import LARGEST_ROW_CHARACTERS, MOST_ROWS, STATEMENT_SECONDS, Rows, SqlFailed, shortened

T = TypeVar("T")

_MOST_AT_ONCE = 2
_STEPS_BETWEEN_LOOKS = 10_000
_LARGEST_VALUE_BYTES = 4 * 1024 * 1024
_LARGEST_SQL_BYTES = 100_000
_MOST_TABLES = 500
_ALLOWED = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE})
# Some builds of SQLite have functions that reach files and programs.
_REFUSED_FUNCTIONS = frozenset({"load_extension", "readfile", "writefile", "edit", "fts3_tokenizer"})


class SqliteReader:
    dialect = "SQLite"

    def __init__(self, path: Path) -> None:
        self._path = path
        self._places = asyncio.Semaphore(_MOST_AT_ONCE)

    async def query(self, sql: str) -> Rows:
        return await self._reading(lambda connection: _query(connection, sql))

    async def schema(self, table: str | None) -> list[str]:
        return await self._reading(lambda connection: _schema(connection, table))

    async def _reading(self, work: Callable[[sqlite3.Connection], T]) -> T:
        async with self._places:
            return await asyncio.to_thread(self._read, work)

    def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        ends_at = time.monotonic() + STATEMENT_SECONDS
        try:
            # A URI of its own, so that a path with `?` in it cannot say how the file is opened.
            connection = sqlite3.connect(f"file:{quote(str(self._path))}?mode=ro", uri=True, timeout=3)
        except sqlite3.Error:
            raise SqlFailed("The database cannot be opened now; try again later.") from None
        try:
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LARGEST_VALUE_BYTES)
            connection.setlimit(sqlite3.SQLITE_LIMIT_SQL_LENGTH, _LARGEST_SQL_BYTES)
            connection.set_progress_handler(lambda: time.monotonic() > ends_at, _STEPS_BETWEEN_LOOKS)
            return work(connection)
        except (sqlite3.Error, sqlite3.Warning, OverflowError) as error:
            if time.monotonic() > ends_at:
                raise SqlFailed(f"The query took longer than {STATEMENT_SECONDS:g} s; make it smaller.") from None
            raise SqlFailed(f"The database says: {str(error)[:500]}. Correct the query and call again.") from None
        finally:
            connection.close()


def _query(connection: sqlite3.Connection, text: str) -> Rows:
    connection.set_authorizer(_may)
    cursor = connection.execute(text)  # refuses a second statement
    names = [column[0] for column in cursor.description or ()]
    if not names:
        raise SqlFailed("Only a SELECT, VALUES or WITH … SELECT is run. Correct the query and call again.")
    rows: list[str] = []
    for row in cursor:
        rows.append(_json(names, row))
        if len(rows) > MOST_ROWS:
            break
    return Rows(rows[:MOST_ROWS], len(rows) > MOST_ROWS)


def _may(action: int, first: str | None, second: str | None, _database: str | None, _trigger: str | None) -> int:
    if action not in _ALLOWED or (action == sqlite3.SQLITE_FUNCTION and (second or "").lower() in _REFUSED_FUNCTIONS):
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK


def _json(names: list[str], row: tuple[object, ...]) -> str:
    values = {name: _shown(value) for name, value in zip(names, row, strict=True)}
    return shortened(orjson.dumps(values, default=str).decode())


def _shown(value: object) -> object:
    if isinstance(value, bytes):
        return f"({len(value)} bytes)"
    return value[:LARGEST_ROW_CHARACTERS] if isinstance(value, str) else value


def _schema(connection: sqlite3.Connection, table: str | None) -> list[str]:
    tables = connection.execute(
        "select name from sqlite_schema where type in ('table', 'view') and name not like 'sqlite_%'"
        " and (?1 is null or name = ?1) order by name limit ?2",
        (table, _MOST_TABLES),
    ).fetchall()
    lines: list[str] = []
    for (name,) in tables:
        columns = connection.execute("select name, type from pragma_table_info(?)", (name,)).fetchall()
        lines.append(f"{name}({', '.join(f'{column} {kind}'.strip() for column, kind in columns)})")
    return lines
