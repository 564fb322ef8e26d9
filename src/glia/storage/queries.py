"""All SQL of the storage slice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import LiteralString
from uuid import UUID

from glia.kit.db import Transaction
from glia.storage.types import StoredObject

_COLUMNS: LiteralString = """id, workspace_id, name, media_type, size_bytes, sha256, created_by, created_at, updated_at,
  store, store_key"""


async def get(tx: Transaction, name: str) -> StoredObject | None:
    return await tx.one_or_none(
        StoredObject, "select " + _COLUMNS + " from stored_objects where name = %(name)s", name=name
    )


async def list_page(tx: Transaction, prefix: str, after: str | None, rows: int) -> list[StoredObject]:
    """By name, in the order of bytes."""
    return await tx.many(
        StoredObject,
        "select "
        + _COLUMNS
        + """
        from stored_objects
        where name >= %(prefix)s and starts_with(name, %(prefix)s) and (%(after)s::text is null or name > %(after)s)
        order by name limit %(rows)s""",
        prefix=prefix,
        after=after,
        rows=rows,
    )


@dataclass(frozen=True)
class Sum:
    objects: int
    size_bytes: int


async def totals(tx: Transaction) -> Sum:
    found = await tx.one_or_none(Sum, "select objects, size_bytes from stored_object_totals")
    return found or Sum(0, 0)


async def count(tx: Transaction, workspace_id: UUID, *, objects: int, size_bytes: int) -> Sum:
    """Adds to what the workspace keeps. Holds its row, so that two uploads are counted one after the other."""
    await tx.execute(
        """
        insert into stored_object_totals (workspace_id, objects, size_bytes) values (%(workspace_id)s, 0, 0)
        on conflict (workspace_id) do nothing""",
        workspace_id=workspace_id,
    )
    return await tx.one(
        Sum,
        """
        update stored_object_totals set objects = objects + %(objects)s, size_bytes = size_bytes + %(size_bytes)s
        where workspace_id = %(workspace_id)s returning objects, size_bytes""",
        workspace_id=workspace_id,
        objects=objects,
        size_bytes=size_bytes,
    )


async def upsert(tx: Transaction, id: UUID, values: dict[str, object]) -> StoredObject:
    return await tx.one(
        StoredObject,
        """
        insert into stored_objects (id, workspace_id, project_id, name, media_type, size_bytes, sha256, store,
          store_key, created_by)
        values (%(id)s, %(workspace_id)s, %(project_id)s, %(name)s, %(media_type)s, %(size_bytes)s, %(sha256)s,
          %(store)s, %(store_key)s, %(created_by)s)
        on conflict (workspace_id, name) do update set media_type = excluded.media_type,
          size_bytes = excluded.size_bytes, sha256 = excluded.sha256, store = excluded.store,
          store_key = excluded.store_key, created_by = excluded.created_by, updated_at = now()
        returning """
        + _COLUMNS,
        id=id,
        **values,
    )


async def delete(tx: Transaction, name: str) -> StoredObject | None:
    return await tx.one_or_none(
        StoredObject, "delete from stored_objects where name = %(name)s returning " + _COLUMNS, name=name
    )


@dataclass(frozen=True)
class Leftover:
    store: str
    store_key: str


async def note_leftover(tx: Transaction, workspace_id: UUID, left: Leftover, *, seconds: int) -> None:
    """The content is to be deleted after so long, unless somebody takes the note away before."""
    await tx.execute(
        """
        insert into stored_object_leftovers (store_key, store, workspace_id, due_at)
        values (%(store_key)s, %(store)s, %(workspace_id)s, now() + make_interval(secs => %(seconds)s))
        on conflict (store_key) do update set due_at = excluded.due_at""",
        store_key=left.store_key,
        store=left.store,
        workspace_id=workspace_id,
        seconds=seconds,
    )


async def forget_leftover(tx: Transaction, store_key: str) -> bool:
    """False when the note is gone: somebody has deleted the content, or is about to."""
    return (
        await tx.execute("delete from stored_object_leftovers where store_key = %(store_key)s", store_key=store_key)
        == 1
    )


async def take_leftovers(tx: Transaction, store: str, limit: int) -> list[Leftover]:
    """Across workspaces. Those that are taken are due again in ten minutes, should deleting them fail."""
    return await tx.many(
        Leftover,
        """
        update stored_object_leftovers set due_at = now() + interval '10 minutes'
        where store_key in (select store_key from stored_object_leftovers where store = %(store)s and due_at <= now()
                            order by due_at limit %(limit)s for update skip locked)
        returning store, store_key""",
        store=store,
        limit=limit,
    )
