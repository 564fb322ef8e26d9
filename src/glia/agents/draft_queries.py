"""SQL of drafts."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from glia.agents.types import Draft
from glia.kit.db import Transaction, json


async def insert(
    tx: Transaction,
    id: UUID,
    *,
    workspace_id: UUID,
    agent_id: UUID,
    number: int,
    changes: dict[str, Any],
    created_by: str,
) -> Draft | None:
    """None when the number is taken."""
    return await tx.one_or_none(
        Draft,
        """
        insert into agent_drafts (id, workspace_id, agent_id, number, changes, created_by)
        values (%(id)s, %(workspace_id)s, %(agent_id)s, %(number)s, %(changes)s, %(created_by)s)
        on conflict (agent_id, number) do nothing
        returning id, agent_id, number, changes, version, created_by, created_at""",
        id=id,
        workspace_id=workspace_id,
        agent_id=agent_id,
        number=number,
        changes=json(changes),
        created_by=created_by,
    )


async def keep(
    tx: Transaction,
    id: UUID,
    *,
    workspace_id: UUID,
    agent_id: UUID,
    number: int,
    changes: dict[str, Any],
    created_by: str,
    version: int,
) -> None:
    await tx.execute(
        """
        insert into agent_drafts (id, workspace_id, agent_id, number, changes, created_by, version)
        values (%(id)s, %(workspace_id)s, %(agent_id)s, %(number)s, %(changes)s, %(created_by)s, %(version)s)
        on conflict (agent_id, number) do update set changes = excluded.changes, version = excluded.version""",
        id=id,
        workspace_id=workspace_id,
        agent_id=agent_id,
        number=number,
        changes=json(changes),
        created_by=created_by,
        version=version,
    )


async def get(tx: Transaction, agent_id: UUID, number: int) -> Draft | None:
    return await tx.one_or_none(
        Draft,
        """
        select id, agent_id, number, changes, version, created_by, created_at from agent_drafts
        where agent_id = %(agent_id)s and number = %(number)s""",
        agent_id=agent_id,
        number=number,
    )


async def list_all(tx: Transaction, agent_id: UUID) -> list[Draft]:
    return await tx.many(
        Draft,
        """
        select id, agent_id, number, changes, version, created_by, created_at from agent_drafts
        where agent_id = %(agent_id)s order by number desc limit 1000""",
        agent_id=agent_id,
    )


async def note(tx: Transaction, id: UUID, version: int) -> None:
    await tx.execute("update agent_drafts set version = %(version)s where id = %(id)s", id=id, version=version)
