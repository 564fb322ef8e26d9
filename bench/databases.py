"""A database of a measurement's own, and its results as CSV."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg

from glia.kit.ids import new_id
from glia.kit.migrate import migrate


@contextmanager
def fresh_database(url: str, *, is_left: bool = False) -> Iterator[str]:
    """Makes one beside the database of `url` and migrates it. is_left: it stays, and its name is printed."""
    name = f"bench_{new_id().hex}"
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(f"create database {name}".encode())
        own = psycopg.conninfo.make_conninfo(url, dbname=name)
        try:
            with psycopg.connect(own, autocommit=True) as connection:
                connection.execute("create extension if not exists vector")
            migrate(own)
            yield own
        finally:
            if is_left:
                print(f"left: {name}")
            else:
                admin.execute(f"drop database {name} with (force)".encode())


def write_csv(path: Path, columns: Sequence[str], rows: Sequence[dict[str, object]], command: str) -> None:
    """command: how to get the same again, as the file's first line."""
    with path.open("w", newline="", encoding="utf-8") as file:
        file.write(f"# {command}\n")
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
