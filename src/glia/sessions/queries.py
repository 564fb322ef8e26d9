"""All SQL of the sessions slice."""

from __future__ import annotations

from uuid import UUID

from glia.kit.db import Transaction, json
from glia.kit.pages import Window
from glia.sessions.types import Session, SessionFilter


async def insert(
    tx: Transaction,
    id: UUID,
    *,
    workspace_id: UUID,
    project_id: UUID,
    agent_id: UUID | None,
    title: str,
    metadata: dict[str, object],
    agent_version: int | None = None,
    is_system: bool = False,
) -> Session:
    return await tx.one(
        Session,
        """
        insert into sessions (id, workspace_id, project_id, agent_id, agent_version, title, metadata, is_system)
        values (%(id)s, %(workspace_id)s, %(project_id)s, %(agent_id)s, %(agent_version)s, %(title)s, %(metadata)s,
          %(is_system)s)
        returning id, project_id, agent_id, agent_version, title, metadata, last_seq, created_at, updated_at,
          is_system""",
        id=id,
        workspace_id=workspace_id,
        project_id=project_id,
        agent_id=agent_id,
        agent_version=agent_version,
        title=title,
        metadata=json(metadata),
        is_system=is_system,
    )


async def get(tx: Transaction, id: UUID) -> Session | None:
    return await tx.one_or_none(
        Session,
        """
        select id, project_id, agent_id, agent_version, title, metadata, last_seq, created_at, updated_at, is_system,
               parent_session_id, forked_at
        from sessions where id = %(id)s and deleted_at is null""",
        id=id,
    )


async def list_page(tx: Transaction, window: Window, agent_id: UUID | None) -> list[Session]:
    """Conversations only: sessions that hold a job have no agent and are found through their run."""
    return await tx.many(
        Session,
        """
        select id, project_id, agent_id, agent_version, title, metadata, last_seq, created_at, updated_at, is_system,
               parent_session_id, forked_at
        from sessions
        where deleted_at is null and agent_id is not null
          and (%(agent_id)s::uuid is null or agent_id = %(agent_id)s)
          and (%(after)s::uuid is null or id < %(after)s)
        order by id desc limit %(rows)s""",
        agent_id=agent_id,
        after=window.after,
        rows=window.limit + 1,
    )


async def list_recent(tx: Transaction, wanted: SessionFilter, *, limit: int, offset: int) -> list[Session]:
    return await tx.many(
        Session,
        """
        select id, project_id, agent_id, agent_version, title, metadata, last_seq, created_at, updated_at,
               parent_session_id, forked_at
        from sessions
        where deleted_at is null and agent_id is not null
          and (%(agent_id)s::uuid is null or agent_id = %(agent_id)s)
          and metadata @> %(metadata)s
          and (%(since)s::timestamptz is null or created_at >= %(since)s)
          and (%(until)s::timestamptz is null or created_at < %(until)s)
        order by updated_at desc, id desc limit %(limit)s offset %(offset)s""",
        agent_id=wanted.agent_id,
        metadata=json(wanted.metadata),
        since=wanted.since,
        until=wanted.until,
        limit=limit,
        offset=offset,
    )


async def update(tx: Transaction, id: UUID, *, title: str | None, metadata: dict[str, object] | None) -> Session | None:
    """Changes what is not None."""
    return await tx.one_or_none(
        Session,
        """
        update sessions set title = coalesce(%(title)s, title), metadata = coalesce(%(metadata)s, metadata),
          updated_at = clock_timestamp()
        where id = %(id)s and deleted_at is null
        returning id, project_id, agent_id, agent_version, title, metadata, last_seq, created_at, updated_at, is_system,
          parent_session_id, forked_at""",
        id=id,
        title=title,
        metadata=None if metadata is None else json(metadata),
    )


async def delete(tx: Transaction, id: UUID) -> bool:
    count = await tx.execute(
        "update sessions set deleted_at = now(), updated_at = now() where id = %(id)s and deleted_at is null", id=id
    )
    return count == 1
