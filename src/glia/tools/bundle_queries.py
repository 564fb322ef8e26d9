"""SQL of bundles: toolsets that name tools from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import LiteralString
from uuid import UUID

from glia.kit.db import Transaction, json
from glia.tools.toolset_queries import ToolsetRow
from glia.tools.types import BundleSpec

EVERY_TOOL = "__*"
"""What a name that stands for a whole toolset ends with."""

_COLUMNS: LiteralString = """
    id, workspace_id, name, title, base_url, source_url, header_names, sealed_headers,
    coalesce(cardinality(members), (select count(*) from tools where toolset_id = toolsets.id)) as tool_count,
    created_at, updated_at, project_id, members, description, visibility, is_enabled, metadata"""


async def insert(
    tx: Transaction, id: UUID, name: str, spec: BundleSpec, *, workspace_id: UUID, project_id: UUID
) -> bool:
    """False when the name is taken."""
    count = await tx.execute(
        """
        insert into toolsets (id, workspace_id, project_id, name, title, base_url, members, description, visibility,
          is_enabled, metadata)
        values (%(id)s, %(workspace_id)s, %(project_id)s, %(name)s, %(title)s, '', %(members)s, %(description)s,
          %(visibility)s, %(is_enabled)s, %(metadata)s)
        on conflict (workspace_id, name) do nothing""",
        id=id,
        workspace_id=workspace_id,
        project_id=project_id,
        name=name,
        **_values(spec),
    )
    return count == 1


async def update(tx: Transaction, id: UUID, spec: BundleSpec) -> None:
    """The members of what was imported stay as they are."""
    await tx.execute(
        """
        update toolsets set title = %(title)s, description = %(description)s, visibility = %(visibility)s,
          is_enabled = %(is_enabled)s, metadata = %(metadata)s, updated_at = now(),
          members = case when members is null then null else %(members)s::text[] end
        where id = %(id)s""",
        id=id,
        **_values(spec),
    )


def _values(spec: BundleSpec) -> dict[str, object]:
    return {
        "title": spec.title,
        "members": list(spec.members),
        "description": spec.description,
        "visibility": spec.visibility,
        "is_enabled": spec.is_enabled,
        "metadata": json(spec.metadata),
    }


async def lock(tx: Transaction, id: UUID) -> ToolsetRow | None:
    return await tx.one_or_none(ToolsetRow, "select" + _COLUMNS + " from toolsets where id = %(id)s for update", id=id)


async def listed(
    tx: Transaction, *, project_id: UUID | None, ids: Sequence[UUID] | None, text: str, limit: int, offset: int
) -> list[ToolsetRow]:
    return await tx.many(
        ToolsetRow,
        "select" + _COLUMNS + _WHERE + " order by id desc limit %(limit)s offset %(offset)s",
        project_id=project_id,
        ids=None if ids is None else list(ids),
        text=text,
        limit=limit,
        offset=offset,
    )


async def count(tx: Transaction, *, project_id: UUID | None, text: str) -> int:
    return await tx.value("select count(*)" + _WHERE, project_id=project_id, ids=None, text=text)


_WHERE: LiteralString = """
    from toolsets
    where (%(project_id)s::uuid is null or project_id = %(project_id)s or visibility <> 'project')
      and (%(ids)s::uuid[] is null or id = any(%(ids)s))
      and (%(text)s = '' or strpos(lower(name || ' ' || title || ' ' || description), lower(%(text)s)) > 0)"""


@dataclass(frozen=True)
class _Members:
    id: UUID
    name: str
    members: tuple[str, ...] | None
    is_enabled: bool


async def expanded(tx: Transaction, names: Sequence[str], toolset_ids: Sequence[UUID]) -> list[str]:
    """The names with those of bundles replaced by their members', then those of the toolsets."""
    wanted = [name.removesuffix(EVERY_TOOL) for name in names if name.endswith(EVERY_TOOL)]
    rows = await tx.many(
        _Members,
        "select id, name, members, is_enabled from toolsets where name = any(%(names)s) or id = any(%(ids)s)",
        names=wanted,
        ids=list(toolset_ids),
    )
    tools_of = {row.name + EVERY_TOOL: _tools_of(row) for row in rows}
    attached = {row.id: row.name + EVERY_TOOL for row in rows}
    asked = [*names, *(attached[id] for id in toolset_ids if id in attached)]
    return list(dict.fromkeys(tool for name in asked for tool in tools_of.get(name, (name,))))


def _tools_of(row: _Members) -> tuple[str, ...]:
    if not row.is_enabled:
        return ()
    return (row.name + EVERY_TOOL,) if row.members is None else row.members


async def known(tx: Transaction, ids: Sequence[UUID]) -> list[UUID]:
    return await tx.values("select id from toolsets where id = any(%(ids)s)", ids=list(ids))
