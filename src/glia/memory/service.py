"""Memories: save, search, list, change, forget."""

from __future__ import annotations

import re
from uuid import UUID

from glia.identity.types import Principal
from glia.kit.db import Database
from glia.kit.errors import InvalidRequest
from glia.kit.ids import new_id
from glia.kit.pages import LARGEST_LIMIT, Page, Window, page_of
from glia.memory import queries
from glia.memory.errors import MemoryNotFound
from glia.memory.types import Memory, Origin, Recall

LONGEST_CONTENT = 8_000
LONGEST_QUERY = 2_000
_MOST_CANDIDATES = 5_000
_MOST_TERMS = 32
# Chinese, Japanese and Thai write words without spaces between them.
_UNSPACED = re.compile(r"[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff]{3,}")


class Memories:
    def __init__(self, db: Database) -> None:
        self._db = db

    async def save(
        self,
        principal: Principal,
        content: str,
        *,
        agent_id: UUID | None,
        metadata: dict[str, object] | None = None,
        origin: Origin | None = None,
    ) -> Memory:
        """Saves it once for one `origin.source_key`: a repeat gets what the first try saved.

        agent_id: None lets every agent of the workspace find it. origin: set by the server, never by a client.
        """
        principal.require("memory:write")
        content = _checked(content)
        origin = origin or Origin()
        async with self._db.transaction(principal.workspace_id) as tx:
            saved = await queries.insert(
                tx,
                new_id(),
                workspace_id=principal.workspace_id,
                project_id=principal.project_id,
                agent_id=agent_id,
                content=content,
                metadata=metadata or {},
                origin=origin,
            )
            if saved is None and origin.source_key is not None:
                saved = await queries.by_source(tx, origin.source_key)
        if saved is None:
            raise InvalidRequest(f"There is no agent '{agent_id}' in this workspace.", field="agent_id")
        return saved

    async def search(self, principal: Principal, query: str, *, agent_id: UUID | None, limit: int = 10) -> Recall:
        """The memories that share words with the query; the newest ones when none does.

        agent_id: that agent's and the workspace's common ones; None for all. Looks at the newest 5,000.
        """
        principal.require("memory:read")
        if not 1 <= limit <= LARGEST_LIMIT:
            raise InvalidRequest(f"`limit` is {limit}; it must be between 1 and {LARGEST_LIMIT}.", field="limit")
        query = query.replace("\0", " ").strip()[:LONGEST_QUERY]
        async with self._db.transaction(principal.workspace_id) as tx:
            found = await queries.search(
                tx, agent_id=agent_id, query=query, terms=terms_of(query), candidates=_MOST_CANDIDATES, limit=limit
            )
            if found:
                return Recall(tuple(found), is_fallback=False)
            return Recall(tuple(await queries.newest(tx, agent_id=agent_id, limit=limit)), is_fallback=True)

    async def get(self, principal: Principal, id: UUID) -> Memory:
        principal.require("memory:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            memory = await queries.get(tx, id)
        if memory is None:
            raise _missing(id)
        return memory

    async def list(self, principal: Principal, window: Window, *, agent_id: UUID | None = None) -> Page[Memory]:
        """Newest first; of one agent, or of all."""
        principal.require("memory:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            rows = await queries.list_page(tx, window, agent_id)
        return page_of(rows, window, lambda memory: memory.id)

    async def update(
        self, principal: Principal, id: UUID, *, content: str | None = None, metadata: dict[str, object] | None = None
    ) -> Memory:
        """Changes what is given; the rest stays, also where it came from."""
        principal.require("memory:write")
        content = None if content is None else _checked(content)
        async with self._db.transaction(principal.workspace_id) as tx:
            memory = await queries.update(tx, id, content=content, metadata=metadata)
        if memory is None:
            raise _missing(id)
        return memory

    async def delete(self, principal: Principal, id: UUID) -> None:
        principal.require("memory:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            if not await queries.delete(tx, id):
                raise _missing(id)


def terms_of(query: str) -> list[str]:
    """The parts of a query to look for as they are: words of two letters and more, pairs in unspaced scripts."""
    terms: dict[str, None] = {}
    for word in re.findall(r"\w+", query.lower()):
        runs: list[str] = _UNSPACED.findall(word)
        pairs = [run[at : at + 2] for run in runs for at in range(len(run) - 1)]
        for term in pairs or [word]:
            if len(term) > 1:
                terms[term] = None
    return list(terms)[:_MOST_TERMS]


def _checked(content: str) -> str:
    content = content.replace("\0", "").strip()
    if not content:
        raise InvalidRequest("`content` is empty; say what to remember.", field="content")
    if len(content) > LONGEST_CONTENT:
        raise InvalidRequest(
            f"`content` has {len(content)} characters; the most is {LONGEST_CONTENT}. Keep the fact, or split it.",
            field="content",
        )
    return content


def _missing(id: UUID) -> MemoryNotFound:
    return MemoryNotFound(f"There is no memory '{id}' in this workspace.", memory_id=str(id))
