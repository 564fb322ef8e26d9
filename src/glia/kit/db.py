"""PostgreSQL behind three words: a Database gives Transactions, a Transaction runs SQL and returns typed rows.

There are two ways in. `transaction(workspace)` is what services use: row-level security shows it that workspace
and nothing else. `across_workspaces()` is for the few queries that must see all tenants (finding the owner of an
API key, claiming a run); it works under a database role that may touch only the tables made for it.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, LiteralString, TypeVar
from uuid import UUID

import msgspec
import orjson
import psycopg
from psycopg import AsyncConnection, AsyncCursor
from psycopg.rows import tuple_row
from psycopg.types.json import Jsonb, set_json_dumps, set_json_loads
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from glia.kit.errors import DatabaseUnavailable, GliaError, StorageFull

T = TypeVar("T")

SYSTEM_ROLE = "glia_system"
APP_ROLE = "glia_app"

set_json_dumps(lambda value: orjson.dumps(value).decode())
set_json_loads(orjson.loads)


class DatabaseUnusable(GliaError):
    """The database does not let us in, or not far enough; the message says what to mend."""

    code, status = "database_unusable", 503


def in_one_line(error: psycopg.Error) -> str:
    """What the database said, without its line breaks and its last full stop."""
    return " ".join(str(error).split()).rstrip(".")


def json(value: object) -> Jsonb:
    """Marks a parameter as jsonb."""
    return Jsonb(value)


class Transaction:
    """Runs statements on one connection inside one transaction. Parameters are named, as in `%(agent_id)s`."""

    def __init__(self, connection: AsyncConnection[Any]) -> None:
        self.connection = connection
        self.after_commit: list[Callable[[], None]] = []
        """Called once what was written is there for others to see; not at all when the transaction fails."""

    async def _run(self, sql: LiteralString, parameters: Mapping[str, object]) -> AsyncCursor[tuple[Any, ...]]:
        cursor = self.connection.cursor(row_factory=tuple_row)
        await cursor.execute(sql, parameters)
        return cursor

    async def execute(self, sql: LiteralString, **parameters: object) -> int:
        """Runs a statement and returns how many rows it touched."""
        return (await self._run(sql, parameters)).rowcount

    async def value(self, sql: LiteralString, **parameters: object) -> Any:
        """The first column of the first row, or None when there is no row. The caller knows the type."""
        row = await (await self._run(sql, parameters)).fetchone()
        return None if row is None else row[0]

    async def one_or_none(self, type: type[T], sql: LiteralString, **parameters: object) -> T | None:
        cursor = await self._run(sql, parameters)
        row = await cursor.fetchone()
        return None if row is None else _read(type, _names(cursor), row)

    async def one(self, type: type[T], sql: LiteralString, **parameters: object) -> T:
        """The only row; a statement that promises a row and gives none is a bug."""
        row = await self.one_or_none(type, sql, **parameters)
        if row is None:
            raise LookupError("A statement that always returns a row returned none.")
        return row

    async def many(self, type: type[T], sql: LiteralString, **parameters: object) -> list[T]:
        cursor = await self._run(sql, parameters)
        names = _names(cursor)
        return [_read(type, names, row) for row in await cursor.fetchall()]

    async def values(self, sql: LiteralString, **parameters: object) -> list[Any]:
        """The first column of every row."""
        return [row[0] for row in await (await self._run(sql, parameters)).fetchall()]

    async def execute_many(self, sql: LiteralString, rows: Sequence[Mapping[str, object]]) -> None:
        cursor = self.connection.cursor()
        await cursor.executemany(sql, rows)

    @asynccontextmanager
    async def savepoint(self) -> AsyncGenerator[None]:
        """Undoes only what happens inside when it fails."""
        async with self.connection.transaction():
            yield


@dataclass(frozen=True)
class PoolStats:
    """Of a process's connections. waits, wait_seconds: since the pool was opened."""

    size: int
    free: int
    waiting: int
    waits: int
    wait_seconds: float


class Database:
    """A pool of connections as the app role. Open it before use, close it at the end."""

    def __init__(self, url: str, *, largest_pool: int = 20, timeout_seconds: float = 10.0) -> None:
        """url: a PostgreSQL connection string whose role cannot bypass row-level security.

        timeout_seconds: how long to wait for a free connection before answering DatabaseUnavailable.
        """
        self.url = url
        self._pool: AsyncConnectionPool[AsyncConnection[Any]] = AsyncConnectionPool(
            url,
            min_size=1,
            max_size=largest_pool,
            timeout=timeout_seconds,
            open=False,
            configure=_configure,
            kwargs={"autocommit": True},
            # The pool waits longer and longer between its tries and starts over after this many seconds.
            reconnect_timeout=5,
        )

    async def open(self) -> None:
        """Waits up to 30 s for a database that is down, then raises DatabaseUnavailable; DatabaseUnusable at once."""
        said = await self._first_try()
        try:
            await self._pool.open(wait=True, timeout=30)
        except PoolTimeout:
            await self._pool.close()
            raise DatabaseUnavailable(
                f"The database gave no connection within 30 s{said}. Check that it runs; `glia doctor` says more."
            ) from None

    async def _first_try(self) -> str:
        """Notices what waiting does not mend, which the pool would try again and again. Returns why it failed."""
        try:
            async with await AsyncConnection.connect(self.url, autocommit=True, connect_timeout=5) as connection:
                await _configure(connection)
        except psycopg.errors.InsufficientPrivilege as error:
            raise DatabaseUnusable(
                f"The database does not let us in as {APP_ROLE}: {in_one_line(error)}. As a superuser, run"
                f" `grant {APP_ROLE}, {SYSTEM_ROLE} to` the role in GLIA_DATABASE_URL."
            ) from error
        except psycopg.ProgrammingError as error:
            raise DatabaseUnusable(
                f"GLIA_DATABASE_URL cannot be used: {in_one_line(error)}. It reads like"
                " `postgresql://user:password@host:5432/database`."
            ) from error
        except psycopg.OperationalError as error:
            return f" ({in_one_line(error)})"
        return ""

    async def close(self) -> None:
        await self._pool.close()

    @asynccontextmanager
    async def transaction(self, workspace: UUID) -> AsyncGenerator[Transaction]:
        """Everything inside sees and writes only this workspace, and is kept whole or not at all."""
        async with self._begin(f"begin; set local glia.workspace = '{workspace!s}'") as tx:
            yield tx

    async def call(self, type: type[T], sql: LiteralString, **parameters: object) -> T | None:
        """One statement as a transaction of its own, in one round trip, and its only row if it has one.

        Only for functions of the schema that enter their workspace themselves, as their first act. Whoever may be
        cancelled meanwhile and has to know whether it was done uses `seen_through`.
        """
        async with self._connection() as connection:
            return await Transaction(connection).one_or_none(type, sql, **parameters)

    async def notify(self, channel: LiteralString, note: str) -> None:
        async with self._connection() as connection:
            await connection.execute("select pg_notify(%(channel)s, %(note)s)", {"channel": channel, "note": note})

    @asynccontextmanager
    async def across_workspaces(self) -> AsyncGenerator[Transaction]:
        """For the queries that must see every tenant. The role it takes can read only the tables made for that."""
        async with self._begin(f"begin; set local role {SYSTEM_ROLE}") as tx:
            yield tx

    @asynccontextmanager
    async def _begin(self, opening: str) -> AsyncGenerator[Transaction, None]:
        async with self._connection() as connection:
            await connection.execute(opening.encode())
            tx = Transaction(connection)
            try:
                yield tx
            except BaseException:
                if not connection.closed:
                    await connection.rollback()
                raise
            await seen_through(_commit(tx))

    @asynccontextmanager
    async def _connection(self) -> AsyncGenerator[AsyncConnection[Any], None]:
        """A connection from the pool. What the database cannot do is raised as DatabaseUnavailable or StorageFull."""
        before = _cancellations()
        try:
            connection = await self._checked_out()
            try:
                yield connection
            finally:
                await self._pool.putconn(connection)
            if _cancellations() > before:
                raise asyncio.CancelledError
        except PoolTimeout:
            raise DatabaseUnavailable(
                "The database gave no connection in time; it may be down or overloaded. Try again shortly."
            ) from None
        except psycopg.errors.DiskFull as error:
            raise StorageFull("The database's disk is full; free some space, then try again.") from error
        except (psycopg.OperationalError, psycopg.errors.IdleInTransactionSessionTimeout) as error:
            if error.sqlstate in _CONFLICTS:
                raise DatabaseUnavailable("Two changes got in each other's way; try again.") from error
            if error.sqlstate in _CUT or error.sqlstate is None:
                raise DatabaseUnavailable("The database connection was lost; try again shortly.") from error
            raise
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise StorageFull("The disk is full; free some space, then try again.") from error
            raise

    async def _checked_out(self) -> AsyncConnection[Any]:
        """A living connection. All may have died in the pool, as after a restart; they are passed over at once.

        The pool's own `check` would wait a second and longer after each.
        """
        for _ in range(self._pool.max_size + 1):
            before = _cancellations()
            connection = await self._pool.getconn()
            if _cancellations() > before:
                await self._pool.putconn(connection)
                raise asyncio.CancelledError
            if _is_alive(connection):
                return connection
            await self._pool.putconn(connection)
        raise DatabaseUnavailable("The database closes every connection at once; try again shortly.")

    def pool_stats(self) -> PoolStats:
        stats = self._pool.get_stats()
        return PoolStats(
            size=stats.get("pool_size", 0),
            free=stats.get("pool_available", 0),
            waiting=stats.get("requests_waiting", 0),
            waits=stats.get("requests_queued", 0),
            wait_seconds=stats.get("requests_wait_ms", 0) / 1000,
        )

    async def is_reachable(self) -> bool:
        try:
            async with self._pool.connection(timeout=2) as connection:
                await connection.execute("select 1")
        except (psycopg.Error, PoolTimeout):
            return False
        return True


def _cancellations() -> int:
    """How often this task was told to stop. Compared before and after, to notice what the pool has swallowed.

    It waits with asyncio.wait_for, which until Python 3.12 forgets a cancellation that arrives together with what it
    waits for (https://github.com/python/cpython/issues/86296), and it catches one while it tidies up a connection.
    """
    task = asyncio.current_task()
    return 0 if task is None else task.cancelling()


async def seen_through(work: Coroutine[Any, Any, T]) -> T:
    """Lets a write finish even if the task that wants it is cancelled meanwhile, which is raised afterwards.

    Otherwise something could be stored that nobody in this process is told of: the end of a run, for example, whose
    readers would then wait for it for ever.
    """
    writing = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(writing)
    except asyncio.CancelledError:
        await asyncio.wait((writing,), timeout=_LONGEST_WRITE_SECONDS)
        if writing.done() and not writing.cancelled():
            writing.exception()  # looked at; being cancelled is what counts now
        raise


def like_escaped(text: str) -> str:
    """The text for a pattern of `like` in which every character means itself."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


async def _commit(tx: Transaction) -> None:
    cursor = await tx.connection.execute(b"commit")
    if cursor.statusmessage != "COMMIT":
        raise psycopg.errors.InFailedSqlTransaction(
            "The transaction was undone: an error inside it was caught without a savepoint around it."
        )
    for call in tx.after_commit:
        call()


_LONGEST_WRITE_SECONDS = 5.0
_IDLE_IN_TRANSACTION_SECONDS = 4

# Server shut down or starting up, too many connections, idle-in-transaction timeout.
_CUT = {"57P01", "57P02", "57P03", "53300", "25P03", "08006", "08001", "08003"}
# A deadlock or a conflict, in which this transaction was the one that was undone.
_CONFLICTS = {"40P01", "40001"}


def _is_alive(connection: AsyncConnection[Any]) -> bool:
    """Looks only at what has arrived on the socket, so it costs two system calls and no round trip."""
    try:
        connection.pgconn.consume_input()  # what the server said before it closed the line, if it did
        connection.pgconn.consume_input()  # that it closed the line
    except psycopg.OperationalError:
        connection.pgconn.finish()
        return False
    return True


async def _configure(connection: AsyncConnection[Any]) -> None:
    """Every connection is the app role, whichever role the connection string logs in as.

    A process that is frozen inside a transaction holds its locks; after some idle seconds the database lets go of them,
    so that another worker can take its runs.
    """
    connection.prepare_threshold = 3
    await connection.execute(
        f"set role {APP_ROLE}; set search_path = glia, public; set jit = off;"
        f" set idle_in_transaction_session_timeout = '{_IDLE_IN_TRANSACTION_SECONDS}s'".encode()
    )


def _read(type: type[T], names: Sequence[str], row: tuple[Any, ...]) -> T:
    """Turns a row into a dataclass by column name; enums, tuples and nested dataclasses are converted on the way."""
    return msgspec.convert(dict(zip(names, row, strict=True)), type)


def _names(cursor: AsyncCursor[tuple[Any, ...]]) -> list[str]:
    return [column.name for column in cursor.description or ()]
