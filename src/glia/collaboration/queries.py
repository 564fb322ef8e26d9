"""All SQL of spaces."""

from __future__ import annotations

from typing import LiteralString
from uuid import UUID

from glia.collaboration.types import News, Participant, Space, SpaceRole, Update
from glia.kit.db import Transaction, json
from glia.kit.pages import Window

_SPACE: LiteralString = """
  select id, name, description, owner, context, last_seq, created_at, updated_at from spaces """
_PARTICIPANT: LiteralString = """
  select p.id, p.space_id, p.user_name, p.agent_id, p.role, p.joined_at from space_participants p """


async def insert(
    tx: Transaction,
    id: UUID,
    *,
    workspace_id: UUID,
    project_id: UUID,
    name: str,
    description: str,
    owner: str,
    context: dict[str, object],
) -> None:
    await tx.execute(
        """
        insert into spaces (id, workspace_id, project_id, name, description, owner, context)
        values (%(id)s, %(workspace_id)s, %(project_id)s, %(name)s, %(description)s, %(owner)s, %(context)s)""",
        id=id,
        workspace_id=workspace_id,
        project_id=project_id,
        name=name,
        description=description,
        owner=owner,
        context=json(context),
    )


async def count(tx: Transaction) -> int:
    return int(await tx.value("select count(*) from spaces"))


async def get(tx: Transaction, id: UUID) -> Space | None:
    return await tx.one_or_none(Space, _SPACE + "where id = %(id)s", id=id)


async def lock(tx: Transaction, id: UUID) -> Space | None:
    return await tx.one_or_none(Space, _SPACE + "where id = %(id)s for update", id=id)


async def list_page(tx: Transaction, window: Window, *, agent_id: UUID | None) -> list[Space]:
    return await tx.many(
        Space,
        _SPACE
        + """
        where (%(after)s::uuid is null or id < %(after)s) and (%(agent_id)s::uuid is null or exists (
          select from space_participants p where p.space_id = spaces.id and p.agent_id = %(agent_id)s))
        order by id desc limit %(rows)s""",
        after=window.after,
        agent_id=agent_id,
        rows=window.limit + 1,
    )


async def update(tx: Transaction, id: UUID, *, name: str, description: str, context: dict[str, object]) -> None:
    await tx.execute(
        """
        update spaces set name = %(name)s, description = %(description)s, context = %(context)s, updated_at = now()
        where id = %(id)s""",
        id=id,
        name=name,
        description=description,
        context=json(context),
    )


async def delete(tx: Transaction, id: UUID) -> bool:
    return await tx.execute("delete from spaces where id = %(id)s", id=id) == 1


async def has_agent(tx: Transaction, agent_id: UUID) -> bool:
    found = await tx.value("select true from agents where id = %(id)s and deleted_at is null", id=agent_id)
    return found is True


async def participants(tx: Transaction, space_id: UUID) -> list[Participant]:
    """Without agents that were deleted."""
    return await tx.many(
        Participant,
        _PARTICIPANT
        + """
        where p.space_id = %(space_id)s and (p.agent_id is null or exists (
          select from agents a where a.id = p.agent_id and a.deleted_at is null))
        order by p.id""",
        space_id=space_id,
    )


async def role_of(tx: Transaction, space_id: UUID, *, agent_id: UUID | None, user_name: str | None) -> str | None:
    return await tx.value(
        """
        select role from space_participants
        where space_id = %(space_id)s and (agent_id = %(agent_id)s or user_name = %(user_name)s) limit 1""",
        space_id=space_id,
        agent_id=agent_id,
        user_name=user_name,
    )


async def put_participant(
    tx: Transaction,
    id: UUID,
    space_id: UUID,
    *,
    workspace_id: UUID,
    user_name: str | None,
    agent_id: UUID | None,
    role: SpaceRole,
) -> None:
    """One that takes part already gets the role. The space's row is held."""
    changed = await tx.execute(
        """
        update space_participants set role = %(role)s
        where space_id = %(space_id)s and (agent_id = %(agent_id)s or user_name = %(user_name)s)""",
        space_id=space_id,
        agent_id=agent_id,
        user_name=user_name,
        role=role,
    )
    if not changed:
        await tx.execute(
            """
            insert into space_participants (id, space_id, workspace_id, user_name, agent_id, role)
            values (%(id)s, %(space_id)s, %(workspace_id)s, %(user_name)s, %(agent_id)s, %(role)s)""",
            id=id,
            space_id=space_id,
            workspace_id=workspace_id,
            user_name=user_name,
            agent_id=agent_id,
            role=role,
        )


async def delete_participant(tx: Transaction, space_id: UUID, id: UUID) -> bool:
    return (
        await tx.execute(
            "delete from space_participants where id = %(id)s and space_id = %(space_id)s", id=id, space_id=space_id
        )
        == 1
    )


async def append(
    tx: Transaction, space_id: UUID, news: News, *, workspace_id: UUID, author: str, agent_id: UUID | None
) -> Update:
    """The space's row is held, so that updates have no gaps and no two have one number."""
    return await tx.one(
        Update,
        """
        with place as (
          update spaces set last_seq = last_seq + 1, updated_at = now() where id = %(space_id)s returning last_seq
        )
        insert into space_updates (space_id, seq, workspace_id, kind, author, agent_id, content, data)
        select %(space_id)s, last_seq, %(workspace_id)s, %(kind)s, %(author)s, %(agent_id)s, %(content)s, %(data)s
        from place
        returning seq, kind, author, agent_id, content, data, at""",
        space_id=space_id,
        workspace_id=workspace_id,
        kind=news.kind,
        author=author,
        agent_id=agent_id,
        content=news.content,
        data=json(news.data),
    )


async def updates(tx: Transaction, space_id: UUID, *, after: int, limit: int) -> list[Update]:
    return await tx.many(
        Update,
        """
        select seq, kind, author, agent_id, content, data, at from space_updates
        where space_id = %(space_id)s and seq > %(after)s order by seq limit %(limit)s""",
        space_id=space_id,
        after=after,
        limit=limit,
    )
