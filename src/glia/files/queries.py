"""All SQL of the files slice."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from glia.files.types import FileRef, Fingerprint
from glia.kit.db import Transaction
from glia.kit.pages import Window


async def insert(
    tx: Transaction,
    id: UUID,
    fingerprint: Fingerprint,
    *,
    workspace_id: UUID,
    project_id: UUID,
    name: str,
    media_type: str,
    purpose: str | None = None,
    expires_at: datetime | None = None,
) -> FileRef:
    return await tx.one(
        FileRef,
        """
        insert into files (id, workspace_id, project_id, name, media_type, size_bytes, sha256, purpose, expires_at)
        values (%(id)s, %(workspace_id)s, %(project_id)s, %(name)s, %(media_type)s, %(size_bytes)s, %(sha256)s,
          %(purpose)s, %(expires_at)s)
        returning id, name, media_type, size_bytes, sha256, created_at, purpose, expires_at""",
        id=id,
        workspace_id=workspace_id,
        project_id=project_id,
        name=name,
        media_type=media_type,
        size_bytes=fingerprint.size_bytes,
        sha256=fingerprint.sha256,
        purpose=purpose,
        expires_at=expires_at,
    )


async def insert_part(tx: Transaction, file_id: UUID, part: int, data: bytes, *, workspace_id: UUID) -> None:
    # `%b` sends the bytes as they are; as text they would be twice as long.
    await tx.execute(
        """
        insert into file_parts (file_id, part, workspace_id, data)
        values (%(file_id)s, %(part)s, %(workspace_id)s, %(data)b)""",
        file_id=file_id,
        part=part,
        workspace_id=workspace_id,
        data=data,
    )


async def get(tx: Transaction, id: UUID) -> FileRef | None:
    return await tx.one_or_none(
        FileRef,
        """
        select id, name, media_type, size_bytes, sha256, created_at, purpose, expires_at from files
        where id = %(id)s and (expires_at is null or expires_at > now())""",
        id=id,
    )


async def list_uploaded(tx: Transaction, window: Window, *, purpose: str | None, is_ascending: bool) -> list[FileRef]:
    """What clients uploaded, the newest first unless is_ascending; one row more than the window wants."""
    return await tx.many(
        FileRef,
        """
        select id, name, media_type, size_bytes, sha256, created_at, purpose, expires_at from files
        where purpose is not null and (expires_at is null or expires_at > now())
          and (%(purpose)s::text is null or purpose = %(purpose)s)
          and (%(after)s::uuid is null
               or case when %(is_ascending)s then id > %(after)s else id < %(after)s end)
        order by case when %(is_ascending)s then id end, case when not %(is_ascending)s then id end desc
        limit %(rows)s""",
        purpose=purpose,
        after=window.after,
        is_ascending=is_ascending,
        rows=window.limit + 1,
    )


async def delete_expired(tx: Transaction) -> int:
    return await tx.execute("delete from files where expires_at < now()")


async def get_part(tx: Transaction, file_id: UUID, part: int) -> bytes | None:
    return await tx.value(
        "select data from file_parts where file_id = %(file_id)s and part = %(part)s", file_id=file_id, part=part
    )


async def delete(tx: Transaction, id: UUID) -> bool:
    return await tx.execute("delete from files where id = %(id)s", id=id) == 1
