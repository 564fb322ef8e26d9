"""Objects: put one under a name, read it, list, delete, and give out addresses that open one for a while."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import re
from collections.abc import AsyncGenerator, AsyncIterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from uuid import UUID

import psycopg
import structlog

from glia.identity.types import Principal
from glia.kit.db import Database
from glia.kit.errors import GliaError, InvalidRequest, TooLarge, Unavailable
from glia.kit.ids import new_id
from glia.kit.pages import LARGEST_LIMIT, Page
from glia.storage import queries
from glia.storage.config import StorageConfig
from glia.storage.errors import ContentMissing, ObjectNotFound, QuotaExceeded
from glia.storage.links import Links
from glia.storage.names import clean_name, name_in
from glia.storage.queries import Leftover
from glia.storage.types import Link, Store, StoredObject, Totals

__all__ = ["DEFAULT_MEDIA_TYPE", "Objects"]

log = structlog.get_logger(__name__)

DEFAULT_MEDIA_TYPE = "application/octet-stream"
_MEDIA_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,100}/[A-Za-z0-9!#$&^_.+-]{1,100}")
_LONGEST_UPLOAD_SECONDS = 86_400
_SWEEP_SECONDS = 60.0
_SWEPT_AT_ONCE = 100


class Objects:
    def __init__(self, db: Database, stores: Mapping[str, Store], config: StorageConfig, *, link_key: bytes) -> None:
        """stores: by their names; `config.backend` names the one that new contents go to."""
        self._db = db
        self._stores = stores
        self._store = stores[config.backend]
        self._config = config
        self._links = Links(link_key)

    @property
    def largest_bytes(self) -> int:
        return self._config.object_bytes

    async def put(
        self,
        principal: Principal,
        name: str,
        chunks: AsyncIterable[bytes],
        *,
        media_type: str = "",
        expected_bytes: int = 0,
    ) -> StoredObject:
        """Keeps what the chunks hold under this name, in place of what was there; never in memory as a whole.

        name: with folders; it is cleaned. expected_bytes: what the client says it will send, so that too much is
        refused before any of it is read. Raises InvalidRequest, TooLarge, QuotaExceeded, StorageFull,
        StoreUnavailable, and whatever the chunks raise; then nothing is kept.
        """
        principal.require("storage:write")
        name = clean_name(name, principal.workspace_id)
        room = await self._room(principal.workspace_id, name)
        _check_size(expected_bytes, room)
        left = Leftover(self._store.name, f"{principal.workspace_id}/{new_id()}")
        async with self._db.transaction(principal.workspace_id) as tx:
            await queries.note_leftover(tx, principal.workspace_id, left, seconds=_LONGEST_UPLOAD_SECONDS)
        content = _Counted(chunks, room)
        try:
            await self._store.write(left.store_key, content)
            return await self._keep(principal, name, media_type, left, content)
        except BaseException:
            await asyncio.shield(self._drop(principal.workspace_id, left))
            raise

    async def _keep(
        self, principal: Principal, name: str, media_type: str, left: Leftover, content: _Counted
    ) -> StoredObject:
        """Names the content; from here on it is the object's, and the one it had before is nobody's."""
        workspace_id = principal.workspace_id
        async with self._db.transaction(workspace_id) as tx:
            totals = await queries.count(tx, workspace_id, objects=0, size_bytes=content.size_bytes)  # holds its row
            before = await queries.get(tx, name)
            replaced = 0 if before is None else before.size_bytes
            self._require_quota(totals.size_bytes - replaced)
            if not await queries.forget_leftover(tx, left.store_key):
                raise Unavailable("The upload took longer than a day; send it again.")
            kept = await queries.upsert(
                tx,
                new_id(),
                {
                    "workspace_id": workspace_id,
                    "project_id": principal.project_id,
                    "name": name,
                    "media_type": media_type if _MEDIA_TYPE.fullmatch(media_type) else DEFAULT_MEDIA_TYPE,
                    "size_bytes": content.size_bytes,
                    "sha256": content.sha256,
                    "store": left.store,
                    "store_key": left.store_key,
                    "created_by": principal.name,
                },
            )
            await queries.count(tx, workspace_id, objects=0 if before else 1, size_bytes=-replaced)
            old = None if before is None else Leftover(before.store, before.store_key)
            if old is not None:
                await queries.note_leftover(tx, workspace_id, old, seconds=0)
        if old is not None:
            await self._drop(workspace_id, old)
        return kept

    async def probe(self) -> None:
        """Writes a content where new ones go, reads it and deletes it. Raises what fails; Unavailable if it changed."""
        key, sent = f"health/{new_id()}", new_id().bytes
        await self._store.write(key, _once(sent))
        try:
            async with aclosing(self._store.read(key, start=0, length=len(sent))) as chunks:
                received = b"".join([chunk async for chunk in chunks])
        finally:
            await self._store.delete(key)
        if received != sent:
            raise Unavailable(f"The store {self._store.name!r} does not give back what it was given.")

    async def get(self, principal: Principal, pathname: str) -> StoredObject:
        """pathname: with the workspace's id in front, or without. Raises ObjectNotFound."""
        principal.require("storage:read")
        return await self._get(principal.workspace_id, pathname)

    async def linked(self, pathname: str, expires: str, signature: str) -> StoredObject:
        """The object that a signed address opens, to whoever has it. Raises LinkRefused, ObjectNotFound."""
        self._links.check(pathname, expires, signature)
        owner = pathname.partition("/")[0]
        return await self._get(UUID(owner), pathname)

    async def _get(self, workspace_id: UUID, pathname: str) -> StoredObject:
        name = name_in(pathname, workspace_id)
        found = None
        if name is not None and "\0" not in name:
            async with self._db.transaction(workspace_id) as tx:
                found = await queries.get(tx, name)
        if found is None:
            raise ObjectNotFound(f"There is no object {pathname[:200]!r} in this workspace.")
        return found

    async def read(self, object: StoredObject, *, start: int = 0, length: int | None = None) -> AsyncGenerator[bytes]:
        """The content, or that part of it, in chunks. Raises ContentMissing.

        An object that was replaced since it was looked up has another content, which is not this one's.
        """
        store = self._stores.get(object.store)
        if store is None:
            raise ContentMissing(
                f"{object.name!r} lies in {object.store}, which this server is not told of; set GLIA_STORAGE__ again."
            )
        length = object.size_bytes - start if length is None else length
        async with aclosing(store.read(object.store_key, start=start, length=length)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def list(
        self, principal: Principal, *, prefix: str = "", limit: int, cursor: str | None
    ) -> Page[StoredObject]:
        """By name. prefix: of the name, or of the pathname."""
        principal.require("storage:read")
        if not 1 <= limit <= LARGEST_LIMIT:
            raise InvalidRequest(f"`limit` is {limit}; it must be between 1 and {LARGEST_LIMIT}.", field="limit")
        prefix = prefix.removeprefix(f"{principal.workspace_id}/").replace("\0", "")
        async with self._db.transaction(principal.workspace_id) as tx:
            rows = await queries.list_page(tx, prefix, _name_of(cursor), limit + 1)
        items = rows[:limit]
        has_more = len(rows) > limit
        return Page(items, has_more, _cursor_of(items[-1].name) if has_more else None)

    async def delete(self, principal: Principal, pathname: str) -> StoredObject:
        """Nobody finds it any more when this returns. Raises ObjectNotFound."""
        principal.require("storage:write")
        workspace_id = principal.workspace_id
        found = await self._get(workspace_id, pathname)
        async with self._db.transaction(workspace_id) as tx:
            await queries.count(tx, workspace_id, objects=0, size_bytes=0)
            gone = await queries.delete(tx, found.name)
            if gone is None:
                raise ObjectNotFound(f"There is no object {pathname[:200]!r} in this workspace.")
            await queries.count(tx, workspace_id, objects=-1, size_bytes=-gone.size_bytes)
            left = Leftover(gone.store, gone.store_key)
            await queries.note_leftover(tx, workspace_id, left, seconds=0)
        await self._drop(workspace_id, left)
        return gone

    def link(self, object: StoredObject, seconds: int | None = None) -> Link:
        """What opens the object without a key for so long; the server's usual time when not given."""
        return self._links.sign(object.pathname, self._config.link_seconds if seconds is None else seconds)

    async def totals(self, principal: Principal) -> Totals:
        principal.require("storage:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            found = await queries.totals(tx)
        return Totals(found.objects, found.size_bytes, self._config.workspace_bytes or None)

    # --- quota --------------------------------------------------------------------------------------------------------

    async def _room(self, workspace_id: UUID, name: str) -> _Room:
        if not self._config.workspace_bytes:
            return _Room(self._config.object_bytes, None)
        async with self._db.transaction(workspace_id) as tx:
            used = (await queries.totals(tx)).size_bytes
            before = await queries.get(tx, name)
        replaced = 0 if before is None else before.size_bytes
        return _Room(self._config.object_bytes, max(0, self._config.workspace_bytes - used + replaced))

    def _require_quota(self, size_bytes: int) -> None:
        most = self._config.workspace_bytes
        if most and size_bytes > most:
            raise _over_quota(most)

    # --- contents that nobody names -----------------------------------------------------------------------------------

    async def _drop(self, workspace_id: UUID, left: Leftover) -> None:
        """Deletes a content now; what cannot be done now is done by a later sweep."""
        try:
            await self._stores[left.store].delete(left.store_key)
            async with self._db.transaction(workspace_id) as tx:
                await queries.forget_leftover(tx, left.store_key)
        except (GliaError, OSError, KeyError, psycopg.Error) as error:
            log.warning("a content that nobody needs is deleted later", error=str(error))

    async def sweep(self) -> int:
        """Deletes contents that killed processes left behind, of the stores that this process reaches."""
        done = 0
        for store in self._stores.values():
            async with self._db.across_workspaces() as tx:
                due = await queries.take_leftovers(tx, store.name, _SWEPT_AT_ONCE)
            for left in due:
                await store.delete(left.store_key)
                async with self._db.across_workspaces() as tx:
                    await queries.forget_leftover(tx, left.store_key)
            done += len(due)
        return done

    async def keep_clean(self) -> None:
        """Sweeps once a minute, without end."""
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            try:
                await self.sweep()
            except (GliaError, OSError, psycopg.Error) as error:
                log.warning("could not clear up stored contents", error=str(error))


@dataclass(frozen=True)
class _Room:
    """largest: for one object. left: of the workspace's quota; None without one."""

    largest: int
    left: int | None


async def _once(content: bytes) -> AsyncGenerator[bytes]:
    yield content


class _Counted:
    """Chunks on their way, with their number of bytes and hash. Raises TooLarge or QuotaExceeded at once."""

    def __init__(self, chunks: AsyncIterable[bytes], room: _Room) -> None:
        self._chunks = chunks
        self._room = room
        self._digest = hashlib.sha256()
        self.size_bytes = 0

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    async def __aiter__(self) -> AsyncGenerator[bytes]:
        async for chunk in self._chunks:
            self.size_bytes += len(chunk)
            _check_size(self.size_bytes, self._room)
            self._digest.update(chunk)
            yield chunk


def _check_size(size_bytes: int, room: _Room) -> None:
    if size_bytes > room.largest:
        raise TooLarge(
            f"The object is larger than {room.largest} bytes, the most this server takes; split it, or raise"
            " GLIA_STORAGE__OBJECT_BYTES."
        )
    if room.left is not None and size_bytes > room.left:
        raise _over_quota(room.left)


def _over_quota(most: int) -> QuotaExceeded:
    return QuotaExceeded(
        f"This workspace has room for {most} bytes at most; delete objects, or raise GLIA_STORAGE__WORKSPACE_BYTES."
    )


def _cursor_of(name: str) -> str:
    return base64.urlsafe_b64encode(name.encode()).rstrip(b"=").decode()


def _name_of(cursor: str | None) -> str | None:
    if not cursor:
        return None
    try:
        name = base64.b64decode(cursor + "==", altchars=b"-_", validate=True).decode()
    except (ValueError, binascii.Error):
        name = "\0"
    if "\0" in name:
        raise InvalidRequest(
            f"`cursor` {cursor[:100]!r} is not one that this server gave out; leave it away to start at the beginning.",
            field="cursor",
        )
    return name
