"""Files: keep one, read it back, delete it. The content lies in PostgreSQL in parts of at most 1 MiB."""

from __future__ import annotations

import asyncio
import errno
import hashlib
from collections.abc import AsyncGenerator, Generator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from uuid import UUID

from glia.files import queries
from glia.files.errors import FileChanged, FileMissing
from glia.files.types import FileRef, Fingerprint
from glia.identity.types import Principal
from glia.kit.db import Database, Transaction
from glia.kit.errors import StorageFull
from glia.kit.ids import new_id
from glia.kit.pages import Page, Window, page_of

PART_BYTES = 1 << 20


class Files:
    """Other slices store and read files through this; they ask for the rights, and they know the workspace."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def write(
        self,
        tx: Transaction,
        source: Path,
        *,
        workspace_id: UUID,
        project_id: UUID,
        name: str,
        media_type: str,
        fingerprint: Fingerprint | None = None,
        purpose: str | None = None,
        expires_at: datetime | None = None,
    ) -> FileRef:
        """Keeps a copy of `source` as part of the caller's transaction, holding at most 1 MiB of it in memory.

        fingerprint: of `source`, when the caller has it already. Raises FileChanged when it is not that file's.
        purpose, expires_at: as in FileRef.
        """
        fingerprint = fingerprint or await fingerprint_of(source)
        file = await queries.insert(
            tx,
            new_id(),
            fingerprint,
            workspace_id=workspace_id,
            project_id=project_id,
            name=name,
            media_type=media_type,
            purpose=purpose,
            expires_at=expires_at,
        )
        size_bytes, part = 0, 0
        with await asyncio.to_thread(source.open, "rb") as content:
            while data := await asyncio.to_thread(content.read, PART_BYTES):
                await queries.insert_part(tx, file.id, part, data, workspace_id=workspace_id)
                size_bytes, part = size_bytes + len(data), part + 1
        if size_bytes != fingerprint.size_bytes:
            raise FileChanged(
                f"The file {name!r} changed from {fingerprint.size_bytes} to {size_bytes} bytes while it was being"
                " stored; upload it again."
            )
        return file

    async def write_bytes(
        self, tx: Transaction, content: bytes, *, workspace_id: UUID, project_id: UUID, name: str, media_type: str
    ) -> FileRef:
        """Keeps content that is in memory already, as part of the caller's transaction."""
        file = await queries.insert(
            tx,
            new_id(),
            Fingerprint(hashlib.sha256(content).hexdigest(), len(content)),
            workspace_id=workspace_id,
            project_id=project_id,
            name=name,
            media_type=media_type,
        )
        for part, start in enumerate(range(0, len(content), PART_BYTES)):
            data = content[start : start + PART_BYTES]
            await queries.insert_part(tx, file.id, part, data, workspace_id=workspace_id)
        return file

    async def keep(
        self, content: bytes, *, workspace_id: UUID, project_id: UUID, name: str, media_type: str
    ) -> FileRef:
        """As `write_bytes`, by itself."""
        async with self._db.transaction(workspace_id) as tx:
            return await self.write_bytes(
                tx, content, workspace_id=workspace_id, project_id=project_id, name=name, media_type=media_type
            )

    async def read_bytes(self, tx: Transaction, id: UUID) -> bytes:
        """The whole content, for files that are small enough to be held. Raises FileMissing."""
        size_bytes = (await _get(tx, id)).size_bytes
        parts = [await queries.get_part(tx, id, part) for part in range(-(-size_bytes // PART_BYTES))]
        return b"".join(part for part in parts if part is not None)

    async def get(self, workspace_id: UUID, id: UUID) -> FileRef:
        async with self._db.transaction(workspace_id) as tx:
            return await _get(tx, id)

    async def stream(self, workspace_id: UUID, id: UUID) -> AsyncGenerator[bytes]:
        """The content in parts of at most 1 MiB. No transaction is held while the reader takes its time.

        Raises FileMissing, also in the middle when the file is deleted meanwhile.
        """
        size_bytes = (await self.get(workspace_id, id)).size_bytes
        for part in range(-(-size_bytes // PART_BYTES)):
            async with self._db.transaction(workspace_id) as tx:
                data = await queries.get_part(tx, id, part)
            if data is None:
                raise _missing(id)
            yield data

    async def read(self, workspace_id: UUID, id: UUID) -> bytes:
        """The whole content, for small files. Raises FileMissing."""
        return b"".join([data async for data in self.stream(workspace_id, id)])

    async def copy_to(self, workspace_id: UUID, id: UUID, target: Path) -> None:
        """Writes the content to `target`; when that fails, no half of it stays behind.

        Raises FileMissing, StorageFull.
        """
        with _whole_or_gone(target), await asyncio.to_thread(target.open, "wb") as copy:
            async for data in self.stream(workspace_id, id):
                await asyncio.to_thread(copy.write, data)

    async def upload(
        self,
        principal: Principal,
        source: Path,
        *,
        name: str,
        media_type: str,
        purpose: str,
        expires_at: datetime | None = None,
        fingerprint: Fingerprint | None = None,
    ) -> FileRef:
        """Keeps a file of a client's own. Whatever of the workspace's uploads has expired goes at the same time."""
        principal.require("files:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            await queries.delete_expired(tx)
            return await self.write(
                tx,
                source,
                workspace_id=principal.workspace_id,
                project_id=principal.project_id,
                name=name,
                media_type=media_type,
                fingerprint=fingerprint,
                purpose=purpose,
                expires_at=expires_at,
            )

    async def list_uploaded(
        self, principal: Principal, window: Window, *, purpose: str | None = None, is_ascending: bool = False
    ) -> Page[FileRef]:
        """What clients uploaded, the newest first unless is_ascending."""
        principal.require("files:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            rows = await queries.list_uploaded(tx, window, purpose=purpose, is_ascending=is_ascending)
        return page_of(rows, window, lambda file: file.id)

    async def get_uploaded(self, principal: Principal, id: UUID) -> FileRef:
        """Raises FileMissing, also for a file that belongs to something else."""
        principal.require("files:read")
        file = await self.get(principal.workspace_id, id)
        if file.purpose is None:
            raise _missing(id)
        return file

    async def delete_uploaded(self, principal: Principal, id: UUID) -> None:
        """Raises FileMissing, also for a file that belongs to something else."""
        principal.require("files:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            file = await _get(tx, id)
            if file.purpose is None or not await queries.delete(tx, id):
                raise _missing(id)

    async def delete(self, tx: Transaction, id: UUID) -> bool:
        """False when there is no such file in this workspace."""
        return await queries.delete(tx, id)


@contextmanager
def _whole_or_gone(target: Path) -> Generator[None]:
    is_whole = False
    try:
        yield
        is_whole = True
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise StorageFull(f"The disk with {target.parent} is full; free some space, then try again.") from error
        raise
    finally:
        if not is_whole:
            target.unlink(missing_ok=True)


async def fingerprint_of(source: Path) -> Fingerprint:
    return await asyncio.to_thread(_fingerprint, source)


def _fingerprint(source: Path) -> Fingerprint:
    with source.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256")
        return Fingerprint(digest.hexdigest(), content.tell())


async def _get(tx: Transaction, id: UUID) -> FileRef:
    file = await queries.get(tx, id)
    if file is None:
        raise _missing(id)
    return file


def _missing(id: UUID) -> FileMissing:
    return FileMissing(f"There is no file '{id}' in this workspace.", file_id=str(id))
