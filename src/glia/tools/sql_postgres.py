"""Reads a PostgreSQL database of the operator's: read-only, one statement, bounded in time and size."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any

import psycopg
from psycopg import AsyncConnection
from psycopg.sql import SQL, Identifier

from glia.tools.sql_reading import LARGEST_ROW_CHARACTERS, MOST_ROWS, STATEMENT_SECONDS, Rows, SqlFailed, shortened

_CONNECT_SECONDS = 5
_MOST_AT_ONCE = 4
_MOST_TABLES = 500
_LONGEST_ERROR = 500


class PostgresReader:
    """A connection of its own for each call, so that nothing a statement sets outlives it."""

    dialect = "PostgreSQL"

    def __init__(self, url: str, role: str | None) -> None:
        """role: taken by each transaction, when the login may do more than read."""
        self._url = url
        self._role = role
        self._places = asyncio.Semaphore(_MOST_AT_ONCE)

    async def query(self, sql: str) -> Rows:
        """The statement becomes a subquery: that refuses what is no query, and cuts each row before it is sent."""
        wrapped = (
            f"select left(row_to_json(q)::text, {LARGEST_ROW_CHARACTERS + 1}) from (\n{sql}\n) q limit {MOST_ROWS + 1}"
        )
        async with self._reading() as connection:
            # Streaming sends one prepared statement, of which PostgreSQL takes a single one, and keeps no whole result.
            found = connection.cursor().stream(wrapped.encode())
            rows = [shortened(row[0] or "null") async for row in found]
        return Rows(rows[:MOST_ROWS], len(rows) > MOST_ROWS)

    async def schema(self, table: str | None) -> list[str]:
        async with self._reading() as connection:
            cursor = await connection.execute(
                """
                select table_schema || '.' || table_name || '(' ||
                  string_agg(column_name || ' ' || data_type, ', ' order by ordinal_position) || ')'
                from information_schema.columns
                where table_schema not in ('pg_catalog', 'information_schema')
                  and (%(table)s::text is null or %(table)s in (table_name, table_schema || '.' || table_name))
                group by table_schema, table_name order by table_schema, table_name limit %(most)s""",
                {"table": table, "most": _MOST_TABLES},
            )
            return [row[0] for row in await cursor.fetchall()]

    @asynccontextmanager
    async def _reading(self) -> AsyncGenerator[AsyncConnection[tuple[Any, ...]], None]:
        """A read-only transaction. An explicit one, in which no statement can commit and begin another."""
        try:
            async with self._places, asyncio.timeout(_CONNECT_SECONDS + STATEMENT_SECONDS + 5):
                connection = await AsyncConnection.connect(
                    self._url,
                    autocommit=False,
                    prepare_threshold=None,
                    connect_timeout=_CONNECT_SECONDS,
                    application_name="glia sql tool",
                )
                try:
                    await self._begin(connection)
                    yield connection
                finally:
                    await _leave(connection)
        except TimeoutError:
            raise SqlFailed(f"The query took longer than {STATEMENT_SECONDS:g} s; make it smaller.") from None
        except psycopg.errors.QueryCanceled:
            raise SqlFailed(f"The query took longer than {STATEMENT_SECONDS:g} s; make it smaller.") from None
        except psycopg.OperationalError as error:
            if error.sqlstate is None:  # the address and the user are the operator's business
                raise SqlFailed("The database cannot be reached now; try again later.") from None
            raise SqlFailed(_said(error)) from None
        except psycopg.Error as error:
            raise SqlFailed(_said(error)) from None

    async def _begin(self, connection: AsyncConnection[Any]) -> None:
        milliseconds = round(STATEMENT_SECONDS * 1000)
        await connection.execute(
            f"set transaction read only; set local default_transaction_read_only = on;"
            f" set local statement_timeout = {milliseconds}; set local lock_timeout = 3000;"
            f" set local idle_in_transaction_session_timeout = {milliseconds}".encode()
        )
        if self._role is not None:
            await connection.execute(SQL("set local role {}").format(Identifier(self._role)))


async def _leave(connection: AsyncConnection[Any]) -> None:
    """Stops what is still running and throws everything away."""
    if connection.pgconn.transaction_status == psycopg.pq.TransactionStatus.ACTIVE:
        with suppress(psycopg.Error, TimeoutError):
            await connection.cancel_safe(timeout=2)
    await connection.close()


def _said(error: psycopg.Error) -> str:
    """The database's own message, without the text of our wrapping around the query."""
    message = error.diag.message_primary or str(error)
    if "multiple commands" in message:
        message = "only one statement is run at a time"
    if isinstance(error, psycopg.errors.SyntaxError):
        message += "; only a SELECT, VALUES or WITH … SELECT is run"
    return f"The database says: {message[:_LONGEST_ERROR]}. Correct the query and call again."
