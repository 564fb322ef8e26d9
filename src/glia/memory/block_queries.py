"""SQL for blocks: the texts that stand in the prompts of agents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import LiteralString
from uuid import UUID

from glia.kit.db import Database, Transaction
from glia.kit.pages import Window
from glia.memory.types import Block, BlockSpec, BlockVersion, PinnedBlock

_COLUMNS: LiteralString = """
  b.id, b.agent_id, b.user_name, b.label, b.description, b.content, b.most_characters, b.is_read_only, b.version,
  array(select p.agent_id from memory_block_agents p where p.block_id = b.id order by 1) as pinned_to,
  b.created_at, b.updated_at"""


@dataclass(frozen=True)
class _Pinned:
    blocks: list[PinnedBlock] | None


async def insert(tx: Transaction, id: UUID, spec: BlockSpec, *, workspace_id: UUID, project_id: UUID) -> Block | None:
    """None when the label is taken there."""
    return await tx.one_or_none(
        Block,
        """
        insert into memory_blocks as b (id, workspace_id, project_id, agent_id, user_name, label, description, content,
          most_characters, is_read_only)
        values (%(id)s, %(workspace_id)s, %(project_id)s, %(agent_id)s, %(user_name)s, %(label)s, %(description)s,
          %(content)s, %(most)s, %(is_read_only)s)
        on conflict do nothing
        returning"""
        + _COLUMNS,
        id=id,
        workspace_id=workspace_id,
        project_id=project_id,
        agent_id=spec.agent_id,
        user_name=spec.user_name,
        label=spec.label,
        description=spec.description,
        content=spec.content,
        most=spec.most_characters,
        is_read_only=spec.is_read_only,
    )


async def get(tx: Transaction, id: UUID) -> Block | None:
    return await tx.one_or_none(
        Block, "select" + _COLUMNS + " from memory_blocks b where b.id = %(id)s and b.deleted_at is null", id=id
    )


async def lock(tx: Transaction, id: UUID) -> Block | None:
    return await tx.one_or_none(
        Block,
        "select" + _COLUMNS + " from memory_blocks b where b.id = %(id)s and b.deleted_at is null for update of b",
        id=id,
    )


async def list_page(tx: Transaction, window: Window, agent_id: UUID | None, *, is_deleted: bool = False) -> list[Block]:
    return await tx.many(
        Block,
        "select"
        + _COLUMNS
        + """
        from memory_blocks b
        where (%(agent_id)s::uuid is null or b.agent_id = %(agent_id)s
            or exists (select from memory_block_agents p where p.block_id = b.id and p.agent_id = %(agent_id)s))
          and (b.deleted_at is not null) = %(is_deleted)s
          and (%(after)s::uuid is null or b.id < %(after)s)
        order by b.id desc limit %(rows)s""",
        agent_id=agent_id,
        is_deleted=is_deleted,
        after=window.after,
        rows=window.limit + 1,
    )


async def pinned(tx: Transaction, agent_id: UUID, user_name: str | None) -> list[Block]:
    """What an agent has in its prompt in a session of this user, in the order it was made."""
    return await tx.many(
        Block,
        "select"
        + _COLUMNS
        + """
        from memory_blocks b
        where (b.agent_id = %(agent_id)s
            or b.id in (select block_id from memory_block_agents where agent_id = %(agent_id)s))
          and b.deleted_at is null and (b.user_name is null or b.user_name = %(user_name)s)
        order by b.id limit 50""",
        agent_id=agent_id,
        user_name=user_name,
    )


async def write(tx: Transaction, block: Block) -> Block:
    """Stores what can be changed of a block, as its next version."""
    return await tx.one(
        Block,
        """
        update memory_blocks b set content = %(content)s, description = %(description)s, most_characters = %(most)s,
          is_read_only = %(is_read_only)s, version = version + 1, updated_at = now()
        where b.id = %(id)s
        returning"""
        + _COLUMNS,
        id=block.id,
        content=block.content,
        description=block.description,
        most=block.most_characters,
        is_read_only=block.is_read_only,
    )


async def record(
    tx: Transaction,
    block: Block,
    change: str,
    *,
    workspace_id: UUID,
    by: str,
    restores: int | None = None,
    run_id: UUID | None = None,
    source_key: str | None = None,
) -> None:
    await tx.execute(
        """
        insert into memory_block_versions (block_id, version, workspace_id, content, change, restores, changed_by,
          run_id, source_key)
        values (%(id)s, %(version)s, %(workspace_id)s, %(content)s, %(change)s, %(restores)s, %(by)s, %(run_id)s,
          %(source_key)s)""",
        id=block.id,
        version=block.version,
        workspace_id=workspace_id,
        content=block.content,
        change=change,
        restores=restores,
        by=by,
        run_id=run_id,
        source_key=source_key,
    )


async def was_made(tx: Transaction, source_key: str) -> bool:
    """Whether the edit with this key has been made before."""
    return await tx.value("select true from memory_block_versions where source_key = %(key)s", key=source_key) is True


async def list_versions(tx: Transaction, id: UUID) -> list[BlockVersion]:
    return await tx.many(
        BlockVersion,
        """
        select version, content, change, restores, changed_by, run_id, source_key, created_at
        from memory_block_versions where block_id = %(id)s order by version desc limit 1000""",
        id=id,
    )


async def get_version(tx: Transaction, id: UUID, version: int) -> BlockVersion | None:
    return await tx.one_or_none(
        BlockVersion,
        """
        select version, content, change, restores, changed_by, run_id, source_key, created_at
        from memory_block_versions where block_id = %(id)s and version = %(version)s""",
        id=id,
        version=version,
    )


async def delete(tx: Transaction, id: UUID) -> bool:
    """Hides it from everybody; it can be restored until `purge` takes it."""
    return (
        await tx.execute(
            "update memory_blocks set deleted_at = now() where id = %(id)s and deleted_at is null",
            id=id,
        )
        == 1
    )


async def restore(tx: Transaction, id: UUID) -> Block | None:
    """None when no block of that id is deleted, or another one has its label now."""
    return await tx.one_or_none(
        Block,
        """
        update memory_blocks b set deleted_at = null
        where b.id = %(id)s and b.deleted_at is not null and not exists (
          select from memory_blocks o where o.deleted_at is null and o.agent_id is not distinct from b.agent_id
            and o.label = b.label and o.user_name is not distinct from b.user_name)
        returning"""
        + _COLUMNS,
        id=id,
    )


async def deleted(tx: Transaction, id: UUID) -> Block | None:
    """A block that can be restored, locked."""
    return await tx.one_or_none(
        Block,
        "select" + _COLUMNS + " from memory_blocks b where b.id = %(id)s and b.deleted_at is not null for update of b",
        id=id,
    )


async def erase(tx: Transaction, id: UUID) -> bool:
    """Deletes it for good, with its versions, whether it was deleted before or not."""
    return await tx.execute("delete from memory_blocks where id = %(id)s", id=id) == 1


async def purge(tx: Transaction, *, days: int) -> None:
    """Deletes for good what was deleted longer ago."""
    await tx.execute(
        "delete from memory_blocks where deleted_at < now() - make_interval(days => %(days)s)",
        days=days,
    )


async def pin(tx: Transaction, id: UUID, agent_id: UUID, *, workspace_id: UUID) -> None:
    await tx.execute(
        """
        insert into memory_block_agents (block_id, agent_id, workspace_id)
        values (%(id)s, %(agent_id)s, %(workspace_id)s) on conflict do nothing""",
        id=id,
        agent_id=agent_id,
        workspace_id=workspace_id,
    )


async def unpin(tx: Transaction, id: UUID, agent_id: UUID) -> None:
    await tx.execute(
        "delete from memory_block_agents where block_id = %(id)s and agent_id = %(agent_id)s", id=id, agent_id=agent_id
    )


async def context(db: Database, *, workspace_id: UUID, agent_id: UUID, session_id: UUID) -> list[PinnedBlock]:
    """The blocks of an agent in a session, in one round trip, because every run begins with it."""
    found = await db.call(
        _Pinned,
        "select pinned_blocks(%(workspace_id)s, %(agent_id)s, %(session_id)s) as blocks",
        workspace_id=workspace_id,
        agent_id=agent_id,
        session_id=session_id,
    )
    return (found.blocks if found else None) or []


async def count(tx: Transaction, agent_id: UUID) -> int:
    """How many blocks an agent could see at most in one session: everybody's, and those of one user."""
    return await tx.value(
        """
        select count(*) filter (where user_name is null)
          + coalesce((select max(n) from (select count(*) as n from memory_blocks o
              where o.agent_id = %(agent_id)s and o.user_name is not null and o.deleted_at is null
              group by o.user_name) users), 0)
        from memory_blocks b
        where b.deleted_at is null and (b.agent_id = %(agent_id)s
          or b.id in (select block_id from memory_block_agents where agent_id = %(agent_id)s))""",
        agent_id=agent_id,
    )
