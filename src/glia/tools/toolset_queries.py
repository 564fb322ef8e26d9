"""All SQL about toolsets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from glia.kit.db import Transaction
from glia.kit.pages import Window
from glia.tools.queries import ToolRow
from glia.tools.types import Permission, ToolId, Toolset, ToolsetId


@dataclass(frozen=True)
class ToolsetRow:
    """A toolset with its sealed headers, which never leave the slice."""

    id: ToolsetId
    workspace_id: UUID
    name: str
    title: str
    base_url: str
    source_url: str | None
    header_names: tuple[str, ...]
    sealed_headers: bytes | None
    tool_count: int
    created_at: datetime
    updated_at: datetime
    project_id: UUID
    members: tuple[str, ...] | None
    description: str
    visibility: str
    is_enabled: bool
    metadata: dict[str, object]

    def shown(self) -> Toolset:
        return Toolset(
            self.id,
            self.name,
            self.title,
            self.base_url,
            self.source_url,
            self.header_names,
            self.tool_count,
            self.created_at,
            self.updated_at,
            self.project_id,
            self.members,
            self.description,
            self.visibility,
            self.is_enabled,
            self.metadata,
        )


@dataclass(frozen=True)
class Member:
    """A tool of a toolset. operation: what it was made from."""

    id: ToolId
    name: str
    operation: str
    permission: Permission


async def upsert(
    tx: Transaction,
    id: UUID,
    *,
    workspace_id: UUID,
    project_id: UUID,
    name: str,
    title: str,
    base_url: str,
    source_url: str | None,
) -> UUID:
    """The id: of the one that has the name already, else the given one."""
    return await tx.value(
        """
        insert into toolsets (id, workspace_id, project_id, name, title, base_url, source_url)
        values (%(id)s, %(workspace_id)s, %(project_id)s, %(name)s, %(title)s, %(base_url)s, %(source_url)s)
        on conflict (workspace_id, name) do update set title = excluded.title, base_url = excluded.base_url,
          source_url = excluded.source_url, updated_at = now()
        returning id""",
        id=id,
        workspace_id=workspace_id,
        project_id=project_id,
        name=name,
        title=title,
        base_url=base_url,
        source_url=source_url,
    )


async def set_headers(tx: Transaction, id: UUID, sealed: bytes | None, names: Sequence[str]) -> None:
    await tx.execute(
        "update toolsets set sealed_headers = %(sealed)s, header_names = %(names)s where id = %(id)s",
        id=id,
        sealed=sealed,
        names=list(names),
    )


async def get(tx: Transaction, id: UUID) -> ToolsetRow | None:
    return await tx.one_or_none(
        ToolsetRow,
        """
        select id, workspace_id, name, title, base_url, source_url, header_names, sealed_headers,
          coalesce(cardinality(members), (select count(*) from tools where toolset_id = toolsets.id)) as tool_count,
          created_at, updated_at, project_id, members, description, visibility, is_enabled, metadata
        from toolsets where id = %(id)s""",
        id=id,
    )


async def named(tx: Transaction, name: str) -> ToolsetRow | None:
    return await tx.one_or_none(
        ToolsetRow,
        """
        select id, workspace_id, name, title, base_url, source_url, header_names, sealed_headers,
          coalesce(cardinality(members), (select count(*) from tools where toolset_id = toolsets.id)) as tool_count,
          created_at, updated_at, project_id, members, description, visibility, is_enabled, metadata
        from toolsets where name = %(name)s for update""",
        name=name,
    )


async def list_page(tx: Transaction, window: Window) -> list[ToolsetRow]:
    return await tx.many(
        ToolsetRow,
        """
        select id, workspace_id, name, title, base_url, source_url, header_names, sealed_headers,
          coalesce(cardinality(members), (select count(*) from tools where toolset_id = toolsets.id)) as tool_count,
          created_at, updated_at, project_id, members, description, visibility, is_enabled, metadata
        from toolsets where %(after)s::uuid is null or id < %(after)s
        order by id desc limit %(rows)s""",
        after=window.after,
        rows=window.limit + 1,
    )


async def names(tx: Transaction, wanted: Sequence[str] | None = None) -> list[str]:
    """Of the wanted ones those that are there, or all."""
    return await tx.values(
        "select name from toolsets where %(wanted)s::text[] is null or name = any(%(wanted)s) order by name limit 1000",
        wanted=None if wanted is None else list(wanted),
    )


async def is_mcp_server(tx: Transaction, name: str) -> bool:
    """Whether an MCP server has the name: `name__*` must not mean two things."""
    return await tx.value("select exists (select 1 from mcp_servers where name = %(name)s)", name=name)


async def members(tx: Transaction, id: UUID) -> list[Member]:
    return await tx.many(
        Member,
        "select id, name, coalesce(operation, '') as operation, permission from tools where toolset_id = %(id)s",
        id=id,
    )


async def taken_names(tx: Transaction, names: Sequence[str], *, except_of: UUID | None) -> set[str]:
    """Those of the names that tools outside the toolset have."""
    found = await tx.values(
        """
        select name from tools where name = any(%(names)s)
          and (%(toolset)s::uuid is null or toolset_id is distinct from %(toolset)s)""",
        names=list(names),
        toolset=except_of,
    )
    return set(found)


async def adopt(tx: Transaction, tool_id: UUID, toolset_id: UUID, operation: str) -> None:
    await tx.execute(
        "update tools set toolset_id = %(toolset_id)s, operation = %(operation)s where id = %(tool_id)s",
        tool_id=tool_id,
        toolset_id=toolset_id,
        operation=operation,
    )


async def remove(tx: Transaction, ids: Sequence[UUID]) -> None:
    await tx.execute("delete from tools where id = any(%(ids)s)", ids=list(ids))


async def delete(tx: Transaction, id: UUID) -> str | None:
    """Who saw it; None when there was none."""
    return await tx.value("delete from toolsets where id = %(id)s returning visibility", id=id)


async def tools_of(tx: Transaction, toolsets: Sequence[str]) -> list[ToolRow]:
    """By the toolsets' names, in the order of their own."""
    return await tx.many(
        ToolRow,
        """
        select t.id, t.workspace_id, t.name, t.description, t.schema, t.effect, t.method, t.url, t.header_names,
          t.timeout_seconds, t.permission, t.placements, t.toolset_id, t.created_at, t.updated_at, t.sealed_headers
        from tools t join toolsets s on s.id = t.toolset_id where s.name = any(%(names)s) order by t.name""",
        names=list(toolsets),
    )
