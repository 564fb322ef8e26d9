"""All SQL of the memory slice."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from glia.kit.db import Transaction, json
from glia.kit.pages import Window
from glia.memory.types import Memory, Origin


async def insert(
    tx: Transaction,
    id: UUID,
    *,
    workspace_id: UUID,
    project_id: UUID,
    agent_id: UUID | None,
    content: str,
    metadata: dict[str, object],
    origin: Origin,
) -> Memory | None:
    """None when the agent is not in this workspace, or the source key has been saved before.

    The foreign key alone would accept another workspace's agent: it looks past row-level security.
    """
    return await tx.one_or_none(
        Memory,
        """
        insert into memories (id, workspace_id, project_id, agent_id, content, metadata, session_id, run_id, source_key)
        select %(id)s, %(workspace_id)s, %(project_id)s, %(agent_id)s, %(content)s, %(metadata)s, %(session_id)s,
          %(run_id)s, %(source_key)s
        where %(agent_id)s::uuid is null
          or exists (select 1 from agents where id = %(agent_id)s and workspace_id = %(workspace_id)s)
        on conflict (workspace_id, source_key) do nothing
        returning id, agent_id, content, metadata, session_id, run_id, created_at, updated_at""",
        id=id,
        workspace_id=workspace_id,
        project_id=project_id,
        agent_id=agent_id,
        content=content,
        metadata=json(metadata),
        session_id=origin.session_id,
        run_id=origin.run_id,
        source_key=origin.source_key,
    )


async def by_source(tx: Transaction, source_key: str) -> Memory | None:
    return await tx.one_or_none(
        Memory,
        """
        select id, agent_id, content, metadata, session_id, run_id, created_at, updated_at
        from memories where source_key = %(source_key)s""",
        source_key=source_key,
    )


async def get(tx: Transaction, id: UUID) -> Memory | None:
    return await tx.one_or_none(
        Memory,
        """
        select id, agent_id, content, metadata, session_id, run_id, created_at, updated_at
        from memories where id = %(id)s""",
        id=id,
    )


async def list_page(tx: Transaction, window: Window, agent_id: UUID | None) -> list[Memory]:
    return await tx.many(
        Memory,
        """
        select id, agent_id, content, metadata, session_id, run_id, created_at, updated_at
        from memories
        where (%(agent_id)s::uuid is null or agent_id = %(agent_id)s) and (%(after)s::uuid is null or id < %(after)s)
        order by id desc limit %(rows)s""",
        agent_id=agent_id,
        after=window.after,
        rows=window.limit + 1,
    )


async def search(
    tx: Transaction, *, agent_id: UUID | None, query: str, terms: Sequence[str], candidates: int, limit: int
) -> list[Memory]:
    """The newest `candidates` memories that share a word with the query, best first.

    English words match by their stem. Terms match as plain parts of the text, for names and other languages; English
    stop words among them do not count.
    """
    return await tx.many(
        Memory,
        """
        with asked as (
          select replace(plainto_tsquery('english', %(query)s)::text, ' & ', ' | ')::tsquery as words
        ), wanted as (
          select lower(term) as term from unnest(%(terms)s::text[]) as term
          where numnode(plainto_tsquery('english', term)) > 0
        ), newest as (
          select id, agent_id, content, metadata, session_id, run_id, created_at, updated_at, words
          from memories
          where %(agent_id)s::uuid is null or agent_id = %(agent_id)s or agent_id is null
          order by id desc limit %(candidates)s
        ), scored as (
          select newest.*, ts_rank(newest.words, asked.words) * 10
            + (select count(*) from wanted where position(wanted.term in lower(newest.content)) > 0)::real as score
          from newest, asked
        )
        select id, agent_id, content, metadata, session_id, run_id, created_at, updated_at
        from scored where score > 0 order by score desc, id desc limit %(limit)s""",
        agent_id=agent_id,
        query=query,
        terms=list(terms),
        candidates=candidates,
        limit=limit,
    )


async def newest(tx: Transaction, *, agent_id: UUID | None, limit: int) -> list[Memory]:
    return await tx.many(
        Memory,
        """
        select id, agent_id, content, metadata, session_id, run_id, created_at, updated_at
        from memories where %(agent_id)s::uuid is null or agent_id = %(agent_id)s or agent_id is null
        order by id desc limit %(limit)s""",
        agent_id=agent_id,
        limit=limit,
    )


async def update(
    tx: Transaction, id: UUID, *, content: str | None, metadata: dict[str, object] | None
) -> Memory | None:
    return await tx.one_or_none(
        Memory,
        """
        update memories set content = coalesce(%(content)s, content), metadata = coalesce(%(metadata)s, metadata),
          updated_at = now()
        where id = %(id)s
        returning id, agent_id, content, metadata, session_id, run_id, created_at, updated_at""",
        id=id,
        content=content,
        metadata=None if metadata is None else json(metadata),
    )


async def delete(tx: Transaction, id: UUID) -> bool:
    return await tx.execute("delete from memories where id = %(id)s", id=id) == 1
