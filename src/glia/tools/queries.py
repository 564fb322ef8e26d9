"""All SQL of the tools slice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from glia.kit.db import Transaction, json
from glia.kit.pages import Window
from glia.tools.types import CustomTool, Effect, Permission, Placement, ToolId


@dataclass(frozen=True)
class ToolRow:
    """A custom tool with its sealed headers, which never leave the slice."""

    id: ToolId
    workspace_id: UUID
    name: str
    description: str
    schema: dict[str, object]
    effect: Effect
    method: str
    url: str
    header_names: tuple[str, ...]
    timeout_seconds: float
    permission: Permission
    placements: dict[str, Placement]
    toolset_id: UUID | None
    created_at: datetime
    updated_at: datetime
    sealed_headers: bytes | None

    def shown(self) -> CustomTool:
        return CustomTool(
            self.id,
            self.name,
            self.description,
            self.schema,
            self.effect,
            self.method,
            self.url,
            self.header_names,
            self.timeout_seconds,
            self.permission,
            self.placements,
            self.toolset_id,
            self.created_at,
            self.updated_at,
        )


async def insert(
    tx: Transaction, id: UUID, values: Mapping[str, object], *, workspace_id: UUID, project_id: UUID
) -> bool:
    """values: as `ToolRow` names them. False when the name is taken."""
    count = await tx.execute(
        """
        insert into tools (id, workspace_id, project_id, name, description, schema, effect, method, url,
          sealed_headers, header_names, timeout_seconds, permission, placements)
        values (%(id)s, %(workspace_id)s, %(project_id)s, %(name)s, %(description)s, %(schema)s, %(effect)s,
          %(method)s, %(url)s, %(sealed_headers)s, %(header_names)s, %(timeout_seconds)s, %(permission)s,
          %(placements)s)
        on conflict (workspace_id, name) do nothing""",
        **_parameters(values),
        id=id,
        workspace_id=workspace_id,
        project_id=project_id,
    )
    return count == 1


async def update(tx: Transaction, id: UUID, values: Mapping[str, object]) -> bool:
    """False when another tool has the name."""
    count = await tx.execute(
        """
        update tools set name = %(name)s, description = %(description)s, schema = %(schema)s, effect = %(effect)s,
          method = %(method)s, url = %(url)s, sealed_headers = %(sealed_headers)s, header_names = %(header_names)s,
          timeout_seconds = %(timeout_seconds)s, permission = %(permission)s,
          placements = %(placements)s, updated_at = now()
        where id = %(id)s and not exists (select 1 from tools other where other.name = %(name)s and other.id <> %(id)s)
        """,
        **_parameters(values),
        id=id,
    )
    return count == 1


def _parameters(values: Mapping[str, object]) -> dict[str, object]:
    return {**values, "schema": json(values["schema"]), "placements": json(values["placements"])}


async def lock(tx: Transaction, id: UUID) -> ToolRow | None:
    return await tx.one_or_none(
        ToolRow,
        """
        select id, workspace_id, name, description, schema, effect, method, url, header_names, timeout_seconds,
          permission, placements, toolset_id, created_at, updated_at, sealed_headers
        from tools where id = %(id)s for update""",
        id=id,
    )


async def get(tx: Transaction, id: UUID) -> ToolRow | None:
    return await tx.one_or_none(
        ToolRow,
        """
        select id, workspace_id, name, description, schema, effect, method, url, header_names, timeout_seconds,
          permission, placements, toolset_id, created_at, updated_at, sealed_headers
        from tools where id = %(id)s""",
        id=id,
    )


async def named(tx: Transaction, names: Sequence[str]) -> list[ToolRow]:
    return await tx.many(
        ToolRow,
        """
        select id, workspace_id, name, description, schema, effect, method, url, header_names, timeout_seconds,
          permission, placements, toolset_id, created_at, updated_at, sealed_headers
        from tools where name = any(%(names)s)""",
        names=list(names),
    )


async def list_names(tx: Transaction) -> list[str]:
    return await tx.values("select name from tools order by name limit 1000")


async def list_page(tx: Transaction, window: Window) -> list[ToolRow]:
    return await tx.many(
        ToolRow,
        """
        select id, workspace_id, name, description, schema, effect, method, url, header_names, timeout_seconds,
          permission, placements, toolset_id, created_at, updated_at, sealed_headers
        from tools where %(after)s::uuid is null or id < %(after)s
        order by id desc limit %(rows)s""",
        after=window.after,
        rows=window.limit + 1,
    )


async def delete(tx: Transaction, id: UUID) -> bool:
    return await tx.execute("delete from tools where id = %(id)s", id=id) == 1
