"""Memories: save, search, list, change, undo, and what becomes of those that contradict each other."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
import structlog

from glia.identity.types import Principal
from glia.kit.db import Database, Transaction
from glia.kit.errors import GliaError, InvalidRequest
from glia.kit.ids import new_id
from glia.kit.pages import LARGEST_LIMIT, Page, Window, page_of
from glia.memory import queries, search
from glia.memory.errors import ConflictNotFound, MemoryNotFound, NothingToUndo, VersionConflict
from glia.memory.facts import read_fact
from glia.memory.types import (
    LIFETIME_SECONDS,
    Conflict,
    Draft,
    Embedding,
    Filter,
    Find,
    Found,
    Kept,
    Memory,
    MemoryStatus,
    MemoryVersion,
    Origin,
    Recall,
    Scope,
    Tier,
    Use,
)

LONGEST_CONTENT = 8_000
LONGEST_QUERY = 2_000
LONGEST_COMMENT = 2_000
LARGEST_METADATA_BYTES = 32_000
_EMBED_SECONDS = 5.0
_CHANGEABLE = frozenset({"content", "metadata", "tier", "bucket", "importance", "status"})

log = structlog.stdlib.get_logger(__name__)


class Memories:
    def __init__(self, db: Database, embedding: Embedding | None = None) -> None:
        """embedding: None leaves memories to be found by their words alone."""
        self._db = db
        self._embedding = embedding

    async def save(self, principal: Principal, draft: Draft, origin: Origin | None = None) -> Memory:
        """Saves it once for one `origin.source_key`: a repeat gets what the first try saved.

        What it contradicts is superseded, and both are listed as a conflict. origin: set by the server, never by a
        client. The vector is made at once when the embedder answers within 5 s, and later otherwise.
        """
        principal.require("memory:write")
        draft = _checked_draft(draft)
        origin = origin or Origin()
        async with self._db.transaction(principal.workspace_id) as tx:
            saved, is_new = await self.save_in(tx, principal, draft, origin)
        if is_new:
            await self._embed(principal.workspace_id, saved)
        return saved

    async def save_in(self, tx: Transaction, principal: Principal, draft: Draft, origin: Origin) -> tuple[Memory, bool]:
        """Saves inside a transaction that does more; without the vector. Also says whether it is new."""
        if draft.topic is None and (fact := read_fact(draft.content)) is not None:
            draft = replace(draft, topic=fact.topic, value=fact.value)
        where = {"workspace_id": principal.workspace_id, "project_id": principal.project_id}
        saved = await queries.insert(tx, new_id(), draft, origin, **where)
        if saved is None:
            earlier = await queries.by_source(tx, origin.source_key) if origin.source_key is not None else None
            if earlier is None:
                raise InvalidRequest(f"There is no agent '{draft.agent_id}' in this workspace.", field="agent_id")
            return earlier, False
        await search.index(tx, saved.id, saved.content, workspace_id=principal.workspace_id)
        await queries.record(tx, saved, "created", by=_by(principal), workspace_id=principal.workspace_id)
        await supersede_contradicted(tx, principal, saved)
        return saved, True

    async def search(
        self,
        principal: Principal,
        query: str,
        scope: Scope,
        *,
        limit: int = 10,
        bucket: str | None = None,
        tier: Tier | None = None,
        use: Use | None = None,
    ) -> Recall:
        """The memories that fit the query, best first; the newest ones when none does.

        use: of an agent that is about to use what is found, which keeps it from fading.
        """
        principal.require("memory:read")
        if not 1 <= limit <= LARGEST_LIMIT:
            raise InvalidRequest(f"`limit` is {limit}; it must be between 1 and {LARGEST_LIMIT}.", field="limit")
        query = query.replace("\0", " ").strip()[:LONGEST_QUERY]
        scope = replace(scope, user_name=_plain(scope.user_name))
        vector = await self._vector_of(query)
        async with self._db.transaction(principal.workspace_id) as tx:
            found = await search.search(
                tx,
                scope,
                query,
                workspace_id=principal.workspace_id,
                limit=limit,
                bucket=_plain(bucket),
                tier=tier,
                vector=vector,
                model=self._embedding.model if self._embedding else None,
            )
            is_fallback = not found
            if is_fallback:
                newest = await queries.newest(tx, scope, bucket=_plain(bucket), tier=tier, limit=limit)
                found = [Found(memory, None, None, 0.0) for memory in newest]
            elif use is not None:
                ids = [one.memory.id for one in found]
                await queries.touch(tx, ids, use, workspace_id=principal.workspace_id)
        return Recall(tuple(found), is_fallback)

    async def get(self, principal: Principal, id: UUID) -> Memory:
        """Also one that is superseded or forgotten."""
        principal.require("memory:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            memory = await queries.get(tx, id)
        if memory is None:
            raise _missing(id)
        return memory

    async def numbered(self, principal: Principal, number: int) -> Memory:
        """By its number; also one that is superseded or forgotten."""
        principal.require("memory:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            memory = await queries.numbered(tx, number) if 0 < number < 2**63 else None
        if memory is None:
            raise MemoryNotFound(f"There is no memory {number} in this workspace.", number=number)
        return memory

    async def list(self, principal: Principal, window: Window, wanted: Filter | None = None) -> Page[Memory]:
        """Newest first; the active ones, unless the filter says otherwise."""
        principal.require("memory:read")
        wanted = wanted or Filter()
        wanted = replace(wanted, user_name=_plain(wanted.user_name), bucket=_plain(wanted.bucket))
        async with self._db.transaction(principal.workspace_id) as tx:
            rows = await queries.list_page(tx, window, wanted)
        return page_of(rows, window, lambda memory: memory.id)

    async def update(
        self, principal: Principal, id: UUID, changes: dict[str, Any], *, version: int | None = None
    ) -> Memory:
        """Makes a new version with these changes; the rest stays, also where it came from.

        changes: of content, metadata, tier, bucket, importance, status. version: raises VersionConflict when the
        memory is not at this version any more.
        """
        principal.require("memory:write")
        _check_changes(changes)
        async with self._db.transaction(principal.workspace_id) as tx:
            before = await _lock(tx, id, version)
            after = await _changed(tx, principal, before, changes, "updated")
            if after.content != before.content:
                await supersede_contradicted(tx, principal, after)
        await self._embed(principal.workspace_id, after)
        return after

    async def versions(self, principal: Principal, id: UUID) -> list[MemoryVersion]:
        """Newest first; at most 1,000."""
        principal.require("memory:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            if await queries.get(tx, id) is None:
                raise _missing(id)
            return await queries.list_versions(tx, id)

    async def finds(self, principal: Principal, id: UUID, window: Window) -> Page[Find]:
        """Each time that an agent found it, newest first."""
        principal.require("memory:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            if await queries.get(tx, id) is None:
                raise _missing(id)
            rows = await queries.finds(tx, id, window)
        return page_of(rows, window, lambda find: find.id)

    async def undo(self, principal: Principal, id: UUID) -> Memory:
        """Takes the latest change back, as a new version; again, the one before it. Raises NothingToUndo."""
        principal.require("memory:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            memory = await _lock(tx, id, None)
            latest = await queries.get_version(tx, id, memory.version)
            reached = memory.version if latest is None else latest.restores or latest.version
            target = await queries.get_version(tx, id, reached - 1)
            if target is None:
                raise NothingToUndo(
                    f"The memory '{id}' is as it was first saved; there is nothing to undo.", memory_id=str(id)
                )
            changes = {name: getattr(target, name) for name in (*_CHANGEABLE, "superseded_by")}
            restores = target.restores or target.version
            restored = await _changed(tx, principal, memory, changes, "undone", restores=restores)
        await self._embed(principal.workspace_id, restored)
        return restored

    async def delete(self, principal: Principal, id: UUID) -> None:
        """Deletes it for good, with its versions; setting `status` to `forgotten` can be undone."""
        principal.require("memory:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            if not await queries.delete(tx, id):
                raise _missing(id)

    async def feedback(
        self,
        principal: Principal,
        id: UUID,
        *,
        is_useful: bool | None,
        comment: str = "",
        source_key: str | None = None,
        feedback_id: UUID | None = None,
    ) -> Memory:
        """Moves the importance a fifth of the way to 1, or a third of the way to 0; None only notes the comment."""
        principal.require("memory:write")
        if len(comment) > LONGEST_COMMENT:
            raise InvalidRequest(
                f"`comment` has {len(comment)} characters; the most is {LONGEST_COMMENT}.", field="comment"
            )
        async with self._db.transaction(principal.workspace_id) as tx:
            memory = await _lock(tx, id, None)
            is_new = await queries.insert_feedback(
                tx,
                feedback_id or new_id(),
                id,
                workspace_id=principal.workspace_id,
                is_useful=is_useful,
                comment=comment.replace("\0", ""),
                by=_by(principal),
                source_key=source_key,
            )
            if not is_new or is_useful is None:
                return memory
            await queries.count_feedback(tx, id, is_useful=is_useful)
            moved = memory.importance + (1 - memory.importance) / 5 if is_useful else memory.importance * 2 / 3
            change = "found useful" if is_useful else "found not useful"
            return await _changed(tx, principal, memory, {"importance": moved}, change)

    async def forget_said(self, principal: Principal, content: str, scope: Scope) -> Memory:
        """Sets aside the memory that the scope shows with exactly these words. Does nothing the second time."""
        principal.require("memory:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            memory = await queries.saying(tx, scope, content.replace("\0", "").strip())
            if memory is None:
                raise MemoryNotFound("There is no memory with exactly these words.")
            if memory.status is MemoryStatus.FORGOTTEN:
                return memory
            return await _changed(tx, principal, memory, {"status": MemoryStatus.FORGOTTEN}, "forgotten")

    async def user_of(self, workspace_id: UUID, session_id: UUID) -> str | None:
        """The user that a session names in its metadata as `user_name`."""
        async with self._db.transaction(workspace_id) as tx:
            return await queries.user_of(tx, session_id)

    async def conflicts(self, principal: Principal, window: Window, *, scope_id: UUID | None = None) -> Page[Conflict]:
        """Newest first. scope_id: of one agent, or the workspace's id for the common memories; None for all."""
        principal.require("memory:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            rows = await queries.list_conflicts(tx, window, scope_id)
        return page_of(rows, window, lambda conflict: conflict.id)

    async def resolve(self, principal: Principal, id: UUID, kept: Kept) -> Conflict:
        """Decides a conflict anew: which of the two is found from now on."""
        principal.require("memory:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            conflict = await queries.get_conflict(tx, id)
            if conflict is None:
                raise ConflictNotFound(f"There is no memory conflict '{id}' in this workspace.", conflict_id=str(id))
            for own, other, name in (
                (conflict.older_id, conflict.newer_id, "older"),
                (conflict.newer_id, conflict.older_id, "newer"),
            ):
                is_kept = kept in {name, "both"}
                memory = await _lock(tx, own, None)
                status = MemoryStatus.ACTIVE if is_kept else MemoryStatus.SUPERSEDED
                changes = {"status": status, "superseded_by": None if is_kept else other}
                if memory.status is not status:
                    await _changed(tx, principal, memory, changes, "conflict decided")
            await queries.set_kept(tx, id, kept, _by(principal))
        return replace(conflict, kept=kept, resolved_by=_by(principal))

    async def _vector_of(self, query: str) -> str | None:
        """None when there is no embedder, or it does not answer: words are compared all the same."""
        if self._embedding is None or not query:
            return None
        try:
            async with asyncio.timeout(_EMBED_SECONDS):
                return (await self._embedding.embed([query]))[0]
        except (GliaError, TimeoutError) as error:
            log.warning("memories are searched by their words only", error=str(error) or "timeout")
            return None

    async def _embed(self, workspace_id: UUID, memory: Memory) -> None:
        if self._embedding is None:
            return
        vector = await self._vector_of(memory.content)
        if vector is not None:
            async with self._db.transaction(workspace_id) as tx:
                await search.set_vector(tx, memory.id, memory.content, vector, self._embedding.model)


async def supersede_contradicted(tx: Transaction, principal: Principal, newer: Memory) -> int:
    """The newest wins: what it contradicts is superseded, not deleted. Returns how many."""
    if newer.topic is None or newer.status is not MemoryStatus.ACTIVE:
        return 0
    contradicted = await queries.contradicting(tx, newer)
    for older in contradicted:
        await supersede(tx, principal, older, newer, topic=newer.topic, by="newest wins")
    return len(contradicted)


async def supersede(
    tx: Transaction, principal: Principal, older: Memory, newer: Memory, *, topic: str, by: str
) -> None:
    """Lets a memory take the place of a locked older one, and notes why."""
    await _changed(tx, principal, older, {"status": MemoryStatus.SUPERSEDED, "superseded_by": newer.id}, "superseded")
    await queries.insert_conflict(
        tx,
        new_id(),
        workspace_id=principal.workspace_id,
        topic=topic,
        older_id=older.id,
        newer_id=newer.id,
        kept="newer",
        by=by,
    )


async def change(tx: Transaction, principal: Principal, memory: Memory, changes: dict[str, Any], reason: str) -> Memory:
    """A new version of a locked memory, for the other use cases of this slice."""
    return await _changed(tx, principal, memory, changes, reason)


async def _changed(
    tx: Transaction,
    principal: Principal,
    before: Memory,
    changes: dict[str, Any],
    reason: str,
    *,
    restores: int | None = None,
) -> Memory:
    """Writes the next version of a locked memory, and keeps its words, topic and lifetime true to it."""
    wanted = replace(before, **changes)
    if "content" in changes:
        wanted = replace(wanted, content=checked_content(wanted.content))
    if wanted.content != before.content:
        fact = read_fact(wanted.content)
        wanted = replace(wanted, topic=fact.topic if fact else None, value=fact.value if fact else None)
    if wanted.tier is not before.tier:
        wanted = replace(wanted, expires_at=expiry_of(wanted.tier))
    after = await queries.write(tx, wanted)
    if after.content != before.content:
        await search.index(tx, after.id, after.content, workspace_id=principal.workspace_id)
    await queries.record(tx, after, reason, by=_by(principal), workspace_id=principal.workspace_id, restores=restores)
    return after


async def _lock(tx: Transaction, id: UUID, version: int | None) -> Memory:
    memory = await queries.lock(tx, id)
    if memory is None:
        raise _missing(id)
    if version is not None and memory.version != version:
        raise VersionConflict(
            f"The memory '{id}' is at version {memory.version}, not {version}: somebody changed it. Read it again, then"
            " change it.",
            version=memory.version,
        )
    return memory


def expiry_of(tier: Tier) -> datetime | None:
    seconds = LIFETIME_SECONDS[tier]
    return None if seconds is None else datetime.now(UTC) + timedelta(seconds=seconds)


def checked_content(content: str) -> str:
    content = content.replace("\0", "").strip()
    if not content:
        raise InvalidRequest("`content` is empty; say what to remember.", field="content")
    if len(content) > LONGEST_CONTENT:
        raise InvalidRequest(
            f"`content` has {len(content)} characters; the most is {LONGEST_CONTENT}. Keep the fact, or split it.",
            field="content",
        )
    return content


def _checked_draft(draft: Draft) -> Draft:
    _check_changes({"bucket": draft.bucket, "importance": draft.importance, "metadata": draft.metadata})
    if draft.user_name is not None and not 1 <= len(draft.user_name) <= 200:
        raise InvalidRequest("`user_name` must have between 1 and 200 characters.", field="user_name")
    return replace(
        draft,
        content=checked_content(draft.content),
        user_name=None if draft.user_name is None else draft.user_name.replace("\0", ""),
        expires_at=draft.expires_at or expiry_of(draft.tier),
    )


def _check_changes(changes: dict[str, Any]) -> None:
    if unknown := changes.keys() - _CHANGEABLE:
        raise InvalidRequest(f"A memory's {', '.join(sorted(unknown))} cannot be changed.")
    importance = changes.get("importance", 0.5)
    if not 0 <= importance <= 1:
        raise InvalidRequest(f"`importance` is {importance}; it must be between 0 and 1.", field="importance")
    metadata = orjson.dumps(changes.get("metadata", {}))
    if len(metadata) > LARGEST_METADATA_BYTES or b"\\u0000" in metadata:
        raise InvalidRequest(
            f"`metadata` may have {LARGEST_METADATA_BYTES} bytes as JSON, and no NUL character.", field="metadata"
        )
    bucket: str = changes.get("bucket", "general")
    if not 1 <= len(bucket) <= 100 or "\0" in bucket:
        raise InvalidRequest("`bucket` must have between 1 and 100 characters.", field="bucket")
    if changes.get("status") is MemoryStatus.SUPERSEDED:
        raise InvalidRequest("Only a newer memory supersedes one; `status` can be active or forgotten.", field="status")


def _plain(text: str | None) -> str | None:
    """Without the character that PostgreSQL cannot keep, and so never finds either."""
    return None if text is None else text.replace("\0", "\ufffd")


def _by(principal: Principal) -> str:
    return principal.name


def _missing(id: UUID) -> MemoryNotFound:
    return MemoryNotFound(f"There is no memory '{id}' in this workspace.", memory_id=str(id))
