"""Workspaces as they were: taken from a sandbox, kept compressed among the files, put back into another sandbox."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import uuid
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

from glia.files.service import Files
from glia.identity.types import Principal
from glia.kit import clock
from glia.kit.db import Database, Transaction
from glia.kit.errors import InvalidRequest
from glia.kit.ids import new_id
from glia.kit.pages import Page, Window, page_of
from glia.sandboxes import kept_queries
from glia.sandboxes.errors import SnapshotNotFound, SnapshotTooLarge
from glia.sandboxes.live import Live, Use
from glia.sandboxes.records import Snapshot

MOST_OF_SESSION = 200
MOST_BYTES_OF_SESSION = 1024 * 1024 * 1024
"""Of one session's automatic snapshots, the oldest beyond either are given up."""

_MEDIA_TYPE = "application/gzip"
_COPY_BYTES = 1 << 20


class Snapshots:
    def __init__(self, db: Database, files: Files, use: Use, spool: Path, largest_bytes: int) -> None:
        """largest_bytes: of an uncompressed workspace."""
        self._db = db
        self._files = files
        self._use = use
        self._spool = spool
        self._largest_bytes = largest_bytes

    async def create(self, principal: Principal, sandbox_id: UUID, name: str = "") -> Snapshot:
        """Keeps the files of /workspace as they are now, without memory. Raises SnapshotTooLarge."""
        if len(name) > 200:
            raise InvalidRequest("`name` may have 200 characters.", field="name")
        async with self._use(principal, sandbox_id) as live:
            return await self.take(live, name=name or "snapshot")

    async def list(self, principal: Principal, window: Window, *, sandbox_id: UUID | None = None) -> Page[Snapshot]:
        """Newest first: those of a sandbox, or all of the workspace."""
        principal.require("sandboxes:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            rows = await kept_queries.snapshots(tx, window, sandbox_id=sandbox_id)
        return page_of(rows, window, lambda snapshot: snapshot.id)

    async def get(self, principal: Principal, id: UUID) -> Snapshot:
        principal.require("sandboxes:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            return await _get(tx, id)

    def download(self, principal: Principal, snapshot: Snapshot) -> AsyncGenerator[bytes, None]:
        """A compressed tar (`.tar.gz`)."""
        return self._files.stream(principal.workspace_id, snapshot.file_id)

    async def delete(self, principal: Principal, id: UUID) -> None:
        principal.require("sandboxes:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            await _get(tx, id)
            await self._delete(tx, id)

    async def restore(self, principal: Principal, sandbox_id: UUID, id: UUID) -> None:
        """Replaces all files of /workspace; programs that run go on, with other files around them."""
        async with self._use(principal, sandbox_id) as live:
            await self.get(principal, id)
            await self.restore_into(live, id)

    async def share(self, tx: Transaction, id: UUID, *, of_session: UUID, to_session: UUID) -> Snapshot:
        """Makes a session's snapshot the newest of another one, or of the same."""
        found = await _get(tx, id)
        if found.session_id != of_session:
            raise _missing(id)
        copy = Snapshot(
            new_id(), to_session, None, found.name, found.file_id, found.content_sha256, found.size_bytes, clock.now()
        )
        await kept_queries.insert_forked(tx, copy)
        return copy

    # --- for the other parts of the service -------------------------------------------------------------------------

    async def latest_of_session(self, workspace_id: UUID, session_id: UUID) -> Snapshot | None:
        async with self._db.transaction(workspace_id) as tx:
            found = await kept_queries.snapshots(tx, Window(limit=1), session_id=session_id)
        return found[0] if found else None

    async def take(self, live: Live, *, name: str = "") -> Snapshot:
        """name: empty for one that is taken by itself; the oldest of those are given up when there are many."""
        record = live.record
        async with self._spooled(".tar") as tar, self._spooled(".tar.gz") as packed:
            await live.box.snapshot(tar, most_bytes=self._largest_bytes)
            sha256 = await asyncio.to_thread(_pack, tar, packed)
            latest = None
            if record.session_id is not None:
                latest = await self.latest_of_session(record.workspace_id, record.session_id)
            if latest is not None and latest.content_sha256 == sha256 and latest.name == name:
                return latest
            async with self._db.transaction(record.workspace_id) as tx:
                file = await self._files.write(
                    tx,
                    packed,
                    workspace_id=record.workspace_id,
                    project_id=record.project_id,
                    name="workspace.tar.gz",
                    media_type=_MEDIA_TYPE,
                )
                taken = Snapshot(
                    new_id(), record.session_id, record.id, name, file.id, sha256, file.size_bytes, clock.now()
                )
                await kept_queries.insert_snapshot(
                    tx, taken, workspace_id=record.workspace_id, project_id=record.project_id
                )
                if record.session_id is not None:
                    await self._give_up_surplus(tx, record.session_id)
        return taken

    async def restore_into(self, live: Live, id: UUID) -> None:
        workspace_id = live.record.workspace_id
        async with self._db.transaction(workspace_id) as tx:
            found = await _get(tx, id)
        async with self._spooled(".tar.gz") as packed, self._spooled(".tar") as tar:
            await self._files.copy_to(workspace_id, found.file_id, packed)
            await asyncio.to_thread(_unpack, packed, tar, 2 * self._largest_bytes)
            await live.box.restore(tar)

    async def _give_up_surplus(self, tx: Transaction, session_id: UUID) -> None:
        surplus = await kept_queries.surplus_snapshots(
            tx, session_id, most=MOST_OF_SESSION, most_bytes=MOST_BYTES_OF_SESSION
        )
        for id in surplus:
            await self._delete(tx, id)

    async def _delete(self, tx: Transaction, id: UUID) -> None:
        if file_id := await kept_queries.delete_snapshot(tx, id):
            await self._files.delete(tx, file_id)

    @asynccontextmanager
    async def _spooled(self, ending: str) -> AsyncGenerator[Path, None]:
        path = self._spool / f"sandbox-{uuid.uuid4().hex}{ending}"
        try:
            yield path
        finally:
            await asyncio.to_thread(path.unlink, missing_ok=True)


async def _get(tx: Transaction, id: UUID) -> Snapshot:
    found = await kept_queries.snapshot(tx, id)
    if found is None:
        raise _missing(id)
    return found


def _missing(id: UUID) -> SnapshotNotFound:
    return SnapshotNotFound(
        f"There is no snapshot '{id}' here; it may have been given up for newer ones.", snapshot_id=str(id)
    )


def _pack(tar: Path, packed: Path) -> str:
    """Compresses; the SHA-256 of what was compressed. The same content gives the same bytes."""
    digest = hashlib.sha256()
    with tar.open("rb") as content, packed.open("wb") as raw, gzip.GzipFile("", "wb", 1, raw, mtime=0) as target:
        while piece := content.read(_COPY_BYTES):
            digest.update(piece)
            target.write(piece)
    return digest.hexdigest()


def _unpack(packed: Path, tar: Path, most_bytes: int) -> None:
    size = 0
    with gzip.open(packed, "rb") as content, tar.open("wb") as target:
        while piece := content.read(_COPY_BYTES):
            size += len(piece)
            if size > most_bytes:
                raise SnapshotTooLarge(f"The snapshot unpacks to more than {most_bytes} bytes.")
            target.write(piece)
