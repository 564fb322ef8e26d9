"""The SQL tools read, and do nothing else. Each refusal has its control: the same thing works where it is allowed."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from tests.conftest import DatabaseUrls

from glia.kit.config import SettingsInvalid
from glia.tools import sql_postgres, sql_sqlite
from glia.tools.errors import InvalidArguments
from glia.tools.sql import read_databases, sql_tools
from glia.tools.types import ToolContext

ROLE = "glia_sql_reader"


@pytest.fixture
def admin(database_urls: DatabaseUrls) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_urls.admin, autocommit=True) as connection:
        connection.execute("create table public.orders (id int, customer text)")
        connection.execute("insert into public.orders select n, 'c' || n from generate_series(1, 500) n")
        connection.execute("create table public.secrets (word text)")
        connection.execute("create sequence public.numbers")
        connection.execute(
            f"do $$ begin if not exists (select from pg_roles where rolname = '{ROLE}') then create role {ROLE};"
            " end if; end $$"
        )
        connection.execute(f"grant select on public.orders to {ROLE}")
        connection.execute(
            "create function public.sneaky() returns int language plpgsql as"
            " $$ begin delete from public.orders; return 1; end $$"
        )
        yield connection


@pytest.fixture
def books(tmp_path: Path) -> Path:
    path = tmp_path / "books.db"
    with sqlite3.connect(path) as connection:
        connection.execute("create table books (id int, title text, cover blob)")
        connection.executemany("insert into books values (?, ?, x'00ff')", [(n, f"Book {n}") for n in range(500)])
    connection.close()
    return path


class Databases:
    def __init__(self, context: ToolContext, setting: str) -> None:
        self._context = context
        self._tools = {tool.name: tool for tool in sql_tools(read_databases(setting))}

    async def query(self, database: str, sql: str) -> str:
        arguments = json.dumps({"database": database, "sql": sql})
        return (await self._tools["sql_query"].call(self._context, arguments)).text

    async def schema(self, database: str, table: str | None = None) -> str:
        arguments = json.dumps({"database": database, "table": table})
        return (await self._tools["sql_schema"].call(self._context, arguments)).text


@pytest.fixture
def databases(context: ToolContext, admin: psycopg.Connection, database_urls: DatabaseUrls, books: Path) -> Databases:
    url = url_of(database_urls)
    return Databases(context, f"shop={url}, least={url}&role={ROLE},books=sqlite:///{books}")


def url_of(urls: DatabaseUrls) -> str:
    info = psycopg.conninfo.conninfo_to_dict(urls.admin)
    who = f"{info.get('user', '')}:{quote(str(info.get('password', '')), safe='')}"
    return f"postgresql://{who}@/{info['dbname']}?host={quote(str(info['host']), safe='')}&port={info['port']}"


@pytest.mark.parametrize(("database", "table"), [("shop", "orders"), ("books", "books")])
async def test_reading_works_and_is_cut_at_200_rows(databases: Databases, database: str, table: str) -> None:
    some = await databases.query(database, f"select id from {table} where id in (3, 4) order by id; ")
    all_of_them = await databases.query(database, f"select * from {table}")
    none = await databases.query(database, f"with x as (select 1) select id from {table} where id = -1 -- none")

    assert [json.loads(line) for line in some.splitlines()[1:]] == [{"id": 3}, {"id": 4}]
    assert len(all_of_them.splitlines()) == 201
    assert "first 200" in all_of_them
    assert none == "The query found no rows."


async def test_the_schema_is_listed(databases: Databases) -> None:
    assert "public.orders(id integer, customer text)" in await databases.schema("shop")
    assert await databases.schema("books", "books") == "books(id INT, title TEXT, cover BLOB)"
    assert "orders" not in await databases.schema("shop", "secrets")


WRITES = [
    "insert into orders values (0, 'x')",
    "delete from orders",
    "with gone as (delete from orders returning *) select * from gone",
    "select 1; delete from orders",
    "select 1) q; delete from orders; --",
    "set default_transaction_read_only = off; delete from orders",
    "commit",
    "do $$ begin delete from orders; end $$",
    "select sneaky()",
    "select set_config('transaction_read_only', 'off', false), sneaky()",
    "select set_config('default_transaction_read_only', 'off', false), sneaky()",
    "select nextval('numbers')",
    "create table t as select 1",
    "select 1 into public.t",
    "drop table orders",
    "copy orders to program 'touch /tmp/glia-sql-test'",
    "copy (select 1) to '/tmp/glia-sql-test'",
    "begin; delete from orders; commit",
    "truncate orders",
    "lock table orders in exclusive mode",
    "select * from orders for update",
]


async def test_postgresql_is_never_written(databases: Databases, admin: psycopg.Connection) -> None:
    for statement in WRITES:
        with pytest.raises(InvalidArguments):
            print(statement, await databases.query("shop", statement))

        assert admin.execute("select count(*) from public.orders").fetchone() == (500,), statement
    assert admin.execute("select to_regclass('public.t')").fetchone() == (None,)
    assert admin.execute("select is_called from public.numbers").fetchone() == (False,)
    assert not Path("/tmp/glia-sql-test").exists()


async def test_the_same_writes_work_without_the_guard(admin: psycopg.Connection) -> None:
    admin.execute("select nextval('public.numbers')")
    admin.execute("select public.sneaky()")

    assert admin.execute("select count(*) from public.orders").fetchone() == (0,)


async def test_a_role_sees_no_more_than_it_may(databases: Databases) -> None:
    with pytest.raises(InvalidArguments, match="permission denied"):
        await databases.query("least", "select * from secrets")

    assert "rows" in await databases.query("least", "select * from orders")
    assert await databases.query("shop", "select * from secrets") == "The query found no rows."


async def test_a_query_that_takes_too_long_is_stopped(databases: Databases, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql_postgres, "STATEMENT_SECONDS", 0.5)
    monkeypatch.setattr(sql_sqlite, "STATEMENT_SECONDS", 0.5)
    endless = "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n"
    began = time.monotonic()

    with pytest.raises(InvalidArguments, match="longer than"):
        await databases.query("shop", "select pg_sleep(60)")
    with pytest.raises(InvalidArguments, match="longer than"):
        await databases.query("shop", "select set_config('statement_timeout', '0', false), pg_sleep(60)")
    with pytest.raises(InvalidArguments, match="longer than"):
        await databases.query("books", endless)

    assert time.monotonic() - began < 30
    assert "rows" in await databases.query("shop", "select pg_sleep(0.01)")


async def test_a_huge_result_is_cut_before_it_is_here(databases: Databases) -> None:
    wide = await databases.query("shop", "select repeat('x', 50000000) as x")
    long = await databases.query("shop", "select repeat('x', 5000) as x from orders a, orders b, orders c")
    blob = await databases.query(
        "books", "select cover, substr(hex(zeroblob(1000000)), 1, 90000) as h from books limit 1"
    )

    assert len(wide) < 11_000
    assert "cut here" in wide
    assert len(long) < 51_000
    assert '"(2 bytes)"' in blob
    assert len(blob) < 11_000


SQLITE_WRITES = [
    "insert into books values (1, 'x', null)",
    "delete from books",
    "select 1; delete from books",
    "attach database '/tmp/glia-other.db' as other",
    "pragma writable_schema = 1",
    "pragma journal_mode = delete",
    "create temp table t (x)",
    "select load_extension('x')",
    "select writefile('/tmp/glia-sql-test', 'x')",
    "vacuum into '/tmp/glia-other.db'",
    "with x as (select 1) delete from books",
    "select randomblob(1000000000)",
]


async def test_sqlite_is_never_written(context: ToolContext, books: Path) -> None:
    databases = Databases(context, f"books=sqlite:///{books}")
    for statement in SQLITE_WRITES:
        with pytest.raises(InvalidArguments):
            print(statement, await databases.query("books", statement))

    with sqlite3.connect(books) as connection:
        assert connection.execute("select count(*) from books").fetchone() == (500,)
        connection.execute("delete from books")  # which the file itself would allow
    assert not Path("/tmp/glia-other.db").exists()


async def test_a_database_that_is_away_shows_no_address(context: ToolContext, tmp_path: Path) -> None:
    databases = Databases(context, f"gone=postgresql://user:s3cret@127.0.0.1:1/x,missing=sqlite:///{tmp_path}/none.db")

    for name in ("gone", "missing"):
        with pytest.raises(InvalidArguments) as failed:
            await databases.query(name, "select 1")
        assert "now; try again later" in failed.value.message
        assert "s3cret" not in failed.value.message
        assert "none.db" not in failed.value.message
    with pytest.raises(InvalidArguments, match="There is no database 'other'"):
        await databases.query("other", "select 1")


@pytest.mark.parametrize("setting", ["shop", "Shop=postgresql://h/d", "a=mysql://u:s3cret@h/d", "a=sqlite://"])
def test_a_setting_that_cannot_be_used_says_so_without_its_secret(setting: str) -> None:
    with pytest.raises(SettingsInvalid, match="GLIA_SQL_DATABASES") as refused:
        read_databases(setting)

    assert "s3cret" not in refused.value.message


def test_without_databases_there_are_no_tools() -> None:
    assert sql_tools(read_databases(" ")) == []
