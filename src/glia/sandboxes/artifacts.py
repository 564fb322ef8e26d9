"""Files that code of a session made and people want to see: plots, pages, tables. Kept longer than the sandbox."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import structlog

from glia.files.service import Files
from glia.identity.types import Principal
from glia.kit.db import Database, Transaction
from glia.kit.errors import GliaError, NotFound, TooLarge
from glia.kit.ids import new_id
from glia.kit.pages import Page, Window, page_of
from glia.sandboxes import kept_queries, queries
from glia.sandboxes.errors import ArtifactNotFound
from glia.sandboxes.live import Live
from glia.sandboxes.records import Artifact, Owner
from glia.sandboxes.types import FileInfo, Sandbox

log = structlog.get_logger(__name__)

FOLDER = "/workspace/artifacts/"
MOST_AT_ONCE = 20
_MOST_FILES = 2_000
_DEPTH = 8
_MEDIA_TYPES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".svg": "image/svg+xml",
    ".html": "text/html",
    ".htm": "text/html",
    ".csv": "text/csv",
    ".pdf": "application/pdf",
    ".json": "application/json",
    ".txt": "text/plain",
    ".md": "text/markdown",
}
_WANTED_ANYWHERE = frozenset({".png", ".jpg", ".jpeg", ".gif", ".webp", ".svg", ".html", ".htm", ".csv", ".pdf"})


@dataclass(frozen=True)
class Listing:
    """The files of a workspace by path. is_whole: False when there are too many to look at."""

    files: Mapping[str, tuple[int, float]]
    is_whole: bool = True

    def is_unlike(self, other: Listing) -> bool:
        """Whether anything may have changed."""
        return not (self.is_whole and other.is_whole) or self.files != other.files

    def new_since(self, before: Listing) -> list[str]:
        """Paths of artifacts that are new or were written to."""
        changed = [path for path, mark in self.files.items() if before.files.get(path) != mark]
        return [path for path in changed if path.startswith(FOLDER) or _ending(path) in _WANTED_ANYWHERE]


@dataclass(frozen=True)
class Collected:
    """left_out: paths of artifacts that are too large or too many."""

    kept: Sequence[Artifact] = ()
    left_out: Sequence[str] = ()


async def look(box: Sandbox) -> Listing:
    """All files of /workspace; only those of the artifacts' folder when there are too many."""
    for path, depth in (("/workspace", _DEPTH), (FOLDER, 1)):
        try:
            found = await box.list(path, depth=depth, limit=_MOST_FILES)
        except GliaError as error:
            if error.status in {404, 413}:
                continue
            raise
        return Listing(_marks(found), is_whole=path != FOLDER)
    return Listing({}, is_whole=False)


def _marks(found: Sequence[FileInfo]) -> dict[str, tuple[int, float]]:
    return {each.path: (each.size_bytes, each.modified_at) for each in found if each.kind != "directory"}


class Artifacts:
    def __init__(self, db: Database, files: Files, spool: Path, largest_bytes: int) -> None:
        self._db = db
        self._files = files
        self._spool = spool
        self._largest_bytes = largest_bytes

    async def list(self, principal: Principal, session_id: UUID, window: Window) -> Page[Artifact]:
        """Newest first."""
        principal.require("sessions:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            await _require_session(tx, session_id)
            rows = await kept_queries.artifacts(tx, session_id, window)
        return page_of(rows, window, lambda artifact: artifact.id)

    async def get(self, principal: Principal, session_id: UUID, id: UUID) -> Artifact:
        principal.require("sessions:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            await _require_session(tx, session_id)
            found = await kept_queries.artifact(tx, session_id, id)
        if found is None:
            raise ArtifactNotFound(f"There is no artifact '{id}' in this session.", artifact_id=str(id))
        return found

    def content(self, principal: Principal, artifact: Artifact) -> AsyncGenerator[bytes, None]:
        return self._files.stream(principal.workspace_id, artifact.file_id)

    async def collect(self, live: Live, paths: Sequence[str], *, session_id: UUID, run_id: UUID | None) -> Collected:
        """Copies files out of the sandbox into the session."""
        kept: list[Artifact] = []
        left_out = list(paths[MOST_AT_ONCE:])
        for path in paths[:MOST_AT_ONCE]:
            spooled = self._spool / f"sandbox-{uuid.uuid4().hex}"
            try:
                if not await self._fetch(live.box, path, spooled):
                    left_out.append(path)
                    continue
                kept.append(await self._keep(live, path, spooled, session_id=session_id, run_id=run_id))
            except GliaError as error:
                left_out.append(path)
                log.warning("an artifact was not kept", sandbox=str(live.id), error=error.message)
            finally:
                await asyncio.to_thread(spooled.unlink, missing_ok=True)
        return Collected(kept, left_out)

    async def keep(
        self, owner: Owner, name: str, content: bytes, *, media_type: str, session_id: UUID, run_id: UUID | None
    ) -> Artifact:
        """Shows the user a file that a tool has made outside of any sandbox. Raises TooLarge."""
        if len(content) > self._largest_bytes:
            raise TooLarge(f"{name!r} has {len(content)} bytes; an artifact may have {self._largest_bytes}.")
        where = {"workspace_id": owner.workspace_id, "project_id": owner.project_id}
        async with self._db.transaction(owner.workspace_id) as tx:
            file = await self._files.write_bytes(tx, content, **where, name=name, media_type=media_type)
            return await kept_queries.insert_artifact(
                tx, new_id(), file, owner=owner, session_id=session_id, run_id=run_id, path=f"artifacts/{name}"
            )

    async def _fetch(self, box: Sandbox, path: str, target: Path) -> bool:
        """False when it is too large."""
        chunks = box.get(path, limit=self._largest_bytes + 1)
        size = 0
        try:
            with await asyncio.to_thread(target.open, "wb") as copy:
                async for chunk in chunks:
                    size += len(chunk)
                    if size > self._largest_bytes:
                        return False
                    await asyncio.to_thread(copy.write, chunk)
        finally:
            await chunks.aclose()
        return True

    async def _keep(self, live: Live, path: str, source: Path, *, session_id: UUID, run_id: UUID | None) -> Artifact:
        record = live.record
        name = path.rpartition("/")[2].encode("utf-8", "replace").decode().replace("\0", "")[:255]
        inner = path.removeprefix("/workspace/").encode("utf-8", "replace").decode()
        async with self._db.transaction(record.workspace_id) as tx:
            file = await self._files.write(
                tx,
                source,
                workspace_id=record.workspace_id,
                project_id=record.project_id,
                name=name,
                media_type=_MEDIA_TYPES.get(_ending(path), "application/octet-stream"),
            )
            return await kept_queries.insert_artifact(
                tx, new_id(), file, owner=record, session_id=session_id, run_id=run_id, path=inner
            )


def _ending(path: str) -> str:
    name = path.rpartition("/")[2]
    return f".{name.rpartition('.')[2].lower()}" if "." in name else ""


async def _require_session(tx: Transaction, id: UUID) -> None:
    if not await queries.has_session(tx, id):
        raise NotFound(f"There is no session '{id}' in this workspace.", session_id=str(id))
