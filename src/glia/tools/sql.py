"""Tools that read databases which the operator configures. Reading is all they can do."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from msgspec import Meta, Struct

from glia.kit.config import SettingsInvalid
from glia.tools.answers import cut
from glia.tools.errors import InvalidArguments
from glia.tools.functions import tool
from glia.tools.sql_postgres import PostgresReader
from glia.tools.sql_reading import LARGEST_TEXT_CHARACTERS, MOST_ROWS, SqlDatabase
from glia.tools.sql_sqlite import SqliteReader
from glia.tools.types import Effect, Tool, ToolContext

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")
# A comma may be part of a URL; one before `name=scheme:` is not.
_BETWEEN = re.compile(r"\s*,\s*(?=[a-z][a-z0-9_-]{0,31}=(?:postgres(?:ql)?|sqlite):)")
_LONGEST_SQL = 20_000


class SqlQueryArguments(Struct, forbid_unknown_fields=True):
    database: Annotated[str, Meta(description="Its name, as the description lists them.", max_length=32)]
    sql: Annotated[
        str,
        Meta(description="One SELECT, VALUES or WITH ... SELECT statement.", min_length=1, max_length=_LONGEST_SQL),
    ]


class SqlSchemaArguments(Struct, forbid_unknown_fields=True):
    database: Annotated[str, Meta(description="Its name, as the description lists them.", max_length=32)]
    table: Annotated[str | None, Meta(description="Only this table; all when not given.")] = None


def read_databases(setting: str) -> dict[str, SqlDatabase]:
    """GLIA_SQL_DATABASES, `name=url,…`: `postgresql://…` (with `role=` in its query, a role to take) or
    `sqlite:///path`. Raises SettingsInvalid, which never shows a URL."""
    databases: dict[str, SqlDatabase] = {}
    for entry in _BETWEEN.split(setting.strip()) if setting.strip() else ():
        name, _, url = entry.strip().partition("=")
        if not _NAME.fullmatch(name) or name in databases:
            raise SettingsInvalid(
                f"GLIA_SQL_DATABASES has an entry with the name {name[:40]!r}; names are lower-case, at most 32"
                " characters, each once, as in sales=postgresql://reader@db/sales,books=sqlite:///data/books.db."
            )
        databases[name] = _database(name, url)
    return databases


def sql_tools(databases: Mapping[str, SqlDatabase]) -> list[Tool]:
    """None when there is no database. Agents have them only when their `tools` name them."""
    if not databases:
        return []
    known = ", ".join(f"{name} ({database.dialect})" for name, database in sorted(databases.items()))

    def the(name: str) -> SqlDatabase:
        if name not in databases:
            raise InvalidArguments(f"There is no database {name!r}; there is {known}.", field="database")
        return databases[name]

    @tool(
        name="sql_query",
        effect=Effect.READ,
        timeout_seconds=40,
        is_default=False,
        description=(
            f"Runs one reading SQL query against a database: {known}. Returns at most {MOST_ROWS} rows, each as a"
            " JSON object. Look at sql_schema first."
        ),
    )
    async def sql_query(context: ToolContext, arguments: SqlQueryArguments) -> str:
        found = await the(arguments.database).query(arguments.sql.strip().rstrip("; \n\t"))
        if not found.rows:
            return "The query found no rows."
        more = f" There are more; these are the first {MOST_ROWS}." if found.has_more else ""
        lines = "\n".join(found.rows)
        return cut(f"{len(found.rows)} rows.{more}\n{lines}", LARGEST_TEXT_CHARACTERS)

    @tool(
        name="sql_schema",
        effect=Effect.READ,
        timeout_seconds=40,
        is_default=False,
        description=f"Lists the tables of a database and their columns. Databases: {known}.",
    )
    async def sql_schema(context: ToolContext, arguments: SqlSchemaArguments) -> str:
        lines = await the(arguments.database).schema(arguments.table)
        return cut("\n".join(lines) or "There is no such table.", LARGEST_TEXT_CHARACTERS)

    return [sql_query, sql_schema]


def _database(name: str, url: str) -> SqlDatabase:
    parts = urlsplit(url)
    if parts.scheme in {"postgres", "postgresql"}:
        query = parse_qsl(parts.query, keep_blank_values=True)
        role = next((value for key, value in query if key == "role"), None)
        rest = urlencode([(key, value) for key, value in query if key != "role"])
        return PostgresReader(urlunsplit(("postgresql", parts.netloc, parts.path, rest, "")), role)
    if parts.scheme == "sqlite" and not parts.netloc and len(parts.path) > 1:
        return SqliteReader(_file(unquote(parts.path)))
    raise SettingsInvalid(
        f"GLIA_SQL_DATABASES: the address of {name!r} cannot be used; write postgresql://user:password@host/database or"
        " sqlite:///path/to/file."
    )


def _file(path: str) -> Path:
    """Some programs write `sqlite:////absolute` and `sqlite:///relative`, others `sqlite:///absolute`: all work."""
    absolute, relative = Path("/" + path.lstrip("/")), Path(path.lstrip("/"))
    return relative if relative.exists() and not absolute.exists() else absolute
