"""What the SQL tools need of a database, whichever kind it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from glia.tools.errors import InvalidArguments

MOST_ROWS = 200
LARGEST_ROW_CHARACTERS = 10_000
LARGEST_TEXT_CHARACTERS = 50_000
STATEMENT_SECONDS = 15.0


class SqlFailed(InvalidArguments):
    """The database refuses the query, or did not finish it in time. Written for the model to act on."""

    code = "sql_failed"


@dataclass(frozen=True)
class Rows:
    """rows: each as one JSON object in text. has_more: there were more than were read."""

    rows: list[str]
    has_more: bool


class SqlDatabase(Protocol):
    dialect: str

    async def query(self, sql: str) -> Rows:
        """Runs one reading statement. Raises SqlFailed."""
        ...

    async def schema(self, table: str | None) -> list[str]:
        """A line for each table or view: `schema.table(column type, …)`."""
        ...


def shortened(row: str) -> str:
    if len(row) <= LARGEST_ROW_CHARACTERS:
        return row
    return f"{row[:LARGEST_ROW_CHARACTERS]} [This row is cut here; select fewer or shorter columns.]"
