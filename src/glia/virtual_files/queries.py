"""All SQL of the virtual files slice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import LiteralString
from uuid import UUID

from glia.kit.db import Transaction
from glia.kit.ids import new_id
from glia.kit.pages import Window
from glia.virtual_files.types import Access, Action, Content, Tree, VirtualFile

_COLUMNS: LiteralString = (
    "id, agent_id, session_id, path, file_id, media_type, size_bytes, version, created_at, updated_at"
)
_IN_TREE: LiteralString = "agent_id = %(agent_id)s and session_id is not distinct from %(session_id)s::uuid"


async def has_tree(tx: Transaction, tree: Tree) -> bool:
    """Whether there is such an agent, and such a session of its own. The agent's row is held, so that sizes add up."""
    return (
        await tx.value(
            """
            select true from agents a where a.id = %(agent_id)s and a.deleted_at is null
              and (%(session_id)s::uuid is null or exists
                (select from sessions s where s.id = %(session_id)s and s.agent_id = a.id))
            for no key update of a""",
            agent_id=tree.agent_id,
            session_id=tree.session_id,
        )
        is not None
    )


async def get(tx: Transaction, tree: Tree, path: str) -> VirtualFile | None:
    return await tx.one_or_none(
        VirtualFile,
        "select " + _COLUMNS + " from virtual_files where " + _IN_TREE + " and path = %(path)s",
        agent_id=tree.agent_id,
        session_id=tree.session_id,
        path=path,
    )


async def taken(tx: Transaction, tree: Tree, path: str, folders: Sequence[str]) -> str | None:
    """A file that stands where a folder above the path would be, or one below the path, which is a folder then."""
    return await tx.value(
        "select path from virtual_files where " + _IN_TREE + " and (path = any(%(folders)s) or"
        " starts_with(path, %(below)s)) limit 1",
        agent_id=tree.agent_id,
        session_id=tree.session_id,
        folders=list(folders),
        below=path + "/",
    )


@dataclass(frozen=True)
class Sum:
    files: int
    size_bytes: int


async def sum_of(tx: Transaction, agent_id: UUID) -> Sum:
    return await tx.one(
        Sum,
        """
        select count(*) as files, coalesce(sum(size_bytes), 0)::bigint as size_bytes
        from virtual_files where agent_id = %(agent_id)s""",
        agent_id=agent_id,
    )


async def insert(
    tx: Transaction,
    tree: Tree,
    path: str,
    content: Content,
    *,
    workspace_id: UUID,
    project_id: UUID,
) -> VirtualFile:
    return await tx.one(
        VirtualFile,
        """
        insert into virtual_files (id, workspace_id, project_id, agent_id, session_id, path, file_id, media_type,
          size_bytes)
        values (%(id)s, %(workspace_id)s, %(project_id)s, %(agent_id)s, %(session_id)s, %(path)s, %(file_id)s,
          %(media_type)s, %(size_bytes)s)
        returning """
        + _COLUMNS,
        id=new_id(),
        workspace_id=workspace_id,
        project_id=project_id,
        agent_id=tree.agent_id,
        session_id=tree.session_id,
        path=path,
        file_id=content.file_id,
        media_type=content.media_type,
        size_bytes=content.size_bytes,
    )


async def replace(tx: Transaction, id: UUID, content: Content) -> VirtualFile:
    return await tx.one(
        VirtualFile,
        """
        update virtual_files set file_id = %(file_id)s, media_type = %(media_type)s, size_bytes = %(size_bytes)s,
          version = version + 1, updated_at = now()
        where id = %(id)s returning """
        + _COLUMNS,
        id=id,
        file_id=content.file_id,
        media_type=content.media_type,
        size_bytes=content.size_bytes,
    )


async def move(tx: Transaction, id: UUID, path: str) -> VirtualFile:
    return await tx.one(
        VirtualFile,
        "update virtual_files set path = %(path)s, updated_at = now() where id = %(id)s returning " + _COLUMNS,
        id=id,
        path=path,
    )


async def list_below(tx: Transaction, tree: Tree, folder: str, *, limit: int) -> list[VirtualFile]:
    """By path, everything below a folder."""
    return await tx.many(
        VirtualFile,
        "select " + _COLUMNS + " from virtual_files where " + _IN_TREE + " and starts_with(path, %(below)s)"
        " order by path limit %(limit)s",
        agent_id=tree.agent_id,
        session_id=tree.session_id,
        below=folder.rstrip("/") + "/",
        limit=limit,
    )


async def note(
    tx: Transaction,
    tree: Tree,
    path: str,
    action: Action,
    *,
    workspace_id: UUID,
    by: str,
    other_path: str | None = None,
) -> None:
    await tx.execute(
        """
        insert into virtual_file_accesses (id, workspace_id, agent_id, session_id, path, action, other_path,
          accessed_by)
        values (%(id)s, %(workspace_id)s, %(agent_id)s, %(session_id)s, %(path)s, %(action)s, %(other_path)s,
          %(by)s)""",
        id=new_id(),
        workspace_id=workspace_id,
        agent_id=tree.agent_id,
        session_id=tree.session_id,
        path=path,
        action=action,
        other_path=other_path,
        by=by,
    )


async def accesses(tx: Transaction, agent_id: UUID, window: Window, *, path: str | None) -> list[Access]:
    return await tx.many(
        Access,
        """
        select id, agent_id, session_id, path, action, other_path, accessed_by, at from virtual_file_accesses
        where agent_id = %(agent_id)s and (%(path)s::text is null or path = %(path)s or other_path = %(path)s)
          and (%(after)s::uuid is null or id < %(after)s)
        order by id desc limit %(rows)s""",
        agent_id=agent_id,
        path=path,
        after=window.after,
        rows=window.limit + 1,
    )
