"""SQL of relationships and specializations."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from glia.agents.types import Relationship, Specialization
from glia.kit.db import Transaction, json


async def of_agent(tx: Transaction, agent_id: UUID) -> list[Relationship]:
    return await tx.many(
        Relationship,
        """
        select r.id, r.from_agent_id, r.to_agent_id, r.kind, r.metadata, r.created_at
        from agent_relationships r
        join agents f on f.id = r.from_agent_id and f.deleted_at is null
        join agents t on t.id = r.to_agent_id and t.deleted_at is null
        where %(agent_id)s in (r.from_agent_id, r.to_agent_id) order by r.id desc limit 1000""",
        agent_id=agent_id,
    )


async def insert(
    tx: Transaction,
    id: UUID,
    *,
    workspace_id: UUID,
    from_agent_id: UUID,
    to_agent_id: UUID,
    kind: str,
    metadata: dict[str, Any],
) -> Relationship:
    return await tx.one(
        Relationship,
        """
        insert into agent_relationships (id, workspace_id, from_agent_id, to_agent_id, kind, metadata)
        values (%(id)s, %(workspace_id)s, %(from_agent_id)s, %(to_agent_id)s, %(kind)s, %(metadata)s)
        on conflict (from_agent_id, to_agent_id, kind) do update set metadata = excluded.metadata
        returning id, from_agent_id, to_agent_id, kind, metadata, created_at""",
        id=id,
        workspace_id=workspace_id,
        from_agent_id=from_agent_id,
        to_agent_id=to_agent_id,
        kind=kind,
        metadata=json(metadata),
    )


async def delete(tx: Transaction, agent_id: UUID, id: UUID) -> Relationship | None:
    return await tx.one_or_none(
        Relationship,
        """
        delete from agent_relationships where id = %(id)s and %(agent_id)s in (from_agent_id, to_agent_id)
        returning id, from_agent_id, to_agent_id, kind, metadata, created_at""",
        id=id,
        agent_id=agent_id,
    )


async def specialize(
    tx: Transaction,
    id: UUID,
    *,
    workspace_id: UUID,
    agent_id: UUID,
    kind: str,
    capabilities: list[str],
    config: dict[str, Any],
) -> Specialization:
    return await tx.one(
        Specialization,
        """
        insert into agent_specializations (id, workspace_id, agent_id, kind, capabilities, config)
        values (%(id)s, %(workspace_id)s, %(agent_id)s, %(kind)s, %(capabilities)s, %(config)s)
        on conflict (agent_id) do update set kind = excluded.kind, capabilities = excluded.capabilities,
          config = excluded.config, updated_at = now()
        returning id, agent_id, kind, capabilities, config, created_at, updated_at""",
        id=id,
        workspace_id=workspace_id,
        agent_id=agent_id,
        kind=kind,
        capabilities=capabilities,
        config=json(config),
    )


async def specialization(tx: Transaction, agent_id: UUID) -> Specialization | None:
    return await tx.one_or_none(
        Specialization,
        """
        select id, agent_id, kind, capabilities, config, created_at, updated_at from agent_specializations
        where agent_id = %(agent_id)s""",
        agent_id=agent_id,
    )


async def unspecialize(tx: Transaction, agent_id: UUID) -> bool:
    return await tx.execute("delete from agent_specializations where agent_id = %(agent_id)s", agent_id=agent_id) == 1


async def specialists(tx: Transaction, kind: str | None) -> list[Specialization]:
    return await tx.many(
        Specialization,
        """
        select s.id, s.agent_id, s.kind, s.capabilities, s.config, s.created_at, s.updated_at
        from agent_specializations s join agents a on a.id = s.agent_id and a.deleted_at is null
        where %(kind)s::text is null or s.kind = %(kind)s
        order by (select count(*) from runs r where r.agent_id = s.agent_id
                  and r.status in ('queued', 'running', 'waiting')), s.id desc limit 1000""",
        kind=kind,
    )
